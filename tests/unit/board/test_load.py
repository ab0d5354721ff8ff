from __future__ import annotations

from pathlib import Path

import pytest

from edge_sdk.board.load import board_folders, load_boards
from edge_sdk.board.schema import Board, Family
from edge_sdk.errors import ConfigError, TargetNotFoundError

FAMILY = """
schema = 1
name = "acme"
title = "ACME family"
family = true
aliases = ["acme-any"]
[[detect]]
arch = "x86_64"
weight = 10
source = "decision: test"
[cpu]
arch = "x86_64"
model = "N100"
cores = 4
max_mhz = 3400
features = ["avx2"]
source = "https://example.com/n100"
[memory]
fitted_mib = [8192]
source = "https://example.com/n100"
[wasm]
memory_mib = 64
reservation_mib = 128
source = "decision: test"
[engine]
order = ["host", "sandbox"]
threads = 2
source = "decision: test"
[power]
sensor = "none"
source = "decision: test"
"""
CHILD = """
schema = 1
name = "acme-1"
title = "ACME 1"
extends = "acme"
aliases = ["one"]
[cpu]
cores = 2
[[detect]]
dmi_product = "ACME 1"
weight = 100
source = "decision: test"
"""


def folder(tmp_path: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (tmp_path / f"{name.replace('_', '-')}.toml").write_text(text)
    return tmp_path


def test_a_child_keeps_its_family_s_tables_but_for_the_keys_it_writes(tmp_path: Path) -> None:
    board = load_boards([folder(tmp_path, acme=FAMILY, acme_1=CHILD)]).find("one")
    assert (board.cpu.cores, board.cpu.max_mhz, board.wasm.reservation_mib) == (2, 3400, 128)


def test_detection_rules_add_up_and_aliases_do_not(tmp_path: Path) -> None:
    board = load_boards([folder(tmp_path, acme=FAMILY, acme_1=CHILD)]).find("acme-1")
    assert [rule.weight for rule in board.detect] == [10, 100]
    assert board.aliases == ("one",)


def test_rules_of_three_generations_are_all_there(tmp_path: Path) -> None:
    grandchild = CHILD.replace('"acme-1"', '"acme-2"').replace('extends = "acme"', 'extends = "acme-1"')
    grandchild = grandchild.replace('["one"]', '["two"]').replace("weight = 100", "weight = 200")
    boards = load_boards([folder(tmp_path, acme=FAMILY, acme_1=CHILD, acme_2=grandchild)])
    assert [rule.weight for rule in boards.find("two").detect] == [10, 100, 200]
    assert {board.name for board in boards.members("acme")} == {"acme-1", "acme-2"}


def test_a_family_is_found_by_lookup_but_is_no_board(tmp_path: Path) -> None:
    boards = load_boards([folder(tmp_path, acme=FAMILY, acme_1=CHILD)])
    assert isinstance(boards.lookup("acme-any"), Family)
    assert isinstance(boards.lookup("acme-1"), Board)
    assert boards.find("acme").name == "acme-1"


def test_a_family_without_members_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetNotFoundError, match="expected one of its members: none"):
        load_boards([folder(tmp_path, acme=FAMILY)]).find("acme")


def test_the_user_s_file_replaces_the_package_s(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    folder(first, acme=FAMILY, acme_1=CHILD)
    folder(second, acme_1=CHILD.replace("cores = 2", "cores = 8"))
    boards = load_boards([first, second])
    assert boards.find("acme-1").cpu.cores == 8
    assert boards.paths["acme-1"] == second / "acme-1.toml"


def test_the_user_s_folders_come_from_the_environment_after_the_package_s(tmp_path: Path) -> None:
    package, *rest = board_folders({"EDGE_SDK_BOARDS": f"{tmp_path}/x:{tmp_path}/y"})
    assert (package / "raspberrypi-5.toml").is_file()
    assert rest == [tmp_path / "x", tmp_path / "y"]
    assert board_folders({}) == (package,)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TargetNotFoundError, match="no such folder of board files"):
        load_boards([tmp_path / "absent"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cores = 2", "cors = 2", r"acme-1.toml: cpu.cors: unknown key; did you mean 'cores'"),
        ("cores = 2", 'cores = "two"', r"acme-1.toml: cpu.cores: expected an integer, got a string"),
        ("cores = 2", "cores = 0", r"acme-1.toml: cpu.cores: "),
        ('title = "ACME 1"', "", r"acme-1.toml: title: this key is missing"),
        ('name = "acme-1"', "", r"acme-1.toml: name: this key is missing"),
        ('extends = "acme"', "", r"acme-1.toml: memory: this key is missing"),
        ('extends = "acme"', 'extends = "acne"', r"acme-1.toml: extends: no board file 'acne'; did you mean 'acme'"),
        ('name = "acme-1"', 'name = "acme-7"', r"acme-1.toml: name: is 'acme-7', expected .* 'acme-1'"),
        ('["one"]', '["acme"]', r"acme-1.toml: aliases: 'acme' already stands for the board 'acme'"),
        ("schema = 1", "schema = 2", r"acme-1.toml: schema: "),
        ("weight = 100", "weight = 100\narch = 'x86_64'", r"acme-1.toml: detect\[0\]: expected exactly one of"),
        ('dmi_product = "ACME 1"', "", r"acme-1.toml: detect\[0\]: expected exactly one of"),
        ('dmi_product = "ACME 1"', "product = 'x'", r"acme-1.toml: detect\[0\].product: unknown key"),
        ('source = "decision: test"', 'source = "I think so"', r"acme-1.toml: detect\[0\].source: "),
        ("cores = 2", "cores = 2\n[wasm]\nreservation_mib = 1", r"wasm.reservation_mib: 1 is less than wasm.memory"),
        ("cores = 2", "cores = 2\n[memory]\nfitted_mib = [4, 2]", r"memory.fitted_mib: sizes must rise"),
        ("cores = 2", "cores = 2\n[power]\nsensor = 'rapl'", r"power.path: this key is missing"),
        ("cores = 2", "cores = 2\n[power]\ntotal = 'VDD'", r"power.total: 'VDD' is none of power.rails"),
        ("cores = 2", "cores = ", r"acme-1.toml: not valid TOML"),
    ],
)
def test_a_mistake_is_reported_with_file_key_and_expectation(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in CHILD
    with pytest.raises(ConfigError, match=message):
        load_boards([folder(tmp_path, acme=FAMILY, acme_1=CHILD.replace(old, new))])


def test_files_that_extend_each_other_are_reported(tmp_path: Path) -> None:
    circle = FAMILY.replace('title = "ACME family"', 'title = "ACME family"\nextends = "acme-1"')
    with pytest.raises(ConfigError, match="goes round in a circle: acme -> acme-1 -> acme"):
        load_boards([folder(tmp_path, acme=circle, acme_1=CHILD)])
