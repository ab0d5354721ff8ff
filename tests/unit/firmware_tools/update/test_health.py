"""The judge: every rule with both sides of its edge, and reports that lie."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec.structs import replace

from edge_sdk.health import HealthReport, SinkHealth, SourceHealth
from firmware_tools.update.boot.base import Service
from firmware_tools.update.health import Look, Rules, Verdict, judge, rules_of
from tests.unit.firmware_tools.bundles import FILES, manifest_of

NOW_S = 100.0
RULES = Rules(sources=("accel",), latency_p99_ms=20.0, memory_mib=256)
SERVICE = Service(running=True, pid=812, starts=0, detail="active (running)")


def report_of(**changes: Any) -> HealthReport:
    plain = HealthReport(
        schema=1,
        pid=812,
        started_s=90.0,
        at_s=NOW_S - 0.5,
        results=40,
        p99_ms=3.0,
        faults=0,
        sources={"accel": SourceHealth(4000, 99.0), "spare": SourceHealth(0, 0.0)},
        sinks={"sinks[0]": SinkHealth(40, 0)},
    )
    return replace(plain, **changes)


BEFORE = Look(
    SERVICE,
    report_of(
        at_s=NOW_S - 5, results=39, sources={"accel": SourceHealth(3999, 94.0)}, sinks={"sinks[0]": SinkHealth(39, 0)}
    ),
)


def judged(
    report: HealthReport | None,
    service: Service = SERVICE,
    memory_mib: int = 100,
    rules: Rules = RULES,
    earlier: Look | None = BEFORE,
) -> Verdict:
    return judge(report, service, memory_mib, rules, NOW_S, earlier)


def test_what_rises_and_keeps_its_limits_is_healthy() -> None:
    assert judged(report_of()) == Verdict(healthy=True, fatal=False, text="healthy", steady=True)


@pytest.mark.parametrize(
    ("report", "options"),
    [
        (report_of(), {"earlier": None}),
        (report_of(at_s=NOW_S - 5.0), {}),
        (report_of(at_s=NOW_S + 1.0), {}),
        (report_of(p99_ms=20.0), {}),
        (report_of(p99_ms=math.nan), {"rules": Rules(("accel",), memory_mib=256)}),
        (report_of(), {"memory_mib": 256}),
        (report_of(), {"memory_mib": 999, "rules": Rules(("accel",))}),
        (report_of(sinks={"sinks[0]": SinkHealth(39, 7)}), {"rules": Rules(("accel",), offline=True)}),
        (report_of(sinks={}), {}),
        (report_of(sources={}), {"rules": Rules()}),
        # What an earlier process had counted says nothing about this one.
        (
            report_of(results=1, sources={"accel": SourceHealth(1, 99.0)}, sinks={"sinks[0]": SinkHealth(1, 0)}),
            {"earlier": Look(Service(running=False, pid=0, starts=0, detail=""), report_of(pid=7))},
        ),
    ],
)
def test_on_the_right_side_of_an_edge_is_healthy(report: HealthReport, options: dict[str, Any]) -> None:
    assert judged(report, **options).text == "healthy"


STOPPED = Service(running=False, pid=0, starts=0, detail="activating (auto-restart), exit-code")


@pytest.mark.parametrize(
    ("report", "options", "text"),
    [
        (None, {}, "no report of its health"),
        (None, {"service": STOPPED}, "it does not run: activating (auto-restart), exit-code"),
        (
            None,
            {"service": Service(running=False, pid=0, starts=2, detail="waits")},
            "restarted 2 times: it does not run: waits",
        ),
        (
            report_of(),
            {"service": Service(running=True, pid=0, starts=0, detail="odd")},
            "it does not run: odd",
        ),
        (
            report_of(pid=813),
            {"service": Service(running=True, pid=813, starts=1, detail="after a hang")},
            "restarted once: process 812 has ended, 813 runs now: after a hang",
        ),
        (
            report_of(pid=813),
            {"service": Service(running=True, pid=813, starts=0, detail="active")},
            "restarted: process 812 has ended, 813 runs now: active",
        ),
        (report_of(pid=813), {}, "no report of its health from process 812, only one from 813"),
        (report_of(at_s=NOW_S - 5.1), {}, "no report for 5 s: it hangs"),
        (report_of(at_s=NOW_S - 60), {}, "no report for 60 s: it hangs"),
        (report_of(at_s=NOW_S + 1.1), {}, "its report of its health is not of this moment"),
        (report_of(at_s=math.nan), {}, "its report of its health is not of this moment"),
        (report_of(at_s=math.inf), {}, "its report of its health is not of this moment"),
        (report_of(at_s=-math.inf), {}, "its report of its health is not of this moment"),
        (report_of(p99_ms=20.1), {}, "latency p99 20.1 ms is above 20 ms"),
        (report_of(p99_ms=math.nan), {}, "it reports no sensible latency"),
        (report_of(p99_ms=-1.0), {}, "it reports no sensible latency"),
        (report_of(p99_ms=math.inf), {}, "it reports no sensible latency"),
    ],
)
def test_trouble_is_named_and_ends_a_hold(report: HealthReport | None, options: dict[str, Any], text: str) -> None:
    assert judged(report, **options) == Verdict(healthy=False, fatal=False, text=text, steady=False)


@pytest.mark.parametrize(
    ("report", "options", "text"),
    [
        (report_of(sources={}), {}, "source accel has given nothing new"),
        (report_of(sources={"accel": SourceHealth(3999, 99.0)}), {}, "source accel has given nothing new"),
        (report_of(sources={"accel": SourceHealth(0, 0.0)}), {"earlier": None}, "source accel has given nothing"),
        (
            report_of(),
            {"rules": Rules(("accel", "b", "c", "d", "e"))},
            "sources b, c, d and 1 more have given nothing new",
        ),
        (report_of(results=39), {}, "no new result was produced"),
        (report_of(results=0), {"earlier": None}, "no result was produced"),
        (report_of(results=3), {}, "no new result was produced"),
        (report_of(sinks={"sinks[0]": SinkHealth(39, 0)}), {}, "no new result was acknowledged by sinks[0]"),
        (report_of(sinks={"sinks[0]": SinkHealth(39, 9)}), {}, "no new result was acknowledged by sinks[0]"),
        (
            report_of(sinks={"sinks[0]": SinkHealth(0, 0)}),
            {"earlier": None},
            "no result was acknowledged by sinks[0]",
        ),
        (
            report_of(sinks={"sinks[0]": SinkHealth(39, 0)}),
            {"rules": Rules(offline=True)},
            "no new result was acknowledged or kept by sinks[0]",
        ),
    ],
)
def test_what_has_not_risen_is_named_and_only_waited_for(
    report: HealthReport, options: dict[str, Any], text: str
) -> None:
    assert judged(report, **options) == Verdict(healthy=False, fatal=False, text=text, steady=True)


@pytest.mark.parametrize("report", [report_of(), None])
def test_too_much_memory_is_fatal_whatever_is_reported(report: HealthReport | None) -> None:
    verdict = judged(report, memory_mib=257)
    assert (verdict.healthy, verdict.fatal, verdict.text) == (False, True, "memory 257 MiB is above 256 MiB")


def test_a_service_that_was_given_up_is_fatal() -> None:
    verdict = judged(
        report_of(), Service(running=False, pid=0, starts=5, detail="failed", failed="systemd has given up")
    )
    assert (verdict.healthy, verdict.fatal, verdict.text) == (False, True, "systemd has given up")


def test_names_of_a_hostile_report_are_cleaned_and_few() -> None:
    sinks = {f"\x1b[2J\n{'x' * 1000}{number}": SinkHealth(0, 0) for number in range(5000)}
    text = judged(report_of(sinks=sinks)).text
    assert text.endswith("and 4997 more")
    assert len(text) < 400
    assert text.isprintable()


def test_thousands_of_sources_that_nobody_asked_for_change_nothing() -> None:
    sources = {f"s{number}": SourceHealth(0, math.nan) for number in range(5000)} | {"accel": SourceHealth(4000, 1.0)}
    assert judged(report_of(sources=sources)).healthy


def test_the_rules_are_those_of_the_manifest() -> None:
    manifest = manifest_of(FILES)
    rules = rules_of(manifest)
    assert rules.memory_mib == manifest.limits.memory_mib
    assert rules.sources == manifest.health.sources
    assert rules.offline == manifest.health.offline
    assert rules.latency_p99_ms == manifest.health.latency_p99_ms
