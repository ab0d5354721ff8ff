from __future__ import annotations

from pathlib import Path

import pytest

from edge_sdk.errors import TransferError, UsageError
from edge_sdk.runtime import choice as module
from edge_sdk.runtime.choice import Choice, recall, remember, this_machine
from edge_sdk.runtime.native import load_library
from edge_sdk.runtime.provider import usable_isas
from edge_sdk.runtime.session import open_session
from tests.hostile.guests import adder

SHA = "5" * 64


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_SDK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def choice(engine: str = "sandbox", isa: str = "wasm_simd128", machine: str = "") -> Choice:
    return Choice(engine, isa, "measured", machine or this_machine())


def test_the_last_choice_is_the_one_that_counts() -> None:
    assert recall(SHA) is None
    remember(SHA, choice())
    remember(SHA, choice("host", "avx2"))
    assert recall(SHA) == choice("host", "avx2")
    assert recall("6" * 64) is None


@pytest.mark.parametrize(
    "odd", [choice(machine="riscv64 Other"), choice("host", "avx9000"), choice("litert"), choice("host", "")]
)
def test_a_choice_that_means_nothing_here_does_not_count(odd: Choice) -> None:
    remember(SHA, odd)
    assert recall(SHA) is None


def test_a_damaged_choice_is_none(folder: Path) -> None:
    path = remember(SHA, choice())
    path.write_bytes(b"{")
    assert recall(SHA) is None


def test_without_a_folder_nothing_can_be_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cache_folder", lambda: None)
    assert recall(SHA) is None
    with pytest.raises(TransferError, match="no private cache folder"):
        remember(SHA, choice())


def test_auto_follows_the_choice_and_says_why() -> None:
    with open_session(adder()) as usual:
        assert usual.engine.name == "host"
        remember(usual.module_sha256, Choice("sandbox", "", "it was faster", this_machine()))
    with open_session(adder()) as chosen, open_session(adder(), engine="host") as asked:
        assert (chosen.engine.name, chosen.engine.reason) == ("sandbox", "it was faster")
        assert asked.engine.name == "host"


def test_native_kernels_of_another_instruction_set_can_be_asked_for() -> None:
    for isa in usable_isas(load_library()):
        with open_session(adder(), engine="host", isa=isa) as model:
            assert model.engine.isa == isa
    with pytest.raises(UsageError, match="'mmx' is not usable here"):
        open_session(adder(), engine="host", isa="mmx")
