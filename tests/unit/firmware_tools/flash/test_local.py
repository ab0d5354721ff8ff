from __future__ import annotations

import os
import sys

import pytest

from edge_sdk.board import read_probe
from edge_sdk.errors import AccessDeniedError, DeadlineError
from firmware_tools.flash import TRANSPORTS, local
from firmware_tools.flash.link import open_link
from firmware_tools.flash.local import LocalTransport


def test_it_is_the_local_row_of_the_table() -> None:
    assert TRANSPORTS.load("local") is LocalTransport


def test_this_machine_is_probed_with_the_python_of_this_command() -> None:
    facts, here = LocalTransport().probe(), read_probe(environment={})
    assert (facts.arch, facts.cores, facts.memory_mib) == (here.arch, here.cores, here.memory_mib)
    assert (facts.python_path, facts.python) == (sys.executable, ".".join(map(str, sys.version_info[:2])))
    assert facts.uid == os.getuid()


def test_without_roots_rights_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = LocalTransport()
    facts = transport.probe()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(AccessDeniedError, match="root rights are needed") as caught:
        transport.start_receiver(facts)
    assert caught.value.hint.startswith("sudo edge-sdk flash")


def test_its_receiver_answers_for_the_whole_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is locked, so nothing is written here."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    transport = LocalTransport()
    with open_link(transport, transport.probe()) as link:
        assert link.stored(["0" * 64]) == {"0" * 64: 0}


def test_a_shell_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "PROBE_LIMIT_S", 0.2)
    monkeypatch.setattr(local, "probe_script", lambda *_args, **_more: b"exec sleep 600\n")
    with pytest.raises(DeadlineError):
        LocalTransport().probe()
