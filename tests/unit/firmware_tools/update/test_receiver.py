from __future__ import annotations

import json
import os
import signal
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from firmware_tools.flash.receiver_program import receiver_program
from firmware_tools.update.layout import Layout
from firmware_tools.update.receiver import HEADER, MOST_BLOB, Receiver, Wire
from firmware_tools.update.site import site_id, verify_site
from tests.unit.firmware_tools.flash.targets import (
    SMALL_AGENT,
    RawReceiver,
    add_site,
    add_wheel,
    sha256_of,
    wheel_bytes,
)

BLOB = bytes(range(256)) * 1000
SHA256 = sha256_of(BLOB)
LAUNCH = "#!/bin/sh\nexit 0\n"


def error_of(answer: Any) -> tuple[str, str]:
    return answer["error"]["class"], answer["error"]["message"]


def files_under(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def changed(old: bytes, new: bytes) -> bytes:
    """The program with one constant changed, its length line made right again."""
    text = receiver_program().split(b"\n", 1)[1]
    assert text.count(old) == 1
    text = text.replace(old, new)
    return b"%d\n" % len(text) + text


def test_its_paths_are_those_of_the_layout(tmp_path: Path) -> None:
    receiver, layout = Receiver(str(tmp_path), Wire(0, 1)), Layout(tmp_path)
    own = [receiver._home, receiver._store, receiver._sites, receiver._agent, receiver._lock_file]
    assert [Path(path) for path in own] == [layout.home, layout.store, layout.sites, layout.agent, layout.lock]


def test_it_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    with RawReceiver(tmp_path, python=(sys.executable, "-S")) as receiver:
        assert receiver.ask("lock", owner="ann")["ok"] is None
        kind, message = error_of(receiver.ask("load_agent", site=""))
        assert kind == "SafetyError"
        assert "No module named 'firmware_tools'" in message
        assert receiver.end() == (0, "")


def test_the_end_of_its_input_is_a_clean_end_and_frees_the_lock(tmp_path: Path) -> None:
    with RawReceiver(tmp_path) as first:
        first.ask("lock", owner="ann")
        assert first.end() == (0, "")
    with RawReceiver(tmp_path) as second:
        assert second.ask("lock", owner="bob") == {"ok": None}


def test_nobody_else_can_open_the_lock_and_keep_updates_away(tmp_path: Path) -> None:
    with RawReceiver(tmp_path) as receiver:
        assert receiver.ask("lock", owner="ann") == {"ok": None}
        assert (tmp_path / "var/lib/edge-sdk/lock").stat().st_mode & 0o077 == 0


def test_a_second_owner_is_refused_and_told_of_the_first_until_that_one_is_killed(tmp_path: Path) -> None:
    with RawReceiver(tmp_path) as first, RawReceiver(tmp_path) as second:
        assert first.ask("lock", owner="ann@laptop") == {"ok": None}
        assert first.ask("lock", owner="ann@laptop") == {"ok": None}
        kind, message = error_of(second.ask("lock", owner="bob"))
        assert kind == "BusyError"
        assert "by ann@laptop since 2" in message
        assert f"(process {first.process.pid} there)" in message
        first.process.kill()
        first.process.wait(20)
        assert second.ask("lock", owner="bob") == {"ok": None}


@pytest.mark.parametrize(
    ("op", "fields"),
    [
        ("put", {"sha256": SHA256, "size": 3}),
        ("make_site", {"site": "0" * 16, "wheels": []}),
        ("set_agent", {"site": "", "launch": LAUNCH}),
        ("call", {"verb": "activate", "arguments": {}}),
    ],
)
def test_nothing_is_written_without_the_lock(tmp_path: Path, op: str, fields: dict[str, Any]) -> None:
    with RawReceiver(tmp_path) as receiver:
        assert error_of(receiver.ask(op, **fields)) == ("UsageError", "nothing is changed without the lock")
        assert receiver.ask("stored", hashes=[SHA256]) == {"ok": {SHA256: 0}}
    assert list(tmp_path.iterdir()) == []


def test_a_blob_goes_on_where_a_killed_try_ended(tmp_path: Path) -> None:
    with RawReceiver(tmp_path) as receiver:
        receiver.ask("lock", owner="ann")
        assert receiver.ask("put", sha256=SHA256, size=len(BLOB)) == {"at": 0}
        receiver.send(b"D", BLOB[:1000])
        assert receiver.answer() == {"at": 1000}
        receiver.process.kill()
    assert files_under(tmp_path / "opt") == [f"edge-sdk/store/{SHA256}.part"]
    with RawReceiver(tmp_path) as receiver:
        receiver.ask("lock", owner="ann")
        assert receiver.ask("stored", hashes=[SHA256]) == {"ok": {SHA256: 999}}
        assert receiver.ask("put", sha256=SHA256, size=len(BLOB)) == {"at": 1000}
        receiver.send(b"D", BLOB[1000:])
        assert receiver.answer() == {"at": len(BLOB)}
        receiver.send(b"D")
        assert receiver.answer() == {"ok": len(BLOB)}
    assert files_under(tmp_path / "opt") == [f"edge-sdk/store/{SHA256}"]
    assert (tmp_path / "opt/edge-sdk/store" / SHA256).read_bytes() == BLOB


def test_a_blob_that_is_another_one_is_thrown_away(tmp_path: Path) -> None:
    with RawReceiver(tmp_path) as receiver:
        receiver.ask("lock", owner="ann")
        receiver.ask("put", sha256=SHA256, size=3)
        receiver.send(b"D", b"abc")
        assert receiver.answer() == {"at": 3}
        receiver.send(b"D")
        assert error_of(receiver.answer())[0] == "VerificationError"
        assert receiver.ask("stored", hashes=[SHA256]) == {"ok": {SHA256: 0}}
    assert files_under(tmp_path / "opt") == []


def test_a_blob_that_ends_early_stays_and_one_that_goes_on_too_long_is_refused_at_once(tmp_path: Path) -> None:
    with RawReceiver(tmp_path) as receiver:
        receiver.ask("lock", owner="ann")
        receiver.ask("put", sha256=SHA256, size=10)
        receiver.send(b"D", b"abc")
        receiver.answer()
        receiver.send(b"D")
        assert error_of(receiver.answer()) == ("TransferError", "a blob ended after 3 of 10 bytes")
        assert receiver.ask("put", sha256=SHA256, size=10) == {"at": 3}
        receiver.send(b"D", b"x" * 8)
        assert error_of(receiver.answer())[0] == "UsageError"
        receiver.send(b"D", b"the rest passes by unread")
        receiver.send(b"D")
        assert receiver.ask("stored", hashes=[SHA256]) == {"ok": {SHA256: 2}}


@pytest.mark.parametrize("sha256", ["../../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + "\n", 7, None])
def test_only_hashes_name_blobs(tmp_path: Path, sha256: object) -> None:
    with RawReceiver(tmp_path) as receiver:
        receiver.ask("lock", owner="ann")
        assert error_of(receiver.ask("put", sha256=sha256, size=1))[0] == "UsageError"
        assert error_of(receiver.ask("stored", hashes=[sha256]))[0] == "UsageError"


@pytest.mark.parametrize("size", [-1, MOST_BLOB + 1, 2**64, 1.5, True, "3", None])
def test_only_possible_sizes_are_taken(tmp_path: Path, size: object) -> None:
    with RawReceiver(tmp_path) as receiver:
        receiver.ask("lock", owner="ann")
        assert error_of(receiver.ask("put", sha256=SHA256, size=size))[0] == "UsageError"
    assert files_under(tmp_path / "opt") == []


@pytest.mark.parametrize(
    "data",
    [
        HEADER.pack(b"Z", 0),
        HEADER.pack(b"J", 0xFFFFFFFF),
        HEADER.pack(b"D", (1 << 20) + 1),
        HEADER.pack(b"B", 1),
        HEADER.pack(b"J", 4) + b"[1,2",
        HEADER.pack(b"J", 2) + b"[]",
        HEADER.pack(b"J", 100_000) + b"[" * 100_000,
        HEADER.pack(b"D", 3) + b"abc",
        os.urandom(4096),
    ],
)
def test_what_is_no_question_ends_it_with_an_error_and_no_traceback(tmp_path: Path, data: bytes) -> None:
    with RawReceiver(tmp_path) as receiver:
        receiver.send_raw(data)
        assert error_of(receiver.answer())[0] == "UsageError"
        assert receiver.frame() == (b"", b"")
        assert receiver.process.wait(20) == 0
        assert receiver.process.stderr is not None
        assert receiver.process.stderr.read() == b""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("op", "fields"),
    [
        ("nothing", {}),
        ("lock", {"owner": 7}),
        ("lock", {"owner": "x" * 201}),
        ("stored", {"hashes": "x"}),
        ("stored", {"hashes": ["0" * 64] * 10_000}),
        ("load_agent", {"site": "../../../tmp"}),
        ("load_agent", {}),
        ("call", {"verb": "facts", "arguments": {}}),
        ("make_site", {"site": "0" * 16, "wheels": [["a.whl"]]}),
        ("set_agent", {"site": "", "launch": "no script"}),
    ],
)
def test_questions_that_make_no_sense_are_answered_and_it_goes_on(
    tmp_path: Path, op: str, fields: dict[str, Any]
) -> None:
    with RawReceiver(tmp_path) as receiver:
        receiver.ask("lock", owner="ann")
        assert error_of(receiver.ask(op, **fields))[0] == "UsageError"
        assert receiver.ask("stored", hashes=[]) == {"ok": {}}


def test_a_connection_cut_inside_a_frame_ends_it_quietly(tmp_path: Path) -> None:
    with RawReceiver(tmp_path) as receiver:
        receiver.send_raw(HEADER.pack(b"J", 100) + b'{"op":')
        assert receiver.end() == (0, "")


def test_it_leaves_when_the_operator_says_nothing_any_more(tmp_path: Path) -> None:
    with RawReceiver(tmp_path, program=changed(b"IDLE_S = 60.0", b"IDLE_S = 0.2")) as receiver:
        receiver.ask("lock", owner="ann")
        assert receiver.process.wait(20) == 0


def test_heartbeats_of_the_operator_keep_it(tmp_path: Path) -> None:
    with RawReceiver(tmp_path, program=changed(b"IDLE_S = 60.0", b"IDLE_S = 2.0")) as receiver:
        receiver.send(b"B")
        assert receiver.ask("lock", owner="ann") == {"ok": None}


def test_a_site_is_made_of_wheels_and_verifies(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    wheel = add_wheel(layout.store, "pure-1-py3-none-any.whl", wheel_bytes({"pure/__init__.py": "x = 1"}))
    site = site_id([wheel])
    with RawReceiver(tmp_path) as receiver:
        receiver.ask("lock", owner="ann")
        assert receiver.ask("make_site", site=site, wheels=[wheel]) == {"ok": None}
        assert receiver.ask("make_site", site=site, wheels=[wheel]) == {"ok": None}
    assert verify_site(layout, site) == (1, 5)


def test_the_device_side_comes_from_the_site_and_nowhere_else(tmp_path: Path) -> None:
    site = add_site(tmp_path, SMALL_AGENT)
    with RawReceiver(tmp_path) as receiver:
        assert receiver.ask("load_agent", site=site) == {"ok": None}
        assert receiver.ask("load_agent", site=site) == {"ok": None}
        facts = receiver.ask("call", verb="facts", arguments={"a": 1})["ok"]
        assert facts["from"].startswith(str(tmp_path / "opt/edge-sdk/sites" / site))
        assert (facts["root"], facts["arguments"]) == (str(tmp_path), {"a": 1})
        assert error_of(receiver.ask("load_agent", site=""))[0] == "UsageError"
        assert receiver.end() == (0, "")
    assert not list(tmp_path.rglob("__pycache__"))


def test_a_site_that_does_not_work_is_refused_and_another_one_may_be_loaded(tmp_path: Path) -> None:
    broken = add_site(tmp_path, SMALL_AGENT | {"firmware_tools/update/verbs.py": "import edge_sdk.errors\n1 +"})
    good = add_site(tmp_path, SMALL_AGENT)
    with RawReceiver(tmp_path) as receiver:
        kind, message = error_of(receiver.ask("load_agent", site=broken))
        assert kind == "SafetyError"
        assert "SyntaxError" in message
        assert error_of(receiver.ask("load_agent", site="0" * 16))[0] == "SafetyError"
        assert receiver.ask("load_agent", site=good) == {"ok": None}
        assert good in receiver.ask("call", verb="facts", arguments={})["ok"]["from"]


def test_a_site_without_the_device_side_is_refused_even_where_the_packages_have_one(tmp_path: Path) -> None:
    site = add_site(tmp_path, {"pure.py": ""})
    with RawReceiver(tmp_path) as receiver:
        assert error_of(receiver.ask("load_agent", site=site))[0] == "SafetyError"


def test_what_the_device_side_prints_does_not_touch_the_frames(tmp_path: Path) -> None:
    site = add_site(tmp_path, SMALL_AGENT)
    with RawReceiver(tmp_path) as receiver:
        receiver.ask("load_agent", site=site)
        assert receiver.ask("call", verb="logs", arguments={}) == {"ok": "quiet"}
        code, said = receiver.end()
    assert code == 0
    assert "chatter" in said
    assert "from a child" in said


@pytest.mark.parametrize(
    ("verb", "kind", "part"),
    [
        ("status", "BusyError", "in maintenance"),
        ("check", "BusyError", "derived"),
        ("have", "VerificationError", "ZeroDivisionError: division by zero (verbs.py:"),
        ("verify", "VerificationError", "not JSON serializable"),
        ("confirm", "VerificationError", "confirm: the device's side ended itself: SystemExit(3)"),
    ],
)
def test_complaints_travel_with_their_class(tmp_path: Path, verb: str, kind: str, part: str) -> None:
    site = add_site(tmp_path, SMALL_AGENT)
    with RawReceiver(tmp_path) as receiver:
        receiver.ask("lock", owner="ann")
        receiver.ask("load_agent", site=site)
        answer = receiver.ask("call", verb=verb, arguments={"class": "BusyError"})
        assert error_of(answer)[0] == kind
        assert part in error_of(answer)[1]
        assert receiver.ask("call", verb="facts", arguments={})["ok"]


def test_while_it_works_it_gives_signs_of_life(tmp_path: Path) -> None:
    site = add_site(tmp_path, SMALL_AGENT)
    with RawReceiver(tmp_path, program=changed(b"BEAT_S = 2.0", b"BEAT_S = 0.02")) as receiver:
        receiver.ask("lock", owner="ann")
        receiver.ask("load_agent", site=site)
        receiver.send(b"J", json.dumps({"op": "call", "verb": "collect", "arguments": {"seconds": 0.5}}).encode())
        assert receiver.frame() == (b"B", b"")
        assert receiver.answer() == {"ok": {}}


def test_an_operator_who_is_gone_ends_it_in_the_middle_of_its_work(tmp_path: Path) -> None:
    site = add_site(tmp_path, SMALL_AGENT)
    with RawReceiver(tmp_path, program=changed(b"BEAT_S = 2.0", b"BEAT_S = 0.05")) as receiver:
        receiver.ask("lock", owner="ann")
        receiver.ask("load_agent", site=site)
        receiver.send(b"J", json.dumps({"op": "call", "verb": "collect", "arguments": {"seconds": 60}}).encode())
        assert receiver.process.stdout is not None
        receiver.process.stdout.close()
        assert receiver.process.wait(20) == -signal.SIGPIPE


def test_the_agent_is_a_link_and_launch_a_program(tmp_path: Path) -> None:
    site, other = add_site(tmp_path, SMALL_AGENT), add_site(tmp_path, {"pure.py": ""})
    layout = Layout(tmp_path)
    with RawReceiver(tmp_path) as receiver:
        assert receiver.hello["agent"] == ""
        receiver.ask("lock", owner="ann")
        for one in (site, site, other):
            assert receiver.ask("set_agent", site=one, launch=LAUNCH) == {"ok": None}
            assert os.readlink(layout.agent) == f"sites/{one}"
        assert error_of(receiver.ask("set_agent", site="0" * 16, launch=LAUNCH))[0] == "SafetyError"
        assert os.readlink(layout.agent) == f"sites/{other}"
    assert layout.launch.read_text() == LAUNCH
    assert stat.S_IMODE(layout.launch.stat().st_mode) == 0o755
    with RawReceiver(tmp_path) as receiver:
        assert receiver.hello["agent"] == other
        receiver.ask("lock", owner="ann")
        assert receiver.ask("set_agent", site="", launch=LAUNCH) == {"ok": None}
    assert not layout.agent.is_symlink()
    assert [path for path in files_under(layout.home) if ".part" in path] == []


@pytest.mark.parametrize("inside", ["opt", "opt/edge-sdk", "opt/edge-sdk/store", "opt/edge-sdk/sites", "var/lib"])
def test_a_folder_whose_links_lead_out_of_it_is_left_alone(tmp_path: Path, inside: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / inside).parent.mkdir(parents=True)
    outside.mkdir()
    (root / inside).symlink_to(outside)
    with RawReceiver(root) as receiver:
        kind, message = error_of(receiver.ask("lock", owner="ann"))
        assert kind == "SafetyError"
        assert f"outside of {root}" in message
    assert list(outside.iterdir()) == []


def test_whatever_the_umask_others_can_read_what_it_writes(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with RawReceiver(tmp_path) as receiver:
            receiver.ask("lock", owner="ann")
            receiver.ask("put", sha256=sha256_of(b""), size=0)
            receiver.send(b"D")
            assert receiver.answer() == {"ok": 0}
    finally:
        os.umask(before)
    for path in (tmp_path / "opt").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path
