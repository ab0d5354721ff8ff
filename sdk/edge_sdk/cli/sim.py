"""`edge-sdk sim`: simulated sensors, for trying things without hardware. What they send is invented and says so."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from edge_sdk.errors import UsageError
from edge_sdk.sim.bearing import FAULTS
from edge_sdk.sim.motor import Motor, MotorSettings
from edge_sdk.sim.serial_link import FrameFormat, PtyLink, SimulatedSensor
from edge_sdk.units import rfc3339, utc_now

_DEFAULTS = MotorSettings()
_EPILOG = """\
The first line on stdout is the port. Frames are written until the command is stopped.

example:
  edge-sdk sim motor --fault outer_race --fault-at 30
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add `motor` and its options."""
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True, parser_class=type(parser))
    motor = kinds.add_parser(
        "motor",
        help="vibration of a motor with one bearing, as a serial sensor",
        description="Write the vibration of a simulated motor into a pseudo-terminal.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.epilog = _EPILOG
    option = motor.add_argument
    option("--fault", choices=FAULTS, help="what breaks (default: nothing)")
    option("--fault-at", type=_within(0, 1e9), default=0.0, metavar="S", help="seconds until it breaks (default: 0)")
    option("--severity", type=float, default=_DEFAULTS.severity, help="size of the fault (default: %(default)s)")
    option("--speed-rpm", type=float, default=_DEFAULTS.speed_rpm, help="default: %(default)s")
    option("--speed-drift", type=float, default=_DEFAULTS.speed_drift, help="part of the speed (default: %(default)s)")
    option("--gain", type=float, default=_DEFAULTS.gain, help="of the sensor (default: %(default)s)")
    option(
        "--seed", type=int, default=_DEFAULTS.seed, help="the same seed gives the same samples (default: %(default)s)"
    )
    option(
        "--speed", type=_within(0.001, 1000), default=1.0, metavar="N", help="simulated seconds per second (default: 1)"
    )
    option(
        "--seconds",
        type=_within(0, 1e9),
        default=0.0,
        metavar="S",
        help="simulated seconds until the end (default: endless)",
    )
    option("--when-opened", action="store_true", help="let the motor start when somebody opens the port")
    option("--json", action="store_true", help="one JSON object per event on stdout: port, opened, fault, end")


def _within(least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"expected {least:g} to {most:g}, got {text}")
        return value

    return number


def run(args: argparse.Namespace) -> int:
    """Stream until SIGINT or SIGTERM."""
    if args.seed < 0:
        raise UsageError(f"--seed: expected 0 or more, got {args.seed}")
    settings = MotorSettings(
        speed_rpm=args.speed_rpm,
        speed_drift=args.speed_drift,
        fault=args.fault,
        fault_at_s=args.fault_at,
        severity=args.severity,
        gain=args.gain,
        seed=args.seed,
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with PtyLink() as link:
        _stream(link, settings, args, stop)
    return 0


def _stream(link: PtyLink, settings: MotorSettings, args: argparse.Namespace, stop: threading.Event) -> None:
    motor, form = Motor(settings), FrameFormat()
    sensor = SimulatedSensor(link, motor.read, settings.rate_hz, frame_format=form, speed=args.speed)
    source = {"type": "serial", "port": link.port, "rate_hz": settings.rate_hz, **form.options()}
    _tell(args, "port", link.port, port=link.port, source=source)
    print(f"simulated motor, {settings.speed_rpm:g} rpm, writes to {link.port}; stop with Ctrl-C", file=sys.stderr)
    told = False

    def progress(time_s: float) -> None:
        nonlocal told
        if settings.fault and not told and time_s > settings.fault_at_s:
            told = True
            _tell(args, "fault", "", fault=settings.fault, simulated_s=round(time_s, 3))
            print(f"{time_s:.1f} s: {settings.fault} fault begins", file=sys.stderr)
        if args.seconds and time_s >= args.seconds:
            stop.set()

    if args.when_opened and link.wait_for_reader(float("inf"), stop):
        _tell(args, "opened", "")
    sensor.run(stop, progress)
    _tell(args, "end", "", frames=sensor.frames, lost_frames=sensor.lost)
    print(f"sent {sensor.frames} frames, {sensor.lost} had no reader", file=sys.stderr)


def _tell(args: argparse.Namespace, event: str, plain: str, **facts: Any) -> None:
    """Write an event to stdout; `time_s` is the machine's monotonic clock, comparable between programs."""
    if args.json:
        stamp = {"event": event, "time_s": time.monotonic(), "utc": rfc3339(utc_now())}
        print(json.dumps({**stamp, **facts}), flush=True)
    elif plain:
        print(plain, flush=True)
