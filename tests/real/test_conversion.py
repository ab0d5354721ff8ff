"""Real models convert, or are refused with every reason; what converts is a valid module in both forms."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files

import pytest
import wasmtime

from edge_sdk.compiler.convert import Conversion, convert
from tests.real.test_exactness import MODELS
from tests.support import REPOSITORY, require_shared


def convert_real(name: str, *, standalone: bool = False) -> Conversion:
    data = (require_shared() / f"{name}.tflite").read_bytes()
    return convert(data, name=name, standalone=standalone, kernels=(files("edge_sdk") / "kernels.wasm").read_bytes())


@pytest.mark.parametrize("name", MODELS)
def test_a_supported_model_becomes_a_valid_module(name: str) -> None:
    engine = wasmtime.Engine()
    wasmtime.Module.validate(engine, convert_real(name).module)
    wasmtime.Module.validate(engine, convert_real(name, standalone=True).module)


def test_mobilenet_v2_counts_its_multiply_accumulates() -> None:
    assert convert_real("mobilenet_v2_1.0_224_int8ptq").report.macs == 300_775_552


def test_a_conversion_takes_at_most_six_times_the_size_of_its_model() -> None:
    model = require_shared() / "mobilenet_v2_1.0_224_int8ptq.tflite"
    command = [sys.executable, "benchmarks/conversion.py", "--rounds", "1", "--json", "--model", str(model)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=120)
    assert 1 < json.loads(done.stdout)["peak_in_file_sizes"] <= 6
