"""The wire carries everything, counts it, and cuts where it is told to."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.target.gateway import Gateway
from tests.target.wire import Wire


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway() as gateway:
        yield gateway


def ssh(wire: Wire, command: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    argv = ["ssh", "-F", str(wire.ssh_config), wire.alias, command]
    return subprocess.run(argv, input=data, capture_output=True, timeout=30)


def test_a_megabyte_passes_unharmed_and_is_counted(gateway: Gateway) -> None:
    data = bytes(range(256)) * 4096
    with Wire(gateway) as wire:
        assert ssh(wire, "cat", data).stdout == data
        assert len(data) < wire.sent < 1.02 * len(data)
        assert len(data) < wire.received < 1.02 * len(data)


def test_it_is_cut_after_exactly_so_many_bytes_and_mended(gateway: Gateway) -> None:
    with Wire(gateway) as wire:
        wire.cut_after(100_000)
        done = ssh(wire, "cat > /var/lib/cut", bytes(1 << 20))
        assert done.returncode == 255
        assert wire.is_cut
        assert wire.passed == 100_000
        assert ssh(wire, "true").returncode == 255
        wire.mend()
        assert ssh(wire, "true").returncode == 0
