"""Every file of boards/: complete, consistent with its family, and telling where each figure comes from."""

from __future__ import annotations

import itertools
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from edge_sdk.board import Board, detect, load_boards
from edge_sdk.board.detect import PROOF, RELATIVE
from edge_sdk.board.probe import Probe
from tests.support import REPOSITORY

CATALOGUE = load_boards([REPOSITORY / "boards"])
BOARDS = sorted(CATALOGUE.boards)
WANTED = {
    "raspberrypi": {"raspberrypi-4", "raspberrypi-5", "raspberrypi-zero-2w"},
    "jetson": {"jetson-orin-nano", "jetson-agx-orin"},
    "x86": {"x86-generic"},
}


@pytest.fixture(params=BOARDS)
def board(request: pytest.FixtureRequest) -> Board:
    return CATALOGUE.boards[request.param]


def probe_of(board: Board, compatible: tuple[str, ...]) -> Probe:
    arch = board.cpu.arch if board.cpu.arch != "any" else "x86_64"
    return Probe(arch=arch, compatible=compatible)


@pytest.mark.parametrize("family", WANTED)
def test_a_family_has_the_boards_we_promise(family: str) -> None:
    assert {board.name for board in CATALOGUE.members(family)} >= WANTED[family]


def test_the_installed_boards_are_the_repository_s() -> None:
    installed = load_boards()
    assert {name: installed.boards[name] for name in BOARDS} == dict(CATALOGUE.boards)


def test_a_board_named_by_its_own_device_tree_is_detected_exactly(board: Board) -> None:
    for text in board.compatible:
        found = detect(probe_of(board, (text,)), tuple(CATALOGUE.boards.values()))
        soc_only = text.startswith("brcm,")
        assert soc_only or (found.board is board and found.exact), text


def test_no_two_boards_are_proved_by_the_same_device_tree() -> None:
    for one, other in itertools.permutations(CATALOGUE.boards.values(), 2):
        proofs = [rule.device_tree_compatible or "" for rule in other.detect if rule.weight >= PROOF]
        hits = [text for text in one.compatible if any(fnmatchcase(text, proof) for proof in proofs)]
        assert not hits, (one.name, other.name)


def test_a_family_s_own_rules_never_make_a_relative() -> None:
    for family in CATALOGUE.families.values():
        assert sum(rule.weight for rule in family.detect) < RELATIVE, family.name


def test_each_architecture_has_one_generic_board_that_its_machine_word_finds() -> None:
    generic = [board for board in CATALOGUE.boards.values() if board.generic]
    assert sorted(board.cpu.arch for board in generic) == ["aarch64", "x86_64"]
    for board in generic:
        assert detect(Probe(arch=board.cpu.arch), tuple(CATALOGUE.boards.values())).board is board


def test_a_model_s_memory_fits_the_smallest_board_sold(board: Board) -> None:
    assert board.wasm.memory_mib * 2 <= board.memory.fitted_mib[0]


def test_reservations_stay_far_below_the_default_of_4_gib(board: Board) -> None:
    assert board.wasm.memory_mib <= board.wasm.reservation_mib <= 1024


def test_the_sandbox_is_always_a_choice(board: Board) -> None:
    assert "sandbox" in board.engine.order


def test_threads_do_not_outnumber_cores(board: Board) -> None:
    assert board.engine.threads <= board.cpu.cores


def test_every_transport_and_port_is_named_once(board: Board) -> None:
    ways = [way.transport for way in board.flash]
    devices = [port.device for kind in ("serial", "can", "i2c", "gpio", "usb") for port in getattr(board.io, kind)]
    assert ways
    assert len(set(ways)) == len(ways)
    assert len(set(devices)) == len(devices)


@pytest.mark.parametrize("path", sorted((REPOSITORY / "boards").glob("*.toml")), ids=lambda path: path.stem)
def test_every_table_with_figures_names_its_source(path: Path) -> None:
    sections = re.split(r"^\[+[\w.]+\]+$", path.read_text(), flags=re.MULTILINE)[1:]
    assert sections
    assert all(re.search(r'^source = "', section, flags=re.MULTILINE) for section in sections)
