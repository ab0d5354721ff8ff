"""Messages to and from a child that may hang, vanish or talk nonsense: every wait ends, every length is checked.

    u32 length | JSON of that length | bytes as the JSON says

Both pipes are non-blocking on this side. The other side is `program`.
"""

from __future__ import annotations

import os
import select
import struct
import time
from math import prod
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

#: A model's description; answers to a run are far shorter.
MAX_MESSAGE_BYTES = 1 << 20
MAX_TENSORS = 256
MAX_RANK = 8

Size = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Time = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Shape = Annotated[tuple[Size, ...], Meta(max_length=MAX_RANK)]
Name = Annotated[str, Meta(max_length=4096)]


class GoneError(Exception):
    """The child has closed its end: it is dead or about to be."""


class SilentError(Exception):
    """The time is over."""


class NonsenseError(Exception):
    """What the child says does not follow the protocol."""


class Tensor(msgspec.Struct, frozen=True):
    """One input or output, as the runtime describes it."""

    name: Name
    dtype: Name
    shape: Shape
    scale: float = 0.0
    zero_point: int = 0


class Opened(msgspec.Struct, frozen=True, tag="opened", tag_field="is"):
    """The model is ready; `delegated` is how many groups of operators a delegate has taken."""

    version: Name
    delegated: Size
    keeps_state: bool
    inputs: Annotated[tuple[Tensor, ...], Meta(max_length=MAX_TENSORS)]
    outputs: Annotated[tuple[Tensor, ...], Meta(max_length=MAX_TENSORS)]


class Run(msgspec.Struct, frozen=True):
    """A run is asked for; its inputs follow.

    Attributes:
        anew: what the model remembers of earlier ones is forgotten first.
        times: how often to run it on these inputs; the outputs are the last run's.
    """

    anew: bool
    times: int = 1


class Output(msgspec.Struct, frozen=True):
    """One array that follows."""

    dtype: Name
    shape: Shape


class Done(msgspec.Struct, frozen=True, tag="done", tag_field="is"):
    """The runs are over; the arrays follow. What all of them took: of the computing thread, and by the clock."""

    cpu_ns: Time
    wall_ns: Time
    outputs: Annotated[tuple[Output, ...], Meta(max_length=MAX_TENSORS)]


class Refused(msgspec.Struct, frozen=True, tag="refused", tag_field="is"):
    """The runtime said no: `fault` is environment, delegate, model, memory or run."""

    fault: Name
    text: Name


Answer = Opened | Done | Refused
T = TypeVar("T")


def send(handle: int, message: object, arrays: tuple[NDArray[Any], ...], until_s: float) -> None:
    """Write one message and the arrays behind it.

    Args:
        until_s: monotonic time at which to give up.

    Raises:
        GoneError, SilentError: the child is dead, or takes nothing.
    """
    text = msgspec.json.encode(message)
    # In one piece: the other side wakes up once.
    view = memoryview(b"".join((struct.pack("<I", len(text)), text, *(one.tobytes() for one in arrays))))
    while view:
        view = view[_write(handle, view, until_s) :]


def wait(handle: int, until_s: float) -> None:
    """Wait until there is something to receive; nothing is taken yet. Raises SilentError."""
    _wait(handle, select.POLLIN, until_s)


def receive(handle: int, kind: type[T], until_s: float) -> T | Refused:
    """Read one message, which must be a `kind` or a refusal.

    Raises:
        GoneError, SilentError, NonsenseError: there is none that makes sense.
    """
    (length,) = struct.unpack("<I", _read(handle, 4, until_s))
    if length > MAX_MESSAGE_BYTES:
        raise NonsenseError(f"a message of {length:,} bytes")
    data = _read(handle, length, until_s)
    try:
        found = msgspec.json.decode(data, type=Answer)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise NonsenseError(str(error)) from None
    if not isinstance(found, (kind, Refused)):
        raise NonsenseError(f"{type(found).__name__} where {kind.__name__} was expected")
    return found


def receive_array(handle: int, output: Output, dtype: str, room_bytes: int, until_s: float) -> NDArray[Any]:
    """Read an array, which must be of `dtype` and have at most `room_bytes` bytes. Raises as `receive` does."""
    if output.dtype != dtype:
        raise NonsenseError(f"an output of {output.dtype[:40]!r} where {dtype} was promised")
    kind = np.dtype(dtype)
    size_bytes = prod(output.shape) * kind.itemsize
    if size_bytes > room_bytes:
        raise NonsenseError(f"an output of {size_bytes:,} bytes")
    return np.frombuffer(_read(handle, size_bytes, until_s), kind).reshape(output.shape)


def _read(handle: int, count: int, until_s: float) -> bytearray:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        try:
            got = os.readv(handle, [view])
        except BlockingIOError:
            _wait(handle, select.POLLIN, until_s)
            continue
        if not got:
            raise GoneError
        view = view[got:]
    return data


def _write(handle: int, view: memoryview, until_s: float) -> int:
    """Write what the pipe takes; wait when it takes nothing."""
    try:
        return os.write(handle, view)
    except BlockingIOError:
        _wait(handle, select.POLLOUT, until_s)
        return 0
    except BrokenPipeError:
        raise GoneError from None


def _wait(handle: int, event: int, until_s: float) -> None:
    poll = select.poll()
    poll.register(handle, event)
    left_s = until_s - time.monotonic()
    # Rounded up: a wait of 0 ms would spin through the last millisecond.
    if left_s <= 0 or not poll.poll(int(left_s * 1000) + 1):
        raise SilentError
