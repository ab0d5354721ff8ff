from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import pytest

from edge_sdk.cli.main import main
from firmware_tools.cli import wheels

NAME = "rich-15.0.0-py3-none-any.whl"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stand in for the fetching, and note what it is asked."""
    seen: list[dict[str, Any]] = []

    def fetch(folder: Path, **options: Any) -> tuple[str, ...]:
        seen.append(options)
        folder.mkdir(exist_ok=True)
        (folder / NAME).write_bytes(b"wheel")
        return (NAME,)

    monkeypatch.setattr(wheels, "fetch_wheels", fetch)
    return seen


@pytest.mark.parametrize(
    ("options", "arch"),
    [
        ([], platform.machine()),
        (["--board", "pi5"], "aarch64"),
        (["--board", "jetson"], "aarch64"),
        (["--board", "sim"], platform.machine()),
        (["--board", "sim", "--arch", "aarch64"], "aarch64"),
    ],
)
def test_the_board_or_the_option_or_this_machine_says_the_architecture(
    tmp_path: Path, asked: list[dict[str, Any]], options: list[str], arch: str
) -> None:
    assert main(["bundle", "wheels", str(tmp_path / "w"), *options]) == 0
    assert asked[0]["arch"] == arch


def test_the_names_come_as_json(
    tmp_path: Path, asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--arch", "aarch64", "--python", "3.10", "--libc", "2.35", "--find-links", str(tmp_path), "--json"]
    assert main(["bundle", "wheels", str(tmp_path / "w"), *words]) == 0
    assert asked == [{"arch": "aarch64", "python": "3.10", "libc": "2.35", "find_links": [tmp_path]}]
    out, err = capsys.readouterr()
    assert json.loads(out)["wheels"] == [NAME]
    assert "1 wheels for Python 3.10 on aarch64, 5 B" in err


@pytest.mark.parametrize(
    ("options", "code", "part"),
    [
        (["--board", "pi5", "--arch", "x86_64"], 2, "--arch x86_64: pi5 is aarch64"),
        (["--board", "nosuch"], 4, "unknown board 'nosuch'"),
        (["--arch", "armv7l"], 2, "invalid choice"),
        (["--find-links", "no/such"], 4, "--find-links no/such: no such folder"),
    ],
)
def test_each_mistake_has_its_code(
    tmp_path: Path,
    asked: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    part: str,
) -> None:
    assert main(["bundle", "wheels", str(tmp_path / "w"), *options]) == code
    assert part in capsys.readouterr().err
    assert asked == []
