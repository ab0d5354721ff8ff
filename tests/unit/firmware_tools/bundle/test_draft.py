from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge_sdk.errors import TransferError
from firmware_tools.bundle import inspect_bundle
from firmware_tools.bundle.draft import Draft
from firmware_tools.bundle.writer import Content, entries_of, write_bundle
from firmware_tools.sign import PrivateKey
from tests.unit.firmware_tools.bundles import manifest_of, new_keys, trusting


@pytest.fixture
def key(tmp_path: Path) -> PrivateKey:
    return new_keys(tmp_path, "me")[0]


def contents_of(folder: Path) -> list[Content]:
    (folder / "m.wasm").write_bytes(b"a model")
    return [Content("models/m.wasm", "model", folder / "m.wasm"), Content("pipeline.toml", "pipeline", b"name = 1")]


def test_a_draft_is_the_bundle_that_would_be_written(tmp_path: Path, key: PrivateKey) -> None:
    contents = contents_of(tmp_path)
    manifest = replace(manifest_of({}), files=entries_of(contents))
    write_bundle(tmp_path / "app.edgeb", manifest, contents, [key])
    with Draft(manifest, contents, [key]) as draft, inspect_bundle(tmp_path / "app.edgeb") as written:
        assert draft.sealed.head() == written.sealed.head()
        assert (draft.manifest, draft.manifest_sha256) == (written.manifest, written.manifest_sha256)
        for entry in draft.manifest.files:
            with draft.open_file(entry) as mine, written.open_file(entry) as other:
                assert mine.read() == other.read()
        (root,) = new_keys(tmp_path, "root")
        assert trusting(tmp_path / "trust", root, key).check_signers(draft.sealed) == (key.id,)


def test_a_file_that_changes_no_longer_has_its_hash_and_one_that_vanishes_is_an_error(
    tmp_path: Path, key: PrivateKey
) -> None:
    contents = contents_of(tmp_path)
    with Draft(replace(manifest_of({}), files=entries_of(contents)), contents, [key]) as draft:
        entry = draft.manifest.files[0]
        (tmp_path / "m.wasm").write_bytes(b"another")
        with draft.open_file(entry) as file:
            assert hashlib.sha256(file.read()).hexdigest() != entry.sha256
        (tmp_path / "m.wasm").unlink()
        with pytest.raises(TransferError, match=r"m\.wasm: cannot be read: No such file"):
            draft.open_file(entry)
