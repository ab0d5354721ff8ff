"""Wheels for a board that is not this machine: `pip download` for its Python, processor and C library.

pip chooses; nothing is built and nothing is installed. Two things pip leaves to the caller: which platform tags a glibc
takes (all from the oldest up to its own, PEP 600), and environment markers such as `python_version < "3.11"`, which pip
answers for the machine it runs on. So pip is started by a few lines that give it the board's answers.

edge-sdk itself is never looked for in an index (see `own_wheel`): its wheel is handed to pip as a file.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from edge_sdk.errors import (
    AccessDeniedError,
    DeadlineError,
    EdgeError,
    MissingExtraError,
    SafetyError,
    TransferError,
    UsageError,
)
from firmware_tools.bundle.own_wheel import HINT, differing_files, find_own_wheel
from firmware_tools.bundle.wheels import ARCHES, wheel_arches

DEADLINE_S = 900.0
#: What most boards have at least: Debian 11, Ubuntu 20.04 (JetPack 5), Raspberry Pi OS 11.
OLDEST_LIBC = "2.31"
MAX_OUTPUT_LINES = 100_000
#: The first glibc with a manylinux tag, and the older names of some (PEP 513, 571, 599).
_FIRST_MINOR = {"x86_64": 5, "aarch64": 17}
_OLD_NAMES = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}

_PYTHON = re.compile(r"3\.([1-9]\d)(?:\.\d+)?")
_LIBC = re.compile(r"(?:glibc[ -]?)?2\.(\d{1,2})(?:\.\d+)?")
_NO_MATCH = re.compile(r"No matching distribution found for ([^\s;(]+)")
_OWN = re.compile(r"edge[-_.]sdk(\[[a-z,]*\])?(?:==([0-9A-Za-z.+!-]+))?")
_NO_EXTRA = re.compile(r"WARNING: (.{1,200}?) does not provide the extra (\S+)")
_UNREACHABLE = re.compile(
    r"NewConnectionError|Failed to establish a new connection|name resolution|NameResolutionError|ConnectTimeout"
    r"|Read ?Timed ?out|ReadTimeoutError|ProxyError|Max retries exceeded|SSLError|Connection (?:refused|reset|aborted)"
    r"|is not a trusted or secure host"
)
#: argv: the board's markers as JSON, then the words for pip.
_STARTER = """
import json, sys
answers = json.loads(sys.argv.pop(1))
try:
    from pip._vendor.packaging import markers
    ours = markers.default_environment
    markers.default_environment = lambda: {**ours(), **answers}
except (ImportError, AttributeError):
    if "pip" not in sys.modules:
        raise
from pip._internal.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
Say = Callable[[str], None]


def fetch_wheels(
    folder: Path,
    *,
    python: str,
    arch: str,
    libc: str,
    requirement: str = "",
    find_links: Sequence[Path] = (),
    say: Say | None = None,
    deadline_s: float = DEADLINE_S,
) -> tuple[str, ...]:
    """Fill a folder with the wheels of a requirement and of all it needs; wheels that were there before go.

    Args:
        python: of the board, such as "3.11".
        arch: "aarch64" or "x86_64".
        libc: of the board, such as "2.36" or "glibc-2.36"; "" for not known: the oldest that counts, 2.31.
        requirement: default this version of edge-sdk with its extra `flash`.
        find_links: folders with more wheels; PIP_FIND_LINKS is honoured too.
        say: takes a line for people now and then; default standard error.

    Returns:
        The names of the wheels, sorted.

    Raises:
        TransferError: the package index cannot be reached.
        SafetyError: a package has no wheel for this board, or there is no wheel of edge-sdk itself on this machine.
        MissingExtraError: this Python has no pip.
        DeadlineError: it took longer than `deadline_s`.
        UsageError: `python`, `arch` or `libc` make no sense.
    """
    tell = say or _to_stderr
    libc = libc or OLDEST_LIBC
    words = _platform_words(python, arch, libc)
    wanted = _wanted(requirement, find_links, arch, tell)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as temporary:
            for place in find_links:
                words += ["--find-links", str(place.absolute())]
            tell(f"fetching {Path(wanted).name} for Python {python}, {arch}, glibc {libc.rpartition('-')[2]}")
            command = _command(_markers(python, arch), [*words, "--dest", temporary, wanted])
            code, lines = _run(command, tell, deadline_s)
            if code != 0:
                raise _complaint(lines, python, arch)
            _refuse_lost_extra(lines)
            return _keep(Path(temporary), folder, arch)
    except PermissionError as fault:
        raise AccessDeniedError(f"{fault.filename or folder}: may not be written") from fault
    except OSError as fault:
        if isinstance(fault, EdgeError):
            raise
        raise TransferError(f"{folder}: cannot be filled: {fault.strerror or fault}") from fault


def platform_tags(arch: str, libc: str) -> tuple[str, ...]:
    """Return the platform tags that a glibc takes, the newest first.

    Raises:
        UsageError, SafetyError: there are none.
    """
    if "musl" in libc:
        raise SafetyError(f"C library {libc!r}: edge-sdk has wheels for glibc only", hint="use an image with glibc")
    found = _LIBC.fullmatch(libc)
    if found is None:
        raise UsageError(f"C library: expected a version of glibc such as 2.36, got {libc[:40]!r}")
    if arch not in ARCHES:
        raise UsageError(f"architecture: expected {' or '.join(ARCHES)}, got {arch[:40]!r}")
    tags = []
    for minor in range(int(found[1]), _FIRST_MINOR[arch] - 1, -1):
        tags.append(f"manylinux_2_{minor}_{arch}")
        if minor in _OLD_NAMES:
            tags.append(f"{_OLD_NAMES[minor]}_{arch}")
    if not tags:
        raise SafetyError(f"glibc {libc} on {arch}: too old for any wheel; the first is 2.{_FIRST_MINOR[arch]}")
    return tuple(tags)


def _wanted(requirement: str, find_links: Sequence[Path], arch: str, tell: Say) -> str:
    """Return what pip is asked for; edge-sdk becomes the file of its wheel."""
    own = _OWN.fullmatch(requirement or "edge-sdk[flash]")
    if own is None:
        return requirement
    wheel = find_own_wheel(find_links, own[2] or metadata.version("edge-sdk"), arch)
    if count := differing_files(wheel):
        tell(f"note: {wheel} is another build than what runs here ({count} files differ); `make wheels` makes it anew")
    return f"{wheel}{own[1] or ''}"


def _platform_words(python: str, arch: str, libc: str) -> list[str]:
    found = _PYTHON.fullmatch(python)
    if found is None:
        raise UsageError(f"Python: expected 3.10 or newer, such as 3.11, got {python[:40]!r}")
    words = ["--python-version", f"3.{found[1]}", "--implementation", "cp"]
    for abi in (f"cp3{found[1]}", "abi3", "none"):
        words += ["--abi", abi]
    for tag in platform_tags(arch, libc):
        words += ["--platform", tag]
    return words


def _markers(python: str, arch: str) -> dict[str, str]:
    """Return the board's environment markers (dependency specifiers, PyPA) that differ from this machine's."""
    short = ".".join(python.split(".")[:2])
    full = python if python.count(".") == 2 else f"{python}.0"
    return {
        "implementation_name": "cpython",
        "implementation_version": full,
        "os_name": "posix",
        "platform_machine": arch,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": full,
        "python_version": short,
        "sys_platform": "linux",
    }


def _command(markers: dict[str, str], words: Sequence[str]) -> list[str]:
    options = ["--no-input", "--progress-bar", "off", "--disable-pip-version-check", "--retries", "2"]
    starter = [sys.executable, "-c", _STARTER, json.dumps(markers)]
    return [*starter, "download", "--only-binary", ":all:", *options, *words]


def _run(command: Sequence[str], tell: Say, deadline_s: float) -> tuple[int, list[str]]:
    """Run pip; return its exit code and what it said. Each package is told as it comes."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8"}
    lines: list[str] = []
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    ) as child:
        late = threading.Event()

        def give_up() -> None:
            late.set()
            child.kill()

        timer = threading.Timer(deadline_s, give_up)
        timer.start()
        try:
            assert child.stdout is not None  # noqa: S101
            for raw in child.stdout:
                line = raw.decode("utf-8", "replace").rstrip()
                if len(lines) < MAX_OUTPUT_LINES:
                    lines.append(line)
                if line.startswith("Saved "):
                    tell(f"  {Path(line.removeprefix('Saved ')).name}")
            code = child.wait()
        except BaseException:
            child.kill()
            raise
        finally:
            timer.cancel()
    if late.is_set():
        raise DeadlineError(f"pip download: not done after {deadline_s:g} s", hint="a slow network; try again")
    return code, lines


def _complaint(lines: Sequence[str], python: str, arch: str) -> EdgeError:
    """Return our error for what pip said; the cause, not the last of its consequences."""
    text = "\n".join(lines)
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if "No module named 'pip" in text or "No module named pip" in text:
        hint = f"{Path(sys.executable).name} -m ensurepip --upgrade"
        return MissingExtraError(f"wheels are fetched by pip, which {sys.executable} does not have", hint=hint)
    if _UNREACHABLE.search(text):
        hint = "check the network; or fetch them elsewhere and give the folder with --find-links DIR"
        return TransferError("the package index cannot be reached", hint=hint)
    if found := _NO_MATCH.search(text):
        hint = "--find-links DIR, for a folder that has one"
        return SafetyError(f"{found[1]}: there is no wheel for Python {python} on {arch}", hint=hint)
    last = errors[-1] if errors else next((line for line in reversed(lines) if line.strip()), "it said nothing")
    return TransferError(f"pip download failed: {last[:500]}")


def _refuse_lost_extra(lines: Sequence[str]) -> None:
    """Raise for an extra that pip could not find: to pip a warning, to a device a missing check of signatures."""
    for line in lines:
        if found := _NO_EXTRA.search(line):
            raise SafetyError(f"{found[1]}: that wheel knows no extra {found[2]}; it is of an older build", hint=HINT)


def _keep(fetched: Path, folder: Path, arch: str) -> tuple[str, ...]:
    """Move the wheels into the folder in place of those that were there; return their names."""
    names = sorted(path.name for path in fetched.iterdir())
    for name in names:
        if arch not in wheel_arches(name):
            raise SafetyError(f"{name}: pip fetched a wheel that does not run on {arch}")
    for old in folder.glob("*.whl"):
        if old.name not in names:
            old.unlink()
    for name in names:
        shutil.move(fetched / name, folder / name)
    return tuple(names)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
