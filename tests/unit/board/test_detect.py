from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge_sdk.board import Catalogue, Detection, identify, load_boards, rank, read_probe
from edge_sdk.board.detect import evidence_of
from edge_sdk.board.probe import Probe
from edge_sdk.board.schema import Rule
from edge_sdk.errors import TargetNotFoundError
from tests.unit.board import machines


@pytest.fixture
def boards() -> Catalogue:
    return load_boards()


def look(root: Path, boards: Catalogue, arch: str = "aarch64", override: str = "", name: str = "") -> Detection:
    variables = {"EDGE_BOARD": override}
    probe = read_probe(root, arch=arch, environment=variables, look_for=boards.files_to_look_for())
    return identify(probe, boards, name)


@pytest.mark.parametrize(
    ("machine", "name", "evidence"),
    [
        (machines.pi5, "raspberrypi-5", "device tree compatible = raspberrypi,5-model-b"),
        (machines.orin_nano, "jetson-orin-nano", "device tree compatible = nvidia,p3768-0000+p3767-0005-super"),
        (machines.agx_orin, "jetson-agx-orin", "device tree compatible = nvidia,p3737-0000+p3701-0005"),
    ],
)
def test_a_known_board_is_proved_by_its_device_tree(
    machine: Callable[[Path], Path], name: str, evidence: str, tmp_path: Path, boards: Catalogue
) -> None:
    found = look(machine(tmp_path / "root"), boards)
    assert found.board is boards.boards[name]
    assert found.exact
    assert found.evidence[0] == evidence
    assert name in found.statement


def test_each_sign_that_was_seen_is_in_the_evidence(tmp_path: Path, boards: Catalogue) -> None:
    found = look(machines.orin_nano(tmp_path / "root"), boards)
    assert {"CPU part = 0xd42", "/etc/nv_tegra_release exists"} <= set(found.evidence)


def test_a_sibling_without_a_file_is_called_a_relative_and_not_the_board(tmp_path: Path, boards: Catalogue) -> None:
    found = look(machines.pi400(tmp_path / "root"), boards)
    assert found.board is boards.boards["raspberrypi-4"]
    assert not found.exact
    assert "no board file knows this Raspberry Pi 400" in found.statement
    assert "nearest relative" in found.statement


def test_a_family_alone_is_not_enough_to_choose_a_member(tmp_path: Path, boards: Catalogue) -> None:
    root = machines.write_tree(
        tmp_path / "root",
        cpuinfo=machines.arm_cpuinfo("0xd99", 4, machines.ARMV8_2),
        model="Raspberry Pi 9",
        compatible=("raspberrypi,9-model-b", "brcm,bcm2799"),
    )
    found = look(root, boards)
    assert found.board is boards.boards["arm64-generic"]
    assert "no board file knows this Raspberry Pi 9" in found.statement


def test_an_unknown_arm_board_is_treated_as_the_generic_one_and_told_so(tmp_path: Path, boards: Catalogue) -> None:
    found = look(machines.unknown_arm(tmp_path / "root"), boards)
    assert found.board is boards.boards["arm64-generic"]
    assert not found.exact
    assert "no board file knows this FriendlyElec NanoPC-T6" in found.statement


def test_any_pc_is_the_generic_x86_board(tmp_path: Path, boards: Catalogue) -> None:
    found = look(machines.x86_gateway(tmp_path / "root"), boards, arch="x86_64")
    assert found.board is boards.boards["x86-generic"]
    assert found.evidence == ("architecture = x86_64",)


def test_an_architecture_without_a_file_has_no_board(tmp_path: Path, boards: Catalogue) -> None:
    found = look(tmp_path, boards, arch="riscv64")
    assert found.board is None
    assert "riscv64" in found.statement
    assert found.candidates == ()


def test_the_simulated_board_is_never_detected_but_can_be_asked_for(tmp_path: Path, boards: Catalogue) -> None:
    root = machines.pi5(tmp_path / "root")
    assert "sim" not in [one.board.name for one in look(root, boards).candidates]
    asked = look(root, boards, override="sim")
    assert asked.board is boards.boards["sim"]
    assert asked.evidence == ("EDGE_BOARD = sim",)


def test_a_name_wins_over_the_environment_and_says_what_the_machine_looks_like(
    tmp_path: Path, boards: Catalogue
) -> None:
    found = look(machines.pi5(tmp_path / "root"), boards, override="sim", name="pi4")
    assert found.board is boards.boards["raspberrypi-4"]
    assert "this machine looks like raspberrypi-5" in found.statement


def test_a_family_name_means_its_member_that_is_seen(tmp_path: Path, boards: Catalogue) -> None:
    found = look(machines.agx_orin(tmp_path / "root"), boards, name="jetson")
    assert found.board is boards.boards["jetson-agx-orin"]


def test_a_family_name_elsewhere_is_refused_with_its_members(tmp_path: Path, boards: Catalogue) -> None:
    root = machines.x86_gateway(tmp_path / "root")
    with pytest.raises(TargetNotFoundError, match="jetson-agx-orin, jetson-orin-nano"):
        look(root, boards, arch="x86_64", name="jetson")


def test_a_wrong_override_is_an_error_with_the_nearest_name(tmp_path: Path, boards: Catalogue) -> None:
    with pytest.raises(TargetNotFoundError, match="did you mean 'raspberrypi-5'"):
        look(tmp_path, boards, override="rasberrypi-5")


def test_rules_for_another_architecture_do_not_count(boards: Catalogue) -> None:
    probe = Probe(arch="x86_64", compatible=("raspberrypi,5-model-b", "brcm,bcm2712"))
    assert [one.board.name for one in rank(probe, tuple(boards.boards.values()))] == ["x86-generic"]


def test_candidates_are_ranked_by_proof_then_points(tmp_path: Path, boards: Catalogue) -> None:
    found = look(machines.pi5(tmp_path / "root"), boards)
    points = [one.points for one in found.candidates]
    assert found.candidates[0].board.name == "raspberrypi-5"
    assert points == sorted(points, reverse=True)
    assert found.candidates[0].points == 100 + 30 + 10 + 20


@pytest.mark.parametrize(
    ("rule", "evidence"),
    [
        ({"cpu_model": "Intel*N100"}, "CPU model = Intel(R) N100"),
        ({"dmi_product": "ACME *"}, "DMI product = ACME Gateway 100"),
        ({"cpu_model": "AMD*"}, None),
        ({"dmi_product": "Other"}, None),
        ({"file_exists": "/etc/absent"}, None),
        ({"cpu_part": "0xd0b"}, None),
    ],
)
def test_a_rule_holds_only_for_what_it_names(rule: dict[str, str], evidence: str | None) -> None:
    cpuinfo = machines.x86_cpuinfo("Intel(R) N100", 1, "avx2")
    probe = Probe(arch="x86_64", cpuinfo=cpuinfo, dmi="ACME Gateway 100")
    assert evidence_of(Rule(weight=1, source="decision: test", **rule), probe) == evidence
