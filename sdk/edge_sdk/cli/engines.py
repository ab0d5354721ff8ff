"""Which engines work here: each of ours is tried with one sum that must come out right, others are looked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_sdk.cli.checks import Engines
from edge_sdk.engines import FOREIGN, ForeignEngine
from edge_sdk.errors import EdgeError

_COUNT = 37


@dataclass(frozen=True)
class Trial:
    """How an attempt went.

    Attributes:
        outcome: "ok" or what went wrong.
        isa: the kernels' instruction set, or the version of another runtime.
        mend: the command that would change the outcome.
    """

    outcome: str
    isa: str = ""
    mend: str = ""


def try_engines(order: Sequence[str]) -> Engines:
    """Try every provider; the first of `order` that works is the one in use."""
    try:
        from edge_sdk.runtime.provider import native_status
    except EdgeError as error:  # no Wasmtime, a 32-bit Python
        return Engines("", "", error.message, dict.fromkeys(order, error.message))
    refusal = native_status().reason
    trials = {name: Trial(refusal) if name == "host" and refusal else _sum(name) for name in order}
    tests = {name: trial.outcome for name, trial in trials.items()}
    name = next((name for name in order if tests[name] == "ok"), "")
    if not name:
        return Engines("", "", "no provider of kernels works", tests)
    if name == "host":
        reason = "native kernels work here: the self-test passed"
    else:
        reason = next((f"{other} does not work here: {tests[other]}" for other in order if tests[other] != "ok"), "")
    return Engines(name, trials[name].isa, reason or "the board file puts it first", tests)


def try_foreign() -> dict[str, Trial]:
    """Ask for every other runtime; none is needed."""
    from edge_sdk.foreign.probe import installed_version

    def attempt(engine: ForeignEngine) -> Trial:
        try:
            return Trial("ok", installed_version(engine))
        except EdgeError as error:
            return Trial(error.message, mend=error.hint)

    return {name: attempt(engine) for name, engine in FOREIGN.items()}


def _sum(provider: str) -> Trial:
    """Let a provider add two vectors."""
    import numpy as np

    from edge_sdk.runtime.kernel_call import KernelCaller

    a, b = np.arange(_COUNT, dtype=np.float32), np.full(_COUNT, 0.5, np.float32)
    try:
        with KernelCaller(provider) as caller:
            answer = caller.call(
                "add_f32",
                inputs={"a": a, "b": b},
                outputs={"output": ((_COUNT,), "float32")},
                count=_COUNT,
                a_count=_COUNT,
                b_count=_COUNT,
                act_min=-np.inf,
                act_max=np.inf,
            )
            isa = caller.engine.isa
    except EdgeError as error:
        return Trial(error.message)
    if not np.array_equal(answer["output"], a + b):
        return Trial("self-test: the sum of two vectors came out wrong")
    return Trial("ok", isa)
