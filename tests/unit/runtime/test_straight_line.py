"""Code that can only go forward needs no test of the deadline in its kernels; all other code does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_sdk.compiler.convert import convert
from edge_sdk.errors import DeadlineError
from edge_sdk.runtime import session as module_of_sessions
from edge_sdk.runtime.engine import EngineSpec
from edge_sdk.runtime.module import check_module
from edge_sdk.runtime.session import open_session
from edge_sdk.runtime.straight_line import is_straight_line
from tests.hostile.guests import (
    ADD,
    COUNT,
    DESCRIPTOR,
    MEMORY,
    PREPARE,
    A,
    add_descriptor,
    adder,
    data,
    infer,
    manifest,
    module,
)
from tests.support import REPOSITORY

LIMIT = 256 << 20
BACK = "(loop $again (br_if $again (i32.eqz (i32.const 1)))) (i32.const 0)"


def straight(*fields: str) -> bool:
    return check_module(module(*fields), memory_limit_bytes=LIMIT).is_straight_line


def with_body(body: str, *more: str) -> bool:
    return straight(ADD, MEMORY, PREPARE, *more, infer(body), data(DESCRIPTOR, add_descriptor()))


def test_a_converted_model_goes_only_forward() -> None:
    made = convert((REPOSITORY / "examples/demo/motor.tflite").read_bytes(), name="motor").module
    assert check_module(made, memory_limit_bytes=LIMIT).is_straight_line
    assert check_module(adder(), memory_limit_bytes=LIMIT).is_straight_line


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (BACK, ()),
        ("(loop $again (br $again)) (i32.const 0)", ()),
        ("(call $other)", ("(func $other (result i32) (call $other))",)),
        ("(call $infer)", ()),
        ("(i32.load (i32.const 65536))", ()),
        ("(i32.const 0) (i32.const 1) (i32.add)", ()),
        ("(block (br_table 0 (i32.const 0))) (i32.const 0)", ()),
        ("(memory.fill (i32.const 65536) (i32.const 0) (i32.const 1)) (i32.const 0)", ()),
        ("(memory.copy (i32.const 0) (i32.const 0) (i32.const -1)) (i32.const 0)", ()),
        ("(memory.copy (i32.const 0) (i32.const 0) (i32.const 0x20000001))" * 2 + "(i32.const 0)", ()),
        ("(memory.copy (i32.const 0) (i32.const 0) (memory.size)) (i32.const 0)", ()),
    ],
    ids=["loop", "endless", "recursion", "itself", "load", "arithmetic", "table", "fill", "huge", "copies", "size"],
)
def test_what_could_go_back_or_is_not_known_is_not_straight(body: str, more: tuple[str, ...]) -> None:
    assert not with_body(body, *more)


@pytest.mark.parametrize(
    "damage", [b"", b"\x00", b"\x01", b"\x00\x41", b"\x00\x0b\x0b", b"\x00\x0d\x05\x0b", b"\xff" * 9]
)
def test_damaged_code_is_not_straight(damage: bytes) -> None:
    assert not is_straight_line((damage,), 1)


def forward(calls: int) -> bytes:
    """Many calls, one after another, of the largest addition that one call may be."""
    count = 1 << 17
    one = manifest(memory_bytes=32 * 65536)
    step = f"(loop (br_if 1 (local.tee $status (call $add (i32.const {DESCRIPTOR})))))"
    body = f"(local $status i32) (block {step * calls}) (local.get $status)"
    sizes = {"count": count, "a_count": count, "b_count": count, "end": count}
    descriptor = add_descriptor(a=1 << 17, b=1 << 17, output=1 << 20, **sizes)
    memory = '(memory (export "memory") 32 32)'
    return module(ADD, memory, PREPARE, infer(body), data(DESCRIPTOR, descriptor), manifest_=one)


def specs_of(monkeypatch: pytest.MonkeyPatch) -> list[EngineSpec]:
    """Return a list to which the spec of every session that is opened is added."""
    seen: list[EngineSpec] = []
    make_plan = module_of_sessions.make_plan

    def watched(*args: Any, **options: Any) -> Any:
        plan, info = make_plan(*args, **options)
        seen.append(plan.spec)
        return plan, info

    monkeypatch.setattr(module_of_sessions, "make_plan", watched)
    return seen


def test_the_deadline_holds_between_the_kernels_of_straight_code(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = specs_of(monkeypatch)
    x = np.ones(COUNT, np.float32)
    with open_session(forward(4000), engine="sandbox", deadline_s=0.02) as model:
        assert [spec.epochs for spec in seen] == [False]
        for _ in range(2):
            with pytest.raises(DeadlineError, match=r"infer took longer than the deadline of 0\.02 s"):
                model.run(x, x)
    with open_session(forward(2), engine="sandbox") as model:
        model.run(x, x)


def test_code_that_may_go_back_runs_with_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = specs_of(monkeypatch)
    x = np.ones(COUNT, np.float32)
    endless = module(ADD, MEMORY, PREPARE, infer("(loop $again (br $again)) (i32.const 0)"), data(A, b"\0"))
    with open_session(endless, engine="sandbox", deadline_s=0.02) as model:
        assert [spec.epochs for spec in seen] == [True]
        with pytest.raises(DeadlineError):
            model.run(x, x)
