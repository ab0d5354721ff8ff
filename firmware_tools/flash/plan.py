"""What will be done, before anything is done. Pure: what is wanted and what is there in, a list of steps out.

    first install     lock  put wheels  site  load  adopt  trust  check  put files  build ...
    later             lock  load  [trust]  check  put what is missing  [site]  build  [adopt] ...
    both go on        ... verify  selftest  activate  restart  gate  collect  receipt
    a folder          ... verify  activate  collect  receipt            nothing runs there

The list that is shown is the list that is carried out; `--dry-run --json` prints it. Each step may be done again, so
a command that was cut off is simply given again: it plans anew, and what is there already is not sent twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from edge_sdk.errors import SafetyError, UsageError
from edge_sdk.units import si_bytes
from firmware_tools.bundle import FileEntry, Manifest
from firmware_tools.update.messages import AppStatus
from firmware_tools.update.site import site_of
from firmware_tools.update.state import Kind

Risk = Literal["safe", "replaces-app", "erases-media"]


class Step(Struct, frozen=True):
    """One thing that is done on the target; doing it again changes nothing."""

    id: str
    """The same in every plan that has this step."""
    kind: str
    """A row of STEPS."""
    risk: Risk
    text: str
    """For people."""
    arguments: dict[str, Any]
    """For the function of the row."""
    bytes: int
    """To be sent at most."""


class Plan(Struct, frozen=True):
    """All of it."""

    target: str
    board: str
    app: str
    version: str
    slot: str
    replaces: str
    """The version that is confirmed there, "" for none."""
    bytes: int
    """To be sent at most."""
    notes: tuple[str, ...]
    """What a person should know before saying yes."""
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        for step in self.steps:
            if step.risk == "erases-media":
                raise SafetyError(
                    f"{self.target}: the step {step.id} would erase a medium; this version writes applications only"
                )
        if len({step.id for step in self.steps}) < len(self.steps):
            raise ValueError("two steps of a plan share an id")


class Want(Struct, frozen=True):
    """What the operator wants."""

    manifest: Manifest
    manifest_sha256: str
    root_version: int
    """Of the trust root the operator would put there; 0 for none."""
    kind: Kind = "update"
    wait: bool = True
    """Whether the verdict of the device is waited for."""
    now: bool = False
    """Whether a maintenance window is ignored."""
    gate_s: int = 0
    """0: as the manifest says."""
    hold_s: int = -1
    """-1: as the manifest says."""
    allow_downgrade: bool = False

    @property
    def slot(self) -> str:
        return f"{self.manifest.version}-{self.manifest_sha256[:12]}"


class There(Struct, frozen=True):
    """What is there."""

    target: str
    board: str
    restarts: bool
    """Whether services can be restarted; not in a folder."""
    agent: str | None
    """The site of the device's side, "" for the packages of the target's Python; None: none was put in force yet."""
    loads: str | None
    """The site to load the device's side from now, "" for packages; None: it must be sent first."""
    called: str = ""
    """The board, where the operator says it; "" where it was seen."""
    tests: bool = True
    """Whether the models can be asked there, now."""
    trust_version: int = 0
    sites: tuple[str, ...] = ()
    app: AppStatus | None = None
    stored: Mapping[str, int] = {}
    """Blob -> its bytes in the store, of an earlier try."""
    had: tuple[str, ...] = ()
    """Blobs that a kept slot of this application holds."""


def plan_install(want: Want, there: There) -> Plan:
    """Return the steps that bring a bundle there."""
    wheels, files = _wheels(want.manifest), _files(want.manifest)
    site = site_of(want.manifest)
    steps = [_step("lock", "keep others out while this runs")]
    if there.loads is None:
        if not site:
            raise SafetyError(
                f"{there.target}: has no edge-sdk, and the bundle brings no wheels for it",
                hint="edge-sdk bundle PIPELINE.toml -o APP.edgeb --wheelhouse DIR",
            )
        steps += [*_puts(wheels, there), _site(site, wheels), _load(site), _adopt(site)]
    else:
        steps.append(_load(there.loads))
    steps += _trust(want, there)
    terms = {"allow_downgrade": want.allow_downgrade, "board": there.called}
    steps.append(_step("check", "let the device check signature, board and age", **terms))
    if not _kept(want, there):
        steps += _puts(files, there)
        if site and there.loads is not None and site not in there.sites:
            steps += [*_puts(wheels, there), _site(site, wheels)]
        text = f"put version {want.manifest.version} together beside the running one"
        steps.append(_step("build", text, site=site, **terms))
    if there.agent is None and there.loads is not None:
        steps.append(_adopt(site))
    steps += _switch(want, there)
    return _plan(want.manifest.name, want.manifest.version, want.slot, there, steps)


def plan_rollback(name: str, there: There, *, now: bool = False, wait: bool = True, gate_s: int = 120) -> Plan:
    """Return the steps that bring the version before back.

    Raises:
        UsageError: there is none.
    """
    app = there.app
    if app is None or (app.trial is None and app.previous is None):
        raise UsageError(
            f"{there.target}: no earlier version of {name} is kept there", hint="edge-sdk flash OLDER.edgeb"
        )
    goal = app.confirmed if app.trial is not None else app.previous
    version = goal.version if goal is not None else ""
    text = f"go back to version {version}" if version else "give the first version up; nothing runs then"
    steps = [_step("lock", "keep others out while this runs"), _load(there.loads or "")]
    steps.append(_step("rollback", text, "replaces-app", now=now, slot=goal.id if goal is not None else ""))
    if there.restarts and app.trial is None and goal is not None:  # giving a trial up restarts by itself
        steps.append(_step("restart", "restart the service", "replaces-app"))
        if wait:
            steps.append(_step("gate", "wait for the device's verdict", slot=goal.id, gate_s=gate_s))
    steps.append(_step("receipt", "write down what was done"))
    return _plan(name, version, goal.id if goal is not None else "", there, steps)


def _switch(want: Want, there: There) -> Iterator[Step]:
    """Yield everything after the slot is there."""
    app, health = there.app, want.manifest.health
    gate_s = want.gate_s or health.gate_s
    hold_s = min(health.hold_s if want.hold_s < 0 else want.hold_s, gate_s)
    site = site_of(want.manifest)
    if want.kind == "watch" and site in there.sites:  # read back when it came, and nothing was added to it
        yield _step("verify", "read the new files back", packages=False)
    else:
        yield _step("verify", "read everything back")
    on_trial = app is not None and app.trial is not None and app.trial.id == want.slot
    confirmed = app is not None and app.trial is None and app.confirmed is not None and app.confirmed.id == want.slot
    runs = confirmed and app is not None and app.phase == "running"
    if there.tests and not confirmed and not on_trial:
        yield _step("selftest", "ask the models on the device and compare their answers")
    if not on_trial and not (runs or (confirmed and not there.restarts)):
        text = f"switch to version {want.manifest.version}"
        yield _step("activate", text, "replaces-app", kind=want.kind, now=want.now, gate_s=gate_s, hold_s=hold_s)
    started = on_trial and app is not None and app.attempts > 0
    if there.restarts and not runs and not started:
        yield _step("restart", "restart the service", "replaces-app")
    if there.restarts and want.wait and not runs:
        text = f"wait for the device's verdict, at most {gate_s} s; it goes back by itself"
        yield _step("gate", text, slot=want.slot, gate_s=gate_s)
    if want.wait or not there.restarts:
        yield _step("collect", "remove what nobody needs any more")
    yield _step("receipt", "write down what was done")


def _plan(name: str, version: str, slot: str, there: There, steps: Sequence[Step]) -> Plan:
    app = there.app
    replaces = app.confirmed.version if app is not None and app.confirmed is not None else ""
    sent = sum(step.bytes for step in steps)
    return Plan(
        there.target, there.board, name, version, slot, replaces, sent, tuple(_notes(slot, there)), tuple(steps)
    )


def _notes(slot: str, there: There) -> Iterator[str]:
    app = there.app
    if app is None:
        return
    for failure in app.failures:
        if failure.slot == slot:
            yield f"this version was tried here before and failed: {failure.reason}"
    if app.trial is not None and app.trial.id != slot:
        yield f"version {app.trial.version} is on trial there and is given up for this"
    if app.trial is not None and app.trial.id == slot:
        yield "this version is on trial there already"
    elif app.confirmed is not None and app.confirmed.id == slot:
        yield "this version runs there already" if app.phase == "running" else "this version is installed there already"


def _step(kind: str, text: str, risk: Risk = "safe", /, **arguments: Any) -> Step:
    return Step(kind, kind, risk, text, arguments, 0)


def _puts(entries: Sequence[FileEntry], there: There) -> list[Step]:
    """Return a step for each content that is not there yet; two files may share one."""
    missing = {entry.sha256: entry for entry in entries if entry.sha256 not in there.had}
    steps = []
    for sha256, entry in missing.items():
        left = entry.size - there.stored.get(sha256, 0)
        # An empty blob is never "all there": its size is also that of one nobody sent.
        if left > 0 or entry.size == 0:
            text = f"send {entry.path}, {si_bytes(left)}"
            steps.append(Step(f"put:{sha256}", "put", "safe", text, {"path": entry.path}, left))
    return steps


def _site(site: str, wheels: Sequence[FileEntry]) -> Step:
    named = [[entry.path.rpartition("/")[2], entry.sha256] for entry in wheels]
    return Step("site", "site", "safe", f"unpack {len(named)} Python packages", {"site": site, "wheels": named}, 0)


def _load(site: str) -> Step:
    return _step("load", "start the device's side", site=site)


def _adopt(site: str) -> Step:
    return _step("adopt", "make this device look after its updates itself", site=site)


def _trust(want: Want, there: There) -> list[Step]:
    if want.root_version <= there.trust_version:
        return []
    text = "tell the device whom to believe" if not there.trust_version else "tell the device of changed keys"
    return [_step("trust", text, version=want.root_version)]


def _kept(want: Want, there: There) -> bool:
    """Whether the slot is one that the device keeps anyway."""
    app = there.app
    slots = (app.confirmed, app.previous, app.trial) if app is not None else ()
    return any(slot is not None and slot.id == want.slot for slot in slots)


def _wheels(manifest: Manifest) -> list[FileEntry]:
    return [entry for entry in manifest.files if entry.role == "wheel"]


def _files(manifest: Manifest) -> list[FileEntry]:
    return [entry for entry in manifest.files if entry.role != "wheel"]
