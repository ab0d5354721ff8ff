from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest

from edge_sdk import abi
from edge_sdk.compiler.convert import convert
from edge_sdk.errors import ModelError
from tests.unit.compiler.tflite_writer import TfliteWriter, small_int8_model


def test_the_same_model_gives_the_same_bytes() -> None:
    data = small_int8_model()
    assert convert(data, name="m").module == convert(bytes(bytearray(data)), name="m").module


def test_the_manifest_describes_the_borders() -> None:
    data = small_int8_model()
    manifest = convert(data, name="m").manifest
    assert manifest["abi"] == abi.ABI_VERSION
    assert manifest["source_sha256"] == sha256(data).hexdigest()
    (row,) = manifest["inputs"]
    assert (row["name"], row["dtype"], row["shape"], row["zero_point"]) == ("x", "int8", [1, 8, 8, 3], -5)
    assert row["scale"] == float(np.float32(0.05))
    (row,) = manifest["outputs"]
    assert (row["name"], row["shape"], row["scale"], row["zero_point"]) == ("y", [1, 5], 1 / 256, -128)


def test_work_is_counted_in_multiply_accumulates() -> None:
    conversion = convert(small_int8_model(), name="m")
    assert conversion.report.macs == conversion.manifest["macs"] == 4 * 4 * 8 * 27 + 4 * 4 * 8 * 9 + 5 * 8


def test_standalone_without_kernels_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="kernels"):
        convert(small_int8_model(), name="m", standalone=True)


def test_a_border_of_a_type_that_no_array_has_is_refused() -> None:
    writer = TfliteWriter()
    x = writer.tensor("x", (1,), "string")
    with pytest.raises(ModelError, match="'x'"):
        convert(writer.finish([x], [x]), name="m")


def test_a_scale_that_is_no_number_at_the_border_is_refused() -> None:
    writer = TfliteWriter()
    x = writer.tensor("x", (1,), "int8", scales=[float("nan")])
    with pytest.raises(ModelError, match="scale nan"):
        convert(writer.finish([x], [x]), name="m")


def test_operators_that_only_compute_a_shape_are_not_needed() -> None:
    writer = TfliteWriter()
    x = writer.tensor("x", (1, 2, 2), "float32")
    shape = writer.tensor("shape", (3,), "int32")
    flat = writer.tensor("flat", (1, 4), "float32")
    y = writer.tensor("y", (1, 4), "float32")
    writer.operator("WHERE", [x], [shape])
    writer.operator("RESHAPE", [x, shape], [flat])
    writer.operator("RELU", [flat], [y])
    assert [node["op"] for node in convert(writer.finish([x], [y]), name="m").manifest["nodes"]] == ["relu"]
