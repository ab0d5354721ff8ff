from __future__ import annotations

import json

import pytest

from edge_sdk.compiler.convert import convert
from edge_sdk.compiler.report import Report
from edge_sdk.compiler.report_text import MIN_WIDTH, report_text
from tests.unit.compiler.tflite_writer import TfliteWriter, small_int8_model


@pytest.fixture(scope="module")
def report() -> Report:
    return convert(small_int8_model(), name="small").report


def test_operators_are_those_of_the_source_model_and_share_all_the_work(report: Report) -> None:
    counts = {(row.operator, row.dtype): row.count for row in report.operators}
    names = ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "MEAN", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX")
    assert counts == {(name, "int8"): 1 for name in names}
    assert sum(row.macs for row in report.operators) == report.macs > 0
    assert [row.macs for row in report.operators] == sorted((row.macs for row in report.operators), reverse=True)


def test_an_operator_between_two_dtypes_is_counted_by_both() -> None:
    model = TfliteWriter()
    x, y = model.tensor("x", (1, 4), "float32"), model.tensor("y", (1, 4), "uint8", scales=[0.1], zero_points=[3])
    model.operator("QUANTIZE", [x], [y])
    operators = convert(model.finish([x], [y]), name="m").report.operators
    assert [(row.operator, row.dtype) for row in operators] == [("QUANTIZE", "float32 to uint8")]


def test_the_arena_is_fullest_where_most_is_in_use_and_what_works_in_place_counts_once(report: Report) -> None:
    assert report.peak_bytes == 256 <= report.memory["arena"]  # two of the three images of 128 bytes
    assert report.nodes[report.peak_node].kernel == "depthwise_conv2d_s8"


def test_the_largest_tensors_come_first_with_where_they_lie_and_how_long(report: Report) -> None:
    sizes = [tensor.size_bytes for tensor in report.tensors]
    assert sizes == sorted(sizes, reverse=True)
    assert {tensor.region for tensor in report.tensors} == {"arena", "weights"}
    first = next(tensor for tensor in report.tensors if tensor.region == "arena")
    assert (first.type, first.size_bytes) == ("int8[1,4,4,8]", 128)
    assert 0 <= first.first < first.last < len(report.nodes)


def test_a_report_is_plain_values(report: Report) -> None:
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["nodes"][0]["inputs"][0] == "int8[1,8,8,3]"
    assert plain["operators"][0]["operator"] == "CONV_2D"
    assert plain["memory_bytes"] == report.memory_bytes


@pytest.mark.parametrize("width", [20, 80, 100, 200])
def test_lines_keep_to_the_width(report: Report, width: int) -> None:
    assert max(map(len, report_text(report, width).splitlines())) <= max(width, MIN_WIDTH)


def test_the_text_says_what_runs_what_it_takes_and_what_dominates(report: Report) -> None:
    text = report_text(report, 120)
    lines = text.splitlines()
    assert "depthwise_conv2d_s8" in text
    assert f"work: {report.macs:,} multiply-accumulates" in text
    assert any(line.startswith("CONV_2D") and line.endswith("%") for line in lines)
    bars = {line.split()[0]: line.count("#") for line in lines if line.startswith("  ") and "#" in line}
    assert bars
    assert max(bars, key=lambda name: bars[name]) == max(report.memory, key=lambda name: report.memory[name])
    assert f"the arena is fullest at node {report.peak_node + 1}" in text
    assert "input   x int8[1,8,8,3]" in text
    assert "output  y int8[1,5]" in text


def test_a_model_without_multiplications_has_no_shares_to_show() -> None:
    model = TfliteWriter()
    x, y = model.tensor("x", (4,), "float32"), model.tensor("y", (4,), "float32")
    model.operator("RELU", [x], [y])
    text = report_text(convert(model.finish([x], [y]), name="m").report)
    assert "work: 0 multiply-accumulates, 1 kernel calls" in text
