"""Gateways with a version installed, shared by the tests of this folder; each test leaves its own version confirmed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.target.gateway import Gateway, systemd_gateway
from tests.target.project import project
from tests.target.releases import Releases


@pytest.fixture(scope="session")
def plain_releases() -> Iterator[Releases]:
    """A gateway with a plain init."""
    with Gateway() as gateway, Releases(project(), gateway) as releases:
        releases.install()
        yield releases


@pytest.fixture(scope="session")
def systemd_releases(request: pytest.FixtureRequest) -> Iterator[Releases]:
    """A gateway with systemd, or the plain one where systemd does not boot."""
    with systemd_gateway() as gateway:
        if gateway is None:
            yield request.getfixturevalue("plain_releases")
            return
        with Releases(project(), gateway) as releases:
            releases.install()
            yield releases
