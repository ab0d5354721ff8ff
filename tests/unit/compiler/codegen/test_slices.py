from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_sdk import abi
from edge_sdk.compiler.codegen.slices import ROW_STEPS, slice_rows
from edge_sdk.errors import ModelError

SOFTMAX = abi.KERNELS["softmax_s8"]


@given(rows=st.integers(1, 20000), depth=st.integers(1, 1 << 16))
def test_slices_cover_all_rows_once_and_stay_below_the_work_limit(rows: int, depth: int) -> None:
    numbers = {"rows": rows, "depth": depth}
    ranges = slice_rows(SOFTMAX, numbers, "n")
    assert ranges[0][0] == 0
    assert ranges[-1][1] == rows
    assert all(before[1] == after[0] for before, after in itertools.pairwise(ranges))
    work = abi.row_work(SOFTMAX, numbers)
    assert all(0 < (end - begin) * work <= abi.MAX_WORK for begin, end in ranges)


def test_small_nodes_are_one_call() -> None:
    assert slice_rows(abi.KERNELS["add_s8"], {"count": 1000}, "n") == [(0, 1000)]


def test_cuts_fall_on_whole_tiles() -> None:
    ranges = slice_rows(abi.KERNELS["fully_connected_s8"], {"batch": 1, "input_c": 10000, "output_c": 1000}, "n")
    assert len(ranges) == 3
    assert all(begin % ROW_STEPS[0] == 0 for begin, _ in ranges)


def test_a_row_that_is_too_much_work_is_refused_by_node_name() -> None:
    numbers = {"outer": 1, "reduced": 1 << 20, "inner": 4}
    with pytest.raises(ModelError, match=r"'pool/mean'.*mean_s8"):
        slice_rows(abi.KERNELS["mean_s8"], numbers, "pool/mean")


def test_a_node_of_minutes_of_work_is_refused_before_its_calls_are_listed() -> None:
    numbers = {"batch": 1, "output_h": 1 << 15, "output_w": 1 << 15, "output_c": 1, "input_c": 1}
    with pytest.raises(ModelError, match="units of work"):
        slice_rows(abi.KERNELS["conv2d_s8"], {**numbers, "filter_h": 1 << 10, "filter_w": 1 << 10}, "n")
