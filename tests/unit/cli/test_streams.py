from __future__ import annotations

import io
import logging
import sys

import pytest

from edge_sdk.cli.streams import LastingStream, lasting_streams


class Full(io.StringIO):
    """A disk without room."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise BrokenPipeError(32, "Broken pipe")


def test_words_that_nobody_takes_are_dropped() -> None:
    stream = LastingStream(Full())
    assert stream.write("words") == 5
    stream.flush()
    assert not stream.isatty()


def test_a_closed_stream_is_no_error() -> None:
    closed = io.StringIO()
    closed.close()
    LastingStream(closed).write("words")


def test_stderr_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Full()
    monkeypatch.setattr(sys, "stderr", full)
    with lasting_streams():
        print("words", file=sys.stderr)
    assert sys.stderr is full


def test_a_warning_without_a_view_has_the_common_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert logging.lastResort is not None
    with lasting_streams():
        logging.lastResort.handle(logging.LogRecord("edge_sdk", logging.WARNING, "", 0, "no %s", ("cache\x1b",), None))
    assert capsys.readouterr().err == "warning: no cache\\x1b\n"


def test_a_name_that_is_not_text_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with lasting_streams():
        print("b\udce4r")
    assert capsys.readouterr().out == "b\\udce4r\n"
