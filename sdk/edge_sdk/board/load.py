"""The folder of board files is the table of boards: read it, merge `extends`, find a board by name.

Folders, later ones win by name:

    edge_sdk/boards/         the package's own (the repository's boards/ when nothing is installed)
    $EDGE_SDK_BOARDS         the user's, separated by ":"
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from edge_sdk.board.schema import Board, Family, Rule, mistakes, rule_mistake
from edge_sdk.config import Where, decode, read_toml
from edge_sdk.errors import ConfigError, TargetNotFoundError
from edge_sdk.registry import nearest

VARIABLE = "EDGE_SDK_BOARDS"
_OWN = ("aliases", "compatible", "detect", "family", "generic", "name", "schema", "title")


@dataclass(frozen=True)
class Catalogue:
    """All boards and families that were found.

    boards = load_boards()
    boards.find("pi5").cpu.cores     # by name or alias, or by family where it has one member
    """

    boards: Mapping[str, Board]
    families: Mapping[str, Family]
    paths: Mapping[str, Path]

    def names(self) -> dict[str, str]:
        """Return every name and alias -> the name of its file."""
        entries: list[Board | Family] = [*self.boards.values(), *self.families.values()]
        return {word: entry.name for entry in entries for word in (entry.name, *entry.aliases)}

    def members(self, family: str) -> tuple[Board, ...]:
        """Return the boards of a family, families of families included."""
        return tuple(board for board in self.boards.values() if family in self._ancestors(board))

    def lookup(self, word: str) -> Board | Family:
        """Return what carries this name or alias.

        Raises:
            TargetNotFoundError: nothing does; the message has the nearest known name.
        """
        known = self.names()
        name = known.get(word.strip().lower())
        if name is None:
            listed = ", ".join(sorted(self.boards))
            raise TargetNotFoundError(
                f"unknown board {word!r}{nearest(word.strip().lower(), known)} (known boards: {listed})",
                hint="edge-sdk boards list",
            )
        return self.boards[name] if name in self.boards else self.families[name]

    def find(self, word: str) -> Board:
        """Return the board with this name or alias; a family's name will do where it has one member.

        Raises:
            TargetNotFoundError: no such board, or a family with several.
        """
        entry = self.lookup(word)
        if isinstance(entry, Board):
            return entry
        members = self.members(entry.name)
        if len(members) == 1:
            return members[0]
        listed = ", ".join(board.name for board in members) or "none"
        raise TargetNotFoundError(
            f"{word!r} is a family of boards, expected one of its members: {listed}",
            hint=f"edge-sdk boards show {members[0].name if members else 'sim'}",
        )

    def files_to_look_for(self) -> tuple[str, ...]:
        """Return the paths whose existence some detection rule asks about."""
        rules = (rule for board in self.boards.values() for rule in board.detect)
        return tuple(sorted({rule.file_exists for rule in rules if rule.file_exists is not None}))

    def _ancestors(self, board: Board) -> set[str]:
        found: set[str] = set()
        parent = board.extends
        while parent is not None:
            found.add(parent)
            above = self.boards.get(parent) or self.families.get(parent)
            parent = above.extends if above is not None else None
        return found


def board_folders(environment: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Return the folders that hold board files, the package's own first."""
    packaged = Path(str(files("edge_sdk") / "boards"))
    own = packaged if packaged.is_dir() else Path(__file__).parents[3] / "boards"
    value = (os.environ if environment is None else environment).get(VARIABLE, "")
    return (own, *(Path(folder).expanduser() for folder in value.split(os.pathsep) if folder))


def load_boards(folders: Iterable[Path] | None = None) -> Catalogue:
    """Read every board file.

    Args:
        folders: default: `board_folders()`.

    Raises:
        TargetNotFoundError: a folder does not exist.
        ConfigError: a file says something that cannot be meant; the message starts with `file: key.path:`.
    """
    return _load(tuple(board_folders() if folders is None else folders))


@lru_cache(maxsize=8)
def _load(folders: tuple[Path, ...]) -> Catalogue:
    paths: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise TargetNotFoundError(f"{folder}: no such folder of board files", hint=f"unset {VARIABLE}")
        paths |= {path.stem: path for path in sorted(folder.glob("*.toml"))}
    tables = {name: read_toml(path) for name, path in paths.items()}
    for name, table in tables.items():
        _check_rules(table.get("detect", []), Where(paths[name], "detect"))
    boards: dict[str, Board] = {}
    families: dict[str, Family] = {}
    for name in sorted(tables):
        entry = _entry(name, tables, paths)
        if isinstance(entry, Board):
            boards[name] = entry
        else:
            families[name] = entry
    catalogue = Catalogue(boards, families, paths)
    _refuse_shared_names(catalogue)
    return catalogue


def _entry(name: str, tables: Mapping[str, dict[str, Any]], paths: Mapping[str, Path]) -> Board | Family:
    where = Where(paths[name])
    said = tables[name].get("name", name)
    if said != name:
        raise where.at("name").error(f"is {said!r}, expected the file's own name, {name!r}")
    kind: type[Board] | type[Family] = Family if tables[name].get("family") is True else Board
    entry: Board | Family = decode(_merged(name, tables, paths), kind, where)
    for key, problem in mistakes(entry):
        raise ConfigError(f"{where.file}: {key}: {problem}")
    return entry


def _check_rules(rules: object, where: Where) -> None:
    """Check one file's own rules: once merged, their numbers would no longer be those of the file."""
    for index, rule in enumerate(decode(rules, tuple[Rule, ...], where)):
        if problem := rule_mistake(rule):
            raise where.at(index).error(problem)


def _merged(name: str, tables: Mapping[str, dict[str, Any]], paths: Mapping[str, Path]) -> dict[str, Any]:
    """Put a file's keys over those of the files it extends."""
    chain = [name]
    while (parent := tables[chain[-1]].get("extends")) is not None:
        where = Where(paths[chain[-1]], "extends")
        if parent not in tables:
            raise where.error(f"no board file {parent!r}{nearest(str(parent), list(tables))}")
        if parent in chain:
            raise where.error(f"goes round in a circle: {' -> '.join([*chain, parent])}")
        chain.append(parent)
    merged: dict[str, Any] = {}
    for step in reversed(chain):
        inherited = {key: value for key, value in merged.items() if key not in _OWN}
        rules = [*merged.get("detect", []), *tables[step].get("detect", [])]
        merged = _over(inherited, tables[step]) | {"detect": rules}
    return merged


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        result[key] = _over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _refuse_shared_names(catalogue: Catalogue) -> None:
    owners: dict[str, str] = {}
    entries: list[Board | Family] = [*catalogue.boards.values(), *catalogue.families.values()]
    for entry in sorted(entries, key=lambda one: one.name):
        for word in (entry.name, *entry.aliases):
            owner = owners.setdefault(word, entry.name)
            if owner != entry.name:
                where = Where(catalogue.paths[entry.name], "aliases")
                raise where.error(f"{word!r} already stands for the board {owner!r}")
