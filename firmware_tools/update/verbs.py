"""What the device does when it is asked: a table of functions with plain JSON in and out.

dispatch(Layout(Path("/")), "confirm", {"name": "press-7"})

Each may be called again: who lost the connection does not know whether the last call arrived. Arguments come from
outside and are checked against the annotations here; a call that does not fit is a UsageError, before anything is done.
"""

from __future__ import annotations

import base64
import binascii
import inspect
import io
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from edge_sdk.errors import ConfigError, RollbackError, TargetNotFoundError, UsageError
from edge_sdk.registry import nearest
from edge_sdk.units import utc_now
from firmware_tools.bundle.manifest import MAX_FILES, Name, Sha256
from firmware_tools.sign import ROOT, TrustStore, durable, read_sealed
from firmware_tools.sign.sealed import MAX_HEAD_BYTES
from firmware_tools.sign.store import MAX_ROOT_BYTES
from firmware_tools.update.boot import boot_of
from firmware_tools.update.facts import read_facts
from firmware_tools.update.folders import make_folders, writing
from firmware_tools.update.layout import Layout
from firmware_tools.update.policy import check_policy
from firmware_tools.update.site import site_of, verify_site
from firmware_tools.update.slot import (
    Head,
    build_slot,
    check_counter,
    check_head,
    held,
    kept_slots,
    read_head,
    verify_slot,
)
from firmware_tools.update.state import Kind, State, begin, load_state, roll_back
from firmware_tools.update.status import read_status
from firmware_tools.update.switch import change_state, confirm_trial, revert_trial
from firmware_tools.update.tested import remember_tested, untested

SlotName = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,95}\Z")]
AnySlot = Annotated[str, Meta(pattern=r"\A([A-Za-z0-9][A-Za-z0-9._-]{0,95})?\Z")]
SiteName = Annotated[str, Meta(pattern=r"\A([0-9a-f]{16})?\Z")]
BoardName = Annotated[str, Meta(max_length=64)]
AnyName = Annotated[str, Meta(pattern=r"\A([A-Za-z0-9][A-Za-z0-9._-]{0,63})?\Z")]
HeadText = Annotated[str, Meta(max_length=(MAX_HEAD_BYTES + 2) // 3 * 4)]
RootText = Annotated[str, Meta(max_length=(MAX_ROOT_BYTES + 2) // 3 * 4)]
Seconds = Annotated[int, Meta(ge=0, le=86400)]
Lines = Annotated[int, Meta(ge=1, le=10_000)]
Hashes = Annotated[list[Sha256], Meta(max_length=MAX_FILES)]
MAX_LINE = 4096


def facts(layout: Layout) -> object:
    """Say what this device is."""
    return read_facts(layout)


def have(layout: Layout, name: Name, hashes: Hashes) -> object:
    """Say which of the contents need not be sent: a kept slot has them, read back from the disk."""
    return held(layout, name, hashes)


def check(layout: Layout, head: HeadText, allow_downgrade: bool = False, board: BoardName = "") -> object:
    """Say whether this device would take the bundle; write nothing."""
    found = check_head(layout, _decoded(head), board=board, allow_downgrade=allow_downgrade)
    name, slot = found.manifest.name, found.slot
    return {"name": name, "slot": slot, "known": slot in kept_slots(layout, name)}


def trust(layout: Layout, root: RootText) -> object:
    """Take a trust root: the first as it comes, later ones only as rightful successors."""
    data, store = _decoded(root), TrustStore(layout.trust)
    if store.exists() and _is_same_root(store, data):
        return {"version": store.root().version}
    make_folders(layout.trust)
    return {"version": store.update(data).version}


def build(
    layout: Layout, head: HeadText, site: SiteName, allow_downgrade: bool = False, board: BoardName = ""
) -> object:
    """Put a slot together beside the running one."""
    data = _decoded(head)
    name = check_head(layout, data, board=board, allow_downgrade=allow_downgrade).manifest.name
    kept = {load_state(layout.state(name)).confirmed, layout.current_slot(name)}
    return {"slot": build_slot(layout, data, site, board=board, allow_downgrade=allow_downgrade, kept=kept).slot}


def verify(layout: Layout, name: Name, slot: SlotName, packages: bool = True) -> object:
    """Read everything back: the slot's files and, with `packages`, its site's."""
    files, size = verify_slot(layout, name, slot)
    if packages and (site := site_of(read_head(layout, name, slot).manifest)):
        more = verify_site(layout, site)
        files, size = files + more[0], size + more[1]
    return {"files": files, "bytes": size}


def selftest(layout: Layout, name: Name, slot: SlotName) -> object:
    """Ask the slot's models their golden questions, those that have answered here before excepted."""
    from firmware_tools.update.selftest import selftest as ask_models

    models = ask_models(layout, name, slot, untested(layout, name, slot))
    remember_tested(layout, name, slot)
    return {"models": models}


def activate(
    layout: Layout,
    name: Name,
    slot: SlotName,
    kind: Kind = "update",
    now: bool = False,
    gate_s: Seconds = 0,
    hold_s: Seconds = 0,
) -> object:
    """Put a slot on trial: from the next start on it runs. One that is on trial already keeps its attempts."""
    _check_believed(layout, read_head(layout, name, slot))
    tested = not untested(layout, name, slot)

    def change(state: State) -> State:
        if state.trial == slot:
            return replace(state, kind=kind, tested=tested, gate_s=gate_s, hold_s=hold_s)
        return begin(state, slot, kind, tested=tested, gate_s=gate_s, hold_s=hold_s)

    if load_state(layout.state(name)).wanted != slot:
        check_policy(layout, name, utc_now(), now=now)
    change_state(layout, name, change)
    boot_of(layout).install(name)
    return read_status(layout, name)


def restart(layout: Layout, name: Name) -> object:
    """Let the service run what `current` leads to."""
    _known(layout, name)
    _restart(layout, name)
    return {}


def status(layout: Layout, name: AnyName = "") -> object:
    """Say how an application is, or all of them; nothing for one that nobody has installed."""
    return [read_status(layout, one) for one in layout.names() if name in ("", one)]


def logs(layout: Layout, name: Name, lines: Lines = 100) -> object:
    """Return the last lines an application has written."""
    _known(layout, name)
    return [line[:MAX_LINE] for line in boot_of(layout).logs(name, lines)[-lines:]]


def confirm(layout: Layout, name: Name) -> object:
    """Make the trial the good version, whatever the judge would say."""
    _known(layout, name)
    confirm_trial(layout, name)
    return read_status(layout, name)


def rollback(layout: Layout, name: Name, now: bool = False, slot: AnySlot = "") -> object:
    """Go back: from a trial at once, else the version before the confirmed one is put on trial.

    Args:
        layout: of the device.
        name: of the application.
        now: whatever the maintenance window says.
        slot: where to; a call that comes again, because its answer was lost, changes nothing then.
    """
    state = _known(layout, name)
    if slot and state.wanted == slot:
        boot_of(layout).install(name)
        return read_status(layout, name)
    if slot and slot != (state.confirmed if state.trial else state.previous):
        raise UsageError(f"{name}: {slot} is not the version before", hint="edge-sdk status")
    if state.trial:
        if revert_trial(layout, name, "given up by the operator").confirmed != state.confirmed:
            raise RollbackError(f"{name}: {state.trial} was confirmed at this moment", hint="edge-sdk flash --rollback")
        _restart(layout, name)
        return read_status(layout, name)
    goal = roll_back(state).trial
    _check_believed(layout, read_head(layout, name, goal))
    check_policy(layout, name, utc_now(), now=now)
    after = change_state(layout, name, lambda old: old if old.trial else roll_back(old))
    if after.trial != goal:
        raise RollbackError(f"{name}: the version before, {goal}, could not be put on trial", hint="edge-sdk status")
    boot_of(layout).install(name)
    return read_status(layout, name)


def receipt(layout: Layout, name: Name, receipt: dict[str, Any]) -> object:
    """Keep what the operator's side says was done."""
    from firmware_tools.update.receipts import keep_receipt

    return {"file": keep_receipt(layout.receipts(name), receipt)}


def collect(layout: Layout) -> object:
    """Finish what a crash has cut off, and remove what nobody needs any more."""
    from firmware_tools.update.collect import collect as tidy_up

    for name in layout.names():
        with suppress(ConfigError, RollbackError):  # `status` says so
            if change_state(layout, name, lambda state: state).wanted:
                boot_of(layout).install(name)
    removed, freed = tidy_up(layout)
    return {"removed": removed, "bytes": freed}


VERBS: dict[str, Callable[..., object]] = {
    "activate": activate,
    "build": build,
    "check": check,
    "collect": collect,
    "confirm": confirm,
    "facts": facts,
    "have": have,
    "logs": logs,
    "receipt": receipt,
    "restart": restart,
    "rollback": rollback,
    "selftest": selftest,
    "status": status,
    "trust": trust,
    "verify": verify,
}


def dispatch(layout: Layout, verb: str, arguments: object) -> Any:
    """Call a verb with arguments from outside; plain JSON values out.

    Raises:
        UsageError: no such verb, or arguments that do not fit it.
        EdgeError: what the verb complains about.
    """
    if not isinstance(verb, str) or verb not in VERBS:
        word = str(verb)[:80]
        raise UsageError(f"the device has no verb {word!r}{nearest(word, VERBS)}", hint="update edge-sdk there")
    given = _checked(verb, arguments)
    with writing(layout.home):
        return msgspec.json.decode(msgspec.json.encode(VERBS[verb](layout, **given)))


@lru_cache(maxsize=32)
def _parameters(verb: str) -> dict[str, tuple[Any, bool]]:
    """Return argument -> (its type, whether it must be given)."""
    hints = get_type_hints(VERBS[verb], include_extras=True)
    words = list(inspect.signature(VERBS[verb]).parameters.values())[1:]
    return {one.name: (hints[one.name], one.default is inspect.Parameter.empty) for one in words}


def _checked(verb: str, arguments: object) -> dict[str, Any]:
    known = _parameters(verb)
    if not isinstance(arguments, dict) or not all(isinstance(key, str) for key in arguments):
        raise UsageError(f"{verb}: expected an object of arguments, got {type(arguments).__name__}")
    for key in arguments:
        if key not in known:
            raise UsageError(f"{verb}: unknown argument {key[:80]!r}{nearest(key[:80], list(known))}")
    for key, (_, needed) in known.items():
        if needed and key not in arguments:
            raise UsageError(f"{verb}: the argument {key!r} is missing")
    try:
        return {key: msgspec.convert(value, known[key][0], strict=True) for key, value in arguments.items()}
    except (msgspec.ValidationError, RecursionError) as fault:
        raise UsageError(f"{verb}: {fault}") from None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UsageError("expected base64") from None


def _is_same_root(store: TrustStore, data: bytes) -> bool:
    old = durable.read(store.folder / "root.edget", MAX_ROOT_BYTES)
    given = read_sealed(io.BytesIO(data), ROOT)
    return read_sealed(io.BytesIO(old), ROOT).document == given.document


def _known(layout: Layout, name: str) -> State:
    """Return the state of an application.

    Raises:
        TargetNotFoundError: nobody has installed it.
    """
    if name not in layout.names():
        known = ", ".join(layout.names()) or "nothing"
        raise TargetNotFoundError(f"{name}: no such application on the device (it has {known})", hint="edge-sdk status")
    return load_state(layout.state(name))


def _check_believed(layout: Layout, head: Head) -> None:
    """Refuse a version whose signers or counter are not good enough any more: they were when it came.

    Raises:
        TrustError: says which.
    """
    store = TrustStore(layout.trust)
    store.check_signers(head.sealed)
    check_counter(store, head, allow_downgrade=True)


def _restart(layout: Layout, name: str) -> None:
    boot = boot_of(layout)
    boot.install(name)
    boot.reload()
    boot.restart(name)
