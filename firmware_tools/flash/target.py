"""Which target is meant? Pure: what was looked at in, one place or a refusal that lists everything out.

Without `--host`, `--local` or `--dir`, all places where the asked board could be are looked at: this machine and the
hosts that have a name. Exactly one that can be reached is it. Nothing is guessed: two, or none, is exit 4, with what
was seen and the command for each way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from edge_sdk.board import Board, Catalogue, Family, Probe, identify, rank
from edge_sdk.errors import SafetyError, TargetNotFoundError


@dataclass(frozen=True)
class Place:
    """A machine or folder that was looked at.

    Attributes:
        name: for people: "this machine", "host press-7 (root@10.0.0.7)".
        words: the options that name it again.
        transport: how it is reached.
        facts: what the probe saw; None: it could not be reached.
        problem: why not.
        board: what it is, "" where no board file fits.
        called: the board's name, where a person says it rather than the machine.
        statement: what it is, as a sentence.
        unlike: why it is not the board that was asked for, "" where it is or nobody asked.
    """

    name: str
    words: str
    transport: Any = None
    facts: Any = None
    problem: str = ""
    board: str = ""
    called: str = ""
    statement: str = ""
    unlike: str = ""


def related(asked: str, said: str, boards: Catalogue) -> bool:
    """Return whether a place that is said to be `said` could be the board `asked`: one is the other, or its family."""
    one, other = boards.lookup(asked), boards.lookup(said)
    return bool({board.name for board in _members(one, boards)} & {board.name for board in _members(other, boards)})


@dataclass(frozen=True)
class Recognised:
    """What a place is; the attributes are those of `Place`."""

    board: str
    statement: str
    called: str = ""
    unlike: str = ""


def recognise(asked: str, probe: Probe, boards: Catalogue, *, folder: bool = False) -> Recognised:
    """Return what a probed place is, and whether it is the board that was asked for.

    Args:
        asked: name, alias or family; "" for whatever it is.
        folder: a folder cannot say what it is, so it is what it is called.

    Raises:
        TargetNotFoundError: no board carries the name, or a folder is called by a family's.
    """
    seen = identify(probe, boards)
    found = seen.board.name if seen.board is not None else ""
    if not asked or (found and found in {board.name for board in _members(boards.lookup(asked), boards)}):
        return Recognised(found, seen.statement)
    entry = boards.find(asked) if folder else boards.lookup(asked)
    silent = folder and not seen.exact
    if isinstance(entry, Board) and (silent or _plausible(entry, probe, boards)):
        return Recognised(entry.name, f"{entry.title} ({entry.name}), as it is called", called=entry.name)
    claimed = None if seen.exact else _claimed(entry, probe, boards)
    if claimed is not None:
        text = f"{claimed.title} ({claimed.name}), by its device tree; its processor is {probe.arch}"
        return Recognised(claimed.name, text, called=claimed.name)
    return Recognised(found, seen.statement, unlike=f"is no {entry.name}: {seen.statement}")


def resolve(asked: str, places: Sequence[Place], remarks: Iterable[str], entry: Board | Family | None) -> Place:
    """Return the one place that is meant.

    Args:
        asked: the word after --board, or "".
        places: everything that was looked at.
        remarks: where else was looked, and what was found there.
        entry: the asked board or family, for the ways to it.

    Raises:
        TargetNotFoundError: none can be reached, or more than one.
        SafetyError: what can be reached is another board.
    """
    fitting = [place for place in places if place.facts is not None and not place.unlike]
    if len(fitting) == 1:
        return fitting[0]
    listed = "".join(f"\n  {line}" for line in (*map(seen_line, places), *remarks))
    what = f"--board {asked}" if asked else "without --host, --local or --dir"
    if fitting:
        commands = "\n     ".join(f"{_command(asked)} {place.words}" for place in fitting)
        raise TargetNotFoundError(f"{what}: {len(fitting)} could be meant; looked at:{listed}", hint=commands)
    if any(place.facts is not None for place in places):
        raise SafetyError(f"{what}: only other boards can be reached; looked at:{listed}", hint="edge-sdk boards list")
    hint = "\n     ".join(ways(asked, entry))
    raise TargetNotFoundError(f"{what}: none can be reached; looked at:{listed}", hint=hint)


def seen_line(place: Place) -> str:
    """Return what was seen of a place in one line."""
    if place.facts is None:
        return f"{place.name}: {place.problem}"
    return f"{place.name}: {place.unlike or place.statement}"


def ways(asked: str, entry: Board | Family | None) -> list[str]:
    """Return the full command for each way to reach such a board."""
    command = _command(asked)
    folder = (f"{command} --dir ROOT APP.edgeb", "a folder that stands for its file system")
    kinds = {row.transport for row in entry.flash} if entry is not None else set()
    if kinds == {"folder"}:
        rows = [folder]
    else:
        board = f', board = "{asked}"' if asked else ""
        said = f'[hosts.NAME] address = "USER@ADDRESS"{board}'
        rows = [
            (f"{command} --host USER@ADDRESS APP.edgeb", "over the network"),
            (f"{command} APP.edgeb", f"once edge-sdk.toml has {said}"),
            (f"{command} --local APP.edgeb", "run on the board itself"),
        ]
        if not isinstance(entry, Family):  # a folder cannot say which member it is
            rows.append(folder)
    width = max(len(row[0]) for row in rows)
    return [f"{row[0].ljust(width)}   # {row[1]}" for row in rows]


def _command(asked: str) -> str:
    return f"edge-sdk flash --board {asked}" if asked else "edge-sdk flash"


def _members(entry: Board | Family, boards: Catalogue) -> tuple[Board, ...]:
    return boards.members(entry.name) if isinstance(entry, Family) else (entry,)


def _claimed(entry: Board | Family, probe: Probe, boards: Catalogue) -> Board | None:
    """Return the board that a device tree names in so many words, also where the processor speaks against it.

    Whether a bundle runs on that processor is asked of the bundle.
    """
    for word in probe.compatible:  # the most exact comes first
        for board in _members(entry, boards):
            if word in board.compatible:
                return board
    return None


def _plausible(board: Board, probe: Probe, boards: Catalogue) -> bool:
    """Whether a machine that does not look like it most may be this board all the same, because a person says so."""
    if board.cpu.arch not in ("any", probe.arch):
        return False
    if not board.detect or board.generic:
        return True  # nothing could prove it: the name is all there is
    return any(one.board.name == board.name and one.exact for one in rank(probe, tuple(boards.boards.values())))
