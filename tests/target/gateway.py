"""A target for the tests: a Linux machine of its own, made of namespaces over this machine's root.

    with Gateway() as gateway:
        gateway.run("uname -n").stdout          # over SSH, as an operator would
        gateway.power_cut()                     # nothing is asked, everything dies, it boots again

Own network (10.99.N.0/24: we are .1, it is .2), own processes, own SSH server and keys, own disk: an overlay over `/`
that hides what a clean board would not have, above all our checkout and other Pythons. Nothing of it is left when the
process that made it ends, however it ends: the kernel clears it away with the namespaces (see hold.sh).

Two inits: "plain", a shell script as on small boards, first command after 0.4 s; "systemd", the real one, after 2 s.

What a power cut means here: every process dies at one moment, memory disks (/run, /tmp) are lost, but what was written
and not fsynced survives in the page cache. A disk that loses its cache is the affair of tests/hostile/faults.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Literal

from tests.support import skip_loudly
from tests.target import disk
from tests.target.disk import PYTHON, DeviceTree

Init = Literal["plain", "systemd"]
HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
SYSTEMD = Path("/lib/systemd/systemd")
PATIENCE_S = 30.0
MEMORY_MIB = 2048
TOOLS = ("ip", "mount", "nsenter", "pivot_root", "setpriv", "ssh", "ssh-keygen", "sshd", "unshare")
HOLD = (
    *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private"),
    *("sh", str(HERE / "hold.sh")),
)
SSH_CONFIG = """\
Host {alias}
  HostName {address}
  HostKeyAlias {alias}
  User root
  IdentityFile {folder}/key
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  ConnectTimeout 10
  LogLevel ERROR
"""


class Gateway:
    """One target; see the module.

    Attributes:
        alias: its name for `ssh -F ssh_config`.
        address: its own IPv4 address; `host_address` is ours as it sees us.
        ssh_config: names the alias, keys and known hosts; nothing of the user's own is read.
        booted: how often it has started.
    """

    def __init__(self, init: Init = "plain", device_tree: DeviceTree | None = None) -> None:
        require_namespaces()
        self.init = init
        self._device_tree = device_tree
        self._boot: subprocess.Popen[bytes] | None = None
        self.booted = 0

    # ---- life ----

    def __enter__(self) -> Gateway:
        self.folder = Path(tempfile.mkdtemp(prefix="edge-target-"))
        self._holder = subprocess.Popen(
            [*HOLD, str(self.folder), self.folder.name, str(MEMORY_MIB), *disk.hidden()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            self._take_hold()
            self._connect()
            self._furnish()
            self.boot()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End everything; the kernel removes mounts, network and processes with the last of them."""
        groups = self._groups()
        if self._holder.stdin is not None:
            self._holder.stdin.close()
        for process in (self._holder, self._boot):
            if process is not None:
                _end(process)
        if hasattr(self, "_link"):
            subprocess.run(["ip", "link", "del", self._link], capture_output=True, timeout=PATIENCE_S)
        _remove_groups(groups)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _take_hold(self) -> None:
        assert self._holder.stdout is not None
        assert self._holder.stderr is not None
        line = self._holder.stdout.readline().split()
        if line[:1] != [b"ready"]:
            skip_loudly(f"no target can be made here: {self._holder.stderr.read().decode().strip()[-300:]}")
        self._pid = int(line[1])

    def _groups(self) -> list[Path]:
        """Return our control groups, as this side sees them."""
        try:
            lines = Path(f"/proc/{self._pid}/root{self.folder}/groups").read_text().split()
        except (AttributeError, OSError):
            return []
        own = f"{self.folder}/cgroup"
        alone = not Path("/sys/fs/cgroup/unified").exists()
        return [
            Path(line.replace(f"{own}/unified" if alone else own, "/sys/fs/cgroup").replace(own, "/sys/fs/cgroup"))
            for line in lines
        ]

    # ---- what it is made of ----

    def _connect(self) -> None:
        """Take a free subnet; the name of the link is the claim, the kernel lets only one have it."""
        for attempt in range(254):
            number = (os.getpid() + attempt) % 254 + 1
            self._link = f"edge-gw-{number}"
            words = f"link add {self._link} type veth peer name eth0 netns {self._pid}".split()
            done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=PATIENCE_S)
            if done.returncode == 0:
                break
            del self._link
            if "exists" not in done.stderr:
                skip_loudly(f"no target can be made here: ip {' '.join(words)}: {done.stderr.strip()}")
        else:
            raise AssertionError("all subnets 10.99.N.0/24 are taken")
        self.alias = f"gateway-{number}"
        self.address, self.host_address = f"10.99.{number}.2", f"10.99.{number}.1"
        _checked("ip", "addr", "add", f"{self.host_address}/24", "dev", self._link)
        _checked("ip", "link", "set", self._link, "up")
        inside = "ip link set lo up; ip link set eth0 up; ip addr add"
        self._inside(f"{inside} {self.address}/24 dev eth0")

    def _furnish(self) -> None:
        """Put on the disk what this one machine has: keys, name, what starts."""
        for name in ("key", "host_key"):
            _checked("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self.folder / name))
        public = (self.folder / "host_key.pub").read_text()
        (self.folder / "known_hosts").write_text(f"{self.alias} {public}")
        self.ssh_config = self.folder / "ssh_config"
        self.ssh_config.write_text(SSH_CONFIG.format(alias=self.alias, address=self.address, folder=self.folder))
        disk.furnish(self.path("/"), self.alias, self.folder, tool("sshd"))
        if self._device_tree is not None:
            disk.write_device_tree(self._outside("firmware"), self._device_tree)

    # ---- on and off ----

    def boot(self) -> None:
        """Start it, and wait until its SSH server answers."""
        assert self._boot is None, "it runs"
        self._outside("init.pid").unlink(missing_ok=True)
        words = str(self.folder), self.alias, "/sbin/edge-init" if self.init == "plain" else str(SYSTEMD)
        with (self.folder / "console.log").open("ab") as console:
            self._boot = subprocess.Popen(
                ["nsenter", "-t", str(self._pid), "-m", "-n", "-p", "sh", str(HERE / "boot.sh"), *words],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        self._await(self._answers, "its SSH server answers")
        self.booted += 1

    def power_cut(self, *, boot: bool = True) -> None:
        """Kill all its processes at one moment; with `boot`, start it again."""
        if self._boot is not None:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                os.kill(self.init_pid(), signal.SIGKILL)
            self._gone()
        if boot:
            self.boot()

    def reboot(self) -> None:
        """Let its init stop everything, as `reboot` would, then start it again."""
        assert self._boot is not None
        if self.init == "systemd":
            self.shell("systemctl reboot --no-wall", check=False)
        else:
            os.kill(self.init_pid(), signal.SIGTERM)
        self._gone()
        self.boot()

    def _gone(self) -> None:
        assert self._boot is not None
        try:
            self._boot.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the target did not end in {PATIENCE_S:g} s:\n{self.console()}") from None
        self._boot = None

    def init_pid(self) -> int:
        """Return its first process, as it is counted here."""
        return int(self._outside("init.pid").read_text())

    def _answers(self) -> bool:
        if not self._outside("init.pid").exists():
            return False
        return self.run("true", check=False).returncode == 0

    def _await(self, happened: object, what: str) -> None:
        assert callable(happened)
        deadline_s = time.monotonic() + PATIENCE_S
        while not happened():
            assert self._boot is not None
            if self._boot.poll() is not None or time.monotonic() > deadline_s:
                raise NoBootError(f"waited in vain: {what}:\n{self.console()}")
            time.sleep(0.05)

    def console(self) -> str:
        """Return the last words of its init."""
        return (self.folder / "console.log").read_text(errors="replace")[-2000:]

    def cut_network(self) -> None:
        """Pull the cable: packets vanish, nobody is told."""
        _checked("ip", "link", "set", self._link, "down")

    def mend_network(self) -> None:
        _checked("ip", "link", "set", self._link, "up")

    # ---- use ----

    def run(self, command: str, *, check: bool = True, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a shell command over SSH."""
        return _run(["ssh", "-F", str(self.ssh_config), self.alias, command], check, timeout_s)

    def shell(self, command: str, *, check: bool = True, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a shell command without the network."""
        enter = ["nsenter", "-t", str(self.init_pid()), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]
        clean = ["env", "-i", "HOME=/root", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        return _run([*enter, *clean, "sh", "-c", command], check, timeout_s)

    def path(self, path: str) -> Path:
        """Return where a file of its disk is seen from here; absolute links on the way lead to our own root."""
        return self._outside("merged") / path.lstrip("/")

    def read(self, path: str) -> bytes:
        return self.path(path).read_bytes()

    def _outside(self, path: str) -> Path:
        return Path(f"/proc/{self._pid}/root{self.folder}") / path

    def _inside(self, command: str) -> None:
        _checked("nsenter", "-t", str(self._pid), "-m", "-n", "sh", "-ec", command)


class NoBootError(AssertionError):
    """The target did not come up."""


@contextlib.contextmanager
def systemd_gateway(device_tree: DeviceTree | None = None) -> Iterator[Gateway | None]:
    """Give a target with systemd, or None, said loudly, where systemd does not boot in namespaces."""
    reason = "" if SYSTEMD.exists() else f"{SYSTEMD} is not installed"
    with contextlib.ExitStack() as stack:
        gateway = None
        if not reason:
            try:
                gateway = stack.enter_context(Gateway("systemd", device_tree))
            except NoBootError as fault:
                reason = str(fault)
        if gateway is None:
            warnings.warn(f"NO SYSTEMD TARGET, the plain one alone is tested: {reason}", stacklevel=3)
        yield gateway


@cache
def require_namespaces() -> None:
    """Skip loudly where this machine does not let us make targets."""
    if os.geteuid() != 0:
        skip_loudly("a target in namespaces needs root")
    missing = [name for name in TOOLS if not tool(name)]
    if missing:
        skip_loudly(f"a target in namespaces needs {', '.join(missing)}: sh tests/install_system.sh")
    if not PYTHON.exists():
        skip_loudly(f"a target needs {PYTHON}: apt-get install python3")
    if any(os.stat(f"/{top}").st_dev != os.stat("/").st_dev for top in ("usr", "var", "etc")):
        skip_loudly("a target needs /, /usr, /var and /etc on one file system")


@cache
def tool(name: str) -> str:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for an end that has been caused; force it after a while."""
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(PATIENCE_S)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _remove_groups(groups: list[Path]) -> None:
    for group in groups:
        for folder in sorted(group.rglob("*/"), reverse=True) if group.is_dir() else []:
            with contextlib.suppress(OSError):
                folder.rmdir()
        with contextlib.suppress(OSError):
            group.rmdir()


def _checked(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, f"{shlex.join(command)}: {done.returncode}\n{done.stderr}"


def _run(command: list[str], check: bool, timeout_s: float) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=timeout_s, stdin=subprocess.DEVNULL
    )
    assert not check or done.returncode == 0, f"{command[-1]}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done
