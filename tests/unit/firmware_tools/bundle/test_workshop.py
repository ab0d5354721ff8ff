"""What is built again, and what is not; with commands that are only counted."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edge_sdk.errors import ConfigError, TransferError
from firmware_tools.bundle.module_facts import ModuleFacts
from firmware_tools.bundle.workshop import Workshop, signature_of
from firmware_tools.bundle.writer import Content, entries_of

FACTS = ModuleFacts(inputs=(("int8", (1, 4)),), outputs=(("int8", (1, 2)),), memory_bytes=1 << 16, kernels=())


class Engine:
    """Converts by copying, answers with zeros."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.meanwhile: Path | None = None

    def __call__(self, *words: str | Path, folder: Path, **_: object) -> None:
        self.asked.append(str(words[0]))
        if self.meanwhile is not None:
            self.meanwhile.write_bytes(b"somebody else's")
        if words[0] == "convert":
            Path(words[3]).write_bytes(Path(words[1]).read_bytes())
        for word, path in pairwise(words):
            if word == "--output":
                np.save(path, np.zeros((1, 2), np.int8))


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def workshop(tmp_path: Path, engine: Engine) -> Workshop:
    (tmp_path / "workshop").mkdir()
    return Workshop(tmp_path / "workshop", engine)


def model(folder: Path, name: str = "a.tflite", data: bytes = b"one") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def test_a_model_is_converted_once_for_each_content(tmp_path: Path, workshop: Workshop, engine: Engine) -> None:
    source = model(tmp_path)
    first = workshop.module(source)
    assert (first.name, first.read_bytes()) == ("a.wasm", b"one")
    os.utime(source)
    assert workshop.module(source) == first
    assert engine.asked == ["convert"]
    model(tmp_path, data=b"two")
    assert workshop.module(source).read_bytes() == b"two"
    model(tmp_path, data=b"one")
    assert workshop.module(source) == first
    assert engine.asked == ["convert"] * 2


def test_a_module_is_taken_as_it_is(tmp_path: Path, workshop: Workshop, engine: Engine) -> None:
    source = model(tmp_path, "a.wasm")
    assert workshop.module(source) == source
    assert engine.asked == []


def test_two_models_of_one_name_do_not_meet(tmp_path: Path, workshop: Workshop) -> None:
    one, two = (model(tmp_path / name, data=name.encode()) for name in ("one", "two"))
    assert [workshop.module(path).read_bytes() for path in (one, two, one)] == [b"one", b"two", b"one"]


def test_a_model_that_is_written_while_it_is_converted_is_not_kept(
    tmp_path: Path, workshop: Workshop, engine: Engine
) -> None:
    source = engine.meanwhile = model(tmp_path)
    with pytest.raises(TransferError, match="changed while it was converted"):
        workshop.module(source)
    engine.meanwhile = None
    assert workshop.module(source).read_bytes() == b"somebody else's"


def test_a_model_that_cannot_be_converted_is_tried_again(tmp_path: Path) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ConfigError("no model")

    broken = Workshop(tmp_path, fails)
    for _ in range(2):
        with pytest.raises(ConfigError):
            broken.module(model(tmp_path))


def test_answers_are_asked_for_once_for_each_module_and_place(
    tmp_path: Path, workshop: Workshop, engine: Engine
) -> None:
    module = model(tmp_path, "a.wasm")
    golden, files = workshop.answers("models/a.wasm", module, FACTS)
    assert workshop.answers("models/a.wasm", module, FACTS) == (golden, files)
    assert engine.asked == ["run"]
    assert [one.path for one in files] == ["golden/a/0.npy"]
    other, _ = workshop.answers("models/b.wasm", module, FACTS)
    assert other.outputs == ("golden/b/0.npy",)
    model(tmp_path, "a.wasm", b"two")
    workshop.answers("models/a.wasm", module, FACTS)
    assert engine.asked == ["run"] * 3


def test_the_lines_of_a_manifest_are_those_of_the_files_as_they_are(
    tmp_path: Path, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = model(tmp_path)
    contents = [Content("z", "labels", path), Content("a", "pipeline", b"text"), Content("m", "capture", path)]
    for data in (b"one", b"another"):
        path.write_bytes(data)
        assert workshop.entries(contents) == entries_of(contents)
    monkeypatch.setattr(Content, "pieces", lambda _: pytest.fail("read again"))
    assert [entry.size for entry in workshop.entries([contents[0], contents[2]])] == [7, 7]


def test_a_file_that_was_written_or_replaced_has_another_signature(tmp_path: Path) -> None:
    path = model(tmp_path)
    before = signature_of(path)
    status = path.stat()
    beside = model(tmp_path, "beside", b"two")
    os.utime(beside, ns=(status.st_atime_ns, status.st_mtime_ns))
    beside.replace(path)
    assert signature_of(path) != before
    assert signature_of(tmp_path / "nothing") is None


def test_a_folder_to_work_in_vanishes(workshop: Workshop) -> None:
    with workshop.new_folder() as folder:
        (folder / "x").write_bytes(b"")
        assert folder.parent == workshop.folder
    assert not folder.exists()
