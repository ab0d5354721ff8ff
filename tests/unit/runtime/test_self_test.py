from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from edge_sdk.runtime import self_test
from edge_sdk.runtime.native import Library, NativeUnavailableError, load_library
from edge_sdk.runtime.self_test import prove


def test_the_library_proves_itself() -> None:
    prove(load_library())


class Lying:
    """The native library, but one import leads to another kernel's trampoline."""

    def __init__(self, lib: Any, name: bytes, instead: bytes) -> None:
        self._lib, self._name, self._instead = lib, name, instead

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._lib, attribute)

    def edge_native_trampoline(self, name: bytes) -> Any:
        return self._lib.edge_native_trampoline(self._instead if name == self._name else name)


def library_with(name: bytes, instead: bytes) -> Library:
    library = load_library()
    return dataclasses.replace(library, lib=Lying(library.lib, name, instead))


def test_a_kernel_that_does_nothing_is_noticed() -> None:
    # `empty` checks add_s8's descriptor and leaves the sum undone.
    with pytest.raises(NativeUnavailableError, match="sum"):
        prove(library_with(b"add_f32", b"empty"))


def test_a_kernel_that_refuses_good_work_is_noticed() -> None:
    with pytest.raises(NativeUnavailableError, match="call without work"):
        prove(library_with(b"empty", b"conv2d_s8"))


def test_a_refusal_in_other_words_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_test, "OUTSIDE", self_test.DESCRIPTOR + (1 << 32))
    with pytest.raises(NativeUnavailableError, match="not refused"):
        prove(load_library())


def test_structs_larger_than_there_is_room_for_are_refused() -> None:
    import ctypes

    class Large(ctypes.Structure):
        _fields_ = (("words", ctypes.c_uint64 * 9),)

    with pytest.raises(NativeUnavailableError, match="more than 64 bytes"):
        load_library().padded(Large())
