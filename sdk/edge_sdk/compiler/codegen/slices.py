"""Cut a node's rows into calls that each stay below the work limit.

Neither fuel nor epochs stop native code, so no kernel call may run longer than about a millisecond.
"""

from __future__ import annotations

from collections.abc import Mapping

from edge_sdk import abi
from edge_sdk.errors import ModelError

#: Rows per slice are a multiple of the first of these that is possible: whole tiles for every kernel, or for most.
ROW_STEPS = (192, 48, 16, 12, 6)
#: Calls of one run; at a millisecond each that is minutes, and a small damaged file must not make us list more.
MAX_CALLS = 1 << 18


def slice_rows(kernel: abi.Kernel, numbers: Mapping[str, float], node: str) -> list[tuple[int, int]]:
    """Return the half-open row ranges of the calls, in order.

    Raises:
        ModelError: a single row is more work than one call may do, or the node more than any model may.
    """
    rows, work = abi.rows(kernel, numbers), abi.row_work(kernel, numbers)
    most = abi.MAX_WORK // work
    if most < 1:
        raise ModelError(
            f"node {node!r}: one row of {kernel.name} is {work} units of work, a call may do {abi.MAX_WORK}",
            hint="use a smaller layer",
        )
    count = -(-rows // most)
    each = -(-rows // count)
    if count > 1:
        step = next((step for step in ROW_STEPS if most >= step), 1)
        each = min(abi.round_up(each, step), most // step * step)
    if count > MAX_CALLS:
        raise ModelError(f"node {node!r}: {rows * work} units of work, a model may do {MAX_CALLS * abi.MAX_WORK}")
    return [(begin, min(begin + each, rows)) for begin in range(0, rows, each)]
