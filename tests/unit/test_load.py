from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import edge_sdk
from edge_sdk.errors import AccessDeniedError, EdgeError, MissingExtraError, ModelError, TargetNotFoundError
from edge_sdk.load import load, read_model
from tests.hostile.guests import COUNT, adder
from tests.support import REPOSITORY, require_shared


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_SDK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands in for the compiler; lists what was converted."""
    done: list[str] = []

    def convert(data: bytes, *, name: str, **_: Any) -> SimpleNamespace:
        if not data.startswith(b"good"):
            raise ModelError(f"{name}: not a model")
        done.append(name)
        return SimpleNamespace(module=adder())

    monkeypatch.setitem(sys.modules, "edge_sdk.compiler.convert", SimpleNamespace(convert=convert))
    return done


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_wasm_file_is_run_as_it_is(tmp_path: Path) -> None:
    x = np.ones(COUNT, np.float32)
    with load(write(tmp_path / "m.wasm", adder())) as model:
        np.testing.assert_array_equal(model.run(x, x)[0], x + x)


def test_a_tflite_file_is_converted_once(tmp_path: Path, conversions: list[str]) -> None:
    path = write(tmp_path / "m.tflite", b"good")
    assert read_model(path) == read_model(str(path)) == adder()
    assert conversions == ["m"]
    write(path, b"good, but another")
    read_model(path)
    assert conversions == ["m", "m"]


def test_a_damaged_conversion_in_the_cache_is_made_again(tmp_path: Path, cache: Path, conversions: list[str]) -> None:
    path = write(tmp_path / "m.tflite", b"good")
    read_model(path)
    (entry,) = cache.glob("*.wasm")
    entry.write_bytes(entry.read_bytes()[:-1])
    assert read_model(path) == adder()
    assert conversions == ["m", "m"]


def test_without_a_cache_every_load_converts(
    tmp_path: Path, conversions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["edge_sdk.load"], "cache_folder", lambda: None)
    path = write(tmp_path / "m.tflite", b"good")
    assert read_model(path) == read_model(path)
    assert conversions == ["m", "m"]


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    for path in (
        tmp_path / "none.wasm",
        tmp_path / "none.tflite",
        tmp_path / "none",
        write(tmp_path / "f", b"") / "m.wasm",
    ):
        with pytest.raises(TargetNotFoundError, match="no such file") as caught:
            load(path)
        assert caught.value.exit_code == 4


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(TargetNotFoundError, match="folder"):
        load(tmp_path)


def test_a_file_that_may_not_be_read_is_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(AccessDeniedError, match="Permission denied"):
        load(write_once(tmp_path))


def write_once(folder: Path) -> Path:
    path = folder / "m.wasm"
    with path.open("wb") as file:
        file.write(adder())
    return path


@pytest.mark.parametrize("name", ["m.onnx", "m.txt", "m"])
def test_an_unknown_suffix_says_which_are_known(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match=r"\.tflite, \.wasm"):
        load(write(tmp_path / name, b"x"))


@pytest.mark.parametrize("data", [b"", b"x", b"\0asm", b"\0asm\1\0\0\0"])
def test_a_damaged_module_is_a_model_error(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ModelError):
        load(write(tmp_path / "m.wasm", data))


def test_a_damaged_source_is_a_model_error(tmp_path: Path, conversions: list[str]) -> None:
    with pytest.raises(ModelError):
        load(write(tmp_path / "m.tflite", b"bad"))


def test_without_the_compiler_modules_still_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "edge_sdk.compiler.convert", None)
    load(write(tmp_path / "m.wasm", adder())).close()
    with pytest.raises(MissingExtraError, match="no converter"):
        load(write(tmp_path / "m.tflite", b"good"))


def in_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "{'wasmtime', 'numpy', 'msgspec', 'edge_sdk.runtime'} & set(sys.modules)"
    assert in_python(f"import sys, edge_sdk; edge_sdk.EdgeError, edge_sdk.__version__; print({heavy})") == "set()"


@pytest.mark.parametrize("before", ["import edge_sdk", "import edge_sdk.load", "from edge_sdk.load import load"])
def test_load_can_be_called_however_it_was_imported(before: str) -> None:
    call = "try: edge_sdk.load('none.wasm')\nexcept edge_sdk.EdgeError as error: print(type(error).__name__)"
    code = f"{before}\nimport edge_sdk\n{call}"
    assert in_python(code) == "TargetNotFoundError"


def test_the_package_promises_what_it_lists() -> None:
    assert edge_sdk.__all__ == ["EdgeError", "TensorSpec", "__version__", "load"]
    assert edge_sdk.EdgeError is EdgeError
    assert isinstance(edge_sdk.__version__, str)
    with pytest.raises(AttributeError, match="lode"):
        _ = edge_sdk.lode


@pytest.mark.parametrize("engine", ["host", "sandbox"])
@pytest.mark.parametrize("name", ["hello_world_int8", "kws_int8"])
def test_real_models_give_the_expected_bytes(engine: str, name: str) -> None:
    models = require_shared("models")
    x, expected = (np.load(models / kind / f"{name}.0.npy") for kind in ("inputs", "expected"))
    with load(models / f"{name}.tflite", engine=engine) as model:
        np.testing.assert_array_equal(model.run(x)[0], expected)
        assert model.engine.name == engine
