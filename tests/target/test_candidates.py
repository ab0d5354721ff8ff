"""New versions that are not well, on real inits: the device goes back alone and says why. `make campaign` does all."""

from __future__ import annotations

import pytest

from tests.target.candidates import EXPECTED, goes_back, went_back
from tests.target.flashing import Flash
from tests.target.processes import until
from tests.target.releases import Releases


@pytest.mark.parametrize("illness", ["crashes", "hangs"])
def test_systemd_goes_back_from_a_candidate_that(systemd_releases: Releases, illness: str) -> None:
    goes_back(systemd_releases, illness)


def test_a_plain_init_goes_back_from_a_candidate_that_is_hungry(plain_releases: Releases) -> None:
    goes_back(plain_releases, "hungry")


def test_it_goes_back_with_the_network_cut(plain_releases: Releases) -> None:
    """The cable is pulled right after the restart: nobody but the device can decide."""
    releases = plain_releases
    gate_s, reason = EXPECTED["silent"]
    new = releases.make(illness="silent", health={**releases.app.health, "gate_s": gate_s, "hold_s": 1})
    flashing = Flash(releases.app, new.path, *releases.place.words)
    assert flashing.wait_for("end", "restart")
    releases.gateway.cut_network()
    try:
        until(lambda: releases.state()["trial"] == new.slot, "it is on trial")
        until(lambda: not releases.state()["trial"], "it is given up", 4.0 * gate_s)
    finally:
        releases.gateway.mend_network()
    ended = flashing.wait()
    assert ended.code == 9, ended
    went_back(releases, reason)
