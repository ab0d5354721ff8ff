"""Flashing from end to end: one bundle, or the way back, onto one target.

    survey -> plan -> checks -> show -> ask -> engine

Nothing is written on the target before every check is passed: the operator's trust, the bundle's hashes, board,
architecture, Python and room here; then, by the device itself, signature and age.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from edge_sdk.errors import TargetNotFoundError, TrustError, UsageError
from firmware_tools.bundle import Bundle, inspect_bundle, read_bundle
from firmware_tools.flash.device import Device
from firmware_tools.flash.engine import execute
from firmware_tools.flash.events import Events
from firmware_tools.flash.machine import machine_of, tests_there
from firmware_tools.flash.plan import Plan, There, Want, plan_install, plan_rollback
from firmware_tools.flash.preflight import Needs, preflight
from firmware_tools.flash.receipt import clock_state
from firmware_tools.flash.steps import Run
from firmware_tools.flash.wheels import unpacked
from firmware_tools.sign import TrustStore, durable
from firmware_tools.sign.store import MAX_ROOT_BYTES
from firmware_tools.update.state import Kind

ROOT_FILE = "root.edget"
#: A smaller bundle is checked before anyone could read a bar.
LARGE_BYTES = 256 << 20
#: Called with the plan; says whether to go on.
Ask = Callable[[Plan], bool]


@dataclass(frozen=True)
class Options:
    """How it is done; for the figures see `Want`.

    Attributes:
        ask: asks a person; None: nobody is asked.
    """

    ask: Ask | None = None
    dry_run: bool = False
    now: bool = False
    allow_downgrade: bool = False
    wait: bool = True
    kind: Kind = "update"
    gate_s: int = 0
    hold_s: int = -1


@dataclass(frozen=True)
class Root:
    """The operator's trust root: its folder, sealed bytes and version; None, b"" and 0 where there is none.

    Attributes:
        only_first: for a device that trusts nobody yet; others are left to believe whom they believe.
    """

    folder: Path | None = None
    sealed: bytes = b""
    version: int = 0
    only_first: bool = False


def read_root(folder: Path | None, *, only_first: bool = False) -> Root:
    """Return the trust root of a folder.

    Raises:
        TargetNotFoundError: the folder holds none.
        TrustError, ConfigError: it is damaged.
    """
    if folder is None:
        return Root()
    version = TrustStore(folder).root().version
    return Root(folder, durable.read(folder / ROOT_FILE, MAX_ROOT_BYTES), version, only_first)


def open_bundle(path: Path, root: Root, events: Events) -> Bundle:
    """Open a bundle that the operator may send: signed by whom the operator trusts, if that is known, and whole.

    Raises:
        SignatureError: too few trusted keys signed it.
        ConfigError: malformed.
        VerificationError: a file in it is damaged.
    """
    trusted = TrustStore(root.folder) if root.folder is not None and not root.only_first else None
    # Whether it is too old is the device's to say: this machine remembers no counters.
    bundle = read_bundle(path, trusted, None, allow_downgrade=True) if trusted is not None else inspect_bundle(path)
    try:
        large = bundle.sealed.payload_bytes >= LARGE_BYTES
        bundle.verify((lambda done, total: events.progress("checking the bundle", done, total)) if large else None)
    except BaseException:
        bundle.close()
        raise
    return bundle


def install(device: Device, bundle: Bundle, root: Root, options: Options, events: Events) -> dict[str, Any]:
    """Put a bundle on a device and return the result; with `dry_run` only the plan.

    Raises:
        EdgeError: refused, failed, or not healthy; see `engine.execute`.
    """
    want = Want(
        manifest=bundle.manifest,
        manifest_sha256=bundle.manifest_sha256,
        root_version=root.version,
        kind=options.kind,
        wait=options.wait,
        now=options.now,
        gate_s=options.gate_s,
        hold_s=options.hold_s,
        allow_downgrade=options.allow_downgrade,
    )
    tests = tests_there(device.place, bundle.manifest)
    there = device.there(want, tests=tests)
    if root.only_first:
        if there.trust_version:
            root, want = Root(), replace(want, root_version=0)
        elif root.folder is not None:
            TrustStore(root.folder).check_signers(bundle.sealed)
    plan = plan_install(want, there)
    _check(device, bundle, root, there, plan, events)

    def plan_again() -> Plan:
        device.look_again()
        return plan_install(want, device.there(want, tests=tests))

    return _go(device, plan, plan_again, options, events, bundle, root)


def roll_back(device: Device, name: str, options: Options, events: Events) -> dict[str, Any]:
    """Bring the version before back and return the result; with `dry_run` only the plan.

    Args:
        name: of the application; "" where the device has one only.

    Raises:
        RollbackError: that version was not healthy either.
        EdgeError: refused or failed.
    """

    def look() -> Plan:
        facts = device.look(wheels=False)
        app = name or only_app(device)
        loads = device.loads(False)
        there = There(
            target=device.transport.target,
            board=device.place.board,
            restarts=device.transport.restarts,
            agent=loads,
            loads=loads,
            app=device.app(app) if facts is not None else None,
        )
        return plan_rollback(app, there, now=options.now, wait=options.wait)

    return _go(device, look(), look, options, events)


def only_app(device: Device) -> str:
    """Return the application of a device that has one.

    Raises:
        TargetNotFoundError: it has none.
        UsageError: it has several.
    """
    apps = device.facts.apps if device.facts is not None else ()
    if not apps:
        raise TargetNotFoundError(f"{device.transport.target}: nothing is installed there", hint="edge-sdk flash")
    if len(apps) > 1:
        names = ", ".join(app.name for app in apps)
        raise UsageError(f"{device.transport.target}: has several applications: {names}", hint=f"--name {apps[0].name}")
    return apps[0].name


def _check(device: Device, bundle: Bundle, root: Root, there: There, plan: Plan, events: Events) -> None:
    """Do every check that needs no write: ours, then the device's own."""
    if not root.sealed and not there.trust_version:
        raise TrustError(
            f"{plan.target}: knows nobody it could believe yet, and no trust folder was given to tell it",
            hint="--trust DIR; edge-sdk bundle keys trust --help",
        )
    sites = [step for step in plan.steps if step.kind == "site"]
    wheels = [entry for entry in bundle.manifest.files if entry.role == "wheel"] if sites else []
    site_files, site_bytes = unpacked(bundle, wheels)
    files = [entry for entry in bundle.manifest.files if entry.role != "wheel"]
    builds = any(step.kind == "build" for step in plan.steps)
    needs = Needs(
        sent_bytes=plan.bytes,
        slot_bytes=sum(entry.size for entry in files) if builds else 0,
        slot_files=len(files) if builds else 0,
        site_bytes=site_bytes,
        site_files=site_files,
    )
    for warning in preflight(bundle.manifest, machine_of(device.place, bundle.manifest), needs):
        events.note(f"note: {warning}")
    # A device that must hear of changed keys first can only judge after that.
    if there.loads is not None and there.trust_version >= max(root.version, 1):
        check = next(step for step in plan.steps if step.kind == "check")
        device.link.call("check", head=base64.b64encode(bundle.sealed.head()).decode(), **check.arguments)


def _go(
    device: Device,
    plan: Plan,
    plan_again: Callable[[], Plan],
    options: Options,
    events: Events,
    bundle: Bundle | None = None,
    root: Root | None = None,
) -> dict[str, Any]:
    events.plan(plan)
    if options.dry_run:
        return {}
    if options.ask is not None and not options.ask(plan):
        raise UsageError("not done: nobody said yes", hint="--yes says it beforehand")
    run = Run(
        plan=plan,
        connect=device.connect,
        link=device.link,
        events=events,
        bundle=bundle,
        root=root.sealed if root is not None else b"",
        status_command=f"edge-sdk status {device.transport.words}".rstrip(),
        clock_state=clock_state(device.target_facts.utc_s),
    )
    try:
        return execute(run, plan_again)
    finally:
        device.link = run.link
