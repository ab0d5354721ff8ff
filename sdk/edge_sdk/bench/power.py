"""Energy, where the machine tells: counters of the CPU, or power that is sampled and added up.

    meter = find_meter()                    # or a text that says why there is none
    with meter:
        before = meter.joules()
        ...
        used = meter.joules() - before

Each meter covers something else (a processor, a whole board): compare runs of one machine, not machines.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SYS = Path("/sys")
#: Runs a command and returns what it prints.
Run = Callable[[list[str]], str]
#: Labels of the channel that feeds a whole Jetson; where there is none, the channels add up.
WHOLE_BOARD = ("VDD_IN", "POM_5V_IN")
_INA3221_CHANNELS = (1, 2, 3)
_PMIC_LINE = re.compile(r"^\s*(\w+)_([AV])\s+(?:current|volt)\w*\(\d+\)=([0-9.]+)", re.MULTILINE)


class Meter(Protocol):
    """Something that counts joules while it is entered.

    Attributes:
        name: of the source, with what it covers.
    """

    name: str

    def joules(self) -> float: ...

    def __enter__(self) -> Meter: ...

    def __exit__(self, *_: object) -> None: ...


class PowercapMeter:
    """The kernel's energy counters of processor packages, microjoules that wrap (Linux, power capping framework)."""

    def __init__(self, zones: list[Path]) -> None:
        self.name = "RAPL, the processor's packages"
        self._zones = zones
        self._last = [_number(zone / "energy_uj") for zone in zones]
        self._spans = [_number(zone / "max_energy_range_uj") + 1 for zone in zones]
        self._total_uj = 0.0

    def joules(self) -> float:
        now = [_number(zone / "energy_uj") for zone in self._zones]
        for new, old, span in zip(now, self._last, self._spans, strict=True):
            self._total_uj += (new - old) % span
        self._last = now
        return self._total_uj / 1e6

    def __enter__(self) -> PowercapMeter:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class SampledMeter:
    """Adds up a power that can only be read: trapezoids between samples, which a thread takes."""

    def __init__(self, name: str, watts: Callable[[], float], period_s: float) -> None:
        self.name = name
        self._watts = watts
        self._period_s = period_s
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="power", daemon=True)
        self._joules = 0.0
        self._last = time.monotonic(), watts()

    def joules(self) -> float:
        with self._lock:
            now = time.monotonic(), self._watts()
            self._joules += (now[0] - self._last[0]) * (now[1] + self._last[1]) / 2
            self._last = now
            return self._joules

    def __enter__(self) -> SampledMeter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(self._period_s):
            self.joules()


@dataclass(frozen=True)
class Power:
    """What a meter said; without one all numbers are None.

    Attributes:
        meter: its name.
        reason: why there is none.
        idle_watts: while nothing of ours ran.
        joules: engine -> of one inference, with all else that the meter covers.
        above_idle: engine -> the same without what was used while idle.
    """

    meter: str | None
    reason: str
    idle_watts: float | None
    joules: dict[str, float | None]
    above_idle: dict[str, float | None]


def measure(
    calls: Mapping[str, Callable[[], object]],
    seconds: float,
    meter: Meter | str,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Power:
    """Return the energy of one call of each engine.

    Args:
        calls: engine -> one inference.
        seconds: for idling and for each engine, together.
        meter: or why there is none.
    """
    if isinstance(meter, str):
        nothing: dict[str, float | None] = dict.fromkeys(calls)
        return Power(None, meter, None, nothing, dict(nothing))
    share = seconds / (len(calls) + 1)
    joules: dict[str, float | None] = {}
    above: dict[str, float | None] = {}
    with meter:
        start, before = clock(), meter.joules()
        sleep(share)
        idle = (meter.joules() - before) / (clock() - start)
        for engine, call in calls.items():
            count, start, before = 0, clock(), meter.joules()
            while clock() < start + share or not count:
                call()
                count += 1
            used, took = meter.joules() - before, clock() - start
            joules[engine] = used / count
            above[engine] = (used - idle * took) / count
    return Power(meter.name, "", idle, joules, above)


def find_meter(sys: Path = SYS, *, run: Run | None = None) -> Meter | str:
    """Return the first meter that this machine has, or why it has none.

    Args:
        sys: where sysfs is.
        run: runs a command and returns what it prints; OSError where it is not there.
    """
    reasons = []
    for name, find in METERS.items():
        found = _tried(find, sys, run or _printed)
        if not isinstance(found, str):
            return found
        reasons.append(f"{name}: {found}")
    return "; ".join(reasons)


def _tried(find: Callable[[Path, Run], Meter], sys: Path, run: Run) -> Meter | str:
    try:
        return find(sys, run)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return str(error)


def _rapl(sys: Path, run: Run) -> Meter:
    zones = [
        zone
        for zone in sorted((sys / "class/powercap").glob("intel-rapl:*"))
        if (zone / "name").read_text().startswith("package")
    ]
    _require(zones, "no package counters")
    return PowercapMeter(zones)


def _ina3221(sys: Path, run: Run) -> Meter:
    chips = [
        path.parent for path in sorted((sys / "class/hwmon").glob("*/name")) if path.read_text().strip() == "ina3221"
    ]
    channels = [
        (label.read_text().strip(), chip, number)
        for chip in chips
        for number in _INA3221_CHANNELS
        if (label := chip / f"in{number}_label").exists() and (chip / f"curr{number}_input").exists()
    ]
    _require(channels, "no chip")
    whole = [channel for channel in channels if channel[0] in WHOLE_BOARD]
    used = whole or channels

    def watts() -> float:
        return sum(
            _number(chip / f"in{number}_input") * _number(chip / f"curr{number}_input") / 1e6
            for _, chip, number in used
        )

    return SampledMeter(f"INA3221, {' + '.join(label for label, _, _ in used)}", watts, period_s=0.05)


def _pmic(sys: Path, run: Run) -> Meter:
    command = ["vcgencmd", "pmic_read_adc"]

    def watts() -> float:
        return pmic_watts(run(command))

    return SampledMeter("Raspberry Pi 5 PMIC, all rails but what feeds 5 V devices", watts, period_s=0.5)


#: Name of a source -> finds its meter; OSError or ValueError where the machine has none.
METERS: dict[str, Callable[[Path, Run], Meter]] = {
    "RAPL": _rapl,
    "INA3221": _ina3221,
    "PMIC": _pmic,
}


def pmic_watts(text: str) -> float:
    """Return the power of all rails that `vcgencmd pmic_read_adc` prints both a current and a voltage of.

    Raises:
        ValueError: there are none.
    """
    found = {(rail, unit): float(number) for rail, unit, number in _PMIC_LINE.findall(text)}
    pairs = [
        (amperes, found[rail, "V"]) for (rail, unit), amperes in found.items() if unit == "A" and (rail, "V") in found
    ]
    _require(pairs, "no rails with current and voltage")
    return sum(amperes * volts for amperes, volts in pairs)


def _printed(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        raise OSError(f"no {command[0]}")
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=5).stdout


def _number(path: Path) -> float:
    return float(path.read_text())


def _require(found: object, reason: str) -> None:
    if not found:
        raise ValueError(reason)
