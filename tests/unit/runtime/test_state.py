"""A model that remembers: from run to run, not from session to session, and not beyond a reset or a trap."""

from __future__ import annotations

import numpy as np
import pytest

from edge_sdk.compiler.convert import convert
from edge_sdk.errors import SandboxError
from edge_sdk.runtime.session import Session, open_session
from tests.conformance.engines import ENGINES, compiling_here
from tests.hostile.guests import COUNT, MEMORY, OUTPUT, PREPARE, A, infer, module
from tests.unit.compiler.importers.test_importer import svdf_model
from tests.unit.compiler.tflite_writer import TfliteWriter, small_int8_model


def remembering() -> bytes:
    """The module of a model whose answer is its input and the one before it, added."""
    writer = TfliteWriter()
    return convert(svdf_model(writer, writer.variable("state", (1, 2), "float32")), name="sum of two").module


def answers(session: Session, *inputs: float) -> list[float]:
    return [float(session.run(np.full((1, 1), x, np.float32))[0][0, 0]) for x in inputs]


@pytest.mark.parametrize("engine", ENGINES)
def test_state_goes_from_run_to_run_until_a_reset(engine: str) -> None:
    with compiling_here(), open_session(remembering(), engine=engine) as session:
        assert session.keeps_state
        assert answers(session, 1, 2, 4) == [1, 3, 6]
        session.reset()
        assert answers(session, 8, 16) == [8, 24]


@pytest.mark.parametrize("engine", ENGINES)
def test_each_session_has_a_state_of_its_own(engine: str) -> None:
    wasm = remembering()
    with compiling_here(), open_session(wasm, engine=engine) as one, open_session(wasm, engine=engine) as other:
        assert answers(one, 1, 2) == [1, 3]
        assert answers(other, 10) == [10]
        assert answers(one, 4) == [6]


@pytest.mark.parametrize("engine", ENGINES)
def test_after_a_trap_the_state_begins_anew(engine: str) -> None:
    added = f"(f32.store (i32.const {OUTPUT}) (f32.add (f32.load (i32.const {OUTPUT})) (f32.load (i32.const {A}))))"
    trap = f"(if (f32.lt (f32.load (i32.const {A})) (f32.const 0)) (then unreachable))"
    wasm = module(MEMORY, PREPARE, infer(f"{added} {trap} (i32.const 0)"))

    def total(x: float) -> float:
        return float(session.run(*[np.full(COUNT, x, np.float32)] * 2)[0][0])

    with compiling_here(), open_session(wasm, engine=engine) as session:
        assert [total(1), total(2)] == [1, 3]
        with pytest.raises(SandboxError):
            total(-1)
        assert total(5) == 5


def test_a_closed_model_is_not_reset() -> None:
    with compiling_here(), open_session(remembering(), engine="sandbox") as session:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        session.reset()


def test_a_model_without_state_says_so() -> None:
    with compiling_here(), open_session(convert(small_int8_model(), name="m").module, engine="sandbox") as session:
        assert not session.keeps_state
