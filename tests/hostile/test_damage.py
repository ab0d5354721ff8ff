"""Truncated and bit-flipped modules: an error of ours or a working model, never another exception or a dead process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_sdk.errors import ModelError
from edge_sdk.runtime.module import check_module
from tests.hostile.guests import adder
from tests.support import REPOSITORY, require_shared

EACH = 120


def tally(path: Path, engine: str, seed: int, cache: Path) -> dict[str, int]:
    environment = os.environ | {"EDGE_SDK_CACHE": str(cache)}
    command = [sys.executable, "-m", "tests.hostile.flip_bits", str(path), engine, str(seed), str(EACH)]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}"
    found: dict[str, int] = json.loads(done.stdout)
    assert sum(found.values()) == EACH
    return found


@pytest.mark.parametrize("engine", ["host", "sandbox"])
def test_a_damaged_real_model_never_ends_the_process(engine: str, tmp_path: Path) -> None:
    from edge_sdk.compiler.convert import convert

    source = require_shared("models/hello_world_int8.tflite")
    module = tmp_path / "model.wasm"
    module.write_bytes(convert(source.read_bytes(), name="hello").module)
    found = tally(module, engine, seed=1, cache=tmp_path / "cache")
    assert found.get("ModelError", 0) > EACH // 4, found


@pytest.mark.parametrize("engine", ["host", "sandbox"])
def test_a_damaged_small_guest_never_ends_the_process(engine: str, tmp_path: Path) -> None:
    module = tmp_path / "guest.wasm"
    module.write_bytes(adder())
    found = tally(module, engine, seed=2, cache=tmp_path / "cache")
    assert found.get("ModelError", 0) > EACH // 4, found
    assert found.get("SandboxError", 0) > 0, found


def test_every_truncation_is_a_model_error() -> None:
    wasm = adder()
    for length in range(len(wasm)):
        with pytest.raises(ModelError):
            check_module(wasm[:length], memory_limit_bytes=1 << 28)
