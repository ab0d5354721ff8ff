"""The process that waits: orders in, answers out, nothing in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_sdk.cli import waiting


def orders(folder: Path, *words: list[str], **environment: str) -> list[dict[str, Any]]:
    """Give a new process these orders and return its answers."""
    lines = [
        json.dumps({"folder": str(folder), "words": one, "environment": dict(os.environ, **environment)})
        for one in words
    ]
    done = subprocess.run(
        [sys.executable, "-m", "edge_sdk.cli.waiting"],
        input="".join(f"{line}\n" for line in lines),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_order_is_a_command_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("name = 3\n")
    first, second, third = orders(tmp_path, ["run", "p.toml", "--check"], ["--version"], ["run", "none.toml"])
    assert first["code"] == 3
    assert first["said"].startswith("error: p.toml: ")
    assert second == {"code": 0, "said": ""}, "what is meant for stdout is nobody's concern"
    assert third["code"] == 4


def test_without_orders_it_ends(tmp_path: Path) -> None:
    assert orders(tmp_path) == []


@pytest.mark.parametrize(
    ("script", "code"),
    [("import os; os.kill(os.getpid(), 9)", -9), ("raise SystemExit(7)", 1), ("1 / 0", 1), ("pass", 0)],
)
def test_a_command_that_dies_is_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, code: int
) -> None:
    def main(words: list[str]) -> int:
        exec(words[0])
        return 0

    monkeypatch.setattr(waiting, "main", main)
    answer = waiting.obey({"folder": str(tmp_path), "words": [script], "environment": {}})
    assert answer["code"] == code


def test_a_command_changes_nothing_here(tmp_path: Path) -> None:
    before, folder = dict(os.environ), Path.cwd()
    waiting.obey({"folder": str(tmp_path), "words": ["--version"], "environment": {"A": "b"}})
    assert (dict(os.environ), Path.cwd()) == (before, folder)


def test_of_what_a_command_says_the_end_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOST_SAID_BYTES", 10)
    monkeypatch.setattr(waiting, "main", lambda _: os.write(2, b"x" * 100 + b"the end"))
    answer = waiting.obey({"folder": str(tmp_path), "words": [], "environment": {}})
    assert answer["said"] == "xxxthe end"
