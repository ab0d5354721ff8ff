from __future__ import annotations

import hashlib

import pytest

from edge_sdk.errors import ModelError
from edge_sdk.runtime.module import IMPORT_NAMES, check_module
from tests.hostile.guests import ADD, MEMORY, PREPARE, adder, infer, manifest, module

LIMIT = 1 << 28


def test_a_good_module_passes_and_tells_what_it_needs() -> None:
    found = check_module(adder(), memory_limit_bytes=LIMIT)
    assert found.imports == ("add_f32",)
    assert found.memory_bytes == 131072
    assert found.sha256 == hashlib.sha256(adder()).hexdigest()


def test_prepare_functions_exist_for_packed_kernels_only() -> None:
    assert "prepare_conv2d_s8" in IMPORT_NAMES
    assert "prepare_add_s8" not in IMPORT_NAMES


def test_a_module_without_a_manifest_is_not_ours() -> None:
    wasm = adder()
    with pytest.raises(ModelError, match=r"edge\.manifest") as caught:
        check_module(wasm[: wasm.index(b"edge.manifest") - 4], memory_limit_bytes=LIMIT)
    assert "edge-sdk convert" in caught.value.hint


def test_a_standalone_module_may_import_nothing() -> None:
    wasm = module(ADD, MEMORY, PREPARE, infer("(i32.const 0)"), manifest_=manifest(form="standalone"))
    with pytest.raises(ModelError, match="standalone"):
        check_module(wasm, memory_limit_bytes=LIMIT)


def test_a_module_without_memory_is_not_ours() -> None:
    with pytest.raises(ModelError, match="no memory"):
        check_module(module(PREPARE, infer("(i32.const 0)")), memory_limit_bytes=LIMIT)


def test_the_memory_must_be_exported_by_its_name() -> None:
    with pytest.raises(ModelError, match="memory"):
        check_module(module('(memory (export "m") 2 2)', PREPARE, infer("(i32.const 0)")), memory_limit_bytes=LIMIT)
