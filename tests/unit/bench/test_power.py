"""Meters on trees of files that look like those of machines which have them, and what is computed from them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edge_sdk.bench.power import Meter, Power, SampledMeter, find_meter, measure, pmic_watts

PMIC = """\
   3V7_WL_SW_A current(0)=0.10000000A
     VDD_CORE_A current(7)=2.00000000A
   3V7_WL_SW_V volt(8)=3.70000000V
     VDD_CORE_V volt(15)=0.75000000V
        EXT5V_V volt(24)=5.10000000V
"""


def write(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, contents in files.items():
        (folder / name).write_text(f"{contents}\n")


def no_command(command: list[str]) -> str:
    raise OSError(f"no {command[0]}")


def found(sys: Path) -> Meter:
    meter = find_meter(sys, run=no_command)
    assert not isinstance(meter, str), meter
    return meter


def test_the_packages_of_rapl_add_up_and_wrap(tmp_path: Path) -> None:
    zones = tmp_path / "class/powercap"
    write(zones / "intel-rapl:0", name="package-0", energy_uj=900_000, max_energy_range_uj=999_999)
    write(zones / "intel-rapl:1", name="package-1", energy_uj=0, max_energy_range_uj=999_999)
    write(zones / "intel-rapl:0:0", name="core", energy_uj=0, max_energy_range_uj=999_999)
    with found(tmp_path) as meter:
        assert meter.joules() == 0
        write(zones / "intel-rapl:0", energy_uj=100_000)
        write(zones / "intel-rapl:1", energy_uj=300_000)
        write(zones / "intel-rapl:0:0", energy_uj=500_000)
        assert meter.joules() == pytest.approx(0.5)
        assert meter.joules() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("first", "watts", "covers"), [("VDD_IN", 5.0, "VDD_IN"), ("VDD_GPU", 7.0, "VDD_GPU + VDD_CPU")]
)
def test_a_jetsons_board_channel_counts_alone_and_else_all_do(
    tmp_path: Path, first: str, watts: float, covers: str
) -> None:
    chip = tmp_path / "class/hwmon/hwmon1"
    write(tmp_path / "class/hwmon/hwmon0", name="nvme")
    write(chip, name="ina3221", in1_label=first, in1_input=5000, curr1_input=1000)
    write(chip, in2_label="VDD_CPU", in2_input=4000, curr2_input=500, in7_label="sum of shunt voltages", in7_input=9)
    with found(tmp_path) as meter:
        assert isinstance(meter, SampledMeter)
        assert meter.name == f"INA3221, {covers}"
        power = measure({"host": lambda: None}, 0.1, found(tmp_path))
    assert power.idle_watts == pytest.approx(watts, rel=0.1)


def test_the_rails_of_a_pi_5_are_paired_by_name() -> None:
    assert pmic_watts(PMIC) == pytest.approx(0.1 * 3.7 + 2 * 0.75)
    with pytest.raises(ValueError, match="no rails"):
        pmic_watts("EXT5V_V volt(24)=5.1V")


def test_a_machine_without_a_meter_says_what_was_looked_for(tmp_path: Path) -> None:
    def fails(command: list[str]) -> str:
        raise subprocess.CalledProcessError(255, command)

    assert find_meter(tmp_path, run=no_command) == "RAPL: no package counters; INA3221: no chip; PMIC: no vcgencmd"
    assert "non-zero exit status 255" in str(find_meter(tmp_path, run=fails))
    assert isinstance(find_meter(tmp_path, run=lambda command: PMIC), SampledMeter)


def test_counters_that_may_not_be_read_are_a_reason(tmp_path: Path) -> None:
    zone = tmp_path / "class/powercap/intel-rapl:0"
    write(zone, name="package-0")
    (zone / "energy_uj").mkdir()  # as unreadable as a file of root's is to others
    assert "RAPL: " in str(find_meter(tmp_path, run=no_command))


class Clock:
    """Time that only passes where somebody waits; 2 W flow while idle and 10 W while working."""

    name = "a clock"

    def __init__(self) -> None:
        self.now, self.used = 0.0, 0.0

    def sleep(self, seconds: float) -> None:
        self.now, self.used = self.now + seconds, self.used + 2 * seconds

    def work(self) -> None:
        self.now, self.used = self.now + 0.25, self.used + 2.5

    def joules(self) -> float:
        return self.used

    def __enter__(self) -> Clock:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_energy_is_of_one_call_with_and_without_what_flows_anyway() -> None:
    clock = Clock()
    power = measure({"host": clock.work}, 4, clock, sleep=clock.sleep, clock=lambda: clock.now)
    assert power == Power("a clock", "", 2.0, {"host": 2.5}, {"host": 2.0})


def test_without_a_meter_nothing_runs_and_all_is_none() -> None:
    def never() -> None:
        raise AssertionError("called")

    power = measure({"host": never}, 4, "no meter here")
    assert power == Power(None, "no meter here", None, {"host": None}, {"host": None})
