from __future__ import annotations

import io
import json
import resource
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_sdk.runtime import cache, compile_module
from edge_sdk.runtime._wasmtime import wasmtime
from edge_sdk.runtime.engine import EngineSpec

SPEC = json.dumps(asdict(EngineSpec(1 << 20)))


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> dict[int, tuple[int, int]]:
    """What the module would have set for its process; `hard` limits are those of this one."""
    found: dict[int, tuple[int, int]] = {}
    monkeypatch.setattr(resource, "setrlimit", found.__setitem__)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"\0asm\x01\0\0\0")))
    return found


@pytest.mark.parametrize("function", ["__init__", "serialize"])
def test_too_little_memory_is_a_refusal_and_not_work_for_the_parent(
    limits: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, function: str
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(wasmtime.Module, function, fail)
    assert compile_module.main(SPEC, str(tmp_path / "out")) == cache.REFUSED
    assert capsys.readouterr().out == "compiling it needs more than 1024 MiB\n"


@pytest.mark.parametrize(("hard", "expected"), [(resource.RLIM_INFINITY, 1 << 30), (1 << 40, 1 << 30), (4096, 4096)])
def test_a_lower_limit_of_the_service_is_kept(
    limits: dict[int, tuple[int, int]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hard: int, expected: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (hard, hard))
    assert compile_module.main(SPEC, str(tmp_path / "out")) == 0
    assert limits == {resource.RLIMIT_DATA: (expected, expected), resource.RLIMIT_CORE: (0, 0)}
