"""`edge-sdk bench MODEL --save`: which of our engines `engine="auto"` shall take for this model on this machine.

report = bench_model(path, candidates(), seconds=5)
remember(report.module_sha256, choose(report))
"""

from __future__ import annotations

from datetime import datetime, timezone

from edge_sdk.bench.model import Report
from edge_sdk.errors import UsageError
from edge_sdk.runtime.choice import Choice, this_machine
from edge_sdk.runtime.provider import native_status, usable_isas

#: What is usual stays, unless another takes less than this part of its time: medians move a little.
WORTH_IT = 0.97


def candidates() -> tuple[str, ...]:
    """Return the engines to compare, the usual one first: the host with every instruction set, and the sandbox."""
    status = native_status()
    if status.library is None or status.reason:
        return ("sandbox",)
    return (*(f"host:{isa}" for isa in reversed(usable_isas(status.library))), "sandbox")


def choose(report: Report) -> Choice:
    """Return the fastest engine of a report, with the figures that say so.

    Raises:
        UsageError: there was nothing to choose from.
    """
    if len(report.engines) < 2:
        raise UsageError(
            f"{report.model}: {report.engines[0].engine} is the only engine here, there is nothing to choose",
            hint="bench it without --save",
        )
    usual = report.engines[0]
    fastest = min(report.engines, key=lambda one: one.median_us)
    best = fastest if fastest.median_us < WORTH_IT * usual.median_us else usual
    others = ", ".join(f"{one.engine} {one.median_us:g}" for one in report.engines if one is not best)
    day = datetime.now(timezone.utc).date().isoformat()
    reason = f"measured {day}: {best.median_us:g} us a run ({others} us)"
    return Choice(best.engine.partition(":")[0], best.isa, reason, this_machine())
