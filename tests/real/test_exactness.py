"""Real models equal LiteRT's reference kernels on both engines: integers bit for bit, floats to 1e-5 of the range.

The oracle is LiteRT with `BUILTIN_REF`, in a child process. Every inner result that it can show is compared too; see
tests/conformance/real_suite.py. `make conformance` does the same with any seed, and with 200 inputs for large models.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.runtime.sandbox import FILES
from tests.conformance.engines import ENGINES, compiling_here
from tests.conformance.real_suite import real_models, try_real_model
from tests.real import oracle
from tests.support import SHARED, require_shared

CALLS = 200
#: Reference inference above this many multiply-accumulates takes the oracle 0.1 s and more: fewer calls there.
HEAVY_MACS, HEAVY_CALLS = 30_000_000, 8
MODEL_FILES = sorted((SHARED / "models").glob("*.tflite"))
MODELS = [path.stem for path in MODEL_FILES] or ["models are absent"]
#: Float twins of integer models: 1e-5 of the range with no allowance for what the oracle's own kernels differ.
TWINS = ["ad01_fp32", "mobilenet_v2_1.0_224_fp32d", "resnet8_fp32", "vww96_fp32"]


@pytest.fixture(scope="module")
def truth() -> Iterator[oracle.Oracle]:
    with oracle.Oracle() as running, compiling_here():
        yield running


def macs(name: str) -> int:
    rows = json.loads((require_shared() / "INDEX.json").read_text())["models"]
    return int(next(row["macs_conv_dw_fc"] for row in rows if row["name"] == name))


@pytest.mark.parametrize("name", MODELS)
def test_model_equals_the_reference_on_both_engines(truth: oracle.Oracle, name: str) -> None:
    calls = HEAVY_CALLS if macs(name) > HEAVY_MACS else CALLS
    path, given = real_models(SHARED / "models")[name]
    tally = try_real_model(truth, name, path, given, calls, oracle.SEED)
    assert tally.words == []
    assert tally.refused == ""
    assert tally.wrong == dict.fromkeys(ENGINES, 0)
    assert tally.inputs == calls
    assert tally.tensors >= 3
    assert name not in TWINS or max(tally.worst.values()) <= 1e-5


def run_edge(model: Path, folder: Path, engine: str, tree: str) -> tuple[list[np.ndarray], str]:
    """Return every output of every call in order, and what `model.engine` said, of a process without ML runtimes."""
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


@pytest.fixture(scope="module")
def tree_without_native(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A copy of the installed package from which the native library is gone."""
    tree = tmp_path_factory.mktemp("tree")
    package = files("edge_sdk")
    shutil.copytree(
        Path(__file__).parents[2] / "sdk/edge_sdk", tree / "edge_sdk", ignore=shutil.ignore_patterns("*.so")
    )
    for name in ("abi.json", *FILES.values()):
        (tree / "edge_sdk" / name).write_bytes((package / name).read_bytes())
    assert not list(tree.rglob("*.so"))
    return str(tree)


@pytest.mark.parametrize("name", ["kws_int8", "resnet8_int8"])
def test_sandbox_is_exact_with_the_native_library_deleted(name: str, tree_without_native: str, tmp_path: Path) -> None:
    require_shared()
    path, given = real_models(SHARED / "models")[name]
    expected = oracle.run_oracle(path, oracle.seeded_inputs([], given, CALLS), tmp_path)
    got, said = run_edge(path, tmp_path, "sandbox", tree_without_native)
    assert said.startswith("sandbox")
    assert all(np.array_equal(a, b) for a, b in zip(got, [y for call in expected for y in call], strict=True))
