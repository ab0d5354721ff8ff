from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from edge_sdk.cli import main as door
from edge_sdk.cli.main import COMMANDS, main, parser_for
from edge_sdk.errors import BusyError, EdgeError


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Register a verb `fake` that does what the test says."""

    def register(do: Any) -> None:
        module = ModuleType("fake_verb")
        module.configure = lambda parser: parser.add_argument("--number", type=int)  # type: ignore[attr-defined]
        module.run = do  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "fake_verb", module)
        monkeypatch.setitem(COMMANDS, "fake", ("fake_verb", "for tests"))

    return register


def test_a_verb_gets_its_arguments_and_gives_the_exit_code(verb: Any) -> None:
    verb(lambda args: args.number)
    assert main(["fake", "--number", "5"]) == 5


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["rum"], "unknown command 'rum'; did you mean 'run'?"),
        (["--jsn"], "unknown option '--jsn'"),
        (["fake", "--numbr", "1"], "edge-sdk fake: unrecognized arguments: --numbr 1"),
        (["fake", "--number", "x"], "edge-sdk fake: argument --number: invalid int value: 'x'"),
        (["fake", "--num", "1"], "unrecognized arguments: --num 1"),
    ],
)
def test_wrong_use_is_two_lines_and_exit_code_2(
    verb: Any, capsys: pytest.CaptureFixture[str], argv: list[str], words: str
) -> None:
    verb(lambda args: 0)
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    error, hint = err.splitlines()
    assert error.startswith("error: ")
    assert words in error
    assert hint.startswith("try: edge-sdk")
    assert hint.endswith("--help")


def test_our_errors_are_printed_with_hint_and_exit_code(verb: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(args: argparse.Namespace) -> int:
        raise BusyError("port /dev/x: in use", hint="fuser -v /dev/x")

    verb(fail)
    assert main(["fake"]) == 21
    assert capsys.readouterr().err == "error: port /dev/x: in use\ntry: fuser -v /dev/x\n"


def test_an_error_cannot_take_over_the_terminal(verb: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(args: argparse.Namespace) -> int:
        raise BusyError("node \x1b]0;x\x07", hint="\x1b[2J")

    verb(fail)
    assert main(["fake"]) == 21
    assert capsys.readouterr().err == "error: node \\x1b]0;x\\x07\ntry: \\x1b[2J\n"


def test_a_bug_leaves_a_report_instead_of_a_traceback(
    verb: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(args: argparse.Namespace) -> int:
        raise ZeroDivisionError("oh")

    verb(fail)
    monkeypatch.setattr(door.tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("EDGE_SDK_DEBUG", raising=False)
    assert main(["fake"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "internal bug: ZeroDivisionError: oh" in err
    (report,) = tmp_path.iterdir()
    assert str(report) in err
    assert "Traceback" in report.read_text()


def test_interruption_is_130(verb: Any, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(args: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    verb(fail)
    assert main(["fake"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("argv", [["--help"], ["-h"], []])
def test_the_overview_names_every_verb_and_ends_with_an_example(
    capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    assert main(argv) == (0 if argv else 2)
    out = capsys.readouterr().out
    assert all(f"  {name} " in out for name in COMMANDS)
    assert out.rstrip().splitlines()[-2:] == ["example:", "  edge-sdk run pipeline.toml --duration 60"]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_help_ends_with_an_example_of_its_verb(name: str) -> None:
    options, heading, examples = parser_for(name).format_help().partition("\nexample")
    assert heading
    assert f"edge-sdk {name}" in examples
    assert "--help" in options


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("edge-sdk ")


def command(*arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "edge_sdk.cli.main", *arguments], capture_output=True, check=False, **more
    )


def test_the_overview_imports_neither_numpy_nor_wasmtime() -> None:
    probe = (
        "import sys; from edge_sdk.cli.main import main; main(['--help']); "
        "print(sorted({'numpy', 'wasmtime', 'rich', 'paho'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True)
    assert found.stdout.splitlines()[-1] == b"[]"


def test_a_reader_that_leaves_ends_it_quietly(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1\n" * 500)
    (tmp_path / "p.toml").write_text(
        'name = "p"\n[sources.a]\ntype = "replay"\nfile = "x.csv"\nrate_hz = 1000\nspeed = 0\nloop = true\n'
        '[[steps]]\nid = "w"\nuse = "window"\ninput = "a"\nsize = 8\n'
    )
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "edge_sdk.cli.main", "run", "p.toml", "--json"],
        stdout=writing,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as process:
        os.close(writing)
        assert os.read(reading, 10)
        os.close(reading)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"Traceback" not in err
    assert b"Exception" not in err


@pytest.mark.parametrize(("sink", "code"), [("/dev/full", 7), (None, 0)])
def test_a_full_or_closed_stdout_is_no_bug(sink: str | None, code: int) -> None:
    script = f"{sys.executable} -m edge_sdk.cli.main --version " + (f"> {sink}" if sink else ">&-")
    found = subprocess.run(["sh", "-c", script], capture_output=True, check=False)
    assert found.returncode == code
    assert b"bug" not in found.stderr
    assert b"Exception" not in found.stderr
    assert (b"error: No space left on device" in found.stderr) == bool(code)


def test_every_error_class_has_an_exit_code_of_its_table() -> None:
    def below(kind: type[EdgeError]) -> list[type[EdgeError]]:
        return [kind, *(found for one in kind.__subclasses__() for found in below(one))]

    assert {kind.exit_code for kind in below(EdgeError)} <= {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 21}
