from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from edge_sdk.errors import MissingExtraError, TransferError
from firmware_tools.flash.process import Program, Silence, ask, last_words, start


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def test_a_question_is_answered_with_how_it_ended() -> None:
    script = "import sys; print(sys.stdin.read().upper()); print('hm', file=sys.stderr); sys.exit(3)"
    answer = ask(start(python(script)), b"hello", limit_s=20, most_bytes=100)
    assert (answer.code, answer.output, answer.complaint) == (3, b"HELLO\n", "hm\n")


def test_an_endless_answer_is_cut() -> None:
    answer = ask(start(["sh", "-c", "yes"]), b"", limit_s=20, most_bytes=100_000)
    assert answer.code is None
    assert 100_000 < len(answer.output) < 300_000


def test_an_answer_that_does_not_come_is_silence_and_the_program_is_ended() -> None:
    process = start(python("import time; time.sleep(600)"))
    with pytest.raises(Silence):
        ask(process, b"", limit_s=0.2, most_bytes=100)
    assert process.poll() is not None


def test_a_program_that_ignores_its_end_is_killed() -> None:
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    process = start(python(script))
    program = Program(process)
    assert program.read(20).startswith(b"1")
    program.close(0.1)
    assert process.poll() == -9


def test_what_nobody_takes_is_silence_and_what_nobody_can_take_a_broken_pipe() -> None:
    with Program(start(python("import time; time.sleep(600)"))) as program:
        with pytest.raises(Silence):
            program.write(b"x" * (1 << 20), 0.1)
        program.close(0.1)
    with Program(start(python("import os; os.close(0)"))) as program:
        program.wait(20)
        with pytest.raises(BrokenPipeError):
            program.write(b"x" * (1 << 20), 5)


def test_it_is_out_of_reach_of_the_terminals_interrupt() -> None:
    answer = ask(start(python("import os; print(os.getsid(0))")), b"", limit_s=20, most_bytes=100)
    assert int(answer.output) != os.getsid(0)


def test_what_is_not_installed_and_what_cannot_run_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match="not installed") as caught:
        start([str(tmp_path / "absent")], missing="apt install it")
    assert caught.value.hint == "apt install it"
    (tmp_path / "plain").write_text("")
    with pytest.raises(TransferError, match="cannot be started"):
        start([str(tmp_path / "plain")])


def test_last_words_are_the_last_few_lines() -> None:
    assert last_words("a\n\nb\nc\nd\ne" + "x" * 1000 + "\n") == "b / c / d / e" + "x" * 299
