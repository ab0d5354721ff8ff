"""The project file, and the hosts it and its user know by name.

    # edge-sdk.toml, beside the pipeline; found from any folder below it
    pipeline = "pipeline.toml"          [hosts.press-7]
    version = "1.2.0"                   address = "root@10.0.0.7"    # as ssh takes it, aliases of its config included
    key = "keys/me.pem"                 board = "jetson-orin-nano"
    trust = "trust"

A user's own hosts stand in $XDG_CONFIG_HOME/edge-sdk/hosts.toml, with the same `[hosts.NAME]`; the project's win.
Paths are relative to the file that names them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import replace

from edge_sdk.config.decode import decode
from edge_sdk.config.toml_file import read_toml
from edge_sdk.config.where import Where

PROJECT_FILE = "edge-sdk.toml"
MAX_HOSTS = 256

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}")
#: Never begins with "-": ssh would take it for an option.
_ADDRESS = re.compile(r"[A-Za-z0-9_\[][A-Za-z0-9_.@:%\[\]-]{0,254}")
Text = Annotated[str, Meta(min_length=1, max_length=4096)]


class Host(Struct, frozen=True, forbid_unknown_fields=True):
    """A machine that is reached over ssh."""

    address: Text
    """The destination for ssh: `user@host`, a host, or an alias of its configuration."""
    board: Annotated[str, Meta(max_length=64)] = ""
    """Name, alias or family of its board; empty: asked when it is needed."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """0: as ssh's configuration says."""
    ssh_config: Annotated[str, Meta(max_length=4096)] = ""
    """A configuration file for ssh instead of the user's own."""
    sudo: bool = True
    """Whether root is reached through `sudo -n` where we are not root."""


class Project(Struct, frozen=True, forbid_unknown_fields=True):
    """What edge-sdk.toml says; paths as written (see `ProjectFile.path`)."""

    pipeline: Text = "pipeline.toml"
    """The pipeline that is run, tested and flashed."""
    version: Text = "0.0.1"
    """Of the application, X.Y.Z."""
    key: Annotated[str, Meta(max_length=4096)] = ""
    """The private key that signs bundles."""
    trust: Annotated[str, Meta(max_length=4096)] = ""
    """The folder that says whom devices believe."""
    wheelhouse: Annotated[str, Meta(max_length=4096)] = ""
    """Python wheels for the board; empty: fetched for the target."""
    hosts: dict[str, dict[str, Any]] = {}
    """Machines by name; see `Host`."""


class _Hosts(Struct, frozen=True, forbid_unknown_fields=True):
    """What hosts.toml says."""

    hosts: dict[str, dict[str, Any]] = {}


class ProjectFile(Struct, frozen=True):
    """A project with the place of its file."""

    file: Path
    project: Project
    hosts: dict[str, Host]

    @property
    def folder(self) -> Path:
        return self.file.parent

    def path(self, written: str) -> Path | None:
        """Return a path of the file as one that can be opened; None for "" (not said).

        Raises:
            ConfigError: it cannot be a path.
        """
        return Where(self.file).resolve(written) if written else None


def find_project(start: Path | None = None) -> ProjectFile | None:
    """Return the project of a folder: the nearest edge-sdk.toml in it or above it; None where there is none.

    Args:
        start: default the current folder.

    Raises:
        ConfigError, AccessDeniedError: the file is there but cannot be used.
    """
    folder = (Path.cwd() if start is None else start).absolute()
    for place in (folder, *folder.parents):
        if (place / PROJECT_FILE).is_file():
            return read_project(place / PROJECT_FILE)
    return None


def read_project(path: Path) -> ProjectFile:
    """Read a project file.

    Raises:
        ConfigError, TargetNotFoundError, AccessDeniedError: the message starts with the file and the key.
    """
    where = Where(path)
    project = decode(read_toml(path), Project, where)
    if not _VERSION.fullmatch(project.version):
        raise where.at("version").error(f"expected X.Y.Z with numbers below 1000, got {project.version[:40]!r}")
    return ProjectFile(path, project, _hosts(project.hosts, where.at("hosts")))


def user_hosts_file(environment: Mapping[str, str] | None = None) -> Path:
    """Return where the user's own hosts stand; the file need not exist."""
    variables = os.environ if environment is None else environment
    home = variables.get("XDG_CONFIG_HOME", "")
    base = Path(home) if home.startswith("/") else Path(variables.get("HOME") or Path.home()) / ".config"
    return base / "edge-sdk" / "hosts.toml"


def known_hosts(project: ProjectFile | None, environment: Mapping[str, str] | None = None) -> dict[str, Host]:
    """Return the machines that have a name, the project's first; paths in them can be opened.

    Raises:
        ConfigError, AccessDeniedError: a file is there but cannot be used.
    """
    hosts = {} if project is None else dict(project.hosts)
    path = user_hosts_file(environment)
    if path.is_file():
        mine = decode(read_toml(path), _Hosts, Where(path)).hosts
        hosts |= {name: host for name, host in _hosts(mine, Where(path, "hosts")).items() if name not in hosts}
    return hosts


def _hosts(rows: Mapping[str, object], where: Where) -> dict[str, Host]:
    if len(rows) > MAX_HOSTS:
        raise where.error(f"expected at most {MAX_HOSTS} hosts, got {len(rows)}")
    return {name: _host(name, row, where.at(name)) for name, row in rows.items()}


def _host(name: str, row: object, where: Where) -> Host:
    if not _NAME.fullmatch(name):
        raise where.error("expected a name of 1 to 64 letters, digits, '.', '_' or '-'")
    host = decode(row, Host, where)
    if not _ADDRESS.fullmatch(host.address):
        raise where.at("address").error(f"expected what ssh takes, such as root@10.0.0.7, got {host.address[:80]!r}")
    if not host.ssh_config:
        return host
    return replace(host, ssh_config=str(where.at("ssh_config").resolve(host.ssh_config)))
