"""The target of the other tests is what they take it for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.target.disk import PYTHON, DeviceTree
from tests.target.gateway import REPOSITORY, Gateway, systemd_gateway

JETSON = DeviceTree(("nvidia,p3768-0000+p3767-0005", "nvidia,tegra234"), "NVIDIA Jetson Orin Nano Developer Kit")


@pytest.fixture(scope="module")
def plain() -> Iterator[Gateway]:
    with Gateway(device_tree=JETSON) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def systemd() -> Iterator[Gateway]:
    with systemd_gateway() as gateway:
        if gateway is None:
            pytest.skip("systemd does not boot in namespaces here")
        yield gateway


def test_it_has_its_own_name_network_and_processes(plain: Gateway) -> None:
    assert plain.run("uname -n").stdout.strip() == plain.alias
    assert plain.run("cat /proc/1/cmdline | tr '\\0' ' '").stdout == "/bin/sh /sbin/edge-init "
    said = plain.run("echo $SSH_CONNECTION").stdout.split()
    assert (said[0], said[2]) == (plain.host_address, plain.address)


def test_a_clean_board_has_neither_our_checkout_nor_our_packages(plain: Gateway) -> None:
    for path in (REPOSITORY, Path(sys.prefix), Path.home() / ".ssh"):
        plain.run(f"test ! -e {path}")
    for package in ("edge_sdk", "numpy", "cffi", "cryptography", "msgspec"):
        assert plain.run(f"{PYTHON} -c 'import {package}'", check=False).returncode != 0, package
    assert plain.run("cat /opt/* /home/* /root/* /usr/local/lib/*", check=False).stdout == ""
    assert plain.run("ls -A /opt /home /root").stdout.split() == ["/home:", "/opt:", "/root:"]
    assert plain.run("command -v python3").stdout.strip() == str(PYTHON)


def test_its_disk_outlives_a_power_cut_and_its_memory_disks_do_not(plain: Gateway) -> None:
    plain.run("echo kept > /var/lib/kept; echo lost > /run/lost; echo lost > /tmp/lost")
    before = plain.run("cat /proc/1/stat").stdout
    booted = plain.booted
    plain.power_cut()
    assert plain.booted == booted + 1
    assert plain.run("cat /proc/1/stat").stdout != before
    assert plain.read("/var/lib/kept") == b"kept\n"
    plain.run("test ! -e /run/lost && test ! -e /tmp/lost")


def test_nothing_of_our_own_disk_is_changed(plain: Gateway) -> None:
    plain.run("rm -rf /etc/passwd- /usr/share/doc/openssh-server; echo changed > /etc/issue")
    assert Path("/etc/issue").read_bytes() != b"changed\n"
    assert plain.read("/etc/issue") == b"changed\n"


def test_neither_the_clock_nor_the_kernel_can_be_changed_from_inside(plain: Gateway) -> None:
    plain.run("date -s 1999-01-01", check=False)
    assert time.time() > 1_700_000_000
    assert plain.run("echo 1 > /proc/sys/vm/drop_caches", check=False).returncode != 0
    assert plain.run("echo > /sys/kernel/uevent_seqnum", check=False).returncode != 0


def test_a_reboot_lets_the_init_stop_what_it_started(plain: Gateway) -> None:
    script = "#!/bin/sh\necho $1 >> /var/lib/asked\n"
    plain.path("/etc/init.d/edge-sdk").write_text(script)
    plain.path("/etc/init.d/edge-sdk").chmod(0o755)
    try:
        plain.reboot()
        plain.power_cut()
        assert plain.run("until [ $(wc -l < /var/lib/asked) = 3 ]; do sleep 0.01; done; cat /var/lib/asked").stdout == (
            "stop\nstart\nstart\n"
        )
    finally:
        plain.path("/etc/init.d/edge-sdk").unlink()


def test_a_cut_network_is_silence_and_the_machine_goes_on(plain: Gateway) -> None:
    plain.cut_network()
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            plain.run("true", timeout_s=1)
        assert plain.shell("uname -n").stdout.strip() == plain.alias
    finally:
        plain.mend_network()
    plain.run("true")


def test_a_device_tree_makes_it_say_it_is_a_jetson(plain: Gateway) -> None:
    base = "/sys/firmware/devicetree/base"
    assert plain.run(f"tr '\\0' '\\n' < {base}/compatible").stdout.split() == list(JETSON.compatible)
    assert plain.run(f"tr -d '\\0' < {base}/model").stdout == JETSON.model


def test_orphans_are_reaped(plain: Gateway) -> None:
    plain.run("(sleep 0.05 & ) ; sleep 0.2")
    assert "Z" not in plain.run("cut -d' ' -f3 /proc/[0-9]*/stat").stdout


def test_two_targets_live_side_by_side_and_leave_nothing() -> None:
    with Gateway() as one, Gateway() as two:
        assert one.address != two.address
        one.run("touch /var/lib/mine")
        two.run("test ! -e /var/lib/mine")
        links = {f"edge-gw-{gateway.alias.split('-')[1]}" for gateway in (one, two)}
        assert links <= set(os.listdir("/sys/class/net"))
        folders, groups = [one.folder, two.folder], [*one._groups(), *two._groups()]
        assert all(group.is_dir() for group in groups)
    assert not links & set(os.listdir("/sys/class/net"))
    assert not [path for path in (*folders, *groups) if path.exists()]


def test_the_death_of_its_maker_takes_it_along(tmp_path: Path) -> None:
    script = (
        "from tests.target.gateway import Gateway\n"
        "with Gateway() as gateway:\n"
        "    print(gateway._pid, gateway.init_pid(), gateway._link, gateway.folder, flush=True)\n"
        "    input()\n"
    )
    maker = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert maker.stdout is not None
    holder, init, link, folder = maker.stdout.readline().split()
    maker.kill()
    maker.communicate()
    deadline_s = time.monotonic() + 10
    while any(Path(path).exists() for path in (f"/proc/{holder}", f"/proc/{init}", f"/sys/class/net/{link}")):
        assert time.monotonic() < deadline_s, "a target outlives its maker"
        time.sleep(0.02)
    for number in ("upper", "merged"):
        assert not (Path(folder) / number).exists(), "its disk is still mounted"


def test_systemd_runs_units_with_limits(systemd: Gateway) -> None:
    assert systemd.run("systemctl is-system-running").stdout.strip() == "running"
    done = systemd.run("systemd-run --wait --pipe -p DynamicUser=yes -p ProtectSystem=strict -p PrivateTmp=yes id -un")
    assert done.stdout.startswith("run-u")
    eater = "-p MemoryMax=32M -p MemorySwapMax=0 python3 -c 'x = bytearray(200 << 20)'"
    assert systemd.run(f"systemd-run --wait --pipe {eater}", check=False).returncode != 0


def test_systemd_reboots(systemd: Gateway) -> None:
    systemd.run("touch /run/mark")
    systemd.reboot()
    systemd.run("test ! -e /run/mark")
    assert systemd.run("systemctl is-system-running --wait").stdout.strip() == "running"


def test_an_interrupt_ends_it() -> None:
    script = (
        "import signal\n"
        "from tests.target.gateway import Gateway\n"
        "with Gateway() as gateway:\n"
        "    print(gateway._link, flush=True)\n"
        "    signal.pause()\n"
    )
    command = [sys.executable, "-c", script]
    maker = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert maker.stdout is not None
    link = maker.stdout.readline().strip()
    maker.send_signal(signal.SIGINT)
    maker.communicate(timeout=60)
    assert link not in os.listdir("/sys/class/net")
