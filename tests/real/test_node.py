"""A standalone module has no imports and gives the same numbers in Node as in Wasmtime."""

from __future__ import annotations

import subprocess
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.compiler.convert import convert
from tests.support import REPOSITORY, require_shared, require_tool

MODELS = ["hello_world_int8", "kws_int8", "resnet8_fp32", "mobilenet_v2_1.0_224_int8ptq"]


@pytest.mark.parametrize("name", MODELS)
def test_standalone_module_equals_the_reference_in_node(name: str, tmp_path: Path) -> None:
    models = require_shared()
    node = require_tool("node", "nodejs")
    kernels = (files("edge_sdk") / "kernels.wasm").read_bytes()
    converted = convert((models / f"{name}.tflite").read_bytes(), name=name, standalone=True, kernels=kernels)
    (tmp_path / "model.wasm").write_bytes(converted.module)
    np.load(models / f"inputs/{name}.0.npy").tofile(tmp_path / "input.bin")

    script = REPOSITORY / "examples/node/run.mjs"
    command = [node, str(script), str(tmp_path / "model.wasm"), str(tmp_path / "input.bin")]
    done = subprocess.run(command, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()

    expected = np.load(models / f"expected/{name}.0.npy")
    got = np.frombuffer(done.stdout, expected.dtype).reshape(expected.shape)
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(got, expected, atol=1e-5 * float(np.ptp(expected)))
    else:
        np.testing.assert_array_equal(got, expected)
