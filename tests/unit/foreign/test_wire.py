from __future__ import annotations

import json
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest

from edge_sdk.foreign import wire
from edge_sdk.foreign.wire import Done, GoneError, NonsenseError, Opened, Output, Refused, SilentError

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """Read end, write end; both non-blocking."""
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    yield ends
    for end in ends:
        with suppress(OSError):  # the test has closed it
            os.close(end)


def soon() -> float:
    return time.monotonic() + 0.05


def say(pipe: Pipe, message: object) -> None:
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    os.write(pipe[1], struct.pack("<I", len(text)) + text)


def hear(pipe: Pipe, kind: type = Done) -> object:
    return wire.receive(pipe[0], kind, soon())


def test_a_message_and_arrays_go_through_as_they_are(pipe: Pipe) -> None:
    wire.send(pipe[1], {"a": 1}, (np.float32([[1, 2]]), np.int8([3])), soon())
    data = os.read(pipe[0], 100)
    assert data == struct.pack("<I", 7) + b'{"a":1}' + struct.pack("<2f", 1, 2) + b"\3"


def test_the_kinds_of_answers_are_told_apart(pipe: Pipe) -> None:
    say(pipe, {"is": "refused", "fault": "model", "text": "no"})
    assert hear(pipe) == Refused("model", "no")
    say(pipe, {"is": "done", "cpu_ns": 1, "wall_ns": 2, "outputs": [{"dtype": "int8", "shape": [2, 0]}]})
    assert hear(pipe) == Done(1, 2, (Output("int8", (2, 0)),))
    say(pipe, {"is": "opened", "version": "1", "delegated": 2, "keeps_state": False, "inputs": [], "outputs": []})
    assert hear(pipe, Opened) == Opened("1", 2, False, (), ())


def test_one_kind_is_no_other(pipe: Pipe) -> None:
    say(pipe, {"is": "done", "cpu_ns": 1, "wall_ns": 2, "outputs": []})
    with pytest.raises(NonsenseError, match="Done where Opened was expected"):
        hear(pipe, Opened)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"what",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"is":"who"}',
        b'{"is":"done"}',
        b'{"is":"done","cpu_ns":1,"wall_ns":2,"outputs":[{"dtype":"int8","shape":[-1]}]}',
        b'{"is":"done","cpu_ns":1,"wall_ns":2,"outputs":[{"dtype":"int8","shape":[4294967296]}]}',
        b'{"is":"done","cpu_ns":1,"wall_ns":2,"outputs":[{"dtype":"int8","shape":[1,1,1,1,1,1,1,1,1]}]}',
        b'{"is":"refused","fault":"model","text":"' + b"x" * 5000 + b'"}',
    ],
)
def test_what_follows_no_rule_is_nonsense(pipe: Pipe, text: bytes) -> None:
    os.set_blocking(pipe[1], True)
    writer = threading.Thread(target=say, args=(pipe, text))
    writer.start()
    with pytest.raises(NonsenseError):
        wire.receive(pipe[0], Done, time.monotonic() + 5)
    writer.join()


def test_a_length_beyond_the_limit_is_nonsense_before_anything_is_allocated(pipe: Pipe) -> None:
    os.write(pipe[1], struct.pack("<I", wire.MAX_MESSAGE_BYTES + 1))
    with pytest.raises(NonsenseError, match="a message of 1,048,577 bytes"):
        hear(pipe)


def test_silence_ends_with_the_time(pipe: Pipe) -> None:
    os.write(pipe[1], b"\1\0\0")
    with pytest.raises(SilentError):
        hear(pipe)
    with pytest.raises(SilentError):
        wire.receive(pipe[0], Done, time.monotonic() - 1)


def test_a_full_pipe_that_nobody_empties_ends_with_the_time(pipe: Pipe) -> None:
    with pytest.raises(SilentError):
        wire.send(pipe[1], {}, (np.zeros(1 << 20, np.uint8),), soon())


def test_an_end_that_was_closed_is_gone(pipe: Pipe) -> None:
    os.close(pipe[0])
    with pytest.raises(GoneError):
        wire.send(pipe[1], {}, (), soon())


def test_a_writer_that_vanishes_in_the_middle_is_gone(pipe: Pipe) -> None:
    os.write(pipe[1], struct.pack("<I", 10) + b"abc")
    os.close(pipe[1])
    with pytest.raises(GoneError):
        hear(pipe)


def test_an_array_is_read_with_its_shape(pipe: Pipe) -> None:
    os.write(pipe[1], np.int16([[1, 2, 3]]).tobytes())
    found = wire.receive_array(pipe[0], Output("int16", (1, 3)), "int16", 6, soon())
    assert found.tolist() == [[1, 2, 3]]
    assert found.flags.writeable
    assert wire.receive_array(pipe[0], Output("int16", (0, 3)), "int16", 0, soon()).shape == (0, 3)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (Output("int16", (1, 4)), "an output of 8 bytes"),
        (Output("int16", (2**31 - 1,) * 8), "an output of "),
        (Output("int8", (1, 3)), "'int8' where int16 was promised"),
        (Output("O", (1,)), "'O' where int16 was promised"),
    ],
)
def test_an_array_that_was_not_promised_is_nonsense(pipe: Pipe, output: Output, words: str) -> None:
    with pytest.raises(NonsenseError, match=words):
        wire.receive_array(pipe[0], output, "int16", 6, soon())
