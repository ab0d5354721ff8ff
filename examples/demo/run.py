"""The demo: a motor breaks, and a broker hears of it.

    simulated motor --serial port--> pipeline.toml: window, envelope, spectrum, model (int8), threshold --> MQTT

    DEMO_SECONDS     how long (default 60); the fault begins half-way
    EDGE_MQTT_URL    mqtt://HOST:PORT of a broker; without it, one is started in this process

Ends with 0 when results reached the broker and the alarm came after the fault and never before it, with 8 otherwise.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path

from broker import local_broker
from motor import SimulatedMotor
from rich.console import Console
from view import DemoView

from edge_sdk.cli.terminal import logging_to
from edge_sdk.errors import EdgeError, UsageError, VerificationError
from edge_sdk.pipeline import Runner, Summary, build

PIPELINE = Path(__file__).parent / "pipeline.toml"
SHORTEST_S = 10.0
#: So many results must be confirmed by the broker: two a second, up to this.
ENOUGH = 20
INTERRUPTED = 130


def main() -> int:
    console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    try:
        return demo(console, duration_s(), os.environ.get("EDGE_MQTT_URL", ""))
    except EdgeError as error:
        console.print(f"error: {error.message}")
        if error.hint:
            console.print(f"try: {error.hint}")
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


def duration_s() -> float:
    text = os.environ.get("DEMO_SECONDS") or "60"
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not SHORTEST_S <= value <= 86400:
        raise UsageError(f"DEMO_SECONDS: expected a number from {SHORTEST_S:g} to 86400, got {text!r}")
    return value


def demo(console: Console, run_s: float, url: str) -> int:
    """Run it all and judge it."""
    with ExitStack() as stack:
        stack.enter_context(logging_to(console))
        url = url or stack.enter_context(local_broker())
        motor = stack.enter_context(SimulatedMotor("outer_race", run_s / 2))
        os.environ.update(EDGE_PORT=motor.port, EDGE_MQTT_URL=url)
        pipeline = stack.enter_context(build(PIPELINE))
        view = DemoView(console, motor, url)
        stack.callback(view.close)
        summary = Runner(pipeline, [view]).run(duration_s=run_s, on_signals=True)
        topic = f"edge/{pipeline.device}/{pipeline.name}/#"
    if summary.reason != "duration":
        console.print(f"stopped early ({summary.reason}): nothing to judge")
        return INTERRUPTED
    console.print(judge(summary, view, motor, run_s))
    console.print(f"the same from outside: mosquitto_sub -L {url}/{topic} while the demo runs")
    return 0


def judge(summary: Summary, view: DemoView, motor: SimulatedMotor, run_s: float) -> str:
    """Return the closing sentence.

    Raises:
        VerificationError: too few results, no alarm, or an alarm without a fault.
    """
    confirmed = sum(counts["delivered"] for counts in summary.figures.sinks.values())
    needed = min(ENOUGH, int(2 * run_s))
    if confirmed < needed:
        raise VerificationError(f"the broker confirmed {confirmed} results in {run_s:g} s, expected at least {needed}")
    if motor.fault_began_s is None:
        raise VerificationError(f"the motor's fault did not begin in {run_s:g} s")
    if view.alarm_s is None:
        raise VerificationError("the motor broke and no alarm came")
    if view.alarm_s < motor.fault_began_s:
        early_s = motor.fault_began_s - view.alarm_s
        raise VerificationError(f"the alarm came {early_s:.1f} s before the fault")
    delay_s = view.alarm_s - motor.fault_began_s
    return (
        f"{confirmed} results confirmed by the broker; the alarm came {delay_s:.1f} s after the fault, and never before"
    )


if __name__ == "__main__":
    sys.exit(main())
