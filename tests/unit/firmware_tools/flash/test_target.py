from __future__ import annotations

from typing import Any

import pytest

from edge_sdk.board import Probe, load_boards
from edge_sdk.errors import SafetyError, TargetNotFoundError
from firmware_tools.flash.target import Place, recognise, related, resolve

BOARDS = load_boards()
ORIN = Probe("aarch64", compatible=("nvidia,p3768-0000+p3767-0005", "nvidia,p3767-0005", "nvidia,tegra234"))
GATEWAY = Probe("x86_64")


def reached(name: str, **changes: Any) -> Place:
    return Place(name, f"--host {name}", facts=object(), statement=f"{name} is a board", **changes)


def silent(name: str) -> Place:
    return Place(name, f"--host {name}", problem="cannot be reached: no route to host")


def test_the_only_place_that_can_be_reached_is_it() -> None:
    here = Place("this machine", "--local", problem="is no jetson")
    assert resolve("jetson", [here, silent("a"), reached("b")], [], BOARDS.lookup("jetson")).name == "b"


def test_two_are_not_chosen_from() -> None:
    with pytest.raises(TargetNotFoundError, match="2 could be meant") as caught:
        resolve("jetson", [reached("a"), reached("b")], [], BOARDS.lookup("jetson"))
    assert caught.value.hint.split() == [
        *("edge-sdk", "flash", "--board", "jetson", "--host", "a"),
        *("edge-sdk", "flash", "--board", "jetson", "--host", "b"),
    ]


def test_none_lists_everything_looked_at_and_the_command_for_each_way() -> None:
    with pytest.raises(TargetNotFoundError) as caught:
        resolve("jetson", [silent("host a")], ["USB 1-2: NVIDIA Jetson (APX)"], BOARDS.lookup("jetson"))
    assert "host a: cannot be reached: no route to host" in caught.value.message
    assert "USB 1-2: NVIDIA Jetson (APX)" in caught.value.message
    for words in ("--board jetson --host USER@ADDRESS", "--board jetson --local", "[hosts.NAME] address"):
        assert words in caught.value.hint


def test_a_board_that_is_a_folder_only_says_so() -> None:
    with pytest.raises(TargetNotFoundError) as caught:
        resolve("sim", [], [], BOARDS.lookup("sim"))
    assert caught.value.hint.startswith("edge-sdk flash --board sim --dir ROOT APP.edgeb")
    assert "--host" not in caught.value.hint


def test_only_another_board_is_refused_for_safety() -> None:
    with pytest.raises(SafetyError, match="b: is no jetson"):
        resolve("jetson", [silent("a"), reached("b", unlike="is no jetson: it is a Pi")], [], BOARDS.lookup("jetson"))


@pytest.mark.parametrize(
    ("asked", "said", "expected"),
    [
        ("jetson", "jetson-orin-nano", True),
        ("jetson-orin-nano", "jetson", True),
        ("jetson", "jetson", True),
        ("orin", "jetson-agx-orin", True),
        ("jetson-orin-nano", "jetson-agx-orin", False),
        ("jetson", "raspberrypi-5", False),
    ],
)
def test_a_board_and_its_family_are_related(asked: str, said: str, expected: bool) -> None:
    assert related(asked, said, BOARDS) is expected


def test_a_machine_is_what_it_looks_like() -> None:
    for asked in ("", "jetson", "jetson-orin-nano"):
        seen = recognise(asked, ORIN, BOARDS)
        assert (seen.board, seen.called, seen.unlike) == ("jetson-orin-nano", "", "")


@pytest.mark.parametrize("asked", ["jetson", "jetson-orin-nano", "raspberrypi-5", "raspberrypi"])
def test_a_machine_that_does_not_look_like_it_is_another(asked: str) -> None:
    assert recognise(asked, GATEWAY, BOARDS).unlike.startswith(f"is no {asked}: ")
    assert recognise("raspberrypi-5", ORIN, BOARDS).unlike


@pytest.mark.parametrize("asked", ["jetson", "jetson-orin-nano"])
def test_a_device_tree_that_names_the_board_is_believed_on_another_processor(asked: str) -> None:
    seen = recognise(asked, Probe("x86_64", compatible=ORIN.compatible), BOARDS)
    assert (seen.board, seen.called, seen.unlike) == ("jetson-orin-nano", "jetson-orin-nano", "")
    assert recognise("jetson-agx-orin", Probe("x86_64", compatible=ORIN.compatible), BOARDS).unlike


def test_a_board_without_signs_is_what_it_is_called() -> None:
    seen = recognise("sim", GATEWAY, BOARDS)
    assert (seen.board, seen.called, seen.unlike) == ("sim", "sim", "")


def test_a_folder_is_what_it_is_called_unless_it_proves_otherwise() -> None:
    assert recognise("jetson-orin-nano", GATEWAY, BOARDS, folder=True).called == "jetson-orin-nano"
    assert recognise("raspberrypi-5", ORIN, BOARDS, folder=True).unlike
    with pytest.raises(TargetNotFoundError, match="is a family of boards"):
        recognise("jetson", GATEWAY, BOARDS, folder=True)


def test_an_unknown_board_is_named() -> None:
    with pytest.raises(TargetNotFoundError, match="did you mean 'jetson'"):
        recognise("jetsen", GATEWAY, BOARDS)
