"""The disk of a target: what of this machine's own it shows, and what this one machine has of its own."""

from __future__ import annotations

import os
import subprocess
import uuid
from functools import cache
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PYTHON = Path("/usr/bin/python3")
#: Top folders of a Linux machine. Those with True start empty; everything else beside them does not exist.
TOP = {
    **dict.fromkeys(("bin", "etc", "lib", "lib32", "lib64", "libx32", "sbin", "usr", "var"), False),
    **dict.fromkeys(("boot", "dev", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp"), True),
}
#: Emptied below the folders that are kept: what this machine's owner has added or set up.
EMPTIED = (
    *("/etc/systemd/system", "/etc/ssh", "/etc/cron.d", "/etc/profile.d", "/etc/udev/rules.d", "/usr/local"),
    *("/var/cache", "/var/lib/systemd", "/var/log", "/var/spool", "/var/tmp"),
)
#: What an earlier installation of ours on this machine would have left.
REMOVED = ("/etc/edge-sdk", "/etc/init.d/edge-sdk", "/var/lib/edge-sdk")
SSHD_UNIT = """\
[Unit]
Description=OpenSSH server
[Service]
Type=notify
ExecStart={sshd} -D
RuntimeDirectory=sshd
KillMode=process
Restart=on-failure
"""
SSHD_CONFIG = """\
HostKey /etc/ssh/host_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
UseDNS no
PidFile none
MaxStartups 100
"""


class DeviceTree(NamedTuple):
    """What a board's firmware would tell: `compatible`, most exact first, and `model`."""

    compatible: tuple[str, ...]
    model: str


@cache
def python_packages() -> tuple[str, ...]:
    """Return the folders of packages beside the standard library of the target's Python that exist here."""
    script = "import site, sys; print(*site.getsitepackages([sys.prefix, '/usr', '/usr/local']))"
    done = subprocess.run([PYTHON, "-c", script], capture_output=True, text=True, check=True, env={})
    folders = {"/usr/lib/python3/dist-packages", *done.stdout.split()}
    return tuple(sorted(one for one in folders if Path(one).is_dir() and not one.startswith("/usr/local/")))


@cache
def hidden() -> tuple[str, ...]:
    """Return the paths that the target's disk does not show; those it needs are made anew and empty."""
    tops = [f"/{name}" for name in sorted(os.listdir("/")) if TOP.get(name, True)]
    real = PYTHON.resolve()
    others = [str(one) for one in sorted(real.parent.glob("python*.*")) if one.resolve() != real]
    packages = [one for one in python_packages() if "packages" in one]
    below = [path for path in (*EMPTIED, *REMOVED) if Path(path).exists()]
    return (*tops, *below, *others, *packages)


def furnish(root: Path, name: str, keys: Path, sshd: str) -> None:
    """Make what the machine `name` needs to start.

    Args:
        root: its disk.
        keys: a folder with host_key and key.pub.
        sshd: the program.
    """
    _make_folders(root)
    texts = {
        "etc/environment": "",
        "etc/fstab": "",
        "etc/hostname": f"{name}\n",
        "etc/hosts": f"127.0.0.1 localhost {name}\n",
        "etc/machine-id": f"{uuid.uuid4().hex}\n",
        "etc/ssh/authorized_keys": (keys / "key.pub").read_text(),
        "etc/ssh/host_key": (keys / "host_key").read_text(),
        "etc/ssh/sshd_config": SSHD_CONFIG,
        "etc/systemd/system/ssh.service": SSHD_UNIT.format(sshd=sshd),
        "sbin/edge-init": (HERE / "init.sh").read_text().replace("SSHD", sshd),
        # With these, systemd does not rebuild its caches for a new /usr.
        "etc/.updated": "",
        "var/.updated": "",
    }
    for path, text in texts.items():
        (root / path).unlink(missing_ok=True)
        (root / path).write_text(text)
    (root / "etc/ssh/host_key").chmod(0o600)
    (root / "sbin/edge-init").chmod(0o755)
    units = root / "etc/systemd/system"
    (units / "multi-user.target.wants").mkdir()
    (units / "multi-user.target.wants/ssh.service").symlink_to("../ssh.service")
    (units / "default.target").symlink_to("/lib/systemd/system/multi-user.target")


def _make_folders(root: Path) -> None:
    for name, stays_empty in TOP.items():
        if stays_empty:
            (root / name).mkdir(exist_ok=True)
    for path in (*EMPTIED, *python_packages()):
        (root / path.lstrip("/")).mkdir(exist_ok=True, parents=True)
    for path in ("usr/local/bin", "usr/local/sbin", "usr/local/lib"):
        (root / path).mkdir()
    (root / "root").chmod(0o700)
    (root / "var/tmp").chmod(0o1777)


def write_device_tree(firmware: Path, tree: DeviceTree) -> None:
    """Make what /sys/firmware becomes; /proc/device-tree, a link to it on real boards, cannot be made here."""
    base = firmware / "devicetree/base"
    base.mkdir(parents=True)
    (base / "compatible").write_bytes(b"".join(one.encode() + b"\0" for one in tree.compatible))
    (base / "model").write_bytes(tree.model.encode() + b"\0")
