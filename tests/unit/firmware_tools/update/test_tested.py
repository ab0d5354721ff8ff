from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from firmware_tools.bundle.manifest import Golden, GoldenInput
from firmware_tools.update import tested
from firmware_tools.update.tested import remember_tested, untested
from tests.unit.firmware_tools.update.devices import APP, WHEELS, App, Device, device

__all__ = ["device"]

ANSWERS = {"golden/m/0.npy": b"an answer", "models/n.wasm": b"model n", "golden/n/0.npy": b"another"}


def golden(name: str, seed: str = "seed") -> Golden:
    asked = GoldenInput(dtype="int8", shape=(1,), sha256=hashlib.sha256(b"x").hexdigest())
    path = f"golden/{name}/0.npy"
    return Golden(model=f"models/{name}.wasm", seed=seed, inputs=(asked,), outputs=(path,), compare="exact")


def version(device: Device, number: int, *, seed: str = "seed", **changes: object) -> str:
    """A slot with two models; returns its name."""
    given = {"model": b"model m", "wheels": WHEELS, "more": ANSWERS, **changes}
    app: App = device.bundle(f"1.0.{number}", golden=(golden("m", seed), golden("n")), **given)  # type: ignore[arg-type]
    folder = device.layout.slot(APP, app.slot)
    folder.mkdir(parents=True)
    (folder / "sealed.head").write_bytes(app.head)
    return app.slot


BOTH = ["models/m.wasm", "models/n.wasm"]


def test_models_that_have_answered_are_not_asked_by_the_next_version(device: Device) -> None:
    first, second = version(device, 1), version(device, 2)
    assert untested(device.layout, APP, first) == BOTH
    remember_tested(device.layout, APP, first)
    assert untested(device.layout, APP, first) == []
    assert untested(device.layout, APP, second) == []


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({"model": b"model m, better"}, ["models/m.wasm"]),
        ({"more": ANSWERS | {"golden/m/0.npy": b"other"}}, ["models/m.wasm"]),
        ({"seed": "another question"}, ["models/m.wasm"]),
        ({"wheels": {**WHEELS, "msgspec-1-py3-none-any.whl": b"new"}}, BOTH),
    ],
)
def test_whatever_an_answer_depends_on_makes_it_asked_again(
    device: Device, changes: dict[str, object], asked: list[str]
) -> None:
    remember_tested(device.layout, APP, version(device, 1))
    assert untested(device.layout, APP, version(device, 2, **changes)) == asked  # type: ignore[arg-type]


def test_without_packages_of_its_own_each_version_is_asked(device: Device) -> None:
    first, second = version(device, 1, wheels=None), version(device, 2, wheels=None)
    remember_tested(device.layout, APP, first)
    assert untested(device.layout, APP, first) == []
    assert untested(device.layout, APP, second) == BOTH


def test_the_oldest_are_forgotten(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tested, "KEPT", 3)
    first = version(device, 1)
    remember_tested(device.layout, APP, first)
    remember_tested(device.layout, APP, version(device, 2, model=b"other", more=ANSWERS | {"golden/n/0.npy": b"x"}))
    assert untested(device.layout, APP, first) != []


@pytest.mark.parametrize("text", ["", "no JSON", '["1.0.0-aaaaaaaaaaaa"]', '["ab"', "[1]"])
def test_a_damaged_memory_is_an_empty_one(device: Device, text: str) -> None:
    slot = version(device, 1)
    path: Path = device.layout.tested(APP)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert untested(device.layout, APP, slot) == BOTH
    remember_tested(device.layout, APP, slot)
    assert untested(device.layout, APP, slot) == []
