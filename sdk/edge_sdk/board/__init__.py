"""Boards: what a machine offers (TOML facts), which machine this is (rules with evidence), and how to name it.

board = this_board().board          # detected, or named by EDGE_BOARD
board = find_board("pi5")
"""

from __future__ import annotations

from pathlib import Path

from edge_sdk.board.detect import Candidate, Detection, detect, rank
from edge_sdk.board.load import Catalogue, board_folders, load_boards
from edge_sdk.board.probe import Probe, read_probe
from edge_sdk.board.schema import Board, Family

__all__ = [
    "Board",
    "Candidate",
    "Catalogue",
    "Detection",
    "Family",
    "Probe",
    "board_folders",
    "detect",
    "find_board",
    "identify",
    "load_boards",
    "rank",
    "read_probe",
    "this_board",
]


def find_board(name: str) -> Board:
    """Return the board with this name or alias.

    Raises:
        TargetNotFoundError: nothing carries the name; the message has the nearest one that does.
    """
    return load_boards().find(name)


def this_board(root: Path = Path("/")) -> Detection:
    """Return the board of the machine under `root`; EDGE_BOARD wins over what is seen.

    Raises:
        TargetNotFoundError: EDGE_BOARD names no board.
    """
    boards = load_boards()
    return identify(read_probe(root, look_for=boards.files_to_look_for()), boards)


def identify(probe: Probe, boards: Catalogue, name: str = "") -> Detection:
    """Return the board `name`, or else the one EDGE_BOARD names, or else the one that is seen.

    Raises:
        TargetNotFoundError: the name is unknown, or a family whose member here cannot be told.
    """
    seen = detect(probe, tuple(boards.boards.values()))
    word, origin = (name, "asked for by name") if name else (probe.override, f"EDGE_BOARD = {probe.override}")
    if not word:
        return seen
    family = boards.lookup(word)
    if isinstance(family, Family) and seen.board in boards.members(family.name):
        return seen
    board = boards.find(word)
    text = f"{board.title} ({board.name}), {origin}"
    if seen.board is not None and seen.exact and seen.board.name != board.name:
        text += f"; this machine looks like {seen.board.name}"
    return Detection(board, True, (origin, *(seen.evidence if seen.board is board else ())), text, seen.candidates)
