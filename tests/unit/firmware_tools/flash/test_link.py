from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_sdk.errors import (
    AccessDeniedError,
    BusyError,
    DeadlineError,
    EdgeError,
    SafetyError,
    TransferError,
    UsageError,
    VerificationError,
)
from firmware_tools.flash.folder import FolderTransport
from firmware_tools.flash.link import PIECE_BYTES, ReceiverLink
from firmware_tools.flash.probe import TargetFacts
from firmware_tools.flash.process import Program, start
from firmware_tools.update.launcher import launch_script
from firmware_tools.update.layout import Layout
from firmware_tools.update.site import site_id, verify_site
from tests.unit.firmware_tools.flash.targets import (
    SMALL_AGENT,
    add_site,
    link_to,
    sha256_of,
    wheel_bytes,
)

FACTS = TargetFacts("x86_64", python_path=sys.executable)
BLOB = bytes(range(251)) * 10_000  # ten pieces, the last one short
SHA256 = sha256_of(BLOB)

#: What each invented target begins with.
PRELUDE = r"""
import json, os, struct, sys, time
f = sys.stdin.buffer
f.read(int(f.readline()))
def out(data): os.write(1, data)
def send(kind, payload=b""): out(struct.pack(">cI", kind, len(payload)) + payload)
def say(value): send(b"J", json.dumps(value).encode())
def hello(): out(b"edge-sdk-receiver 1\n"); say({"agent": "", "python": "3.11.2"})
def hear():
    while True:
        kind, size = struct.unpack(">cI", f.read(5))
        payload = f.read(size)
        if kind != b"B": return payload
"""


def explained(code: int | None, complaint: str) -> EdgeError:
    return AccessDeniedError(f"explained {code} {complaint}")


def invented(
    script: str, *, silence_s: float = 20.0, clock: Callable[[], float] | None = None, run: str = "hello()\n"
) -> ReceiverLink:
    """A link to a target that this script invents."""
    program = Program(start([sys.executable, "-c", PRELUDE + run + script]))
    more = {} if clock is None else {"clock": clock}
    return ReceiverLink(program, FACTS, "the target", explained, silence_s=silence_s, **more)


def killable(root: Path) -> tuple[ReceiverLink, Callable[[], None]]:
    """A link to a real receiver, and what kills that."""
    transport = FolderTransport(root)
    facts = transport.probe()
    process = transport.start_receiver(facts)

    def kill() -> None:
        process.kill()
        process.wait(20)

    return ReceiverLink(Program(process), facts, transport.target, transport.explain), kill


class KillingSource(io.BytesIO):
    """A source that kills the target after some of it was read."""

    def __init__(self, data: bytes, after: int, kill: Callable[[], None]) -> None:
        super().__init__(data)
        self._after, self._kill = after, kill

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self._after:
            self._kill()
        return super().read(size)


def test_a_blob_arrives_and_its_progress_is_told(tmp_path: Path) -> None:
    seen: list[int] = []
    with link_to(tmp_path) as link:
        link.lock("ann")
        link.put(SHA256, len(BLOB), io.BytesIO(BLOB), seen.append)
        assert link.stored([SHA256, "0" * 64]) == {SHA256: len(BLOB), "0" * 64: 0}
        link.put(SHA256, len(BLOB), io.BytesIO(b""))  # it is there: nothing is read
    assert (Layout(tmp_path).store / SHA256).read_bytes() == BLOB
    assert seen == [0, *range(PIECE_BYTES, len(BLOB), PIECE_BYTES), len(BLOB)]


def test_an_empty_blob_arrives(tmp_path: Path) -> None:
    with link_to(tmp_path) as link:
        link.lock("ann")
        link.put(sha256_of(b""), 0, io.BytesIO())
        assert (Layout(tmp_path).store / sha256_of(b"")).read_bytes() == b""


def test_a_blob_is_read_from_where_its_source_stands(tmp_path: Path) -> None:
    source = io.BytesIO(b"before" + b"blob" + b"behind")
    source.seek(6)
    with link_to(tmp_path) as link:
        link.lock("ann")
        link.put(sha256_of(b"blob"), 4, source)


def test_a_killed_target_is_a_lost_connection_and_the_next_link_goes_on(tmp_path: Path) -> None:
    link, kill = killable(tmp_path)
    with link:
        link.lock("ann")
        with pytest.raises(TransferError, match="the connection was lost") as caught:
            link.put(SHA256, len(BLOB), KillingSource(BLOB, 4 * PIECE_BYTES, kill))
        assert caught.value.hint == "run the same command again; it goes on where it stopped"
        with pytest.raises(TransferError, match="the connection was lost"):
            link.stored([SHA256])
    seen: list[int] = []
    with link_to(tmp_path) as link:
        link.lock("ann")
        before = link.stored([SHA256])[SHA256]
        assert 0 < before <= 4 * PIECE_BYTES
        link.put(SHA256, len(BLOB), io.BytesIO(BLOB), seen.append)
    assert seen[0] == before + 1, "a part never counts as all there"
    assert (Layout(tmp_path).store / SHA256).read_bytes() == BLOB


def test_what_a_power_cut_made_of_a_part_is_sent_again_at_once(tmp_path: Path) -> None:
    store = Layout(tmp_path).store
    store.mkdir(parents=True)
    (store / f"{SHA256}.part").write_bytes(bytes(1000))
    with link_to(tmp_path) as link:
        link.lock("ann")
        link.put(SHA256, len(BLOB), io.BytesIO(BLOB))
    assert (store / SHA256).read_bytes() == BLOB


def test_a_blob_that_is_another_one_is_an_error_and_the_link_goes_on(tmp_path: Path) -> None:
    with link_to(tmp_path) as link:
        link.lock("ann")
        with pytest.raises(VerificationError, match="arrived, but with the SHA-256"):
            link.put("0" * 64, len(BLOB), io.BytesIO(BLOB))
        with pytest.raises(TransferError, match="ended after 3 of 10 bytes"):
            link.put(SHA256, 10, io.BytesIO(b"abc"))
        assert link.stored(["0" * 64, SHA256]) == {"0" * 64: 0, SHA256: 2}


def test_a_source_that_cannot_be_read_is_a_transfer_error(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, "Input/output error")

    with link_to(tmp_path) as link:
        link.lock("ann")
        with pytest.raises(TransferError, match="cannot be read: Input/output error"):
            link.put(SHA256, 10, Broken(b"x" * 10))


def test_a_second_operator_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    first, kill = killable(tmp_path)
    with first, link_to(tmp_path) as second:
        first.lock("ann@laptop")
        with pytest.raises(BusyError, match=r"by ann@laptop since \d{4}-") as caught:
            second.lock("bob")
        assert caught.value.exit_code == 21
        kill()
        second.lock("bob")


def test_closing_frees_the_lock(tmp_path: Path) -> None:
    for owner in ("ann", "bob"):
        with link_to(tmp_path) as link:
            link.lock(owner)


def test_a_site_is_made_loaded_called_and_adopted(tmp_path: Path) -> None:
    data = wheel_bytes(SMALL_AGENT)
    wheel = ("small-1-py3-none-any.whl", sha256_of(data))
    site = site_id([wheel])
    with link_to(tmp_path) as link:
        assert link.agent == ""
        link.lock("ann")
        link.put(wheel[1], len(data), io.BytesIO(data))
        link.make_site(site, [wheel])
        link.load_agent(site)
        assert link.call("facts", x=1)["arguments"] == {"x": 1}
        link.set_agent(site)
    assert Layout(tmp_path).launch.read_text() == launch_script("/usr/bin/python3"), "that of the folder's system"
    assert verify_site(Layout(tmp_path), site)[0] == len(SMALL_AGENT)
    with link_to(tmp_path) as link:
        assert link.agent == site


def test_complaints_of_the_device_side_come_as_the_class_they_had(tmp_path: Path) -> None:
    site = add_site(tmp_path, SMALL_AGENT)
    with link_to(tmp_path) as link:
        link.load_agent(site)
        with pytest.raises(BusyError, match="in maintenance") as caught:
            link.call("status", **{"class": "BusyError"})
        assert caught.value.hint == "later"
        with pytest.raises(VerificationError, match="in maintenance"):
            link.call("status", **{"class": "BrandNewError"})
        with pytest.raises(UsageError, match="without the lock"):
            link.call("activate")


def test_the_real_device_side_of_the_packages_answers(tmp_path: Path) -> None:
    with link_to(tmp_path) as link:
        link.load_agent("")
        assert link.call("facts")["running"] is False
        assert link.call("status") == []


def test_without_a_device_side_loading_is_refused(tmp_path: Path) -> None:
    with link_to(tmp_path) as link, pytest.raises(SafetyError, match="no site 0000000000000000"):
        link.load_agent("0" * 16)


def test_what_a_login_says_before_is_passed_over() -> None:
    with invented('hear(); say({"ok": None})', run='out(b"Welcome!\\nJ\\0\\0\\0\\x05" * 500); hello()\n') as link:
        link.lock("ann")


def test_a_target_that_ends_before_it_began_is_explained_by_its_transport() -> None:
    with pytest.raises(AccessDeniedError, match="explained 7 no such luck"):
        invented("", run="sys.stderr.write('no such luck'); sys.exit(7)\n")


def test_the_last_words_of_a_target_are_told_harmlessly() -> None:
    script = r"hear(); sys.stderr.write('first\n' * 100 + '\x1b[31mdisk is gone\n'); sys.exit(1)"
    with invented(script) as link, pytest.raises(TransferError) as caught:
        link.lock("ann")
    assert "connection was lost: first / first / first / \\x1b[31mdisk is gone" in caught.value.message


def test_a_flood_of_last_words_does_no_harm() -> None:
    script = "hear()\nfor _ in range(100): os.write(2, b'x' * 65536)\nsys.exit(1)"
    with invented(script) as link, pytest.raises(TransferError) as caught:
        link.lock("ann")
    assert len(caught.value.message) < 2000


@pytest.mark.parametrize("run", ["time.sleep(600)\n", "hello(); time.sleep(600)\n"])
def test_a_silent_target_is_given_up(run: str) -> None:
    with pytest.raises(DeadlineError, match="says nothing any more"), invented("", silence_s=0.3, run=run) as link:
        link.lock("ann")


def test_a_target_that_takes_nothing_is_given_up() -> None:
    with pytest.raises(DeadlineError), invented("hear(); say({'at': 0}); time.sleep(600)", silence_s=0.3) as link:
        link.put(SHA256, len(BLOB), io.BytesIO(BLOB))


def test_signs_of_life_alone_are_not_enough_for_ever() -> None:
    ticks = iter(range(0, 10_000_000, 10))
    script = "hear()\nwhile True: send(b'B'); time.sleep(0.001)"
    with invented(script, clock=lambda: float(next(ticks))) as link, pytest.raises(DeadlineError):
        link.make_site("0" * 16, [])


def test_a_flood_of_signs_of_life_is_not_listened_to_for_ever() -> None:
    ticks = iter(range(0, 10_000_000, 10))
    with (
        invented(
            "hear()\nflood = struct.pack('>cI', b'B', 0) * 10000\nwhile True: out(flood)",
            clock=lambda: float(next(ticks)),
        ) as link,
        pytest.raises(DeadlineError),
    ):
        link.make_site("0" * 16, [])


@pytest.mark.parametrize("blob", [b"", b"x"])
def test_more_answers_than_pieces_make_no_sense(blob: bytes) -> None:
    script = "hear(); say({'at': 0})\nwhile True: say({'at': 0})"
    with invented(script) as link, pytest.raises(VerificationError, match="makes no sense"):
        link.put(sha256_of(blob), len(blob), io.BytesIO(blob))


def test_signs_of_life_keep_a_slow_target() -> None:
    script = "hear()\nfor _ in range(20): send(b'B'); time.sleep(0.05)\nsay({'ok': None})"
    with invented(script, silence_s=0.8) as link:
        link.lock("ann")


@pytest.mark.parametrize(
    "script",
    [
        "send(b'Z')",
        "send(b'B', b'x')",
        "send(b'D', b'x')",
        "out(struct.pack('>cI', b'J', 0xFFFFFFFF))",
        "out(struct.pack('>cI', b'J', (16 << 20) + 1))",
        "send(b'J', b'{')",
        "send(b'J', b'\\xff\\xfe')",
        "send(b'J', b'[' * 100000)",
        "send(b'J', b'9' * 100000)",
        "say([])",
        "say({})",
        "say({'error': 'x'})",
        "say({'ok': float('nan')})",
        "out(os.urandom(65536))",
    ],
)
def test_answers_that_make_no_sense_end_the_link(script: str) -> None:
    with invented(f"hear(); {script}; time.sleep(600)") as link:
        with pytest.raises(VerificationError, match="makes no sense"):
            link.lock("ann")
        with pytest.raises(TransferError, match="the connection was lost"):
            link.lock("ann")


@pytest.mark.parametrize("answer", [None, [], {}, {SHA256: "7"}, {SHA256: -1}, {SHA256: True}, {SHA256: 1.5}])
def test_sizes_that_make_no_sense_are_refused(answer: object) -> None:
    with (
        invented(f"hear(); say({{'ok': json.loads({json.dumps(json.dumps(answer))})}})") as link,
        pytest.raises(VerificationError),
    ):
        link.stored([SHA256])


@pytest.mark.parametrize("answer", [{"at": -1}, {"at": len(BLOB) + 1}, {"at": "0"}, {"at": True}, {"ok": 3}])
def test_places_that_make_no_sense_are_refused(answer: object) -> None:
    with (
        invented(f"hear(); say(json.loads({json.dumps(json.dumps(answer))}))") as link,
        pytest.raises(VerificationError),
    ):
        link.put(SHA256, len(BLOB), io.BytesIO(BLOB))


@pytest.mark.parametrize(
    ("report", "kind"),
    [
        ({"class": "SignatureError", "message": "m"}, VerificationError),
        ({"class": "Path", "message": "m"}, VerificationError),
        ({"class": "about_file", "message": "m"}, VerificationError),
        ({"class": ["x"], "message": {"x": 1}, "hint": 7}, VerificationError),
        ({}, VerificationError),
        ({"class": "AccessDeniedError", "message": "m" * 100_000}, AccessDeniedError),
        ({"class": "EdgeError", "message": "m"}, EdgeError),
    ],
)
def test_complaints_of_any_kind_become_our_errors(report: dict[str, object], kind: type[EdgeError]) -> None:
    with (
        invented(f"hear(); say({{'error': json.loads({json.dumps(json.dumps(report))})}})") as link,
        pytest.raises(EdgeError) as caught,
    ):
        link.lock("ann")
    assert isinstance(caught.value, kind) or caught.value.exit_code == 12
    assert caught.value.message
    assert len(caught.value.message) <= 4000


def test_no_complaint_moves_the_cursor() -> None:
    script = "hear(); say({'error': {'class': 'BusyError', 'message': 'a\\x1b[2Jb', 'hint': '\\x07c\\u202e'}})"
    with invented(script) as link, pytest.raises(BusyError) as caught:
        link.lock("ann")
    assert (caught.value.message, caught.value.hint) == ("a\\x1b[2Jb", "\\x07c\\u202e")


def test_no_complaint_passes_for_two() -> None:
    script = "hear(); say({'error': {'class': 'BusyError', 'message': 'a\\nerror: b', 'hint': 'c\\ntry: d'}})"
    with invented(script) as link, pytest.raises(BusyError) as caught:
        link.lock("ann")
    assert (caught.value.message, caught.value.hint) == ("a error: b", "c try: d")


def test_a_refusal_in_the_middle_stops_the_sending() -> None:
    full = "{'error': {'class': 'TransferError', 'message': 'disk full'}}"
    script = f"hear(); say({{'at': 0}}); hear(); say({full})\nwhile hear(): pass\nhear(); say({{'ok': None}})"
    source = io.BytesIO(bytes(200 << 20))
    with invented(script) as link:
        with pytest.raises(TransferError, match="disk full"):
            link.put(SHA256, 200 << 20, source)
        assert source.tell() < 100 << 20
        link.lock("ann")


def test_many_links_leave_no_pipes_open(tmp_path: Path) -> None:
    def pipes() -> int:
        return len(os.listdir("/proc/self/fd"))

    with link_to(tmp_path):
        pass
    before = pipes()
    for _ in range(3):
        with link_to(tmp_path) as link:
            link.lock("ann")
    assert pipes() == before


def test_an_interrupted_question_ends_the_link_rather_than_mixing_answers_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_limit_s: float) -> bytes:
        raise KeyboardInterrupt

    with invented('hear(); say({"ok": {"old": 1}}); hear(); say({"ok": None})') as link:
        with monkeypatch.context() as patch:
            patch.setattr(link._program, "read", interrupt)
            with pytest.raises(KeyboardInterrupt):
                link.call("facts")
        with pytest.raises(TransferError, match="the connection was lost"):
            link.lock("ann")
