from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_sdk.board import Board, Detection, Probe, find_board
from edge_sdk.cli.checks import (
    Check,
    Engines,
    SerialPort,
    check_board,
    check_board_ports,
    check_broker,
    check_cache,
    check_cpu,
    check_engines,
    check_faulthandler,
    check_memory,
    check_package,
    check_python,
    check_serial,
    lacking,
)

ALL_WELL = {"host": "ok", "sandbox": "ok"}


@pytest.fixture
def pi5() -> Board:
    return find_board("raspberrypi-5")


def test_a_machine_without_a_board_is_a_need_that_is_missing() -> None:
    check = check_board(Detection(None, False, ("architecture = riscv64",), "no board file fits"))
    assert (check.state, check.needed) == ("missing", True)


def test_a_relative_is_a_note_and_the_evidence_is_told(pi5: Board) -> None:
    check = check_board(Detection(pi5, False, ("CPU part = 0xd0b",), "its nearest relative is"))
    assert check.state == "note"
    assert "CPU part = 0xd0b" in check.detail


@pytest.mark.parametrize(("version", "bits", "state"), [((3, 9, 2), 64, "missing"), ((3, 11, 2), 32, "missing")])
def test_an_old_or_32_bit_python_is_a_need_that_is_missing(version: tuple[int, ...], bits: int, state: str) -> None:
    check = check_python(version, bits)
    assert (check.state, check.needed) == (state, True)


def test_python_3_10_on_64_bits_will_do() -> None:
    assert check_python((3, 10, 0), 64).state == "ok"


def test_an_optional_package_is_noted_with_the_command_that_installs_it() -> None:
    assert check_package("wasmtime", None, "runs models").needed
    check = check_package("amqtt", None, "the demo's own broker", optional=True)
    assert (check.state, check.needed, check.fix) == ("note", False, "pip install amqtt")
    assert check_package("wasmtime", "50.0.1", "runs models").state == "ok"


def test_features_the_board_should_have_and_the_cpu_has_not_are_named(pi5: Board) -> None:
    probe = Probe("aarch64", cpuinfo="processor: 0\nFeatures: fp asimd crc32\nCPU part: 0xd08\n")
    check = check_cpu(pi5, probe)
    assert check.state == "note"
    assert "asimddp asimdhp atomics" in check.detail


def test_a_cpu_with_all_features_is_fine(pi5: Board) -> None:
    probe = Probe("aarch64", cpuinfo=f"processor: 0\nFeatures: {' '.join(pi5.cpu.features)}\n")
    assert check_cpu(pi5, probe).state == "ok"


@pytest.mark.parametrize(("memory_mib", "state"), [(8064, "ok"), (300, "note"), (0, "note")])
def test_memory_is_weighed_against_the_largest_model(pi5: Board, memory_mib: int, state: str) -> None:
    assert check_memory(pi5, Probe("aarch64", memory_mib=memory_mib)).state == state


def test_the_provider_in_use_is_told_with_isa_and_reason() -> None:
    host, sandbox = check_engines(Engines("host", "avx2", "it works", ALL_WELL))
    assert "in use (avx2): it works" in host.detail
    assert "in use" not in sandbox.detail


def test_one_broken_provider_is_missing_but_not_needed() -> None:
    tests = {"host": "the native library cannot be loaded", "sandbox": "ok"}
    host, sandbox = check_engines(Engines("sandbox", "wasm_simd128", "fallback", tests))
    assert (host.state, host.needed, sandbox.state) == ("missing", False, "ok")
    assert host.fix.startswith("pip install")
    assert lacking([host, sandbox]) == []


def test_no_provider_at_all_is_a_need_that_is_missing() -> None:
    checks = check_engines(Engines("", "", "none", {"host": "broken", "sandbox": "broken"}))
    assert lacking(checks) == checks


def test_a_cache_folder_that_is_absent_can_be_made_safely(tmp_path: Path) -> None:
    check = check_cache(tmp_path / "a b", os.geteuid())
    assert (check.state, check.safe) == ("note", True)
    assert check.fix == f"install -d -m 700 '{tmp_path}/a b'"


def test_a_cache_folder_open_to_others_can_be_closed_safely(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o755)
    check = check_cache(folder, os.geteuid())
    assert (check.state, check.fix, check.safe) == ("note", f"chmod 700 {folder}", True)
    folder.chmod(0o700)
    assert check_cache(folder, os.geteuid()).state == "ok"


def test_a_user_without_a_home_gets_a_note() -> None:
    check = check_cache(None, os.geteuid())
    assert (check.state, check.safe) == ("note", False)
    assert "EDGE_SDK_CACHE" in check.fix


def test_an_open_cache_folder_with_something_in_it_is_never_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "letters.txt").write_text("mine")
    check = check_cache(tmp_path, os.geteuid())
    assert (check.state, check.safe) == ("note", False)
    assert "not empty" in check.detail


def test_a_cache_folder_of_somebody_else_is_never_touched(tmp_path: Path) -> None:
    check = check_cache(tmp_path, os.geteuid() + 1)
    assert (check.state, check.safe) == ("note", False)


def test_a_link_to_the_cache_folder_is_trusted_where_nobody_else_can_change_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("real")
    assert check_cache(tmp_path / "link", os.geteuid()).state == "ok"
    tmp_path.chmod(0o777)
    check = check_cache(tmp_path / "link", os.geteuid())
    assert (check.state, check.safe) == ("note", False)
    assert "a link that others could change" in check.detail


def test_a_port_that_may_not_be_opened_names_the_group_to_join() -> None:
    locked = SerialPort(
        "/dev/ttyUSB0", "/dev/serial/by-id/usb-FTDI_1", "usb:0403:6001:1", usable=False, group="dialout"
    )
    (check,) = check_serial([locked], "pi")
    assert (check.state, check.needed, check.safe) == ("missing", False, False)
    assert check.fix.startswith("sudo usermod -aG dialout pi")
    assert check.detail.startswith("/dev/serial/by-id/usb-FTDI_1 -> /dev/ttyUSB0")


def test_ports_that_may_be_opened_and_no_ports_are_fine() -> None:
    (open_port,) = check_serial([SerialPort("/dev/ttyS0", "", "16550", usable=True, group="dialout")], "pi")
    assert open_port.state == "ok"
    assert check_serial([], "pi")[0].state == "note"


def test_ports_of_the_board_that_are_switched_off_are_named_with_their_precondition(pi5: Board) -> None:
    check = check_board_ports(pi5, lambda path: path == "/dev/serial0")
    assert check.state == "note"
    assert "present: /dev/serial0" in check.detail
    assert "/dev/i2c-1 (header pins 3 (SDA) and 5 (SCL); needs dtparam=i2c_arm=on)" in check.detail
    assert check_board_ports(pi5, lambda path: True).state == "ok"


def test_a_broker_is_optional() -> None:
    assert check_broker("/usr/sbin/mosquitto").state == "ok"
    assert (check_broker(None).state, check_broker(None).needed) == ("note", False)


@pytest.mark.parametrize("enabled", [True, False])
def test_faulthandler_is_explained_either_way(enabled: bool) -> None:
    assert "before the first model" in check_faulthandler(enabled).detail


def test_only_needs_that_are_missing_keep_the_main_job_from_running() -> None:
    checks = [Check("a", "ok", ""), Check("b", "note", "", needed=True), Check("c", "missing", "")]
    assert lacking(checks) == []
    assert lacking([*checks, Check("d", "missing", "", needed=True)])[0].name == "d"


def test_nobody_is_advised_to_join_the_group_root() -> None:
    (check,) = check_serial([SerialPort("/dev/ttyS4", "", "16550", usable=False, group="root")], "pi")
    assert check.state == "missing"
    assert "usermod" not in check.fix
    assert 'KERNEL=="ttyS4"' in check.fix
