"""As whom, and with which environment, a supervisor starts an application: what a systemd unit would say.

The user `edge-sdk` where there is one, else a number of the application's own; the serial ports' group; its own
folders; variables from /etc/edge-sdk/NAME.env, whose lines are those of systemd's EnvironmentFile= in their simple
forms:

    # comment
    BROKER_PASSWORD="two words"
"""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from firmware_tools.update.layout import Layout

USER = "edge-sdk"
#: The numbers that systemd takes for DynamicUser= too: free by convention.
NUMBERS = range(61184, 65520)
PORTS_GROUP = "dialout"
MAX_ENVIRONMENT_BYTES = 64 * 1024
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED_ON = ("LANG", "LC_ALL", "TZ", "SSL_CERT_FILE")
_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"')


class Account(NamedTuple):
    """Who runs it."""

    user: int
    group: int
    groups: tuple[int, ...]


def account_of(user: str = USER, name: str = "") -> Account | None:
    """Return as whom an application runs; None: as we do.

    Args:
        user: who it is, where there is such a user.
        name: of the application, which gives it a number where there is no such user; "": none.
    """
    if os.geteuid() != 0:
        return None
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        number = _number_of(name) if name else None
        return None if number is None else Account(number, number, tuple(_ports_group()))
    groups = {*os.getgrouplist(user, found.pw_gid), *_ports_group()}
    return Account(found.pw_uid, found.pw_gid, tuple(sorted(groups)))


def _number_of(name: str) -> int | None:
    """Return a number that is the same at each start, and nobody else's."""
    first = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    for step in range(len(NUMBERS)):
        number = NUMBERS[(first + step) % len(NUMBERS)]
        try:
            pwd.getpwuid(number)
        except KeyError:
            return number
    return None


def _ports_group() -> list[int]:
    try:
        return [grp.getgrnam(PORTS_GROUP).gr_gid]
    except KeyError:
        return []


def make_own_folders(layout: Layout, name: str, account: Account | None) -> dict[str, str]:
    """Make the folders that belong to an application; return the variables that name them.

    Raises:
        OSError: one cannot be made.
    """
    folders = {
        "EDGE_SDK_CACHE": (layout.root / f"var/cache/edge-sdk-{name}", 0o700),
        "STATE_DIRECTORY": (layout.root / f"var/lib/edge-sdk-{name}", 0o700),
        "RUNTIME_DIRECTORY": (layout.run(name), 0o755),
    }
    for folder, mode in folders.values():
        # Those above belong to root, so nobody else can have put a link here.
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        if account is not None:
            os.chown(folder, account.user, account.group, follow_symlinks=False)
        folder.chmod(mode)
    variables = {key: str(folder) for key, (folder, _) in folders.items()}
    return {**variables, "EDGE_SDK_HEALTH": str(layout.health(name))}


def environment_of(layout: Layout, name: str, own: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the environment of an application, and complaints about its file.

    Args:
        layout: of the device.
        name: of the application.
        own: variables that its file may not change.
    """
    plain = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
    found, complaints = read_environment(layout.etc / f"{name}.env")
    return {"PATH": PATH, "HOME": own.get("STATE_DIRECTORY", "/"), **plain, **found, **own}, complaints


def read_environment(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return the variables of a file, and a complaint for each line that means nothing. Values are never repeated."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return {}, [f"{path}: is no file"]
            data = file.read(MAX_ENVIRONMENT_BYTES + 1)
    except FileNotFoundError:
        return {}, []
    except OSError as fault:
        return {}, [f"{path}: cannot be read: {fault.strerror}"]
    if len(data) > MAX_ENVIRONMENT_BYTES:
        return {}, [f"{path}: is ignored: expected at most {MAX_ENVIRONMENT_BYTES} bytes"]
    return _parse(data.decode(errors="replace").splitlines(), path)


def _parse(lines: Iterable[str], path: Path) -> tuple[dict[str, str], list[str]]:
    found: dict[str, str] = {}
    complaints: list[str] = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        match = _LINE.fullmatch(text)
        value = _unquoted(match[2].strip()) if match else None
        if match is None or value is None or "\0" in value:
            complaints.append(f'{path}:{number}: is ignored: expected NAME=VALUE or NAME="VALUE"')
        else:
            found[match[1]] = value
    return found, complaints


def _unquoted(text: str) -> str | None:
    r"""Return a value without its quotes; between double ones, \" and \\ stand for " and \. None: they do not match."""
    if text[:1] == "'":
        match = _SINGLE.fullmatch(text)
        return match[1] if match else None
    if text[:1] == '"':
        match = _DOUBLE.fullmatch(text)
        return re.sub(r'\\(["\\$`])', r"\1", match[1]) if match else None
    return text
