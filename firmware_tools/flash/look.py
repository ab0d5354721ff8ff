"""Looking at the places where a target could be: the thin part around `target.resolve`.

Hosts are asked side by side, since one that is switched off takes its time to say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from edge_sdk.board import Board, Catalogue, Family, load_boards, this_board
from edge_sdk.config.project import PROJECT_FILE, Host, user_hosts_file
from edge_sdk.errors import EdgeError, SafetyError, TargetNotFoundError, UsageError
from firmware_tools.flash import TRANSPORTS
from firmware_tools.flash.events import clean
from firmware_tools.flash.seen import recovery_devices
from firmware_tools.flash.target import Place, recognise, related, resolve
from firmware_tools.flash.transport import Transport

AT_ONCE = 8


@dataclass(frozen=True)
class Address:
    """The options that name a target; at most one of `host`, `local` and `folder` is said.

    Attributes:
        board: the word after --board.
        host: a configured name, or what ssh takes.
        port, ssh_config: win over what is configured.
        only_look: nothing is changed there, so it may be another board than the one configured.
    """

    board: str = ""
    host: str = ""
    local: bool = False
    folder: Path | None = None
    port: int = 0
    ssh_config: Path | None = None
    only_look: bool = False


def find_place(address: Address, hosts: Mapping[str, Host]) -> Place:
    """Return the target that is meant, probed.

    Raises:
        TargetNotFoundError: nothing is, or more than one; lists what was looked at.
        SafetyError: it is another board than the one asked for.
        EdgeError: the one that was named cannot be reached.
    """
    boards = load_boards()
    entry = boards.lookup(address.board) if address.board else None
    transport = _named(address, hosts)
    if transport is not None:
        configured = hosts.get(address.host)
        asked = address.board or (configured.board if configured is not None else "")
        place = _probed(transport, transport.target, transport.words, asked, boards)
        if place.unlike and not address.only_look:
            raise SafetyError(f"{place.name}: {place.unlike}", hint="edge-sdk boards list")
        return place
    return _search(address, entry, hosts, boards)


def _named(address: Address, hosts: Mapping[str, Host]) -> Transport | None:
    """Return the way to the target that the options name; None where they name none."""
    if address.folder is not None:
        return _made("dir", lambda row: row(address.folder))
    if address.local:
        return _made("local", lambda row: row())
    if address.host:
        return _ssh(hosts.get(address.host) or Host(_destination(address.host)), address)
    return None


def _destination(word: str) -> str:
    if word.startswith("-") or not word.isprintable() or any(c.isspace() for c in word):
        raise UsageError(
            f"--host {word[:80]!r}: expected a configured name or what ssh takes", hint="--host USER@ADDRESS"
        )
    return word


def _ssh(host: Host, address: Address) -> Transport:
    config = address.ssh_config or (Path(host.ssh_config) if host.ssh_config else None)
    port = address.port or host.port or None
    return _made("ssh", lambda row: row(host.address, port=port, ssh_config=config, sudo=host.sudo))


def _made(kind: str, make: Callable[..., Transport]) -> Transport:
    return make(TRANSPORTS.load(kind))


def _probed(transport: Transport, name: str, words: str, asked: str, boards: Catalogue) -> Place:
    facts = transport.probe()
    seen = recognise(asked, facts.as_probe(), boards, folder=transport.kind == "dir")
    return Place(
        name=name,
        words=words,
        transport=transport,
        facts=facts,
        board=seen.board,
        called=seen.called,
        statement=clean(seen.statement, 300),
        unlike=clean(seen.unlike, 300),
    )


def _search(address: Address, entry: Board | Family | None, hosts: Mapping[str, Host], boards: Catalogue) -> Place:
    asked = address.board
    some = {name: host for name, host in hosts.items() if _could_be(asked, name, host, boards)}
    looks: list[Callable[[], Place]] = [_host_look(name, host, address, boards) for name, host in some.items()]
    others = [
        Place(f"host {name} ({host.address})", "", problem=f"configured as {host.board}")
        for name, host in hosts.items()
        if name not in some
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        places = list(pool.map(lambda look: look(), [lambda: _here(asked, boards), *looks]))
    remarks = recovery_devices() or ["USB: nothing in recovery mode"]
    if not hosts:
        remarks.insert(0, f"hosts: none in {PROJECT_FILE} (here and above) or {user_hosts_file()}")
    return resolve(asked, [*places, *others], remarks, entry)


def _could_be(asked: str, name: str, host: Host, boards: Catalogue) -> bool:
    if not asked or not host.board:
        return True
    try:
        return related(asked, host.board, boards)
    except TargetNotFoundError as unknown:
        raise TargetNotFoundError(f"hosts.{name}.board: {unknown.message}", hint=unknown.hint) from None


def _host_look(name: str, host: Host, address: Address, boards: Catalogue) -> Callable[[], Place]:
    def look() -> Place:
        title, words = f"host {name} ({host.address})", f"--host {name}"
        try:
            place = _probed(_ssh(host, address), title, words, address.board or host.board, boards)
            return replace(place, unlike="") if address.only_look else place
        except EdgeError as problem:
            return Place(title, words, problem=f"cannot be reached: {clean(problem.message, 300)}")

    return look


def _here(asked: str, boards: Catalogue) -> Place:
    """Look at this machine; it is a target only for who asks for a board that it is."""
    seen = this_board()
    statement = seen.statement
    if not asked:
        return Place("this machine", "--local", problem=f"{statement}; --local means it")
    entry = boards.lookup(asked)
    names = {board.name for board in (boards.members(entry.name) if isinstance(entry, Family) else (entry,))}
    if seen.board is None or seen.board.name not in names:
        return Place("this machine", "--local", problem=f"is no {entry.name}: {statement}")
    try:
        place = _probed(_made("local", lambda row: row()), "this machine", "--local", seen.board.name, boards)
    except EdgeError as problem:
        return Place("this machine", "--local", problem=clean(problem.message, 300))
    return replace(place, board=seen.board.name, statement=statement, unlike="")
