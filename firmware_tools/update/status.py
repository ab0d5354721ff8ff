"""How an application is: what its state says, what its service does, what it says of itself, and what that is worth.

Reading changes nothing. Whether figures still rise is seen from two looks, so a process that looks again and again
(`edge-sdk status --follow`) compares with what it saw a while ago.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from edge_sdk.errors import EdgeError, TransferError
from edge_sdk.health import HealthReport, read_health
from firmware_tools.update.boot import boot_of
from firmware_tools.update.boot.base import Service
from firmware_tools.update.health import Look, judge, rules_of
from firmware_tools.update.layout import Layout
from firmware_tools.update.messages import AppStatus, Phase, Slot
from firmware_tools.update.processes import memory_mib
from firmware_tools.update.slot import read_head
from firmware_tools.update.state import State, load_state

#: A slow pipeline may have nothing new in less.
COMPARE_AFTER_S = 10.0
MOST_LOOKS = 64
MOST_VERDICT_CHARACTERS = 1000
MOST_COUNT = 2**63 - 1

#: health file -> the looks of this process, older first.
_LOOKS: dict[str, list[Look]] = {}


def read_status(layout: Layout, name: str) -> AppStatus:
    """Return how an application is.

    Raises:
        ConfigError: its state is damaged.
    """
    state, service = load_state(layout.state(name)), _service(layout, name)
    report = read_health(layout.health(name)) if service.running else None
    memory = memory_mib(service.pid) if service.running else 0
    verdict = _verdict(layout, name, service, report, memory)[:MOST_VERDICT_CHARACTERS] if state.wanted else ""
    if report is not None and report.pid != service.pid:  # what the process before has left
        report = None
    return AppStatus(
        name=name,
        phase=phase_of(state, running=service.running),
        current=layout.current_slot(name),
        confirmed=_slot(layout, name, state.confirmed),
        previous=_slot(layout, name, state.previous),
        trial=_slot(layout, name, state.trial),
        kind=state.kind,
        attempts=state.attempts,
        failures=state.failures,
        pid=service.pid,
        verdict=verdict,
        results=report.results if report else 0,
        p99_ms=report.p99_ms if report and math.isfinite(report.p99_ms) else 0.0,
        memory_mib=memory,
        delivered=_sum(sink.delivered for sink in report.sinks.values()) if report else 0,
        waiting=_sum(sink.waiting for sink in report.sinks.values()) if report else 0,
    )


def _sum(counts: Iterable[int]) -> int:
    """Return a sum that fits into an answer, whatever a hostile report says."""
    return min(sum(counts), MOST_COUNT)


def phase_of(state: State, *, running: bool) -> Phase:
    """Return the word for where an application stands. A trial nobody has started yet waits for a boot."""
    if not state.wanted:
        return "absent"
    if state.trial:
        return "trial" if state.attempts else "waiting for a boot"
    return "running" if running else "stopped"


def _service(layout: Layout, name: str) -> Service:
    try:
        return boot_of(layout).service(name)
    except TransferError as silent:
        return Service(running=False, pid=0, starts=0, detail=silent.message)


def _slot(layout: Layout, name: str, slot: str) -> Slot | None:
    if not slot:
        return None
    try:
        head = read_head(layout, name, slot)
    except EdgeError:  # `verify` says so; the status of a damaged device must be readable
        return Slot(slot, slot.rpartition("-")[0], 0, "")
    return Slot(slot, head.manifest.version, head.manifest.counter, head.sha256)


def _verdict(layout: Layout, name: str, service: Service, report: HealthReport | None, memory: int) -> str:
    """Return one sentence: healthy, or what is missing."""
    slot = layout.current_slot(name)
    try:
        rules = rules_of(read_head(layout, name, slot).manifest)
    except EdgeError as damaged:
        return f"the version that should run cannot be read: {damaged.message}"
    earlier = _earlier(str(layout.health(name)), Look(service, report))
    return judge(report, service, memory, rules, time.monotonic(), earlier).text


def _earlier(key: str, look: Look) -> Look | None:
    """Return what this process saw of the same program a while ago, if it did, and remember this look."""
    if look.report is None:
        _LOOKS.pop(key, None)
        return None
    looks = [one for one in _LOOKS.get(key, []) if one.report is not None and one.report.pid == look.report.pid]
    _LOOKS[key] = [*looks, look][-MOST_LOOKS:]
    old = [one for one in looks if one.report and one.report.at_s <= look.report.at_s - COMPARE_AFTER_S]
    return old[-1] if old else None
