"""STRIDED_SLICE: begins, ends and strides with five masks, as Python writes x[1:, ..., None, 3, ::-2].

Each entry of the lists is one of:

    ellipsis    all of as many dimensions as are left over (a second one: of one dimension)
    new axis    a dimension of size 1, which the input does not have
    shrink      one index; the dimension vanishes
    otherwise   begin : end : stride, each end open where its mask says so; clamped to the dimension
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.compiler.importers.tflite.ops.operator import Operator, Translation, constant_integers
from edge_sdk.compiler.ops.op import require, require_shape
from edge_sdk.compiler.ops.slice import SliceAttributes

LISTS = ("begins", "ends", "strides")


@dataclass(frozen=True)
class _Entry:
    """One entry of the lists."""

    begin: int
    end: int
    stride: int
    begin_open: bool
    end_open: bool
    shrinks: bool

    def indices(self, size: int, offset: bool) -> tuple[int, int, int]:
        """Return (first index, stride, count) along a dimension (strided_slice_logic.h)."""
        low, high = (0, size) if self.stride > 0 else (-1, size - 1)
        first = self.begin + size if self.begin < 0 else self.begin
        if self.begin_open:
            first = low if self.stride > 0 else high
        first = min(max(first, low), high)
        if self.shrinks:
            require(self.stride > 0, "a negative stride along a dimension that vanishes")
            require(0 <= first < size, f"index {self.begin} of {size}")
            return first, 1, 1
        last = first + self.end if offset else self.end + size if self.end < 0 else self.end
        if self.end_open:
            last = high if self.stride > 0 else low
        last = min(max(last, low), high)
        count = -(-(last - first) // self.stride)
        require(count >= 1, "a slice without elements")
        return first, self.stride, count


def strided_slice(operator: Operator) -> Translation:
    """Translate the operator; the lists are constant."""
    options, x = schema.StridedSliceOptions, operator.input(0)
    lists = [
        constant_integers(operator.input(index), what) for index, what in ((1, "begins"), (2, "ends"), (3, "strides"))
    ]
    count = len(lists[0])
    require(all(len(numbers) == count for numbers in lists), "begins, ends and strides of different lengths")
    require(0 not in lists[2], "a stride of 0")

    def mask(slot: int) -> list[bool]:
        bits: int = operator.number(options.UNION, slot, "i", 0)
        return [bool(bits >> index & 1) for index in range(count)]

    ellipsis, new, shrink = (
        mask(slot) for slot in (options.ELLIPSIS_MASK, options.NEW_AXIS_MASK, options.SHRINK_AXIS_MASK)
    )
    require(sum(ellipsis) <= 1, "more than one ellipsis")
    offset: bool = operator.number(options.UNION, options.OFFSET, "?", False)
    rows = zip(*lists, mask(options.BEGIN_MASK), mask(options.END_MASK), shrink, strict=True)
    entries = [_Entry(*row) for row in rows]
    added = sum(is_new and not is_ellipsis for is_new, is_ellipsis in zip(new, ellipsis, strict=True))
    left_over = len(x.shape) - (count - sum(ellipsis) - added)
    require(left_over >= 0, f"{count - sum(ellipsis) - added} slices of {len(x.shape)} dimensions")
    everything = _Entry(0, 0, 1, True, True, False)
    chosen: list[_Entry] = []
    shape: list[int | None] = []  # of the output; None: as many as the next slice has
    for entry, is_ellipsis, is_new in zip(entries, ellipsis, new, strict=True):
        if is_ellipsis:
            chosen += [everything] * left_over
            shape += [None] * left_over
        elif is_new:
            shape.append(1)
        else:
            chosen.append(entry)
            shape += [] if entry.shrinks else [None]
    rest = len(x.shape) - len(chosen)
    chosen += [everything] * rest
    shape += [None] * rest
    parts = [entry.indices(size, offset) for entry, size in zip(chosen, x.shape, strict=True)]
    sizes = iter([size for entry, (_, _, size) in zip(chosen, parts, strict=True) if not entry.shrinks])
    require_shape(operator.output(), tuple(next(sizes) if size is None else size for size in shape))
    begin, step, size = zip(*parts, strict=True) if parts else ((), (), ())
    return "slice", [x], SliceAttributes(begin, step, size)
