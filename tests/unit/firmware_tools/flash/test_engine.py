from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edge_sdk.errors import (
    BusyError,
    DeadlineError,
    EdgeError,
    HealthGateError,
    RollbackError,
    TransferError,
    TrustError,
    UsageError,
)
from firmware_tools.bundle import Bundle
from firmware_tools.bundle.manifest import FileEntry, Manifest
from firmware_tools.flash import steps
from firmware_tools.flash.deploy import Options, Root, install, open_bundle, roll_back
from firmware_tools.flash.device import Device
from firmware_tools.flash.journal import journal_folder, read_lines
from firmware_tools.flash.plan import Plan
from firmware_tools.sign import BUNDLE, canonical, seal
from firmware_tools.update.site import site_of
from tests.unit.firmware_tools.bundles import manifest_of
from tests.unit.firmware_tools.flash.fake_target import FakeDevice, FakeTarget, Recorder

WHEEL = "wheels/edge_sdk-0.1.0-py3-none-any.whl"
FILES = {"models/a.wasm": b"a" * 300, "models/b.wasm": b"b" * 50, "pipeline.toml": b'name = "app"\n'}
ROOT = Root(None, b"root", 1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A clock that runs by itself, so that nothing waits; journals and receipts in a folder of the test."""
    ticks = itertools.count()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(steps, "sleep", lambda seconds: None)
    monkeypatch.setattr(steps, "monotonic", lambda: float(next(ticks)))


def release(folder: Path, version: str = "1.0.0", *, wheel: bytes = b"", **files: bytes) -> Bundle:
    """A bundle on disk, opened."""
    contents = {**FILES, **{f"models/{name}.wasm": data for name, data in files.items()}}
    manifest = manifest_of(contents, version=version)
    if wheel:
        contents[WHEEL] = wheel
        manifest = replace(manifest, files=(*manifest.files, wheel_entry(wheel)))
    payload = b"".join(data for _, data in sorted(contents.items()))
    path = folder / f"{version}-{len(payload)}.edgeb"
    path.write_bytes(seal(BUNDLE, canonical.encode(manifest), [], len(payload)) + payload)
    return open_bundle(path, Root(), Recorder())


def wheel_entry(data: bytes) -> FileEntry:
    return FileEntry(path=WHEEL, role="wheel", sha256=hashlib.sha256(data).hexdigest(), size=len(data))


def empty_wheel() -> bytes:
    """The smallest zip archive: nothing in it."""
    return b"PK\x05\x06" + bytes(18)


def journal_of(plan: Plan) -> list[dict[str, Any]]:
    return read_lines((journal_folder(plan.target, plan.app) / "journal.ndjson").read_text())


def installed(folder: Path, target: FakeTarget, version: str = "1.0.0", **options: Any) -> Recorder:
    events = Recorder()
    with FakeDevice(target) as device, release(folder, version, wheel=empty_wheel()) as bundle:
        install(device, bundle, ROOT, Options(**options), events)
    return events


def test_a_bare_target_gets_everything_and_runs_it(tmp_path: Path) -> None:
    target = FakeTarget()
    events = installed(tmp_path, target)
    assert target.state.confirmed.startswith("1.0.0-")
    assert target.agent
    assert events.ended == [step.id for step in events.plans[0].steps]
    assert target.receipts[0]["outcome"] == "running"
    assert target.receipts[0]["bytes_sent"] == sum(map(len, FILES.values())) + len(empty_wheel())
    (kept,) = (tmp_path / "state/edge-sdk/receipts").iterdir()
    assert json.loads(kept.read_text()) == target.receipts[0]


def test_a_dry_run_changes_and_starts_nothing_on_a_bare_target(tmp_path: Path) -> None:
    target = FakeTarget()
    events = installed(tmp_path, target, dry_run=True)
    assert target == FakeTarget()
    assert len(events.plans) == 1
    assert not (tmp_path / "state").exists()


def test_a_dry_run_of_an_update_only_reads(tmp_path: Path) -> None:
    target = FakeTarget()
    installed(tmp_path, target)
    target.calls.clear()
    installed(tmp_path, target, "2.0.0", dry_run=True)
    assert set(target.calls) == {"load", "facts", "have", "check"}


def test_nobody_who_says_no_is_overruled(tmp_path: Path) -> None:
    target = FakeTarget()
    with pytest.raises(UsageError, match="nobody said yes"):
        installed(tmp_path, target, ask=lambda plan: False)
    assert target == FakeTarget()


def test_a_target_without_trust_is_told_whom_to_believe_or_refused(tmp_path: Path) -> None:
    target = FakeTarget()
    with release(tmp_path, wheel=empty_wheel()) as bundle, pytest.raises(TrustError, match="knows nobody"):
        install(FakeDevice(target), bundle, Root(), Options(), Recorder())
    assert target == FakeTarget()


def test_the_device_refuses_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = FakeTarget()
    installed(tmp_path, target)
    target.calls.clear()
    target.breaks = ["check"]
    with pytest.raises(TransferError):
        installed(tmp_path, target, "2.0.0")
    assert set(target.calls) == {"load", "facts", "have", "check"}


def test_a_version_that_is_not_healthy_is_told_with_the_devices_reason(tmp_path: Path) -> None:
    target = FakeTarget(healthy=False)
    with pytest.raises(HealthGateError, match=r"was not healthy on root@fake: no results; nothing runs there now"):
        installed(tmp_path, target)
    assert target.receipts[0]["outcome"] == "reverted"
    assert target.receipts[0]["reason"] == "no results"
    target.healthy = True
    installed(tmp_path, target)
    target.healthy = False
    with pytest.raises(HealthGateError, match=r"version 1\.0\.0 runs again"):
        installed(tmp_path, target, "2.0.0")


def test_a_connection_lost_while_the_device_judges_is_made_again(tmp_path: Path) -> None:
    target = FakeTarget(polls=3, breaks=["status"])
    events = installed(tmp_path, target)
    assert target.state.confirmed
    assert any("connection lost" in note for note in events.notes)
    assert target.calls.count("lock") == 2


def test_a_device_that_stays_away_is_left_to_itself(tmp_path: Path) -> None:
    target = FakeTarget(breaks=["status"])

    class Gone(FakeDevice):
        connected = 0

        def connect(self) -> Any:
            self.connected += 1
            if self.connected > 1:
                raise TransferError("no route to host")
            return super().connect()

    with release(tmp_path, wheel=empty_wheel()) as bundle, pytest.raises(DeadlineError, match="it decides") as caught:
        install(Gone(target), bundle, ROOT, Options(), Recorder())
    assert caught.value.hint == "edge-sdk status --host fake"
    assert target.state.trial


def test_a_device_without_a_verdict_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with pytest.raises(DeadlineError, match=r"no verdict on 1\.0\.0-"):
        installed(tmp_path, FakeTarget(polls=10_000))


def test_who_does_not_wait_ends_with_the_trial(tmp_path: Path) -> None:
    target = FakeTarget()
    installed(tmp_path, target, wait=False)
    assert target.state.trial
    assert target.receipts[0]["outcome"] == "on trial"


def test_a_folder_waits_for_a_boot(tmp_path: Path) -> None:
    target = FakeTarget(loadable=True)
    with FakeDevice(target, "dir") as device, release(tmp_path) as bundle:
        result = install(device, bundle, ROOT, Options(), Recorder())
    assert result["outcome"] == "waiting for a boot"
    assert target.agent == ""
    assert not target.started


def test_packages_that_come_later_to_a_folder_look_after_it_from_then_on(tmp_path: Path) -> None:
    target, kinds = FakeTarget(loadable=True), []
    for version, wheel in (("1.0.0", b""), ("2.0.0", empty_wheel()), ("3.0.0", empty_wheel())):
        events = Recorder()
        with FakeDevice(target, "dir") as device, release(tmp_path, version, wheel=wheel) as bundle:
            install(device, bundle, ROOT, Options(), events)
        kinds.append("adopt" in events.ended)
    assert kinds == [True, True, False]
    assert target.agent in target.sites


def test_another_operator_is_waited_for_a_little(tmp_path: Path) -> None:
    target = FakeTarget(busy=2)
    installed(tmp_path, target)
    with pytest.raises(BusyError):
        installed(tmp_path, FakeTarget(busy=1000), "2.0.0")


def test_a_target_that_changed_meanwhile_is_not_touched(tmp_path: Path) -> None:
    target = FakeTarget()
    installed(tmp_path, target)

    def meanwhile(plan: Plan) -> bool:
        installed(tmp_path, target, "1.5.0")
        return True

    with pytest.raises(BusyError, match="changed while you looked"):
        installed(tmp_path, target, "2.0.0", ask=meanwhile)
    assert target.state.confirmed.startswith("1.5.0")


def test_a_bare_target_that_somebody_else_installs_meanwhile_is_not_touched(tmp_path: Path) -> None:
    target = FakeTarget()

    def meanwhile(plan: Plan) -> bool:
        installed(tmp_path, target, "1.5.0")
        return True

    with pytest.raises(BusyError, match="changed while you looked"):
        installed(tmp_path, target, "2.0.0", ask=meanwhile)
    assert target.state.confirmed.startswith("1.5.0")


def test_going_back_runs_the_version_before(tmp_path: Path) -> None:
    target = FakeTarget()
    installed(tmp_path, target)
    installed(tmp_path, target, "2.0.0")
    with FakeDevice(target) as device:
        result = roll_back(device, "", Options(), Recorder())
    assert target.state.confirmed.startswith("1.0.0")
    assert (result["outcome"], result["version"]) == ("running", "1.0.0")


def test_going_back_is_waited_for_longer_than_a_version_needs_to_become_healthy(tmp_path: Path) -> None:
    target, events = FakeTarget(), Recorder()
    installed(tmp_path, target)
    installed(tmp_path, target, "2.0.0")
    with FakeDevice(target) as device:
        roll_back(device, "", Options(dry_run=True), events)
    (gate,) = [step for step in events.plans[0].steps if step.kind == "gate"]
    assert gate.arguments["gate_s"] >= manifest_of({}).health.gate_s


def test_going_back_to_what_is_not_healthy_either_needs_hands(tmp_path: Path) -> None:
    target = FakeTarget()
    installed(tmp_path, target)
    installed(tmp_path, target, "2.0.0")
    target.healthy = False
    with FakeDevice(target) as device, pytest.raises(RollbackError, match="going back failed"):
        roll_back(device, "app", Options(), Recorder())
    assert target.state.confirmed.startswith("2.0.0")


def test_a_trial_is_given_up_at_once(tmp_path: Path) -> None:
    target = FakeTarget()
    installed(tmp_path, target)
    installed(tmp_path, target, "2.0.0", wait=False)
    with FakeDevice(target) as device:
        result = roll_back(device, "app", Options(), Recorder())
    assert result["outcome"] == "rolled back"
    assert target.state.confirmed.startswith("1.0.0")


def test_the_same_command_again_changes_nothing(tmp_path: Path) -> None:
    target = FakeTarget()
    installed(tmp_path, target)
    state, sent = target.state, len(target.slots)
    events = installed(tmp_path, target)
    assert target.state == state
    assert len(target.slots) == sent
    assert not [step for step in events.plans[0].steps if step.bytes]


CALLS = ["lock", "put", "site", "load", "adopt", "trust", "check", "build", "verify", "selftest", "activate", "restart"]


@pytest.mark.parametrize("call", [*CALLS, "collect", "receipt"])
def test_a_command_cut_off_anywhere_is_completed_by_the_same_command(tmp_path: Path, call: str) -> None:
    target = FakeTarget()
    with release(tmp_path, wheel=empty_wheel()) as bundle:
        first = bundle.manifest.files[0].sha256
    target.breaks = [f"put:{first}" if call == "put" else call]
    with pytest.raises(TransferError):
        installed(tmp_path, target)
    assert not target.breaks
    events = installed(tmp_path, target)
    assert target.state.confirmed.startswith("1.0.0")
    assert events.ended == [step.id for step in events.plans[0].steps]
    if call != "lock":
        assert any(note.startswith("going on with what was begun: 1.0.0-") for note in events.notes)


def test_what_another_version_left_unfinished_is_told(tmp_path: Path) -> None:
    target = FakeTarget(breaks=["build"])
    with pytest.raises(TransferError):
        installed(tmp_path, target)
    events = installed(tmp_path, target, "2.0.0")
    assert events.notes[0].startswith("an earlier command was not finished: 1.0.0-")
    assert events.notes[0].endswith("in build")


@st.composite
def situations(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "first": draw(st.booleans()),
        "stored": draw(st.dictionaries(st.sampled_from([*FILES, WHEEL]), st.integers(0, 400), max_size=4)),
        "same": draw(st.booleans()),
        "wheels": draw(st.booleans()),
        "trial": draw(st.booleans()),
        "healthy": draw(st.booleans()),
        "wait": draw(st.booleans()),
        "kind": draw(st.sampled_from(["ssh", "dir"])),
        "root": draw(st.integers(1, 2)),
    }


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(situations())
def test_what_a_dry_run_prints_is_what_is_then_carried_out(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, case: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("case")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    target = FakeTarget(loadable=case["kind"] == "dir" or not case["wheels"])
    wheel = empty_wheel() if case["wheels"] or case["kind"] == "ssh" else b""
    if not case["first"]:
        with FakeDevice(target, case["kind"]) as device, release(folder, "0.9.0", wheel=wheel) as bundle:
            install(device, bundle, ROOT, Options(wait=not case["trial"]), Recorder())
    target.healthy = case["healthy"]
    with release(folder, "0.9.0" if case["same"] else "1.0.0", wheel=wheel) as bundle:
        keep_some(target, bundle.manifest, case["stored"])
        dry, wet = Recorder(), Recorder()
        options = Options(wait=case["wait"])
        root = Root(None, b"root", case["root"])
        with FakeDevice(target, case["kind"]) as device:
            install(device, bundle, root, replace_dry(options), dry)
        with FakeDevice(target, case["kind"]) as device:
            failure = attempt(device, bundle, root, options, wet)
    assert wet.plans == dry.plans
    shown = [step.id for step in dry.plans[0].steps]
    lines = journal_of(dry.plans[0])
    run = lines[-1]["run"]
    assert next(line["steps"] for line in lines if line["run"] == run) == shown
    done = [line["step"] for line in lines if line["run"] == run and line["state"] == "done"]
    if failure is None:
        assert done == wet.ended == shown
    else:
        assert isinstance(failure, HealthGateError)
        assert done == [step for step in shown if step not in ("gate", "collect")]


def keep_some(target: FakeTarget, manifest: Manifest, stored: dict[str, int]) -> None:
    """Put the beginnings of files into the store, as a try that was cut off leaves them."""
    contents = {**FILES, WHEEL: empty_wheel()}
    for entry in manifest.files:
        if entry.path in stored:
            target.store[entry.sha256] = contents[entry.path][: stored[entry.path]]
    assert site_of(manifest) or WHEEL not in [entry.path for entry in manifest.files]


def replace_dry(options: Options) -> Options:
    return Options(wait=options.wait, dry_run=True)


def attempt(device: Device, bundle: Bundle, root: Root, options: Options, events: Recorder) -> EdgeError | None:
    try:
        install(device, bundle, root, options, events)
    except EdgeError as error:
        return error
    return None
