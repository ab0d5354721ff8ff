"""Damaged copies of a model: the same base and seed give the same bytes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

from tests.fuzz.places import Places, find_places
from tests.unit.compiler.tflite_writer import small_int8_model

#: What numbers are set to: bounds of every width, and small ones that indices, axes and sizes may not be.
EXTREMES = (
    *(0, 1, 2, 3, 4, 5, 7, 8, 16, 100, 127, 128, 255, 256, 1000, 4096, 65535, 65536, 1 << 20, (1 << 24) + 1, 1 << 30),
    *((1 << 31) - 1, 1 << 31, (1 << 32) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, -1, -2, -3, -4, -5, -128),
    *(0x7F800000, 0xFF800000, 0x7FC00000, 0x00000001, 0x3F800000, 0x7F7FFFFF),  # floats: inf, -inf, nan, tiny, 1, max
)


@dataclass
class Base:
    """An undamaged model.

    Attributes:
        name: a file of ../shared/models, or what made it.
    """

    name: str
    data: bytes

    @cached_property
    def places(self) -> Places:
        return find_places(self.data)


def mutated(base: Base, number: int) -> bytes:
    """Return a damaged copy: mostly one or two damages, sometimes many."""
    rng = random.Random(number)
    out = bytearray(base.data)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 8))):
        rng.choice(_MUTATIONS)(out, base, rng)
        if not out:
            break
    return bytes(out)


def _number(out: bytearray, base: Base, rng: random.Random) -> None:
    if base.places.numbers:
        at, width = rng.choice(base.places.numbers)
        value = rng.choice(EXTREMES) if rng.random() < 0.8 else rng.getrandbits(8 * width)
        _put(out, at, width, value)


def _nudge(out: bytearray, base: Base, rng: random.Random) -> None:
    if base.places.numbers:
        at, width = rng.choice(base.places.numbers)
        _put(out, at, width, int.from_bytes(out[at : at + width], "little") + rng.choice((-2, -1, 1, 2, 3)))


def _exchange(out: bytearray, base: Base, rng: random.Random) -> None:
    """Give one number the value of another of its width: indices, types and shapes of somebody else."""
    at, width = rng.choice(base.places.numbers)
    there, other = rng.choice(base.places.numbers)
    if width == other:
        out[at : at + width] = out[there : there + width]


def _count(out: bytearray, base: Base, rng: random.Random) -> None:
    at = rng.choice(base.places.counts)
    count = int.from_bytes(out[at : at + 4], "little")
    _put(out, at, 4, rng.choice((count - 1, count + 1, 2 * count, 0, *EXTREMES)))


def _reference(out: bytearray, base: Base, rng: random.Random) -> None:
    """Let a reference lead to what another one leads to, or anywhere."""
    at, there = rng.choice(base.places.references), rng.choice(base.places.references)
    target = there + int.from_bytes(base.data[there : there + 4], "little")
    _put(out, at, 4, target - at if rng.random() < 0.7 else rng.choice((0, 1, 4, 1 << 31, rng.getrandbits(12))))


def _vtable(out: bytearray, base: Base, rng: random.Random) -> None:
    at, there = rng.choice(base.places.vtable_entries), rng.choice(base.places.vtable_entries)
    value = int.from_bytes(base.data[there : there + 2], "little")
    _put(out, at, 2, rng.choice((value, 0, 0, 4, 65535, rng.getrandbits(6))))


def _flip(out: bytearray, base: Base, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 4)):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)


def _truncate(out: bytearray, base: Base, rng: random.Random) -> None:
    del out[rng.randrange(len(out)) :]


def _splice(out: bytearray, base: Base, rng: random.Random) -> None:
    """Overwrite a piece with another piece of the file, or of a model with many operators."""
    source = rng.choice((base.data, _many_operators()))
    size = min(len(source), rng.choice((4, 8, 16, 64, 256)))
    start, at = rng.randrange(len(source) - size + 1), rng.randrange(len(out))
    out[at : at + size] = source[start : start + size]


@cache
def _many_operators() -> bytes:
    return small_int8_model()


def _put(out: bytearray, at: int, width: int, value: int) -> None:
    if at + width <= len(out):
        out[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, "little")


Mutation = Callable[[bytearray, Base, random.Random], None]
#: Those that stand here several times come as much more often.
_MUTATIONS: tuple[Mutation, ...] = (
    *(_number,) * 6,
    *(_nudge,) * 3,
    *(_exchange,) * 4,
    *(_count,) * 2,
    *(_reference,) * 2,
    _vtable,
    _flip,
    _truncate,
    _splice,
)
