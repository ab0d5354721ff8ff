"""What every row of the table of other runtimes keeps: real models through `edge_sdk.load`, each in its own process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import edge_sdk
from edge_sdk.engines import DELEGATES, FOREIGN
from edge_sdk.errors import EngineFaultError, ModelError, TargetNotFoundError, UnsupportedPlatformError, UsageError
from tests.foreign_runtimes import use_runtime
from tests.support import require_shared

pytestmark = pytest.mark.parametrize("engine", sorted(FOREIGN))

#: engine -> delegate -> (what str(engine) says, LSB that it may differ from LiteRT 2.3's reference kernels by).
#: A new row of either table needs its line here.
EXPECTED = {
    "litert": {"xnnpack": ("XNNPACK", 1), "none": ("built-in kernels", 1), "reference": ("reference kernels", 0)},
    "tflite_runtime": {
        "xnnpack": ("built-in kernels", 1),
        "none": ("built-in kernels", 1),
        "reference": ("reference kernels", 1),
    },
}


@pytest.fixture(autouse=True)
def _runtime(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_runtime(engine, monkeypatch)


def kws() -> tuple[Path, np.ndarray, np.ndarray]:
    """A model, its input and the answer of LiteRT's reference kernels."""
    models = require_shared()
    x, y = (np.load(models / kind / "kws_int8.0.npy") for kind in ("inputs", "expected"))
    return models / "kws_int8.tflite", x, y


def test_every_row_has_a_line_and_an_extra(engine: str) -> None:
    assert sorted(EXPECTED) == sorted(FOREIGN)
    assert EXPECTED[engine].keys() == DELEGATES.keys()
    needs = [line for line in metadata.requires("edge-sdk") or () if f'extra == "{FOREIGN[engine].extra}"' in line]
    assert any(line.startswith(FOREIGN[engine].distribution) for line in needs)


@pytest.mark.parametrize("delegate", DELEGATES)
def test_each_choice_of_kernels_gives_the_answer_and_is_visible(engine: str, delegate: str) -> None:
    path, x, expected = kws()
    kernels, steps = EXPECTED[engine][delegate]
    with edge_sdk.load(path, engine=engine, delegate=delegate) as model:
        (y,) = model.run(x)
        assert re.fullmatch(rf"{engine} 2\.\d+\.\d+ \({kernels}\) in a child process", str(model.engine))
    assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
    assert np.max(np.abs(y.astype(int) - expected)) <= steps


def test_a_float_model_is_taken_by_xnnpack(engine: str) -> None:
    models = require_shared()
    x, y = (np.load(models / kind / "kws_fp32.0.npy") for kind in ("inputs", "expected"))
    with edge_sdk.load(models / "kws_fp32.tflite", engine=engine) as model:
        assert model.engine.isa == "XNNPACK"
        np.testing.assert_allclose(model.run(x)[0], y, atol=1e-3)


def test_its_tensors_are_described_as_ours_describe_them(engine: str) -> None:
    path, _, _ = kws()
    with edge_sdk.load(path, engine=engine) as model, edge_sdk.load(path, engine="sandbox") as ours:
        for theirs, spec in zip((*model.inputs, *model.outputs), (*ours.inputs, *ours.outputs), strict=True):
            assert (theirs.dtype, theirs.shape, theirs.zero_point) == (spec.dtype, spec.shape, spec.zero_point)
            assert theirs.scale == pytest.approx(spec.scale)
        assert model.source_sha256 == ours.source_sha256


def test_several_threads_give_the_same_answer(engine: str) -> None:
    path, x, expected = kws()
    with edge_sdk.load(path, engine=engine, threads=2, delegate="reference") as model:
        assert np.max(np.abs(model.run(x)[0].astype(int) - expected)) <= 1
        assert model.engine.threads == 2


def test_state_is_kept_from_call_to_call(engine: str) -> None:
    models = require_shared()
    names = sorted((models / "inputs").glob("sww_int8.*.npy"))
    with edge_sdk.load(models / "sww_int8.tflite", engine=engine) as model:
        x = [np.load(name) for name in names] or [np.zeros(model.inputs[0].shape, model.inputs[0].dtype)]
        runs = [model.run(*x)[0].tolist() for _ in range(2)]
        fresh = edge_sdk.load(models / "sww_int8.tflite", engine=engine)
        with fresh:
            assert [fresh.run(*x)[0].tolist() for _ in range(2)] == runs


def test_a_killed_process_costs_one_call(engine: str) -> None:
    path, x, expected = kws()
    with edge_sdk.load(path, engine=engine, delegate="reference", deadline_s=60) as model:
        os.kill(model.pid, signal.SIGKILL)
        with pytest.raises(EngineFaultError, match=f"kws_int8: {engine}: its process died of SIGKILL"):
            model.run(x)
        assert np.max(np.abs(model.run(x)[0].astype(int) - expected)) <= 1
        assert model.restarts == 1


def test_a_vendors_library_that_cannot_be_loaded_is_named(engine: str, tmp_path: Path) -> None:
    path, _, _ = kws()
    with pytest.raises(UnsupportedPlatformError, match=r"delegate libedge-none\.so\.1: .*cannot open shared object"):
        edge_sdk.load(path, engine=engine, delegate="libedge-none.so.1", delegate_options={"device": "usb"})
    library = tmp_path / "lib.so"
    library.write_bytes(b"no library")
    with pytest.raises(UnsupportedPlatformError, match=r"lib\.so: .*(file too short|invalid ELF header)"):
        edge_sdk.load(path, engine=engine, delegate=str(library))
    with pytest.raises(UnsupportedPlatformError, match="undefined symbol: tflite_plugin_create_delegate"):
        edge_sdk.load(path, engine=engine, delegate="libc.so.6")
    with pytest.raises(TargetNotFoundError, match="no such file"):
        edge_sdk.load(path, engine=engine, delegate=str(tmp_path / "none.so"))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vendor's library, made from delegate.c."""
    path = tmp_path_factory.mktemp("vendor") / "libvendor.so"
    source = Path(__file__).with_name("delegate.c")
    subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-O1", str(source), "-o", str(path)], check=True
    )
    return path


def test_a_vendors_library_is_loaded_with_its_options(engine: str, library: Path) -> None:
    path, x, expected = kws()
    with edge_sdk.load(path, engine=engine, delegate=str(library), delegate_options={"device": "usb"}) as model:
        assert np.max(np.abs(model.run(x)[0].astype(int) - expected)) <= 1
        assert model.engine.isa == "built-in kernels: libvendor.so took no operator"


def test_a_device_that_is_not_there_is_told_in_the_vendors_words(engine: str, library: Path) -> None:
    path, _, _ = kws()
    with pytest.raises(UnsupportedPlatformError, match=r"libvendor\.so: .*no device answers"):
        edge_sdk.load(path, engine=engine, delegate=str(library), delegate_options={"device": "absent"})


def test_a_vendors_library_that_crashes_is_an_error(engine: str, library: Path) -> None:
    path, _, _ = kws()
    with pytest.raises(EngineFaultError, match="died while it loaded the model: its process died of SIGABRT"):
        edge_sdk.load(path, engine=engine, delegate=str(library), delegate_options={"device": "broken"})


def test_what_is_no_model_is_refused(engine: str, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(b"no model at all")
    with pytest.raises(ModelError) as caught:
        edge_sdk.load(path, engine=engine)
    assert caught.value.message.startswith(f"{path}: {engine}: ")
    path = tmp_path / "m.wasm"
    path.write_bytes(b"\0asm\1\0\0\0")
    with pytest.raises(UsageError, match=f"engine '{engine}' runs .tflite files"):
        edge_sdk.load(path, engine=engine)
