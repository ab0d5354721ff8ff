from __future__ import annotations

import pytest

from edge_sdk.bench.interleave import FEWEST_ROUNDS, MOST_CALLS, SAMPLE_NS, Samples, interleave


class Machine:
    """A clock that moves only when work is done; `drift` slows everything down from round to round."""

    def __init__(self, drift: float = 1.0) -> None:
        self.now_ns = 0.0
        self.factor = 1.0
        self.drift = drift
        self.log: list[str] = []

    def work(self, name: str, cost_ns: float) -> None:
        self.log.append(name)
        self.now_ns += cost_ns * self.factor
        self.factor *= self.drift

    def cpu_ns(self) -> int:
        return int(self.now_ns)

    def wall_s(self) -> float:
        return self.now_ns / 1e9


def race(machine: Machine, seconds: float = 0.05, **costs_ns: float) -> dict[str, Samples]:
    calls = {name: (lambda name=name, cost=cost: machine.work(name, cost)) for name, cost in costs_ns.items()}
    return interleave(calls, seconds, cpu_ns=machine.cpu_ns, wall_s=machine.wall_s)


def test_the_time_of_a_call_is_what_it_cost() -> None:
    results = race(Machine(), fast=50_000, slow=400_000)
    assert results["fast"].median_ns == 50_000
    assert results["slow"].median_ns == 400_000
    assert results["slow"].ratio_to(results["fast"]) == 8.0


def test_a_quick_call_is_repeated_until_the_clock_can_see_it() -> None:
    results = race(Machine(), quick=100, slow=SAMPLE_NS)
    assert results["quick"].calls_per_sample * 100 >= SAMPLE_NS
    assert results["slow"].calls_per_sample == 1


def test_a_call_that_costs_nothing_does_not_hang_the_measurement() -> None:
    machine = Machine()
    machine_wall = iter(range(1000))
    results = interleave({"nothing": lambda: None}, 3, cpu_ns=machine.cpu_ns, wall_s=lambda: float(next(machine_wall)))
    assert results["nothing"].calls_per_sample == MOST_CALLS
    assert results["nothing"].median_ns == 0


def test_contestants_take_turns_and_the_first_turn_changes() -> None:
    machine = Machine()
    race(machine, a=SAMPLE_NS, b=SAMPLE_NS)
    turns = "".join(machine.log[-8:])
    assert turns in ("abbaabba", "baabbaab")


def test_all_contestants_have_one_sample_a_round() -> None:
    results = race(Machine(), a=SAMPLE_NS, b=3 * SAMPLE_NS)
    assert len(results["a"].call_ns) == len(results["b"].call_ns) > FEWEST_ROUNDS


def test_a_few_rounds_are_made_however_short_the_time() -> None:
    assert len(race(Machine(), seconds=0, a=10 * SAMPLE_NS)["a"].call_ns) == FEWEST_ROUNDS


def test_the_ratio_survives_a_machine_that_grows_slower() -> None:
    machine = Machine(drift=1.01)
    results = race(machine, seconds=1.0, a=SAMPLE_NS, b=2 * SAMPLE_NS)
    spread = max(results["a"].call_ns) / min(results["a"].call_ns)
    assert spread > 2
    assert results["b"].ratio_to(results["a"]) == pytest.approx(2.0, rel=0.03)


def test_percentiles_are_nearest_rank() -> None:
    samples = Samples(1, [float(value) for value in range(1, 101)])
    assert (samples.percentile_ns(50), samples.percentile_ns(99), samples.percentile_ns(100)) == (50, 99, 100)
    assert Samples(1, [7.0]).percentile_ns(99) == 7.0


def test_real_clocks_are_the_default() -> None:
    results = interleave({"sum": lambda: sum(range(1000))}, 0.01)
    assert results["sum"].least_ns > 0
