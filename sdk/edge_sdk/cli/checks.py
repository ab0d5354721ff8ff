"""The checks of `edge-sdk doctor`: facts in, a verdict with the command that mends it out.

Each check is a pure function of what it judges; `doctor.py` gathers the facts. A verdict is

    ok        nothing to do
    note      works, but something optional is absent or worth knowing
    missing   something does not work; with `needed`, the main job (sensor to broker) cannot run
"""

from __future__ import annotations

import shlex
import stat
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_sdk.board import Board, Detection, Probe
from edge_sdk.runtime.real_folder import real_folder

State = Literal["ok", "note", "missing"]
OLDEST_PYTHON = (3, 10)


@dataclass(frozen=True)
class Check:
    """One verdict.

    Attributes:
        name: what was looked at.
        fix: a command that mends it, or "".
        needed: whether the main job needs it.
        safe: whether `--fix` may run the command by itself.
    """

    name: str
    state: State
    detail: str
    fix: str = ""
    needed: bool = False
    safe: bool = False


@dataclass(frozen=True)
class SerialPort:
    """A serial port that was seen."""

    device: str
    by_id: str
    description: str
    usable: bool
    group: str


@dataclass(frozen=True)
class Engines:
    """What became of trying the kernels' providers.

    Attributes:
        engine: the one `auto` takes, or "" where none works.
        isa: its instruction set.
        reason: why this one.
        tests: provider -> "ok", or what went wrong; in the order they are tried.
    """

    engine: str
    isa: str
    reason: str
    tests: Mapping[str, str]


def check_engines(engines: Engines) -> list[Check]:
    """Do the providers of kernels work? One is enough for the main job."""
    checks = []
    for name, outcome in engines.tests.items():
        if outcome == "ok":
            used = name == engines.engine
            text = f"self-test passed; in use ({engines.isa}): {engines.reason}" if used else "self-test passed"
            checks.append(Check(name, "ok", text))
        else:
            mend = "pip install --force-reinstall --no-deps edge-sdk"
            checks.append(Check(name, "missing", outcome, mend, needed=not engines.engine))
    return checks


def check_foreign(name: str, outcome: str, version: str, mend: str) -> Check:
    """Is another runtime here? Only models that name it need it."""
    if outcome == "ok":
        return Check(name, "ok", f"{version}; in a child process, for models that name it")
    return Check(name, "note", f"{outcome}; only models that name this engine need it", mend)


def check_board(found: Detection) -> Check:
    """Is it known what this machine is?"""
    if found.board is None:
        return Check("board", "missing", found.statement, needed=True)
    evidence = "; ".join(found.evidence)
    state: State = "ok" if found.exact else "note"
    return Check("board", state, f"{found.statement}; evidence: {evidence}" if evidence else found.statement)


def check_python(version: Sequence[int], pointer_bits: int) -> Check:
    """Is this Python new enough, and 64-bit as Wasmtime needs it?"""
    text = f"{'.'.join(map(str, version[:3]))}, {pointer_bits}-bit"
    if tuple(version[:2]) < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        return Check(
            "python", "missing", f"{text}; at least {wanted} is needed", "apt-get install python3", needed=True
        )
    if pointer_bits != 64:
        return Check("python", "missing", f"{text}; install a 64-bit operating system: Wasmtime needs it", needed=True)
    return Check("python", "ok", text)


def check_package(name: str, version: str | None, why: str, *, optional: bool = False) -> Check:
    """Is a Python package installed?"""
    if version is not None:
        return Check(name, "ok", f"{version} ({why})")
    if optional:
        return Check(name, "note", f"not installed; only for {why}", f"pip install {name}")
    return Check(name, "missing", f"not installed; for {why}", f"pip install {name}", needed=True)


def check_cpu(board: Board | None, probe: Probe) -> Check:
    """Has this CPU what the board file expects?"""
    expected = board.cpu.features if board is not None else ()
    absent = [word for word in expected if word not in probe.cpu_features]
    name = probe.cpu_model or ", ".join(f"part {part}" for part in probe.cpu_parts) or "unknown"
    text = f"{probe.cores} x {name} ({probe.arch})"
    if absent and board is not None:
        return Check("cpu", "note", f"{text}; {board.name} is expected to have {' '.join(absent)}, this CPU has not")
    return Check("cpu", "ok", f"{text}; has {' '.join(expected)}" if expected else text)


def check_memory(board: Board | None, probe: Probe) -> Check:
    """Is there room for a model as large as the board allows?"""
    if board is None or not probe.memory_mib:
        return Check("memory", "note", "unknown")
    text = f"{probe.memory_mib} MiB; a model may take {board.wasm.memory_mib} MiB"
    state: State = "ok" if probe.memory_mib >= 2 * board.wasm.memory_mib else "note"
    return Check("memory", state, text)


def check_cache(folder: Path | None, user: int) -> Check:
    """Can compiled models be kept? The folder must belong to the user and be closed to others."""
    if folder is None:
        text = "this user has no home folder; models are compiled at each start"
        return Check("cache", "note", text, "export EDGE_SDK_CACHE=/var/cache/edge-sdk")
    make = f"install -d -m 700 {shlex.quote(str(folder))}"
    other = 'export EDGE_SDK_CACHE="$HOME/edge-sdk-cache"'
    try:
        real = real_folder(folder, user)
        if real is None:
            text = f"{folder} is behind a link that others could change; models are compiled at each start"
            return Check("cache", "note", text, other)
        status = real.lstat()
    except FileNotFoundError:
        return Check(
            "cache", "note", f"{folder} does not exist yet; it is made when a model is loaded", make, safe=True
        )
    except OSError as fault:
        return Check("cache", "note", f"{folder}: {fault.strerror}; models are compiled at each start", make)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != user:
        text = f"{folder} does not belong to this user; models are compiled at each start"
        return Check("cache", "note", text, other)
    if status.st_mode & 0o077 and any(real.iterdir()):  # anybody's folder, with anybody's code: never closed for them
        text = f"{folder} is open to others and not empty; models are compiled at each start"
        return Check("cache", "note", text, other)
    if status.st_mode & 0o077:
        close = f"chmod 700 {shlex.quote(str(folder))}"
        return Check("cache", "note", f"{folder} is open to others", close, safe=True)
    return Check("cache", "ok", str(folder))


def check_serial(ports: Sequence[SerialPort], user: str) -> list[Check]:
    """Which serial ports are there, and may this user open them?"""
    if not ports:
        return [Check("serial", "note", "no serial port seen")]
    checks = []
    for port in ports:
        name = port.by_id or port.device
        text = f"{name}{f' -> {port.device}' if port.by_id else ''}: {port.description}"
        if port.usable:
            checks.append(Check("serial", "ok", text))
        else:
            checks.append(
                Check("serial", "missing", f"{text}; only the group {port.group} may open it", _let_in(port, user))
            )
    return checks


def _let_in(port: SerialPort, user: str) -> str:
    """The command that lets `user` open the port; nobody is ever advised to join the group root."""
    if port.group != "root":
        return f"sudo usermod -aG {port.group} {user}   # then log in again"
    rule = f'KERNEL=="{Path(port.device).name}", GROUP="dialout", MODE="0660"'
    return f"echo '{rule}' | sudo tee /etc/udev/rules.d/70-edge-sdk.rules && sudo udevadm trigger"


def check_board_ports(board: Board | None, exists: Callable[[str], bool]) -> Check:
    """Which of the board's own ports are switched on?"""
    if board is None or not (board.io.serial or board.io.i2c or board.io.gpio):
        return Check("ports", "note", "the board file names none")
    named = [*board.io.serial, *board.io.i2c, *board.io.gpio]
    absent = [f"{port.device} ({port.title})" for port in named if not exists(port.device)]
    present = [port.device for port in named if exists(port.device)]
    text = f"present: {', '.join(present) or 'none'}"
    return Check("ports", "note" if absent else "ok", text + (f"; absent: {', '.join(absent)}" if absent else ""))


def check_broker(path: str | None) -> Check:
    """Is there a broker for tests on this machine? Results can go to any other."""
    if path is not None:
        return Check("broker", "ok", path)
    return Check(
        "broker", "note", "mosquitto is not installed; only a local broker needs it", "apt-get install mosquitto"
    )


def check_faulthandler(enabled: bool) -> Check:
    """Would `faulthandler` take over the signals that Wasm traps arrive as?"""
    if enabled:
        return Check("faulthandler", "ok", "enabled before the first model was loaded: traps are safe")
    text = "off; enable it before the first model is loaded (python -X faulthandler), never after"
    return Check("faulthandler", "ok", text)


def lacking(checks: Collection[Check]) -> list[Check]:
    """Return what keeps the main job from running."""
    return [one for one in checks if one.state == "missing" and one.needed]
