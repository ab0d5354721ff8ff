"""The device's verbs: strict towards whoever calls, safe to call again, and honest in what they answer."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_sdk.errors import (
    BusyError,
    ConfigError,
    EdgeError,
    RollbackError,
    SignatureError,
    TargetNotFoundError,
    TransferError,
    TrustError,
    UsageError,
    VerificationError,
)
from edge_sdk.health import HealthReport, SinkHealth, SourceHealth, write_health
from firmware_tools.sign import ROOT, TrustStore, generate, load_private, read_sealed
from firmware_tools.sign.root import EMPTY, with_key, without_key
from firmware_tools.update import agent, status, switch, verbs
from firmware_tools.update.__main__ import VERBS as SHOWN
from firmware_tools.update.__main__ import main
from firmware_tools.update.layout import Layout
from firmware_tools.update.messages import AppStatus, DeviceFacts
from firmware_tools.update.state import State, attempt, begin, load_state, save_state
from firmware_tools.update.switch import change_state
from firmware_tools.update.verbs import VERBS, dispatch
from tests.unit.firmware_tools.update.devices import APP, SITE_FILES, WHEELS, App, Device, FakeBoot, device

__all__ = ["device"]


@pytest.fixture
def boot(monkeypatch: pytest.MonkeyPatch) -> FakeBoot:
    boot = FakeBoot()
    for module in (verbs, status):
        monkeypatch.setattr(module, "boot_of", lambda layout: boot)
    monkeypatch.setattr(agent, "serves", lambda layout, site: True)
    # The process that stands for the application is this one, which a whole test run makes large.
    monkeypatch.setattr(status, "memory_mib", lambda pid: 10)
    return boot


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def call(device: Device, verb: str, **arguments: Any) -> Any:
    answer = dispatch(device.layout, verb, arguments)
    assert json.loads(json.dumps(answer)) == answer
    return answer


def app_status(value: Any) -> AppStatus:
    return msgspec.convert(value, AppStatus)


def build(device: Device, app: App, **more: Any) -> None:
    device.send(app)
    assert call(device, "build", head=text(app.head), site=app.site, **more) == {"slot": app.slot}


def run_well(device: Device, app: App) -> None:
    build(device, app)
    call(device, "activate", name=APP, slot=app.slot)
    call(device, "confirm", name=APP)


def test_a_version_comes_to_the_device(device: Device, boot: FakeBoot) -> None:
    app = device.bundle(wheels=WHEELS)
    assert call(device, "status") == []
    assert call(device, "check", head=text(app.head)) == {"name": APP, "slot": app.slot, "known": False}
    build(device, app)
    build(device, app)
    assert call(device, "check", head=text(app.head))["known"]
    size = sum(map(len, app.files.values())) + sum(map(len, SITE_FILES.values()))
    assert call(device, "verify", name=APP, slot=app.slot) == {"files": len(app.files) + 2, "bytes": size}
    assert call(device, "selftest", name=APP, slot=app.slot) == {"models": 0}
    seen = app_status(call(device, "activate", name=APP, slot=app.slot, gate_s=30, hold_s=2))
    assert (seen.phase, seen.current, seen.confirmed) == ("waiting for a boot", app.slot, None)
    assert seen.trial is not None
    assert (seen.trial.version, seen.trial.counter) == ("1.0.0", 1)
    assert boot.asked == [("install", APP)]
    state = load_state(device.layout.state(APP))
    assert (state.gate_s, state.hold_s, state.tested) == (30, 2, True)
    assert call(device, "restart", name=APP) == {}
    assert boot.asked[1:] == [("install", APP), ("reload",), ("restart", APP)]
    for _ in range(2):
        seen = app_status(call(device, "confirm", name=APP))
        assert (seen.phase, seen.trial) == ("stopped", None)
        assert seen.confirmed is not None
        assert seen.confirmed.id == app.slot
    facts = msgspec.convert(call(device, "facts"), DeviceFacts)
    assert facts.counters == {APP: 1}
    assert facts.agent == app.site
    assert facts.sites == (app.site,)
    assert facts.trust_version == 1
    assert not facts.running
    assert [one.name for one in facts.apps] == [APP]


def test_activating_again_keeps_the_attempts(device: Device, boot: FakeBoot) -> None:
    app = device.bundle()
    build(device, app)
    call(device, "activate", name=APP, slot=app.slot)
    change_state(device.layout, APP, lambda state: attempt(state, ""))
    device.layout.current(APP).unlink()
    assert app_status(call(device, "activate", name=APP, slot=app.slot, kind="watch")).attempts == 1
    assert device.layout.current_slot(APP) == app.slot
    assert boot.asked == [("install", APP)] * 2


def test_collecting_finishes_what_a_crash_has_cut_off(device: Device, boot: FakeBoot) -> None:
    app, layout = device.bundle(), device.layout
    build(device, app)
    save_state(layout.state(APP), begin(State(), app.slot))
    damaged = layout.state("damaged")
    damaged.parent.mkdir()
    damaged.write_text("{}")
    call(device, "collect")
    assert layout.current_slot(APP) == app.slot
    assert boot.asked == [("install", APP)]


def test_what_is_held_need_not_be_sent(device: Device, boot: FakeBoot) -> None:
    app = device.bundle()
    known, other = hashlib.sha256(b"model one").hexdigest(), "0" * 64
    assert call(device, "have", name=APP, hashes=[known, other]) == []
    build(device, app)
    assert call(device, "have", name=APP, hashes=[known, other]) == [known]


def test_going_back_and_forth(device: Device, boot: FakeBoot) -> None:
    old, new = device.bundle("1.0.0"), device.bundle("2.0.0", model=b"two")
    run_well(device, old)
    with pytest.raises(UsageError, match="no earlier version"):
        call(device, "rollback", name=APP)
    run_well(device, new)
    boot.asked.clear()
    seen = app_status(call(device, "rollback", name=APP))
    assert seen.trial is not None
    assert (seen.trial.id, seen.kind, seen.current) == (old.slot, "rollback", old.slot)
    assert boot.asked == [("install", APP)]
    seen = app_status(call(device, "rollback", name=APP))
    assert (seen.trial, seen.current) == (None, new.slot)
    assert seen.failures[-1].reason == "given up by the operator"
    assert boot.asked[1:] == [("install", APP), ("reload",), ("restart", APP)]


def test_a_rollback_that_names_its_goal_may_come_twice(device: Device, boot: FakeBoot) -> None:
    old, new = device.bundle("1.0.0"), device.bundle("2.0.0", model=b"two")
    run_well(device, old)
    run_well(device, new)
    build(device, third := device.bundle("3.0.0", model=b"three"))
    call(device, "activate", name=APP, slot=third.slot)
    for _ in range(2):
        assert app_status(call(device, "rollback", name=APP, slot=new.slot)).current == new.slot
    for _ in range(2):
        assert app_status(call(device, "rollback", name=APP, slot=old.slot)).current == old.slot
    with pytest.raises(UsageError, match="not the version before"):
        call(device, "rollback", name=APP, slot=third.slot)


def test_a_version_below_the_floor_does_not_come_back(device: Device, boot: FakeBoot) -> None:
    run_well(device, device.bundle("1.0.0", counter=5))
    run_well(device, device.bundle("2.0.0", counter=6, rollback_floor=6))
    with pytest.raises(TrustError, match="below the floor"):
        call(device, "rollback", name=APP)
    assert load_state(device.layout.state(APP)).trial == ""


def test_a_busy_application_and_the_hours_of_the_plant_are_respected(
    device: Device, boot: FakeBoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "utc_now", lambda: datetime(2026, 3, 14, 12, tzinfo=timezone.utc))
    old, new = device.bundle("1.0.0"), device.bundle("2.0.0", model=b"two")
    run_well(device, old)
    build(device, new)
    device.layout.etc.mkdir(parents=True)
    (device.layout.etc / "update.toml").write_text('window = "02:00-04:00"')
    with pytest.raises(BusyError, match="02:00-04:00"):
        call(device, "activate", name=APP, slot=new.slot)
    assert device.layout.current_slot(APP) == old.slot
    device.layout.run(APP).mkdir(parents=True)
    with device.layout.update_lock(APP).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="wants no update now"):
            call(device, "activate", name=APP, slot=new.slot, now=True)
    call(device, "activate", name=APP, slot=new.slot, now=True)
    call(device, "activate", name=APP, slot=new.slot)  # is on trial already: nothing is switched
    call(device, "rollback", name=APP)  # away from a trial: any time
    assert device.layout.current_slot(APP) == old.slot


def test_a_slot_of_a_key_that_was_revoked_meanwhile_is_not_activated(device: Device, boot: FakeBoot) -> None:
    app, store = device.bundle(), TrustStore(device.layout.trust)
    build(device, app)
    second = generate(device.folder / "second.pem")
    root = without_key(with_key(store.root(), "bundle", second.public), device.key.id)
    store.amend(msgspec.structs.replace(root, version=2), [load_private(device.folder / "root.pem")])
    with pytest.raises(SignatureError, match="revoked"):
        call(device, "activate", name=APP, slot=app.slot)


def test_a_version_of_a_key_that_was_revoked_meanwhile_does_not_come_back(device: Device, boot: FakeBoot) -> None:
    second = generate(device.folder / "second.pem")
    store, root_key = TrustStore(device.layout.trust), load_private(device.folder / "root.pem")
    run_well(device, device.bundle("1.0.0"))
    root = with_key(store.root(), "bundle", second.public)
    store.amend(msgspec.structs.replace(root, version=2), [root_key])
    run_well(device, device.bundle("2.0.0", model=b"two", key=second))
    store.amend(msgspec.structs.replace(without_key(root, device.key.id), version=3), [root_key])
    with pytest.raises(SignatureError, match="revoked"):
        call(device, "rollback", name=APP)
    assert load_state(device.layout.state(APP)).trial == ""


def test_going_back_from_a_version_that_was_confirmed_at_this_moment_is_no_success(
    device: Device, boot: FakeBoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = device.bundle("1.0.0"), device.bundle("2.0.0", model=b"two")
    run_well(device, old)
    build(device, new)
    call(device, "activate", name=APP, slot=new.slot)
    real = verbs.revert_trial

    def too_late(layout: Layout, name: str, reason: str) -> State:
        switch.confirm_trial(layout, name)
        return real(layout, name, reason)

    monkeypatch.setattr(verbs, "revert_trial", too_late)
    boot.asked.clear()
    with pytest.raises(RollbackError, match="was confirmed at this moment"):
        call(device, "rollback", name=APP, slot=old.slot)
    assert boot.asked == []


def test_trust_is_taken_once_and_handed_on_to_rightful_successors_only(device: Device, tmp_path: Path) -> None:
    data = (device.layout.trust / "root.edget").read_bytes()
    fresh = Device(Layout(tmp_path / "fresh"), device.key, tmp_path)
    (tmp_path / "fresh").mkdir()
    for _ in range(2):
        assert call(fresh, "trust", root=text(data)) == {"version": 1}
    stranger = TrustStore(tmp_path / "stranger")
    key = generate(tmp_path / "stranger.pem")
    stranger.amend(with_key(EMPTY, "root", key.public), [key])
    with pytest.raises(TrustError):
        call(fresh, "trust", root=text((tmp_path / "stranger/root.edget").read_bytes()))
    assert (fresh.layout.trust / "root.edget").read_bytes() == data
    assert read_sealed(BytesIO(data), ROOT)
    for garbage in (b"", b"EDGET\r\n\x1a", data[:-1]):
        with pytest.raises(ConfigError):
            call(fresh, "trust", root=text(garbage))


def test_receipts_are_kept_the_last_twenty(device: Device) -> None:
    for number in range(30):
        for _ in range(2):
            call(device, "receipt", name=APP, receipt={"number": number, "took_s": 1.5})
    folder = device.layout.receipts(APP)
    assert [one.name for one in sorted(folder.iterdir())] == [f"{number:06d}.json" for number in range(11, 31)]
    assert json.loads((folder / "000030.json").read_text()) == {"number": 29, "took_s": 1.5}
    with pytest.raises(UsageError, match="a receipt of"):
        call(device, "receipt", name=APP, receipt={"text": "x" * 300_000})


def test_logs_are_bounded(device: Device, boot: FakeBoot) -> None:
    run_well(device, device.bundle())
    boot.logs = lambda name, lines: ["x" * 10_000] * 50  # type: ignore[method-assign]
    lines = call(device, "logs", name=APP, lines=3)
    assert [len(line) for line in lines] == [4096] * 3


@pytest.mark.parametrize("verb", ["confirm", "restart", "rollback", "logs"])
def test_an_application_nobody_installed_is_not_there(device: Device, boot: FakeBoot, verb: str) -> None:
    with pytest.raises(TargetNotFoundError, match="no such application"):
        call(device, verb, name="nobody")
    assert call(device, "status", name="nobody") == []
    assert boot.asked == []
    assert not device.layout.state("nobody").parent.exists()


@pytest.mark.parametrize(
    ("verb", "arguments", "part"),
    [
        ("flash", {}, "no verb"),
        ("__class__", {}, "no verb"),
        (["build"], {}, "no verb"),
        ("confirm", {}, "'name' is missing"),
        ("confirm", [], "expected an object"),
        ("confirm", None, "expected an object"),
        ("confirm", {1: 2}, "expected an object"),
        ("confirm", {"name": APP, "force": True}, "unknown argument 'force'"),
        ("confirm", {"name": APP, "layout": "/"}, "unknown argument 'layout'"),
        ("confirm", {"name": "../x"}, "confirm:"),
        ("confirm", {"name": "a\n"}, "confirm:"),
        ("confirm", {"name": ""}, "confirm:"),
        ("confirm", {"name": None}, "confirm:"),
        ("verify", {"name": APP, "slot": ".."}, "verify:"),
        ("verify", {"name": APP, "slot": "x/y"}, "verify:"),
        ("activate", {"name": APP, "slot": "1.0.0-a", "now": 1}, "activate:"),
        ("activate", {"name": APP, "slot": "1.0.0-a", "gate_s": -1}, "activate:"),
        ("activate", {"name": APP, "slot": "1.0.0-a", "gate_s": True}, "activate:"),
        ("activate", {"name": APP, "slot": "1.0.0-a", "kind": "hack"}, "activate:"),
        ("build", {"head": "A", "site": ""}, "base64"),
        ("build", {"head": "é", "site": ""}, "base64"),
        ("build", {"head": "A" * 6_000_000, "site": ""}, "build:"),
        ("build", {"head": "", "site": "../../x"}, "build:"),
        ("have", {"name": APP, "hashes": ["x"]}, "have:"),
        ("have", {"name": APP, "hashes": ["0" * 64] * 5000}, "have:"),
        ("logs", {"name": APP, "lines": 10**9}, "logs:"),
        ("receipt", {"name": APP, "receipt": "text"}, "receipt:"),
    ],
)
def test_a_call_that_does_not_fit_is_a_mistake_of_the_caller(
    device: Device, verb: Any, arguments: Any, part: str
) -> None:
    with pytest.raises(UsageError, match=part):
        dispatch(device.layout, verb, arguments)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["app", "1.0.0-aa", "e30="]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
WORDS = st.sampled_from(sorted({name for verb in VERBS for name in verbs._parameters(verb)}))


@settings(max_examples=300, deadline=None)
@given(verb=st.sampled_from(sorted(VERBS)), arguments=st.dictionaries(WORDS, ANYTHING, max_size=4))
def test_no_call_whatever_ends_in_anything_but_our_errors(
    tmp_path_factory: pytest.TempPathFactory, verb: str, arguments: dict[str, Any]
) -> None:
    layout = Layout(tmp_path_factory.getbasetemp() / "any-call")
    layout.root.mkdir(exist_ok=True)
    with suppress(EdgeError):
        dispatch(layout, verb, arguments)


def test_the_table_and_the_command_line_agree() -> None:
    assert list(VERBS) == sorted(VERBS)
    for verb, (positional, options, _) in SHOWN.items():
        assert {*positional, *options} <= verbs._parameters(verb).keys()


def test_a_damaged_slot_still_has_a_status(device: Device, boot: FakeBoot) -> None:
    app = device.bundle()
    run_well(device, app)
    (device.layout.slot(APP, app.slot) / "sealed.head").write_bytes(b"")
    seen = app_status(call(device, "status")[0])
    assert seen.confirmed is not None
    assert seen.confirmed.version == "1.0.0"
    assert "cannot be read" in seen.verdict
    with pytest.raises(VerificationError):
        call(device, "verify", name=APP, slot=app.slot)


def report(at_s: float, results: int) -> HealthReport:
    sources, sinks = {"accel": SourceHealth(10 * results, at_s)}, {"mqtt": SinkHealth(results, 3)}
    return HealthReport(1, os.getpid(), at_s, at_s, results, 2.5, 0, sources, sinks)


def test_a_running_application_is_judged_by_what_it_did_a_while_ago(device: Device, boot: FakeBoot) -> None:
    run_well(device, device.bundle())
    boot.running = True
    path, now_s = device.layout.health(APP), time.monotonic()
    path.parent.mkdir(parents=True)
    assert "no report" in app_status(call(device, "status")[0]).verdict
    write_health(path, report(now_s - 15, 40))
    assert "no report for 15 s" in app_status(call(device, "status")[0]).verdict
    write_health(path, report(now_s - 1, 50))
    seen = app_status(call(device, "status")[0])
    assert (seen.phase, seen.verdict, seen.pid) == ("running", "healthy", os.getpid())
    assert (seen.results, seen.p99_ms, seen.delivered, seen.waiting) == (50, 2.5, 50, 3)
    assert seen.memory_mib == 10
    write_health(path, report(now_s, 40))  # nothing new since 15 s ago
    assert "accel" in app_status(call(device, "status")[0]).verdict


def test_the_figures_of_the_process_before_are_not_those_of_this_one(device: Device, boot: FakeBoot) -> None:
    run_well(device, device.bundle())
    boot.running = True
    device.layout.run(APP).mkdir(parents=True)
    write_health(device.layout.health(APP), msgspec.structs.replace(report(time.monotonic(), 40), pid=os.getpid() + 1))
    seen = app_status(call(device, "status")[0])
    assert (seen.pid, seen.results, seen.delivered, seen.p99_ms) == (os.getpid(), 0, 0, 0.0)
    assert "only one from" in seen.verdict


def test_packages_are_read_back_unless_nobody_wants_it(device: Device, boot: FakeBoot) -> None:
    app = device.bundle(wheels=WHEELS)
    build(device, app)
    (device.layout.sites / app.site / "pump/valve.py").write_bytes(b"# damaged\n")
    with pytest.raises(VerificationError, match=r"valve\.py: is damaged"):
        call(device, "verify", name=APP, slot=app.slot)
    assert call(device, "verify", name=APP, slot=app.slot, packages=False)["files"] == len(app.files)


def test_counts_of_a_hostile_report_do_not_keep_the_device_from_answering(device: Device, boot: FakeBoot) -> None:
    run_well(device, device.bundle())
    boot.running = True
    most, now_s = 2**63 - 1, time.monotonic()
    sinks = {f"sinks[{number}]": SinkHealth(most, most) for number in range(3)}
    device.layout.run(APP).mkdir(parents=True)
    write_health(device.layout.health(APP), HealthReport(1, os.getpid(), now_s, now_s, most, 1e308, most, {}, sinks))
    seen = app_status(call(device, "status")[0])
    assert (seen.delivered, seen.waiting) == (most, most)
    assert call(device, "facts")["apps"][0]["results"] == most


def test_a_device_in_a_folder_needs_no_fake(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "serves", lambda layout, site: True)
    run_well(device, device.bundle())
    call(device, "restart", name=APP)
    assert call(device, "logs", name=APP) == []
    seen = app_status(call(device, "status")[0])
    assert (seen.phase, seen.pid) == ("stopped", 0)


def test_importing_the_verbs_is_cheap() -> None:
    heavy = ("numpy", "wasmtime", "rich", "cryptography", "cffi")
    script = f"import sys, firmware_tools.update.verbs\nprint([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_the_command_line_speaks_json_and_our_errors(
    device: Device, boot: FakeBoot, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ["--root", str(device.layout.root)]
    run_well(device, device.bundle())
    assert main([*root, "status"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == APP
    assert main([*root, "status", APP]) == 0
    assert main([*root, "collect"]) == 0
    capsys.readouterr()
    cases: list[tuple[list[str], int]] = [
        (["confirm", "nobody"], 4),
        (["confirm"], 2),
        (["collect", APP], 2),
        (["status", "--now"], 2),
        (["stats"], 2),
        (["gate", "../x"], 2),
        (["choose"], 2),
        (["logs", APP, "--lines", "many"], 2),
        ([], 2),
    ]
    for words, code in cases:
        assert main([*root, *words]) == code, words
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("error: ")
        assert "\ntry: " in said.err
    assert main(["--help"]) == 0


def test_two_do_not_change_one_device(device: Device, boot: FakeBoot, capsys: pytest.CaptureFixture[str]) -> None:
    run_well(device, device.bundle())
    with device.layout.lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert main(["--root", str(device.layout.root), "collect"]) == 21
        assert main(["--root", str(device.layout.root), "status"]) == 0


def test_a_full_disk_is_no_traceback(device: Device, boot: FakeBoot, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(layout: Layout, name: str) -> object:
        raise OSError(28, "No space left on device", "/x")

    monkeypatch.setitem(verbs.VERBS, "restart", full)
    verbs._parameters.cache_clear()
    with pytest.raises(TransferError, match="No space left"):
        dispatch(device.layout, "restart", {"name": APP})
    verbs._parameters.cache_clear()
