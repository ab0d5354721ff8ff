from __future__ import annotations

from edge_sdk.foreign.restarts import HEALTHY_S, LONGEST_PAUSE_S, Restarts


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def pauses(deaths: int, lived_s: float = 0.1) -> list[float]:
    """The pause after each of so many processes that lived so long."""
    clock = Clock()
    restarts, found = Restarts(clock), []
    for _ in range(deaths):
        started_s = clock.now_s
        clock.now_s += lived_s
        restarts.ended(started_s)
        found.append(round(restarts.wait_s(), 6))
        clock.now_s += restarts.wait_s()
    return found


def test_the_first_restart_is_immediate_and_the_pauses_double() -> None:
    assert pauses(6) == [0, 0.25, 0.5, 1, 2, 4]


def test_no_pause_is_longer_than_the_longest() -> None:
    assert pauses(9)[-2:] == [16, LONGEST_PAUSE_S]
    assert max(pauses(3000)) == LONGEST_PAUSE_S


def test_a_process_that_was_healthy_dies_for_the_first_time_again() -> None:
    assert pauses(5, lived_s=HEALTHY_S) == [0] * 5
    assert pauses(3, lived_s=HEALTHY_S - 0.01) == [0, 0.25, 0.5]


def test_the_wait_ends_with_time() -> None:
    clock = Clock()
    restarts = Restarts(clock)
    for _ in range(2):
        restarts.ended(clock.now_s)
    assert restarts.wait_s() == 0.25
    clock.now_s += 0.2
    assert round(restarts.wait_s(), 6) == 0.05
    clock.now_s += 1
    assert restarts.wait_s() == 0
