"""A runtime for tests, with the names of LiteRT's interpreter. The model file says how it behaves: {"load": "abort"}.

It is copied beside its metadata and imported by the child; see `fakes`.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import signal
import sys
import threading
import time
from typing import Any, ClassVar

import numpy as np

DONE = {"is": "done", "cpu_ns": 1, "wall_ns": 2}


class OpResolverType:
    AUTO, BUILTIN_REF, BUILTIN_WITHOUT_DEFAULT_DELEGATES = "auto", "reference", "none"


def load_delegate(library: str, options: dict[str, str]) -> str:
    if options.get("device") == "absent":
        raise ValueError("no such device")
    return library


class Interpreter:
    """Doubles its input, plus the number of runs before when the model says "count"."""

    spec: ClassVar[dict[str, Any]] = {
        "name": "x",
        "index": 0,
        "shape": np.array([1, 4]),
        "dtype": np.float32,
        "quantization_parameters": {"scales": np.array([0.5]), "zero_points": np.array([3])},
    }

    def __init__(
        self,
        model_path: str,
        num_threads: int,
        experimental_delegates: list[str],
        experimental_op_resolver_type: str,
    ) -> None:
        with open(model_path) as file:
            self.model = json.load(file)
        self.delegates, self.resolver = experimental_delegates, experimental_op_resolver_type
        self.runs = 0
        self.x = self.y = np.zeros((1, 4), np.float32)

    def allocate_tensors(self) -> None:
        behave(self.model.get("load", ""))

    def get_input_details(self) -> list[dict[str, Any]]:
        return [
            self.spec | self.model.get("input", {}) | ({"name": str(os.getpid())} if self.model.get("fickle") else {})
        ]

    def get_output_details(self) -> list[dict[str, Any]]:
        return [self.spec | {"name": "y", "index": 1} | self.model.get("output", {})]

    def _get_ops_details(self) -> list[dict[str, str]]:
        delegated = self.delegates or self.resolver == "auto"
        own = "VAR_HANDLE" if self.model.get("run") == "count" else "ADD"
        return [{"op_name": own}, *([{"op_name": "DELEGATE"}] if delegated else [])]

    def set_tensor(self, index: int, value: np.ndarray) -> None:
        self.x = value

    def invoke(self) -> None:
        behave(self.model.get("run", ""))
        self.y = self.x * 2 + (self.runs if self.model.get("run") == "count" else 0)
        self.runs += 1

    def get_tensor(self, index: int) -> np.ndarray:
        verb = self.model.get("run")
        if verb == "grow":
            return np.arange(self.x[0, 0], dtype=np.float32)
        return self.y.astype(np.float64) if verb == "other dtype" else self.y


def behave(verb: str) -> None:
    """Do what a hostile model makes a runtime do."""
    answer = int(sys.argv[2])
    if verb == "segfault":
        ctypes.string_at(0)
    elif verb == "abort":
        print("terminate called", file=sys.stderr, flush=True)
        os.abort()
    elif verb == "exit":
        os._exit(3)
    elif verb == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif verb == "refuse":
        raise RuntimeError("Encountered unresolved custom op: \x1b[31mFoo")
    elif verb == "slow":
        time.sleep(1)
    elif verb == "hang":
        time.sleep(600)
    elif verb == "hang natively":  # the interpreter lock is held, no Python code of the child runs any more
        ctypes.PyDLL(None).sleep(600)
    elif verb == "eat":
        kept = []
        while True:
            kept.append(np.ones(1 << 20))
    elif verb == "flood":
        puts = ctypes.CDLL(None).puts
        for _ in range(20_000):
            puts(b"flood " * 40)
    elif verb == "flood for ever":
        puts = ctypes.CDLL(None).puts
        threading.Thread(target=lambda: [puts(b"flood " * 40) for _ in itertools.count()], daemon=True).start()
    elif verb == "garbage":
        os.write(answer, b"\xff" * 64)
    elif verb == "short garbage":
        os.write(answer, (4).to_bytes(4, "little") + b"what")
    elif verb == "many outputs":
        os.write(answer, _framed(DONE | {"outputs": [{"dtype": "float32", "shape": []}] * 9}))
    elif verb == "huge output":
        os.write(answer, _framed(DONE | {"outputs": [{"dtype": "float32", "shape": [1 << 30, 1 << 30]}]}))
    elif verb == "other answer":
        os.write(
            answer,
            _framed(
                {"is": "opened", "version": "1", "delegated": 0, "keeps_state": False, "inputs": [], "outputs": []}
            ),
        )


def _framed(message: object) -> bytes:
    text = json.dumps(message).encode()
    return len(text).to_bytes(4, "little") + text
