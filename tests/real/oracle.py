"""LiteRT's reference kernels as the oracle, in a process of its own: no other ML runtime is ever imported beside ours.

    with Oracle() as oracle:
        calls = [[x0], [x1]]
        answers = oracle.run(model_bytes, calls)             # one list of outputs per call, state kept between them
        shown = oracle.tensors(model_bytes, calls, names)    # per call: outputs, and name -> intermediate result

One process answers any number of questions, because importing LiteRT takes longer than most models. A model that it
refuses, or that ends the process, is an OracleError; the next question starts a new process.

    parent -> child    pickled (model, calls, kernels, names)
    child -> parent    pickled ("done", answers) or ("refused", its words)
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

SEED = 20261121
#: The longest that one question may take.
ANSWER_S = 1200.0

Arrays = list[np.ndarray]
#: Outputs, and name -> intermediate result.
Shown = tuple[Arrays, dict[str, np.ndarray]]


def seeded_inputs(specs: list[dict[str, object]], given: Arrays, count: int, seed: int = SEED) -> list[Arrays]:
    """Return `count` calls: the even ones uniform over the dtype, the odd ones shaped like the given input.

    "Shaped like": its values shuffled in blocks and shifted a little, so that activations stay in their usual range.
    """
    rng = np.random.default_rng(seed)
    calls = []
    for index in range(count):
        call = []
        for example in given:
            if index % 2 == 0:
                call.append(_uniform(rng, example))
            else:
                call.append(_shaped(rng, example))
        calls.append(call)
    return calls


def _uniform(rng: np.random.Generator, example: np.ndarray) -> np.ndarray:
    if example.dtype.kind == "f":
        low, high = float(example.min()), float(example.max())
        return rng.uniform(low, high if high > low else low + 1, example.shape).astype(example.dtype)
    info = np.iinfo(example.dtype)
    return rng.integers(info.min, info.max + 1, example.shape).astype(example.dtype)


def _shaped(rng: np.random.Generator, example: np.ndarray) -> np.ndarray:
    moved = np.roll(example.reshape(-1), int(rng.integers(example.size))).reshape(example.shape)
    if example.dtype.kind == "f":
        spread = float(example.std()) or 1.0
        return (moved + rng.normal(0, 0.1 * spread, example.shape)).astype(example.dtype)
    info = np.iinfo(example.dtype)
    noisy = moved.astype(np.int64) + rng.integers(-8, 9, example.shape)
    return np.clip(noisy, info.min, info.max).astype(example.dtype)


class OracleError(Exception):
    """The oracle refuses the model, or the model ended it."""


class Oracle:
    """The process; it starts with the first question."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, model: bytes, calls: list[Arrays], kernels: str = "BUILTIN_REF") -> list[Arrays]:
        """Return the outputs of each call.

        kernels: name of an `OpResolverType`: BUILTIN_REF is the truth, AUTO is XNNPACK.

        Raises:
            OracleError: no answer.
        """
        return [outputs for outputs, _ in self._ask(model, calls, kernels, None)]

    def tensors(self, model: bytes, calls: list[Arrays], names: Collection[str]) -> list[Shown]:
        """Return outputs and intermediate results of each call, by the reference kernels.

        names: of the tensors wanted; "tensor 7" is number 7, where it has no name. Those that cannot be read, or
            that share their name with another, are not in the answer.

        Raises:
            OracleError: no answer.
        """
        return self._ask(model, calls, "BUILTIN_REF", frozenset(names))

    def close(self) -> None:
        """End the process."""
        child, self._child = self._child, None
        if child is not None:
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()
            child.kill()
            child.wait()

    def __enter__(self) -> Oracle:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _ask(self, model: bytes, calls: list[Arrays], kernels: str, names: frozenset[str] | None) -> list[Shown]:
        child = self._running()
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("the oracle was started without pipes")
        late = threading.Timer(ANSWER_S, child.kill)
        late.start()
        try:
            pickle.dump((model, calls, kernels, names), child.stdin)
            child.stdin.flush()
            kind, answer = pickle.load(child.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            self.close()
            raise OracleError(f"LiteRT ended with code {child.returncode} on this model") from None
        finally:
            late.cancel()
        if kind != "done":
            raise OracleError(f"LiteRT refuses this model: {answer}")
        shown: list[Shown] = answer
        return shown

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        return self._child


def run_oracle(model: Path, calls: list[Arrays], folder: Path, kernels: str = "BUILTIN_REF") -> list[Arrays]:
    """Return the oracle's outputs for each call, and leave its inputs in folder/inputs.npz as `<call>_<input>`."""
    np.savez(folder / "inputs.npz", **{f"{i}_{k}": x for i, call in enumerate(calls) for k, x in enumerate(call)})
    with Oracle() as oracle:
        return oracle.run(model.read_bytes(), calls, kernels)


def _answer(model: bytes, calls: list[Arrays], kernels: str, names: frozenset[str] | None) -> list[Shown]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=model,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType[kernels],
        experimental_preserve_all_tensors=names is not None,
    )
    interpreter.allocate_tensors()
    in_ids = [detail["index"] for detail in interpreter.get_input_details()]
    out_ids = [detail["index"] for detail in interpreter.get_output_details()]
    wanted = {} if names is None else _indices(interpreter, names)
    answers = []
    for call in calls:
        for tensor, array in zip(in_ids, call, strict=True):
            interpreter.set_tensor(tensor, array)
        interpreter.invoke()
        answers.append(([interpreter.get_tensor(index) for index in out_ids], _contents(interpreter, wanted)))
    return answers


def _indices(interpreter: Any, names: frozenset[str]) -> dict[str, int]:
    details = interpreter.get_tensor_details()
    named = [(detail["name"] or f"tensor {detail['index']}", detail["index"]) for detail in details]
    counts = Counter(name for name, _ in named)
    return {name: index for name, index in named if counts[name] == 1 and name in names}


def _contents(interpreter: Any, wanted: dict[str, int]) -> dict[str, np.ndarray]:
    found = {}
    for name, index in wanted.items():
        with contextlib.suppress(ValueError):  # folded away: it has no contents
            found[name] = interpreter.get_tensor(index)
    return found


def main() -> None:
    """Answer until the parent hangs up."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # LiteRT prints
    while True:
        try:
            question = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            reply: tuple[str, Any] = "done", _answer(*question)
        except (ValueError, RuntimeError, KeyError) as error:
            reply = "refused", str(error)
        pickle.dump(reply, answers)
        answers.flush()


if __name__ == "__main__":
    main()
