"""Real models convert, or are refused with every reason; what converts is a valid module in both forms."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files

import pytest
import wasmtime

from edge_sdk.compiler.convert import Conversion, convert
from edge_sdk.errors import ModelError
from tests.real.test_exactness import FLOAT, INTEGER
from tests.support import REPOSITORY, require_shared


def convert_real(name: str, *, standalone: bool = False) -> Conversion:
    data = (require_shared() / f"{name}.tflite").read_bytes()
    return convert(data, name=name, standalone=standalone, kernels=(files("edge_sdk") / "kernels.wasm").read_bytes())


@pytest.mark.parametrize("name", [*INTEGER, *FLOAT])
def test_a_supported_model_becomes_a_valid_module(name: str) -> None:
    engine = wasmtime.Engine()
    wasmtime.Module.validate(engine, convert_real(name).module)
    wasmtime.Module.validate(engine, convert_real(name, standalone=True).module)


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("kws_fp32", ["CONV_2D x5: float32 activations with int8 weights"]),
        ("keyword_scrambled", ["SVDF x7: no such operator", "QUANTIZE x2: int16", "SOFTMAX x1: int16"]),
        ("ssd_mobilenet_v1_u8", ["CONCATENATION x2", "'TFLite_Detection_PostProcess' x1", "uint8"]),
        ("mobilenet_v1_0.25_128_u8", ["CONV_2D x15: uint8", "DEPTHWISE_CONV_2D x13: uint8", "SOFTMAX x1: uint8"]),
    ],
)
def test_an_unsupported_model_is_refused_with_every_reason(name: str, lines: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        convert_real(name)
    for line in lines:
        assert line in caught.value.message


def test_mobilenet_v2_counts_its_multiply_accumulates() -> None:
    assert convert_real("mobilenet_v2_1.0_224_int8ptq").report.macs == 300_775_552


def test_a_conversion_takes_at_most_six_times_the_size_of_its_model() -> None:
    model = require_shared() / "mobilenet_v2_1.0_224_int8ptq.tflite"
    command = [sys.executable, "benchmarks/conversion.py", "--rounds", "1", "--json", "--model", str(model)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=120)
    assert 1 < json.loads(done.stdout)["peak_in_file_sizes"] <= 6
