"""What a target says about itself: a script for any POSIX shell, and the pure reading of its answer.

    edge-sdk-probe 1                 what comes before it (banners of a login) is not ours
    arch=aarch64                     a word, `=`, one line of text
    compatible=nvidia,p3767-0005     a word that comes again adds a line
    ...
    edge-sdk-probe end               without it the answer is not whole

The key is put before each line after the lines were told apart, so no value can pass for another key. The shell needs
no Python, because its absence is one of the answers; dash and BusyBox will do.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from edge_sdk.board import Probe
from edge_sdk.board.probe import normal_arch
from edge_sdk.errors import TransferError, VerificationError
from edge_sdk.units import printable

MOST_BYTES = 1 << 20
MOST_TEXT = 4000
#: Features of a CPU are one long line.
MOST_CPU_LINE = 8000
MOST_LINES = 600
LEAST_PYTHON = (3, 10)

_BEGIN = "edge-sdk-probe 1"
_END = "edge-sdk-probe end"
_KEYS = frozenset(
    (
        *(
            "agent",
            "arch",
            "bits",
            "clock",
            "compatible",
            "cores",
            "cpuinfo",
            "df",
            "dmi_product",
            "dmi_vendor",
            "file",
        ),
        *("hostname", "init", "kernel", "l4t", "launch", "libc", "loader", "memory", "model", "override", "python"),
        *("space", "sudo", "uid", "utc"),
    )
)

_SCRIPT = r"""
nl='
'
say() { printf '%s=%s\n' "$1" "${2%%"$nl"*}"; }
lines() { sed "s/^/$1=/"; echo; }
has() { command -v "$1" >/dev/null 2>&1; }
start() { head -c 400 "$1" 2>/dev/null | tr -d '\000'; }

machine() {
    say arch "$(uname -m)"
    say kernel "$(uname -sr)"
    say hostname "$(uname -n)"
    say uid "$(id -u)"
    say utc "$(date -u '+%s %Y-%m-%dT%H:%M:%SZ')"
    say override "${EDGE_BOARD-}"
    bits=$(getconf LONG_BIT 2>/dev/null)
    # Without getconf: the class byte of an ELF file.
    [ -n "$bits" ] || bits=$(($(od -An -tu1 -j4 -N1 /bin/sh 2>/dev/null || echo 0) * 32))
    say bits "$bits"
}

libraries() {
    if [ -z "$root" ]; then
        libc=$(getconf GNU_LIBC_VERSION 2>/dev/null)
        [ -n "$libc" ] || libc=$(ldd --version 2>&1 | head -n 2 | tr '\n' ' ')
        say libc "$libc"
    fi
    for loader in "$root"/lib/ld-* "$root"/lib64/ld-*; do
        [ -e "$loader" ] && say loader "${loader##*/}"
    done
}

rights() {
    [ "$(id -u)" = 0 ] || { has sudo && sudo -n true >/dev/null 2>&1 && say sudo yes; }
}

pythons() {
    seen=:
    for name in python3.14 python3.13 python3.12 python3.11 python3.10 python3; do
        for path in "/usr/bin/$name" "/usr/local/bin/$name" "$(command -v "$name" 2>/dev/null)"; do
            [ -x "$path" ] || continue
            real=$(readlink -f "$path" 2>/dev/null) || real=$path
            case $seen in *":$real:"*) continue ;; esac
            seen=$seen$real:
            if version=$("$path" -I -S -c "$python_test" 2>/dev/null); then fit=yes; else fit=no; fi
            say python "$fit $version $path"
        done
    done
}

system() {
    init=plain
    [ -d "$root/run/systemd/system" ] && init=systemd
    if [ -n "$root" ]; then
        for place in usr/lib/systemd/systemd lib/systemd/systemd; do
            [ -e "$root/$place" ] && init=systemd
        done
    fi
    say init "$init"
    if [ -e "$root/run/systemd/timesync/synchronized" ]; then
        say clock yes
    elif [ -z "$root" ] && [ -d /run/systemd/system ] && has timedatectl && has timeout; then
        say clock "$(timeout 3 timedatectl show -p NTPSynchronized --value 2>/dev/null)"
    fi
    agent=$(readlink "$root/opt/edge-sdk/agent" 2>/dev/null)
    say agent "${agent##*/}"
    [ -e "$root/opt/edge-sdk/launch" ] && say launch yes
    say l4t "$(start "$root/etc/nv_tegra_release")"
}

room() {
    place=$root/opt/edge-sdk
    while [ -n "$place" ] && [ ! -d "$place" ]; do place=${place%/*}; done
    [ -n "$place" ] || place=/
    say space "$(stat -f -c '%a %S %d %c' "$place" 2>/dev/null)"
    say df "$(df -Pk "$place" 2>/dev/null | tail -n 1)"
}

board() {
    say memory "$(sed -n 's/^MemTotal: *//p' "$root/proc/meminfo" 2>/dev/null)"
    say cores "$(grep -c '^processor' "$root/proc/cpuinfo" 2>/dev/null)"
    # Cores repeat each other: different lines are enough.
    head -c 1048576 "$root/proc/cpuinfo" 2>/dev/null | awk '!seen[$0]++' | head -n 500 | cut -b1-8000 | lines cpuinfo
    tree=$root/proc/device-tree
    [ -e "$tree/compatible" ] || tree=$root/sys/firmware/devicetree/base
    head -c 4000 "$tree/compatible" 2>/dev/null | tr '\000' '\n' | lines compatible
    say model "$(start "$tree/model")"
    say dmi_vendor "$(start "$root/sys/class/dmi/id/sys_vendor")"
    say dmi_product "$(start "$root/sys/class/dmi/id/product_name")"
}

probe() {
    PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    LC_ALL=C
    export PATH LC_ALL
    echo
    echo "$begin"
    machine
    libraries
    [ -n "$root" ] || rights
    [ "$ask_pythons" = no ] || pythons
    system
    room
    board
    for path in $look_for; do
        [ -e "$root$path" ] && say file "$path"
    done
    echo "$end"
}

# The rest of standard input is this script: nothing that is started here may read it.
probe </dev/null
"""
#: The version, and then what the receiver needs: a "minimal" Python has not all of it.
_PYTHON_TEST = (
    'import sys; print("%d.%d.%d" % sys.version_info[:3]); '
    "import fcntl, hashlib, json, select, threading, unicodedata, zipfile, zlib, concurrent.futures"
)
_SITE = re.compile(r"[0-9a-f]{16}")
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9._/+@:,-]+")


class FoundPython(NamedTuple):
    """An interpreter that was looked at."""

    version: str
    """Such as "3.11.2"."""
    path: str
    problem: str
    """Why it will not do, "" where it does."""


@dataclass(frozen=True)
class TargetFacts:
    """What a target gives away. All of it is hearsay: the target may say anything.

    Attributes:
        arch: the machine word, "aarch64" or "x86_64" on supported machines.
        bits: of its programs; 32 on a 64-bit kernel means a 32-bit system.
        libc, libc_version: "glibc" or "musl" and such as "2.36"; "" where unknown.
        python, python_path: the newest Python that will do, as "3.11", and where it is; "" for none. One that
            belongs to the system is better than one in somebody's home.
        pythons: all that were looked at.
        own_python: of a folder: what will start things in the system it holds, as it is called there.
        sudo: whether we become root there without a password.
        init: "systemd" or "plain".
        agent: the site of the device's own side, "" for none.
        launch: whether something was ever installed: it has a script that starts it.
        free_bytes, free_inodes: where /opt/edge-sdk is or would be; None where unknown or without a limit.
        memory_mib: 0 where unknown.
        cpuinfo: the different lines of /proc/cpuinfo.
        compatible, model: of the device tree.
        files: those that were looked for and exist.
        utc, utc_s: its clock; "" and 0 where unknown.
        clock_synchronised: None where nobody says.
        l4t: the first line of /etc/nv_tegra_release.
        override: the board named by EDGE_BOARD there.
    """

    arch: str
    kernel: str = ""
    hostname: str = ""
    bits: int = 64
    libc: str = ""
    libc_version: str = ""
    python: str = ""
    python_path: str = ""
    pythons: tuple[FoundPython, ...] = ()
    own_python: str = ""
    uid: int = -1
    sudo: bool = False
    init: str = "plain"
    agent: str = ""
    launch: bool = False
    free_bytes: int | None = None
    free_inodes: int | None = None
    memory_mib: int = 0
    cores: int = 1
    cpuinfo: str = ""
    compatible: tuple[str, ...] = ()
    model: str = ""
    dmi_vendor: str = ""
    dmi_product: str = ""
    files: frozenset[str] = frozenset()
    utc: str = ""
    utc_s: int = 0
    clock_synchronised: bool | None = None
    l4t: str = ""
    override: str = ""

    def as_probe(self) -> Probe:
        """Return what board detection looks at."""
        return Probe(
            arch=self.arch,
            pointer_bits=self.bits,
            cpuinfo=self.cpuinfo,
            cores=self.cores,
            memory_mib=self.memory_mib,
            compatible=self.compatible,
            model=self.model,
            dmi=f"{self.dmi_vendor} {self.dmi_product}".strip(),
            files=self.files,
            override=self.override,
        )


def probe_script(root: str = "", look_for: Iterable[str] = (), *, ask_pythons: bool = True) -> bytes:
    """Return the script.

    Args:
        root: a folder that stands for `/`; "" for the machine itself.
        look_for: absolute paths whose existence matters.
        ask_pythons: whether interpreters are looked for and started.
    """
    paths = " ".join(path for path in look_for if _PLAIN_PATH.fullmatch(path))
    values = {
        "root": root.rstrip("/"),
        "look_for": paths,
        "ask_pythons": "yes" if ask_pythons else "no",
        "python_test": _PYTHON_TEST,
        "begin": _BEGIN,
        "end": _END,
    }
    head = "".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items())
    return (head + _SCRIPT).encode("utf-8", "surrogateescape")


def read_facts(answer: bytes) -> TargetFacts:
    """Return what the script's output says.

    Raises:
        TransferError: it is not whole.
        VerificationError: it is not what the script writes.
    """
    said = _said(answer)

    def word(key: str, default: str = "") -> str:
        return said[key][0] if said.get(key) else default

    libc, libc_version = _libc(word("libc"), said.get("loader", []))
    pythons = tuple(filter(None, map(_python, said.get("python", []))))
    best = max((one for one in pythons if not one.problem), key=_rank, default=FoundPython("", "", ""))
    free_bytes, free_inodes = _room(word("space"), word("df"))
    utc_s, _, utc = word("utc").partition(" ")
    return TargetFacts(
        arch=_arch(word("arch"), said.get("loader", [])),
        kernel=word("kernel"),
        hostname=word("hostname"),
        bits=32 if word("bits") == "32" else 64,
        libc=libc,
        libc_version=libc_version,
        python=".".join(best.version.split(".")[:2]),
        python_path=best.path,
        pythons=pythons,
        uid=_number(word("uid"), -1),
        sudo=word("sudo") == "yes",
        agent=word("agent") if _SITE.fullmatch(word("agent")) else "",
        launch=word("launch") == "yes",
        init="systemd" if word("init") == "systemd" else "plain",
        free_bytes=free_bytes,
        free_inodes=free_inodes,
        memory_mib=_number(word("memory").split(" ")[0], 0) // 1024,
        cores=max(1, min(_number(word("cores"), 1), 65536)),
        cpuinfo="\n".join(said.get("cpuinfo", [])),
        compatible=tuple(filter(None, said.get("compatible", []))),
        model=word("model"),
        dmi_vendor=word("dmi_vendor"),
        dmi_product=word("dmi_product"),
        files=frozenset(said.get("file", [])),
        utc=utc,
        utc_s=_number(utc_s, 0),
        clock_synchronised={"yes": True, "no": False}.get(word("clock")),
        l4t=word("l4t"),
        override=word("override"),
    )


def _said(answer: bytes) -> dict[str, list[str]]:
    """Return key -> its lines."""
    if len(answer) > MOST_BYTES:
        raise VerificationError(f"the target's answer to the probe has more than {MOST_BYTES:,} bytes")
    lines = answer.decode("utf-8", "replace").split("\n")
    if _BEGIN not in lines:
        seen = printable(" ".join(" ".join(lines).split())[:200]).replace("\n", " ")
        raise TransferError(
            "the target did not run the probe" + (f"; it said: {seen}" if seen else ""),
            hint="its user needs a POSIX shell and no forced command",
        )
    lines = lines[lines.index(_BEGIN) + 1 :]
    if _END not in lines:
        raise TransferError("the target's answer to the probe ended early", hint="run the same command again")
    said: dict[str, list[str]] = {}
    for line in filter(None, lines[: lines.index(_END)]):
        key, equals, value = line.partition("=")
        if not equals or key not in _KEYS:
            raise VerificationError(f"the target's answer to the probe has the line {printable(line[:80])!r}")
        kept = said.setdefault(key, [])
        if len(kept) < MOST_LINES:
            kept.append(_clean(value, MOST_CPU_LINE if key == "cpuinfo" else MOST_TEXT))
    return said


def _clean(value: str, most: int) -> str:
    """Return text that does nothing to a terminal."""
    return "".join(c if c.isprintable() else " " if c == "\t" else "?" for c in value[:most]).strip()


def _number(text: str, default: int) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else default


def _arch(uname: str, loaders: list[str]) -> str:
    """Return the architecture; a folder with another machine's system inside betrays it by its program loader."""
    found = {arch for arch in ("aarch64", "x86_64") for loader in loaders if arch in loader.replace("-", "_")}
    own = normal_arch(uname)
    return found.pop() if len(found) == 1 and own not in found else own


def _libc(text: str, loaders: list[str]) -> tuple[str, str]:
    if "musl" in text:
        found = re.search(r"Version (\d+(?:\.\d+)+)", text)
        return "musl", found[1] if found else ""
    if "glibc" in text.lower() or "gnu libc" in text.lower():
        versions = re.findall(r"\d+\.\d+", text)
        return "glibc", versions[-1] if versions else ""
    if any(loader.startswith("ld-linux") for loader in loaders):
        return "glibc", ""
    return ("musl", "") if any(loader.startswith("ld-musl") for loader in loaders) else ("", "")


def _python(text: str) -> FoundPython | None:
    found = re.fullmatch(r"(yes|no) (\d{1,3}\.\d{1,3}\.\d{1,3}) (/.+)", text)
    if found is None:
        return None
    version, path = found[2], found[3]
    if tuple(map(int, version.split(".")[:2])) < LEAST_PYTHON:
        return FoundPython(version, path, f"is older than {'.'.join(map(str, LEAST_PYTHON))}")
    return FoundPython(version, path, "" if found[1] == "yes" else "lacks modules of the standard library")


def _rank(python: FoundPython) -> tuple[int, ...]:
    # One in somebody's home cannot be started by a service's user.
    return (not python.path.startswith(("/root/", "/home/")), *map(int, python.version.split(".")[:2]))


def _room(space: str, df: str) -> tuple[int | None, int | None]:
    """Return free (bytes, inodes); some file systems have no limit of inodes and say 0 of 0."""
    words = space.split(" ")
    if len(words) == 4 and all(re.fullmatch(r"[0-9]{1,15}", word) for word in words):
        blocks, size, inodes, all_inodes = map(int, words)
        return blocks * size, inodes if all_inodes else None
    found = re.search(r" (\d{1,15}) +\d{1,3}% ", df)
    return (int(found[1]) * 1024 if found else None), None
