from __future__ import annotations

from pathlib import Path

from edge_sdk.board.probe import Probe, read_probe
from tests.unit.board.machines import ARMV8_0, ARMV8_2, arm_cpuinfo, orin_nano, pi5, write_tree, x86_gateway


def test_a_pi_5_tells_cores_memory_device_tree_and_features(tmp_path: Path) -> None:
    probe = read_probe(pi5(tmp_path / "root"), arch="aarch64", environment={})
    assert (probe.cores, probe.memory_mib, probe.model) == (4, 8064, "Raspberry Pi 5 Model B Rev 1.0")
    assert probe.compatible == ("raspberrypi,5-model-b", "brcm,bcm2712")
    assert probe.cpu_parts == ("0xd0b",)
    assert "asimddp" in probe.cpu_features


def test_a_device_tree_that_only_sys_shows_is_read(tmp_path: Path) -> None:
    root = pi5(tmp_path / "root")
    (root / "sys/firmware/devicetree").mkdir(parents=True)
    (root / "proc/device-tree").rename(root / "sys/firmware/devicetree/base")
    probe = read_probe(root, arch="aarch64", environment={})
    assert probe.model == "Raspberry Pi 5 Model B Rev 1.0"
    assert probe.compatible == ("raspberrypi,5-model-b", "brcm,bcm2712")


def test_a_pc_tells_its_dmi_names_and_flags(tmp_path: Path) -> None:
    probe = read_probe(x86_gateway(tmp_path / "root"), arch="AMD64", environment={})
    assert (probe.arch, probe.dmi, probe.cpu_model) == ("x86_64", "ACME Gateway 100", "Intel(R) N100")
    assert {"avx2", "fma"} <= probe.cpu_features
    assert probe.compatible == ()


def test_only_files_that_were_asked_for_and_exist_are_reported(tmp_path: Path) -> None:
    root = orin_nano(tmp_path / "root")
    probe = read_probe(root, arch="aarch64", environment={}, look_for=["/etc/nv_tegra_release", "/etc/absent"])
    assert probe.files == {"/etc/nv_tegra_release"}


def test_an_empty_world_is_a_machine_that_says_nothing(tmp_path: Path) -> None:
    probe = read_probe(tmp_path, arch="aarch64", environment={})
    assert probe == Probe(arch="aarch64", pointer_bits=probe.pointer_bits)


def test_bytes_that_are_no_text_and_folders_in_place_of_files_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "proc/meminfo").mkdir(parents=True)
    (tmp_path / "proc/cpuinfo").write_bytes(b"\xff\xfe\x00processor\x80: \n" * 3)
    probe = read_probe(tmp_path, arch="aarch64", environment={})
    assert (probe.cores, probe.memory_mib) == (1, 0)


def test_features_are_those_that_every_core_has(tmp_path: Path) -> None:
    cpuinfo = arm_cpuinfo("0xd05", 4, ARMV8_0) + "\n" + arm_cpuinfo("0xd0b", 4, ARMV8_2)
    probe = read_probe(write_tree(tmp_path / "root", cpuinfo=cpuinfo), arch="aarch64", environment={})
    assert probe.cpu_parts == ("0xd05", "0xd0b")
    assert "asimd" in probe.cpu_features
    assert "asimddp" not in probe.cpu_features


def test_the_override_comes_from_the_environment(tmp_path: Path) -> None:
    assert read_probe(tmp_path, environment={"EDGE_BOARD": " sim "}).override == "sim"


def test_this_machine_can_be_read() -> None:
    probe = read_probe(environment={})
    assert probe.cores >= 1
    assert probe.memory_mib > 0
    assert probe.pointer_bits in (32, 64)
