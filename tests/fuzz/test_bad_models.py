"""Kinds of files that crash other converters or interpreters: refused with a reason and exit code 3, or converted.

What is converted computes what LiteRT computes, where LiteRT takes the file at all.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.cli.main import main
from edge_sdk.compiler.convert import convert
from edge_sdk.compiler.importers.tflite import schema
from edge_sdk.errors import ModelError
from tests.conformance.engines import ENGINES, compiling_here, run
from tests.real.oracle import Oracle
from tests.unit.compiler.tflite_writer import (
    Table,
    TfliteWriter,
    add_options,
    conv_options,
    fully_connected_options,
)

#: What reading a file of a few hundred bytes may take.
MOST_BYTES = 8 << 20
STEPS = {"scales": [0.5], "zero_points": [3]}


def quantization(fields: dict[int, object]) -> dict[int, object]:
    q = schema.QuantizationParameters
    return {schema.Tensor.QUANTIZATION: Table({q.SCALE: np.array([0.5], "<f4"), q.ZERO_POINT: np.array([3])} | fields)}


def relu(shape: tuple[int, ...], dtype: str = "float32", **tensor: object) -> bytes:
    model = TfliteWriter()
    x, y = (model.tensor(name, shape, dtype, **tensor) for name in "xy")
    model.operator("RELU", [x], [y])
    return model.finish([x], [y])


def convolution(scales: int, axis: int) -> bytes:
    model = TfliteWriter()
    x = model.tensor("x", (1, 4, 4, 2), "int8", **STEPS)
    y = model.tensor("y", (1, 4, 4, 3), "int8", **STEPS)
    weights = np.arange(3 * 2, dtype=np.int8).reshape(3, 1, 1, 2)
    w = model.constant("w", weights, scales=[0.1] * scales, axis=axis)
    model.operator("CONV_2D", [x, w, model.constant("b", np.zeros(3, np.int32))], [y], **conv_options())
    return model.finish([x], [y])


def indices(inputs: list[int], outputs: list[int], borders: tuple[list[int], list[int]] = ([0], [1])) -> bytes:
    model = TfliteWriter()
    for name in "xyz":
        model.tensor(name, (2,), "float32")
    model.operator("ADD", inputs, outputs, **add_options())
    return model.finish(*borders)


def cycle(length: int) -> bytes:
    model = TfliteWriter()
    x = model.tensor("x", (2,), "float32")
    ring = [model.tensor(f"r{number}", (2,), "float32") for number in range(length)]
    for number, value in enumerate(ring):
        model.operator("ADD", [x, ring[number - 1]], [value], **add_options())
    return model.finish([x], [ring[-1]])


def shared_buffer(elements: tuple[int, int]) -> bytes:
    """One buffer of 16 bytes as float32 weights and as int32 axes."""
    model = TfliteWriter()
    x, h, y = (
        model.tensor("x", (1, 1, 2), "float32"),
        model.tensor("h", (1, 2), "float32"),
        model.tensor("y", (1, 2), "float32"),
    )
    contents = np.zeros(4, np.int32)
    weights = model.tensor("w", (2, elements[0] // 2), "float32", data=contents)
    buffer = model.tensors[weights].fields[schema.Tensor.BUFFER]
    bias = model.tensor("shape", (elements[1],), "int32", fields={schema.Tensor.BUFFER: buffer})
    model.operator("MEAN", [x, bias], [h], {0: ("?", False)}, union=schema.ReducerOptions.UNION)
    model.operator("FULLY_CONNECTED", [h, weights], [y], **fully_connected_options())
    return model.finish([x], [y])


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "dimension of scales behind the last": (lambda: convolution(3, 4), "along dimension 4"),
    "dimension of scales far away": (lambda: convolution(3, 1 << 30), "dimension"),
    "dimension of scales negative": (lambda: convolution(3, -1), "along dimension -1"),
    "fewer scales than channels": (lambda: convolution(2, 0), "2 weight scales for 3"),
    "input tensor out of range": (lambda: indices([0, 3], [1]), "tensor 3 of 3"),
    "input tensor below -1": (lambda: indices([0, -2], [1]), "tensor -2 of 3"),
    "input tensor at the end of integers": (lambda: indices([0, (1 << 31) - 1], [1]), "tensor 2147483647 of 3"),
    "output tensor out of range": (lambda: indices([0, 0], [7]), "tensor 7 of 3"),
    "output tensor absent": (lambda: indices([0, 0], [-1]), "tensor -1"),
    "model's input out of range": (lambda: indices([0, 0], [1], ([9], [1])), "tensor 9 of 3"),
    "model's output out of range": (lambda: indices([0, 0], [1], ([0], [3])), "tensor 3 of 3"),
    "an operator that reads what it writes": (lambda: cycle(1), "before it is computed"),
    "two operators that wait for each other": (lambda: cycle(2), "before it is computed"),
    "a long ring": (lambda: cycle(100), "before it is computed"),
    "a dimension of 2^31 - 1": (lambda: relu(((1 << 31) - 1,)), "GiB of memory"),
    "a dimension of 2^31": (lambda: relu((-(1 << 31),)), "must be known and positive"),
    "dimensions whose product wraps to 0": (lambda: relu((1 << 16, 1 << 16, 1 << 16, 1 << 16)), "has shape"),
    "dimensions whose product wraps to 4": (lambda: relu((1 << 30, 1 << 2, 1 << 30, 1 << 2)), "has shape"),
    "many dimensions": (lambda: relu((1,) * 9), "9 integers"),
    "a buffer shared by types of other sizes": (lambda: shared_buffer((4, 3)), "has 16 bytes of contents"),
}


def with_custom_details() -> bytes:
    q = schema.QuantizationParameters
    details = {q.DETAILS_TYPE: ("B", 1), 5: Table({0: np.zeros(4, np.uint8)})}
    return relu((1, 4), "int8", fields=quantization(details))


CONVERTED: dict[str, Callable[[], bytes]] = {
    "custom quantisation beside scale and zero point": with_custom_details,
    "a dimension of scales that one scale does not need": lambda: convolution(1, 3),
    "a buffer shared by a type of the same size": lambda: shared_buffer((4, 4)),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_with_a_reason_and_without_memory(kind: str) -> None:
    make, words = REFUSED[kind]
    data = make()
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match=words):
            convert(data, name="bad")
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()


def test_the_command_ends_with_exit_code_3_and_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind, (make, _) in REFUSED.items():
        path = tmp_path / "bad.tflite"
        path.write_bytes(make())
        assert main(["convert", str(path), "-o", str(tmp_path / "bad.wasm")]) == 3, kind
        assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "bad.wasm").exists()


@pytest.mark.parametrize("kind", CONVERTED)
def test_converted_and_as_litert_has_it(kind: str) -> None:
    pytest.importorskip("ai_edge_litert", reason="the oracle is not installed: pip install 'edge-sdk[test]'")
    data = CONVERTED[kind]()
    conversion = convert(data, name="odd")
    rng = np.random.default_rng(3)
    calls = [
        [rng.integers(-9, 9, spec["shape"]).astype(spec["dtype"]) for spec in conversion.manifest["inputs"]]
        for _ in range(3)
    ]
    with Oracle() as oracle, compiling_here():
        expected = oracle.run(data, calls)
        for engine in ENGINES:
            for ours, theirs in zip(run(conversion.module, engine, calls), expected, strict=True):
                np.testing.assert_array_equal(ours[0], theirs[0])
