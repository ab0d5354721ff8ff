"""A fake: a target in this process that keeps its state in attributes, and a link to it. Nothing is written anywhere.

It stands for the receiver and the verbs, whose real forms have tests of their own; what is tested with it is the
operator's side alone.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import msgspec

from edge_sdk.errors import BusyError, SafetyError, TransferError
from firmware_tools.bundle.manifest import Manifest, decode_manifest
from firmware_tools.flash.device import Device
from firmware_tools.flash.events import Events
from firmware_tools.flash.plan import Plan, Step
from firmware_tools.flash.probe import TargetFacts
from firmware_tools.flash.target import Place
from firmware_tools.sign import BUNDLE, read_sealed
from firmware_tools.update.messages import AppStatus, DeviceFacts, Phase, Slot
from firmware_tools.update.state import State, begin, confirm, revert, roll_back


@dataclass
class FakeTarget:
    """The target's state.

    Attributes:
        loadable: whether the packages of its Python have the device's side.
        healthy: what the device's gate says of the next trials.
        polls: how often the status of a trial is asked before the gate decides.
        breaks: the calls (verb or operation) that lose the connection, once each.
    """

    loadable: bool = False
    healthy: bool = True
    polls: int = 2
    breaks: list[str] = field(default_factory=list)
    busy: int = 0
    store: dict[str, bytes] = field(default_factory=dict)
    sites: set[str] = field(default_factory=set)
    agent: str | None = None
    trust_version: int = 0
    slots: dict[str, Manifest] = field(default_factory=dict)
    state: State = field(default_factory=State)
    app: str = ""
    started: bool = False
    counters: dict[str, int] = field(default_factory=dict)
    receipts: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    left: int = 0

    def place(self, kind: str = "ssh") -> Place:
        """What looking at it gives."""
        transport = FakeTransport(self, kind)
        return Place("fake", "--host fake", transport, transport.probe(), board="x86-generic")

    def status(self) -> AppStatus:
        """What the device says of the application."""
        state = self.state
        phase: Phase = "absent"
        if state.wanted:
            phase = "running" if self.started else "stopped"
        if state.trial:
            phase = "trial" if self.started else "waiting for a boot"
        return AppStatus(
            name=self.app,
            phase=phase,
            current=state.wanted,
            confirmed=self._slot(state.confirmed),
            previous=self._slot(state.previous),
            trial=self._slot(state.trial),
            kind=state.kind,
            attempts=state.attempts,
            failures=state.failures,
            pid=1 if self.started else 0,
            verdict="",
            results=0,
            p99_ms=0.0,
            memory_mib=0,
            delivered=0,
            waiting=0,
        )

    def _slot(self, slot: str) -> Slot | None:
        if not slot:
            return None
        manifest = self.slots[slot]
        return Slot(slot, manifest.version, manifest.counter, "0" * 64)

    def judge(self) -> None:
        """Let the gate look once."""
        if self.state.trial and self.started:
            self.left -= 1
            if self.left <= 0:
                self.state = confirm(self.state) if self.healthy else revert(self.state, "no results", "2026")


@dataclass
class FakeTransport:
    """A way to it."""

    fake: FakeTarget
    kind: str = "ssh"
    target: str = "root@fake"
    words: str = "--host fake"
    root: str = "/"

    @property
    def restarts(self) -> bool:
        return self.kind != "dir"

    def probe(self) -> TargetFacts:
        return TargetFacts(
            arch="x86_64",
            python="3.11",
            libc="glibc",
            libc_version="2.36",
            utc_s=1_800_000_000,
            agent=self.fake.agent or "",
            launch=self.fake.agent is not None,
        )


class FakeLink:
    """A receiver in this process."""

    def __init__(self, target: FakeTarget) -> None:
        self.target = target
        self.loaded = False

    def _arrive(self, what: str) -> None:
        self.target.calls.append(what)
        if what in self.target.breaks:
            self.target.breaks.remove(what)
            raise TransferError(f"{what}: the connection is gone")

    def lock(self, owner: str) -> None:
        self._arrive("lock")
        if self.target.busy:
            self.target.busy -= 1
            raise BusyError("someone else")

    def stored(self, hashes: Sequence[str]) -> dict[str, int]:
        return {one: len(self.target.store.get(one, b"")) for one in hashes}

    def put(self, sha256: str, size: int, source: BinaryIO, progress: Callable[[int], None] | None = None) -> None:
        self._arrive(f"put:{sha256}")
        source.seek(len(self.target.store.get(sha256, b"")))
        self.target.store[sha256] = self.target.store.get(sha256, b"") + source.read()
        assert len(self.target.store[sha256]) == size
        if progress is not None:
            progress(size)

    def make_site(self, site: str, wheels: Sequence[tuple[str, str]]) -> None:
        self._arrive("site")
        assert all(sha256 in self.target.store for _, sha256 in wheels)
        self.target.sites.add(site)

    def load_agent(self, site: str) -> None:
        self._arrive("load")
        if not (site in self.target.sites if site else self.target.loadable):
            raise SafetyError("there is none")
        self.loaded = True

    def set_agent(self, site: str) -> None:
        self._arrive("adopt")
        assert not site or site in self.target.sites
        self.target.agent = site

    def call(self, verb: str, **arguments: Any) -> Any:
        self._arrive(verb)
        assert self.loaded, verb
        arguments = json.loads(json.dumps(arguments))
        return json.loads(msgspec.json.encode(getattr(self, f"_{verb}")(**arguments)))

    def close(self) -> None:
        self.loaded = False

    def _facts(self) -> DeviceFacts:
        target = self.target
        return DeviceFacts(
            protocol=1,
            sdk="0.1.0",
            board="x86-generic",
            statement="",
            arch="x86_64",
            compatible=(),
            ram_mib=4096,
            boot="plain",
            running=True,
            trust_version=target.trust_version,
            agent=target.agent or "",
            sites=tuple(sorted(target.sites)),
            apps=(target.status(),) if target.app else (),
            counters=target.counters,
            utc="2026",
        )

    def _have(self, name: str, hashes: list[str]) -> list[str]:
        held = {entry.sha256 for slot in self.target.slots.values() for entry in slot.files if entry.role != "wheel"}
        return [one for one in hashes if one in held]

    def _check(self, head: str, allow_downgrade: bool, board: str) -> dict[str, Any]:
        assert self.target.trust_version
        manifest, slot = parsed(head)
        return {"name": manifest.name, "slot": slot, "known": slot in self.target.slots}

    def _trust(self, root: str) -> dict[str, int]:
        self.target.trust_version += 1
        return {"version": self.target.trust_version}

    def _build(self, head: str, site: str, allow_downgrade: bool, board: str) -> dict[str, str]:
        manifest, slot = parsed(head)
        for entry in manifest.files:
            if entry.role != "wheel" and entry.sha256 not in self._have("", [entry.sha256]):
                assert len(self.target.store[entry.sha256]) == entry.size
        assert not site or site in self.target.sites
        self.target.slots[slot] = manifest
        return {"slot": slot}

    def _verify(self, name: str, slot: str, packages: bool = True) -> dict[str, int]:
        return {"files": len(self.target.slots[slot].files), "bytes": 0}

    def _selftest(self, name: str, slot: str) -> dict[str, int]:
        assert slot in self.target.slots
        return {"models": 0}

    def _activate(self, name: str, slot: str, kind: Any, now: bool, gate_s: int, hold_s: int) -> AppStatus:
        assert slot in self.target.slots
        assert self.target.agent is not None
        self.target.app, self.target.started = name, False
        self.target.state = begin(self.target.state, slot, kind, gate_s=gate_s, hold_s=hold_s)
        return self.target.status()

    def _restart(self, name: str) -> dict[str, Any]:
        target = self.target
        target.started, target.left = True, target.polls
        if target.state.trial:
            target.state = msgspec.structs.replace(target.state, attempts=1)
        return {}

    def _status(self, name: str = "") -> list[AppStatus]:
        self.target.judge()
        return [self.target.status()] if self.target.app else []

    def _rollback(self, name: str, now: bool, slot: str) -> AppStatus:
        target = self.target
        if target.state.trial:
            target.state = revert(target.state, "given up by the operator", "2026")
        else:
            target.state, target.started = roll_back(target.state), False
        return target.status()

    def _receipt(self, name: str, receipt: dict[str, Any]) -> dict[str, Any]:
        self.target.receipts.append(receipt)
        return {}

    def _collect(self) -> dict[str, Any]:
        self.target.store.clear()
        return {"removed": [], "bytes": 0}

    def _confirm(self, name: str) -> AppStatus:
        self.target.state = confirm(self.target.state)
        return self.target.status()

    def _logs(self, name: str, lines: int) -> list[str]:
        return ["one", "two\x1b[2J"][-lines:]


class FakeDevice(Device):
    """A device whose link leads to the fake."""

    def __init__(self, target: FakeTarget, kind: str = "ssh") -> None:
        super().__init__(target.place(kind))
        self.target = target

    def connect(self) -> FakeLink:
        return FakeLink(self.target)


class Recorder(Events):
    """Events kept in lists."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.notes: list[str] = []
        self.verdicts: list[AppStatus] = []

    def plan(self, plan: Plan) -> None:
        self.plans.append(plan)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def begin(self, step: Step) -> None:
        self.begun.append(step.id)

    def end(self, step: Step, spent_s: float) -> None:
        self.ended.append(step.id)

    def progress(self, phase: str, done: int, total: int) -> None: ...

    def verdict(self, status: AppStatus) -> None:
        self.verdicts.append(status)

    def result(self, result: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


def parsed(head: str) -> tuple[Manifest, str]:
    """Return the manifest of a head and the name of its slot."""
    data = base64.b64decode(head)
    sealed = read_sealed(io.BytesIO(data), BUNDLE, head_only=True)
    manifest = decode_manifest(sealed.document)
    return manifest, f"{manifest.version}-{hashlib.sha256(sealed.document).hexdigest()[:12]}"
