"""Integer models equal LiteRT's reference kernels bit for bit, on both engines; float models to 1e-5 of the range.

The oracle is LiteRT with `BUILTIN_REF`, in a child process; ours runs in a child where no ML runtime can be imported.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from tests.real import oracle
from tests.support import SHARED, require_shared

CALLS = 200
INTEGER = [
    "ad01_int8",
    "hello_world_int8",
    "kws_int8",
    "micro_speech_int8",
    "mobilenet_v1_0.25_128_u8",
    "mobilenet_v1_1.0_224_u8_embed",
    "mobilenet_v2_1.0_224_int8ptq",
    "mobilenet_v2_1.0_224_u8",
    "person_detect_int8_fixed",
    "resnet8_int8",
    "resnet_large_int8",
    "sww_int8",
    "vww96_int8",
]
FLOAT = [
    "ad01_fp32",
    "hello_world_float",
    "mobilenet_v1_0.25_224_fp32",
    "mobilenet_v2_1.0_224_fp32d",
    "resnet8_fp32",
    "vww96_fp32",
]
#: Float twins of integer models above: 1e-5 of the range with no allowance.
TWINS = ["ad01_fp32", "mobilenet_v2_1.0_224_fp32d", "resnet8_fp32", "vww96_fp32"]
#: Reference inference above this many multiply-accumulates takes the oracle about 0.2 s: fewer float calls there.
HEAVY_MACS = 100_000_000


def index() -> dict[str, dict[str, object]]:
    page = json.loads((require_shared() / "INDEX.json").read_text())
    return {row["name"]: row for row in page["models"]}


def given_inputs(row: dict[str, object]) -> list[np.ndarray]:
    return [np.load(SHARED / "models" / spec["data"]).reshape(spec["shape"]) for spec in row["inputs"]]  # type: ignore[attr-defined]


def run_edge(model: Path, folder: Path, engine: str, tree: str = "") -> tuple[list[np.ndarray], str]:
    """Return every output of every call in order, and what `model.engine` said."""
    outputs = folder / f"{engine}.npz"
    script = Path(__file__).with_name("run_edge.py")
    command = [sys.executable, str(script), str(model), str(folder / "inputs.npz"), str(outputs), engine, tree]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, env=os.environ | {"EDGE_SDK_CACHE": str(folder / "cache")}
    )
    assert done.returncode == 0, done.stderr
    with np.load(outputs) as found:
        return [
            found[name] for name in sorted(found.files, key=lambda n: tuple(map(int, n.split("_"))))
        ], done.stdout.strip()


@pytest.fixture
def judged(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, list[np.ndarray], Path]:
    """(model file, the oracle's outputs in order, folder with inputs.npz) for the model named by the parameter."""
    row = index()[request.param]
    heavy = int(row["macs_conv_dw_fc"]) > HEAVY_MACS and request.param in FLOAT  # type: ignore[call-overload]
    calls = oracle.seeded_inputs([], given_inputs(row), 20 if heavy else CALLS)
    model = SHARED / "models" / str(row["file"])
    expected = oracle.run_oracle(model, calls, tmp_path)
    return model, [y for call in expected for y in call], tmp_path


@pytest.mark.parametrize("judged", INTEGER, indirect=True)
def test_integer_model_equals_the_reference_on_both_engines(judged: tuple[Path, list[np.ndarray], Path]) -> None:
    model, expected, folder = judged
    for engine in ("host", "sandbox"):
        got, said = run_edge(model, folder, engine)
        assert said.startswith(engine)
        wrong = [i for i, (a, b) in enumerate(zip(got, expected, strict=True)) if not np.array_equal(a, b)]
        assert not wrong, f"{engine}: {len(wrong)} of {len(expected)} outputs differ, first in call {wrong[0]}"


def worst(got: list[np.ndarray], expected: list[np.ndarray]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(got, expected, strict=True))


@pytest.mark.parametrize("judged", FLOAT, indirect=True)
def test_float_model_is_within_1e5_of_the_range(judged: tuple[Path, list[np.ndarray], Path]) -> None:
    """Or within twice the distance between the oracle's own kernels (reference and XNNPACK) where that is larger."""
    model, expected, folder = judged
    spread = max(float(y.max()) for y in expected) - min(float(y.min()) for y in expected)
    with np.load(folder / "inputs.npz") as given:
        calls = [[given[f"{i}_0"]] for i in range(len(given.files))]
    allowed = 1e-5 * spread
    if model.stem not in TWINS:
        xnnpack = [y for call in oracle.run_oracle(model, calls, folder, "AUTO") for y in call]
        allowed = max(allowed, 2 * worst(xnnpack, expected))
    for engine in ("host", "sandbox"):
        error = worst(run_edge(model, folder, engine)[0], expected)
        assert error <= allowed, f"{engine}: error {error:.3g} on outputs that span {spread:.3g}"


@pytest.fixture(scope="module")
def tree_without_native(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A copy of the installed package from which the native library is gone."""
    tree = tmp_path_factory.mktemp("tree")
    package = files("edge_sdk")
    shutil.copytree(
        Path(__file__).parents[2] / "sdk/edge_sdk", tree / "edge_sdk", ignore=shutil.ignore_patterns("*.so")
    )
    for name in ("abi.json", "kernels.wasm", "kernels-relaxed.wasm"):
        (tree / "edge_sdk" / name).write_bytes((package / name).read_bytes())
    assert not list(tree.rglob("*.so"))
    return str(tree)


@pytest.mark.parametrize("judged", ["kws_int8", "resnet8_int8"], indirect=True)
def test_sandbox_is_exact_with_the_native_library_deleted(
    judged: tuple[Path, list[np.ndarray], Path], tree_without_native: str
) -> None:
    model, expected, folder = judged
    got, said = run_edge(model, folder, "sandbox", tree_without_native)
    assert said.startswith("sandbox")
    assert all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True))
