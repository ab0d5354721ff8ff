"""Is this version healthy? The judge, pure: what was seen goes in, a verdict with its reason comes out.

    an earlier look             this look
    results 40, accel 4000      results 55, accel 5500      -> both rose
    process 812                 process 812                 -> the same process
                                written 0.4 s ago           -> it does not hang

Nothing a report says is believed beyond that: it may come from a broken or hostile program. Counts are only compared,
times only count when they are near our own clock, and names of the report are cleaned before they are shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from edge_sdk.health import HealthReport
from edge_sdk.units import printable
from firmware_tools.bundle.manifest import Manifest
from firmware_tools.update.boot.base import Service

#: A report older than this is no sign of life; it is written once a second.
FRESH_S = 5.0
#: Two processes read the same clock, so a later stamp than ours is a lie or a broken clock.
AHEAD_S = 1.0
NAMED = 3
MOST_NAME_CHARACTERS = 60


@dataclass(frozen=True)
class Rules:
    """What healthy means for one version; see `[health]` of its pipeline.

    Attributes:
        sources: names that must deliver.
        latency_p99_ms: most, 0 for not judged.
        memory_mib: most, 0 for not judged.
        offline: whether results may wait for a receiver that is not there.
    """

    sources: tuple[str, ...] = ()
    latency_p99_ms: float = 0.0
    memory_mib: int = 0
    offline: bool = False


def rules_of(manifest: Manifest) -> Rules:
    """Return the rules that a bundle brings."""
    health = manifest.health
    return Rules(health.sources, health.latency_p99_ms, manifest.limits.memory_mib, health.offline)


@dataclass(frozen=True)
class Look:
    """What was seen at an earlier moment, to compare with."""

    service: Service
    report: HealthReport | None


@dataclass(frozen=True)
class Verdict:
    """A judgement.

    Attributes:
        healthy: every rule holds.
        fatal: it can only get worse: give up at once.
        text: one sentence.
        steady: nothing is wrong; at most something has not given anything new since the earlier look.
    """

    healthy: bool
    fatal: bool
    text: str
    steady: bool = False


def judge(
    report: HealthReport | None, service: Service, memory_mib: int, rules: Rules, now_s: float, earlier: Look | None
) -> Verdict:
    """Judge one look at a running version.

    Args:
        report: what it says of itself, None where it says nothing that makes sense.
        service: what whoever started it says.
        memory_mib: resident memory of it and its children.
        rules: its own.
        now_s: the system's monotonic clock, as in the report.
        earlier: what must have been surpassed; None: anything at all will do.
    """
    if rules.memory_mib and memory_mib > rules.memory_mib:
        return Verdict(healthy=False, fatal=True, text=f"memory {memory_mib} MiB is above {rules.memory_mib} MiB")
    if service.failed:
        return Verdict(healthy=False, fatal=True, text=service.failed)
    wrong = _not_running(service, earlier) or _not_alive(report, service, now_s) or _too_slow(report, rules)
    if wrong or report is None:
        return Verdict(healthy=False, fatal=False, text=wrong)
    before = earlier.report if earlier is not None and earlier.report and earlier.report.pid == report.pid else None
    if missing := _not_rising(report, before, rules):
        return Verdict(healthy=False, fatal=False, text=missing, steady=True)
    return Verdict(healthy=True, fatal=False, text="healthy", steady=True)


def _not_running(service: Service, earlier: Look | None) -> str:
    times = max(0, service.starts - earlier.service.starts) if earlier is not None else 0
    again = f"restarted {_times(times)}: " if times else ""
    if not service.running or not service.pid:
        return f"{again}it does not run: {printable(service.detail[:300])}"
    if earlier is not None and earlier.service.pid not in (0, service.pid):
        detail = printable(service.detail[:300])
        return f"{again or 'restarted: '}process {earlier.service.pid} has ended, {service.pid} runs now: {detail}"
    return ""


def _not_alive(report: HealthReport | None, service: Service, now_s: float) -> str:
    if report is None:
        return "no report of its health"
    if report.pid != service.pid:
        return f"no report of its health from process {service.pid}, only one from {report.pid}"
    age_s = now_s - report.at_s
    if not math.isfinite(age_s) or age_s < -AHEAD_S:
        return "its report of its health is not of this moment"
    if age_s > FRESH_S:
        return f"no report for {age_s:.0f} s: it hangs"
    return ""


def _too_slow(report: HealthReport | None, rules: Rules) -> str:
    if report is None or not rules.latency_p99_ms:
        return ""
    p99_ms = report.p99_ms
    if not math.isfinite(p99_ms) or p99_ms < 0:
        return "it reports no sensible latency"
    if p99_ms > rules.latency_p99_ms:
        return f"latency p99 {p99_ms:.1f} ms is above {rules.latency_p99_ms:g} ms"
    return ""


def _not_rising(report: HealthReport, before: HealthReport | None, rules: Rules) -> str:
    """Return which of the counts have not risen; the sources first, for nothing else can rise without them."""
    silent = [name for name in rules.sources if not _source_rises(name, report, before)]
    if silent:
        return f"{_listed('source', silent)} given nothing{' new' if before else ''}"
    none = "no new result" if before else "no result"
    if report.results <= (before.results if before else 0):
        return f"{none} was produced"
    unheard = [name for name in report.sinks if not _sink_rises(name, report, before, offline=rules.offline)]
    if unheard:
        kept = " or kept" if rules.offline else ""
        return f"{none} was acknowledged{kept} by {_names(unheard)}"
    return ""


def _source_rises(name: str, report: HealthReport, before: HealthReport | None) -> bool:
    now = report.sources.get(name)
    then = before.sources.get(name) if before else None
    return now is not None and now.readings > (then.readings if then else 0)


def _sink_rises(name: str, report: HealthReport, before: HealthReport | None, *, offline: bool) -> bool:
    now = report.sinks[name]
    then = before.sinks.get(name) if before else None
    if now.delivered > (then.delivered if then else 0):
        return True
    return offline and now.waiting > (then.waiting if then else 0)


def _listed(what: str, names: list[str]) -> str:
    return f"{what} {_names(names)} has" if len(names) == 1 else f"{what}s {_names(names)} have"


def _names(names: Iterable[str]) -> str:
    """Return names as text of bounded length: they come from files, and there may be thousands."""
    every = list(names)
    shown = ", ".join(printable(name[:MOST_NAME_CHARACTERS]).replace("\n", " ") for name in every[:NAMED])
    return f"{shown} and {len(every) - NAMED} more" if len(every) > NAMED else shown


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
