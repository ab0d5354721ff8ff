from __future__ import annotations

import json

import pytest

from edge_sdk.abi import KERNELS
from edge_sdk.errors import DeadlineError, SandboxError
from edge_sdk.runtime._wasmtime import wasmtime
from edge_sdk.runtime.manifest import decode_manifest
from edge_sdk.runtime.native import load_library
from edge_sdk.runtime.traps import Failure, error_for, from_exception, from_status
from tests.hostile.guests import DESCRIPTOR, PAGES, manifest

MANIFEST = decode_manifest(json.dumps(manifest()).encode(), PAGES * 65536)
STATUS = KERNELS["add_f32"].number << 16 | 2 << 8 | 3


def native_text(status: int, descriptor: int) -> str:
    library = load_library()
    text = library.ffi.new("char[]", 256)
    length = library.lib.edge_status_text(status, descriptor, text, 256)
    return bytes(library.ffi.buffer(text, length)).decode()


def test_c_and_python_say_the_same_of_every_status() -> None:
    for kernel in KERNELS.values():
        for field in range(len(kernel.fields)):
            for reason in range(1, 11):
                status = kernel.number << 16 | field << 8 | reason
                found = from_exception(wasmtime.WasmtimeError(native_text(status, DESCRIPTOR)))
                assert found.descriptor == DESCRIPTOR
                assert found.text == from_status(status, None).text


@pytest.mark.parametrize("status", [-1, 0x7FFFFFFF, 255 << 16, 13 << 16 | 200 << 8 | 99])
def test_a_status_that_means_nothing_has_a_text(status: int) -> None:
    assert native_text(status, 0)
    assert from_status(status, None).text


def test_a_long_text_is_cut_to_the_buffer() -> None:
    library = load_library()
    text = library.ffi.new("char[]", b"x" * 63)
    assert library.lib.edge_status_text(STATUS, 0, text, 16) == 15
    assert library.ffi.string(text) == b"edge_kernels.ad"
    assert library.lib.edge_status_text(STATUS, 0, text, 0) == 0


def test_an_error_names_the_node_by_its_descriptor() -> None:
    error = error_for(from_status(STATUS, DESCRIPTOR), MANIFEST, deadline_s=1, doing="infer")
    assert isinstance(error, SandboxError)
    assert "model 'guest': node 0 'sum' (ADD): edge_kernels.add_f32: field `a`:" in error.message


def test_a_descriptor_of_no_node_is_given_in_hex() -> None:
    error = error_for(from_status(STATUS, 0x20000), MANIFEST, deadline_s=1, doing="infer")
    assert "descriptor 0x00020000 of no node" in error.message


def test_a_deadline_says_how_long_it_was() -> None:
    error = error_for(Failure("", is_deadline=True), MANIFEST, deadline_s=0.008, doing="infer")
    assert isinstance(error, DeadlineError)
    assert "0.008 s" in error.message


def test_only_the_last_line_of_a_long_message_is_kept() -> None:
    found = from_exception(wasmtime.WasmtimeError("one\n" * 500 + "Caused by:\n  the reason " + "x" * 1000))
    assert found.text.startswith("the reason")
    assert len(found.text) <= 400
