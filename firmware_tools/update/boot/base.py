"""What the device's side asks of whatever starts services: systemd, or a plain init.

    boot.install("press-7")     service files follow `current`; again and again without harm
    boot.restart("press-7")     asks for it, and for a gate while there is a trial; never waits for a start
    boot.service("press-7")     what runs now

On a folder that stands for a machine the files are written, and the rest does nothing.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edge_sdk.errors import TransferError
from firmware_tools.update.folders import make_folders, point, remove_link
from firmware_tools.update.layout import Layout

MOST_LINES = 10_000
MOST_LINE_CHARACTERS = 4096
COMMAND_S = 30.0

#: Runs a command for at most so many seconds; the one seam between us and the machine's own tools.
Run = Callable[[Sequence[str], float], "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class Service:
    """An application as whoever starts it sees it."""

    running: bool
    """Started, and as far as anybody knows at work."""
    pid: int
    """Of its main process; 0 for none."""
    starts: int
    """How often it was started again by itself."""
    detail: str
    """The same in words."""
    failed: str = ""
    """Why it cannot become healthy any more ("killed: memory ..."); "" while it may."""
    starting: bool = False
    """A start is under way, so `detail` says nothing about how the last one ended."""


class Boot(Protocol):
    """A row of BOOT. Everything but `service` and `logs` raises TransferError or AccessDeniedError when it fails."""

    def install(self, name: str) -> None:
        """Let the machine start the application of `current`, now on request and at each boot."""
        ...

    def remove(self, name: str) -> None:
        """Stop it, and take away what `install` made."""
        ...

    def reload(self) -> None:
        """Read service files and device rules again: `current` leads elsewhere."""
        ...

    def restart(self, name: str) -> None:
        """Ask that the old process ends and a new one is chosen and started; returns at once."""
        ...

    def judge(self, name: str) -> None:
        """Ask for a gate, unless there is one."""
        ...

    def stop(self, name: str) -> None:
        """Ask that it ends and is not started again before `restart` or a boot."""
        ...

    def service(self, name: str) -> Service:
        """Return what runs.

        Raises:
            TransferError: nobody answers.
        """
        ...

    def logs(self, name: str, lines: int) -> list[str]:
        """Return the last lines of its log, oldest first."""
        ...


def run_command(argv: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run a tool of the machine.

    Raises:
        TransferError: it is not there, or takes too long.
    """
    try:
        return subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TransferError(f"{' '.join(argv)}: no answer within {timeout_s:g} s") from None
    except OSError as fault:
        raise TransferError(f"{' '.join(argv)}: cannot be run: {fault.strerror}") from fault


def checked(run: Run, argv: Sequence[str], timeout_s: float = COMMAND_S) -> str:
    """Run a tool and return its output.

    Raises:
        TransferError: it failed; with what it complained about.
    """
    done = run(argv, timeout_s)
    if done.returncode:
        said = done.stderr.strip()[:500] or "no message"
        raise TransferError(f"{' '.join(argv)}: exit code {done.returncode}: {said}")
    return done.stdout


def clipped(text: str, lines: int) -> list[str]:
    """Return the last lines of a log, none longer than a person reads."""
    found = text.splitlines()[-max(0, min(lines, MOST_LINES)) :] if lines > 0 else []
    return [line[:MOST_LINE_CHARACTERS] for line in found]


def system_file(name: str, file: str) -> str:
    """Return where a service file of the running version lies, as the device itself sees it."""
    return f"/opt/edge-sdk/apps/{name}/current/system/{file}"


def _rules(name: str) -> str:
    return f"70-edge-sdk-{name}.rules"


def link_rules(layout: Layout, name: str) -> None:
    """Let udev read the rules of the running version, where it has some."""
    link = layout.root / "etc/udev/rules.d" / _rules(name)
    if (layout.current(name) / "system" / _rules(name)).is_file():
        make_folders(link.parent)
        point(link, system_file(name, _rules(name)))
    else:
        remove_link(link)


def unlink_rules(layout: Layout, name: str) -> None:
    """Undo `link_rules`."""
    remove_link(layout.root / "etc/udev/rules.d" / _rules(name))


def reload_rules(layout: Layout, run: Run) -> None:
    """Apply changed rules to the serial ports that are there.

    Failing is not worth a word: a small board has no udev, and a port keeps the rights it had.
    """
    if not any((layout.root / "etc/udev/rules.d").glob(_rules("*"))) or shutil.which("udevadm") is None:
        return
    with suppress(TransferError):
        run(("udevadm", "control", "--reload"), COMMAND_S)
        run(("udevadm", "trigger", "--subsystem-match=tty", "--action=change"), COMMAND_S)


def is_machine(layout: Layout) -> bool:
    """Return whether the root is this machine's, rather than a folder that stands for one."""
    return layout.root == Path("/")
