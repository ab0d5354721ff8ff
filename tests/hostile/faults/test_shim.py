"""The shim sees every call that changes files below its folder, and its faults are the ones asked for."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.hostile.faults.shim import ACTIONS, Action, Fault
from tests.support import require_tool

#: Every way in which the standard library changes files that we use or might.
EVERYTHING = """
import os, pathlib, shutil, subprocess, sys, tempfile
root = pathlib.Path(sys.argv[1])
root.joinpath("outside.txt").parent.mkdir(exist_ok=True)
(root / "a").write_bytes(b"x" * 1000)
with open(root / "b", "wb") as file:
    file.write(b"y" * 100)
    file.flush()
    os.fsync(file.fileno())
    os.fdatasync(file.fileno())
    os.ftruncate(file.fileno(), 10)
    os.pwrite(file.fileno(), b"z", 3)
os.replace(root / "b", root / "c")
os.rename(root / "c", root / "d")
os.symlink("d", root / "e")
os.link(root / "d", root / "f")
os.makedirs(root / "g/h/i")
shutil.copyfile(root / "a", root / "g/a")
with tempfile.NamedTemporaryFile(dir=root, delete=False) as file:
    file.write(b"t")
    os.fchmod(file.fileno(), 0o644)
folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
os.fsync(folder)
os.mkdir("j", dir_fd=folder)
os.rename("j", "k", src_dir_fd=folder, dst_dir_fd=folder)
handle = os.open("l", os.O_WRONLY | os.O_CREAT, dir_fd=folder)
os.write(handle, b"1")
os.unlink(root / "l")
shutil.rmtree(root / "g")
subprocess.run([sys.executable, "-c", "open('child', 'w').write('c')"], check=True, cwd=root)
sys.stdout.write("done")
open("/dev/null", "w").write("nobody counts this")
"""
SYSCALLS = (
    "write,pwrite64,writev,sendfile,copy_file_range,fsync,fdatasync,ftruncate,fchmod,rename,renameat,renameat2,link,"
    "linkat,symlink,symlinkat,unlink,unlinkat,rmdir,mkdir,mkdirat,chmod,truncate,openat,open,creat"
)


def run(script: str, root: Path, fault: Fault, *, log: bool = False) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, str(root)],
        env=os.environ | fault.environment(log=log),
        capture_output=True,
        text=True,
    )


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    root, aside = tmp_path / "root", tmp_path / "aside"
    root.mkdir()
    aside.mkdir()
    return root, aside


def test_every_change_below_the_folder_is_counted(places: tuple[Path, Path]) -> None:
    """strace, which asks the kernel, sees the same calls."""
    strace = require_tool("strace", "strace")
    root, aside = places
    fault = Fault(root, aside)
    done = run(EVERYTHING, root, fault, log=True)
    assert (done.returncode, done.stdout) == (0, "done"), done.stderr
    counted = Counter(call.removesuffix("64").replace("copy_file_range", "sendfile") for call, _ in fault.log())
    assert counted.total() == fault.calls

    shutil.rmtree(root)
    root.mkdir()
    trace = aside / "trace"
    command = [
        strace,
        "-f",
        "-y",
        "-o",
        str(trace),
        "-e",
        f"trace={SYSCALLS}",
        sys.executable,
        "-c",
        EVERYTHING,
        str(root),
    ]
    subprocess.run(command, check=True, capture_output=True)
    assert counted == Counter(seen(trace.read_text(), root))


def seen(trace: str, root: Path) -> list[str]:
    """Return the names, as the shim has them, of the calls below the folder that strace saw."""
    found = []
    for line in trace.splitlines():
        match = re.match(r"\d+ +(\w+)\((.*)", line)
        if match is None or str(root) not in match[2].split(" = ")[0]:
            continue
        name, words = match[1], match[2]
        if name in ("open", "openat"):
            if "O_CREAT" not in words and "O_TRUNC" not in words:
                continue
            name = "open"
        found.append({"pwrite64": "pwrite", "copy_file_range": "sendfile"}.get(name, name))
    return found


def test_nothing_outside_the_folder_is_counted(places: tuple[Path, Path]) -> None:
    root, aside = places
    fault = Fault(root, aside)
    beside = root.with_name("root2")
    run("import sys, pathlib; pathlib.Path(sys.argv[1] + '2').write_bytes(b'x')", root, fault)
    assert beside.exists()
    assert fault.calls == 0


@pytest.mark.parametrize("action", ACTIONS)
def test_each_number_is_met_once_and_nothing_before_it_fails(places: tuple[Path, Path], action: Action) -> None:
    """Appends eight records; the fault at N leaves the N - 1 before it, and of the Nth what the action says."""
    root, aside = places
    script = (
        "import os, sys\n"
        "handle = os.open(sys.argv[1] + '/log', os.O_WRONLY | os.O_CREAT | os.O_APPEND)\n"
        "for number in range(8):\n"
        "    os.write(handle, b'%d' % number * 100)\n"
        "os.rename(sys.argv[1] + '/log', sys.argv[1] + '/done')\n"
    )
    for at in range(2, 9):  # the first call is the open
        fault = Fault(root, aside, action, at)
        done = run(script, root, fault)
        assert fault.fired
        assert fault.calls == at + (action == "short")  # the call after a short write is made
        written = (root / "log").read_bytes()
        torn = 50 if action in ("torn", "short") else 0
        whole = b"".join(b"%d" % number * 100 for number in range(8))
        assert written == whole[: (at - 2) * 100 + torn]
        if action in ("kill", "torn"):
            assert done.returncode == -signal.SIGKILL
        elif action != "short" or at < 9:
            assert ("Input/output error" if action == "eio" else "No space left") in done.stderr
        (root / "log").unlink()


def test_a_full_disk_stays_full_but_lets_go(places: tuple[Path, Path]) -> None:
    root, aside = places
    script = (
        "import os, sys\n"
        "os.chdir(sys.argv[1])\n"
        "open('first', 'w')\n"
        "def full(call, *words):\n"
        "    try:\n"
        "        call(*words)\n"
        "    except OSError as fault:\n"
        "        assert fault.errno == 28, fault\n"
        "    else:\n"
        "        raise AssertionError(words)\n"
        "full(os.mkdir, 'a')\n"
        "full(open, 'b', 'w')\n"
        "full(os.symlink, 'c', 'd')\n"
        "full(os.link, 'first', 'e')\n"
        "os.rename('first', 'f')\n"
        "os.unlink('f')\n"
    )
    done = run(script, root, Fault(root, aside, "enospc", 2))
    assert done.returncode == 0, done.stderr
    assert list(root.iterdir()) == []


def test_children_share_the_count(places: tuple[Path, Path]) -> None:
    root, aside = places
    script = (
        "import subprocess, sys\n"
        "one = 'import sys; open(sys.argv[1], \"w\")'\n"
        "for name in 'abcd':\n"
        "    print(subprocess.run([sys.executable, '-c', one, sys.argv[1] + '/' + name]).returncode)\n"
    )
    fault = Fault(root, aside, "kill", 3)
    assert run(script, root, fault).stdout.split() == ["0", "0", "-9", "0"]
    assert sorted(path.name for path in root.iterdir()) == ["a", "b", "d"]
