from __future__ import annotations

import pytest

from edge_sdk.sim.bearing import BEARING_6203, BEARING_6205, FAULTS, Bearing


@pytest.mark.parametrize(
    ("bearing", "published"),
    [(BEARING_6205, (3.5848, 5.4152, 4.7135)), (BEARING_6203, (3.0530, 4.9469, 3.9874))],
)
def test_strikes_per_turn_are_the_published_ones(bearing, published):
    assert [bearing.strikes_per_turn(fault) for fault in FAULTS] == pytest.approx(published, abs=1e-3)


def test_the_cage_turns_as_published():
    assert BEARING_6205.cage_turns == pytest.approx(0.39828, abs=1e-4)


def test_both_races_together_are_struck_once_per_ball_and_turn():
    bearing = Bearing("any", balls=11, ball_mm=5.0, pitch_mm=40.0, contact_deg=15.0)
    assert bearing.strikes_per_turn("outer_race") + bearing.strikes_per_turn("inner_race") == pytest.approx(11)


def test_the_contact_angle_slows_the_inner_race():
    steep = Bearing("any", balls=9, ball_mm=7.94, pitch_mm=39.04, contact_deg=40.0)
    assert steep.strikes_per_turn("inner_race") < BEARING_6205.strikes_per_turn("inner_race")
