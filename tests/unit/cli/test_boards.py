from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_sdk.cli.main import main

MINE = """
schema = 1
name = "my-gateway"
title = "My gateway"
extends = "x86"
aliases = ["mine"]
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
"""


@pytest.fixture(autouse=True)
def _no_choice_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGE_BOARD", raising=False)
    monkeypatch.delenv("EDGE_SDK_BOARDS", raising=False)


def test_list_names_every_board_and_marks_this_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGE_BOARD", "sim")
    assert main(["boards", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {"raspberrypi-5", "jetson-orin-nano", "x86-generic", "sim"} <= {line[3:].split(" ")[0] for line in lines}
    assert next(line.split()[1] for line in lines if line.startswith("* ")) == "sim"


def test_list_as_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", "list", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    rows = {row["name"]: row for row in answer["boards"]}
    assert rows["raspberrypi-5"]["aliases"] == ["rpi5", "pi5"]
    assert [name for name, row in rows.items() if row["this_machine"]] == [answer["this_machine"]]


def test_a_wrong_board_in_the_environment_does_not_keep_the_list_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGE_BOARD", "no-such")
    assert main(["boards", "list"]) == 0
    assert "raspberrypi-5" in capsys.readouterr().out


def test_show_prints_each_figure_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", "show", "pi5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Raspberry Pi 5 (raspberrypi-5)"
    cpu = next(index for index, line in enumerate(lines) if line.startswith("  cpu "))
    assert "2400 MHz" in lines[cpu]
    assert lines[cpu + 1].strip().startswith("source: https://")


def test_show_as_json_has_the_merged_facts_and_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", "show", "orin-nano", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["name"], answer["cpu"]["cores"], answer["wasm"]["memory_mib"]) == ("jetson-orin-nano", 6, 512)
    assert Path(answer["file"]).name == "jetson-orin-nano.toml"


def test_show_of_a_family_names_its_members(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", "show", "jetson"]) == 0
    assert "members   jetson-agx-orin, jetson-orin-nano" in capsys.readouterr().out


def test_an_unknown_board_leaves_with_4_and_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", "show", "rasberrypi-5"]) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "did you mean 'raspberrypi-5'?" in captured.err


def test_a_board_of_the_user_is_shown_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my-gateway.toml").write_text(MINE)
    monkeypatch.setenv("EDGE_SDK_BOARDS", str(tmp_path))
    assert main(["boards", "show", "mine"]) == 0
    assert "4 x N100" in capsys.readouterr().out


def test_a_mistake_in_a_user_s_file_leaves_with_3_and_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my-gateway.toml").write_text(MINE.replace("cores", "coers"))
    monkeypatch.setenv("EDGE_SDK_BOARDS", str(tmp_path))
    assert main(["boards", "list"]) == 3
    assert "my-gateway.toml: cpu.coers: unknown key; did you mean 'cores'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["shwo"], ["show"], ["list", "--jason"]])
def test_wrong_use_leaves_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["boards", *arguments]) == 2
    assert "edge-sdk boards" in capsys.readouterr().err
