"""The options that name a target, shared by `flash` and `status`."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_sdk.config.project import ProjectFile, find_project, known_hosts
from edge_sdk.errors import UsageError
from firmware_tools.flash.deploy import Root, read_root
from firmware_tools.flash.look import Address, find_place
from firmware_tools.flash.target import Place
from firmware_tools.sign.own import own_trust


def add_target_options(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    group = parser.add_argument_group("which target")
    group.add_argument("--host", metavar="H", type=_said, help="a configured name, or what ssh takes: USER@ADDRESS")
    group.add_argument("--local", action="store_true", help="this machine")
    group.add_argument("--dir", metavar="ROOT", type=_folder, help="a folder that stands for a file system")
    group.add_argument("--port", metavar="N", type=port_number, default=0, help="of ssh")
    group.add_argument("--ssh-config", metavar="FILE", type=Path, help="a configuration for ssh")


def port_number(text: str) -> int:
    """Return a TCP port."""
    if not text.isdecimal() or not 0 < int(text[:6]) < 65536:
        raise argparse.ArgumentTypeError(f"expected 1 to 65535, got {text[:40]!r}")
    return int(text)


def _said(text: str) -> str:
    """Return a word; none at all is a variable of a script that was not set, and means nowhere."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a target, got nothing")
    return text


def _folder(text: str) -> Path:
    return Path(_said(text))


def place_of(args: argparse.Namespace, project: ProjectFile | None, board: str = "", *, here: bool = False) -> Place:
    """Return the target that the options mean.

    Args:
        board: the word after --board.
        here: nothing is changed there; without options and without a configured host, this machine is meant.

    Raises:
        UsageError: two ways at once.
        EdgeError: see `find_place`.
    """
    ways = [word for word, said in (("--host", args.host), ("--local", args.local), ("--dir", args.dir)) if said]
    if len(ways) > 1:
        raise UsageError(f"{' and '.join(ways)}: expected one target", hint="edge-sdk flash --help")
    for word, value in (("--port", args.port), ("--ssh-config", args.ssh_config)):
        if value and (args.local or args.dir):
            raise UsageError(f"{word}: is for ssh, not for {ways[0]}", hint="--host USER@ADDRESS")
    hosts = known_hosts(project)
    local = args.local or (here and not ways and not hosts)
    address = Address(board, args.host or "", local, args.dir, args.port, args.ssh_config, only_look=here)
    return find_place(address, hosts)


def project_here() -> ProjectFile | None:
    """Return the project of the current folder, if it is in one."""
    return find_project()


def trust_root(given: Path | None, project: ProjectFile | None) -> Root:
    """Return the operator's trust root: as given, the project's, or the user's own, which is for new devices only.

    Raises:
        EdgeError: the folder holds none, or a damaged one.
    """
    said = given or (project.path(project.project.trust) if project is not None else None)
    if said is not None:
        return read_root(said)
    own = own_trust()
    return read_root(own.folder, only_first=True) if own.exists() else Root()
