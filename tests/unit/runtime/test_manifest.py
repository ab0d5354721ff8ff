from __future__ import annotations

import json
from typing import Any

import pytest

from edge_sdk.abi import ABI_VERSION, KERNEL_RESERVE
from edge_sdk.errors import ModelError
from edge_sdk.runtime.manifest import MAX_BYTES, decode_manifest
from tests.hostile.guests import DESCRIPTOR, PAGES, manifest

MEMORY = PAGES * 65536


def decode(values: dict[str, Any]) -> Any:
    return decode_manifest(json.dumps(values).encode(), MEMORY)


def test_a_good_manifest_gives_specs_and_nodes() -> None:
    found = decode(manifest())
    assert found.inputs[0].spec.size_bytes == 64
    number, node = found.node_at(DESCRIPTOR)
    assert (number, node.op) == (0, "ADD")
    assert found.node_at(DESCRIPTOR + 4) is None


def test_unknown_keys_of_a_later_minor_version_are_ignored() -> None:
    assert decode(manifest(colour="red")).name == "guest"


@pytest.mark.parametrize("version", [0, ABI_VERSION + 1, -1])
def test_another_abi_version_says_to_convert_again(version: int) -> None:
    with pytest.raises(ModelError, match=rf"ABI {version}\b") as caught:
        decode({"abi": version, "quite": "different"})
    assert "convert" in caught.value.hint


def tensor(**changes: Any) -> dict[str, Any]:
    row = manifest()["inputs"][0] | changes
    return manifest(inputs=[row])


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (manifest(form="dynamic"), "form"),
        (manifest(source_sha256="xyz"), "source_sha256"),
        (manifest(outputs=[]), "outputs"),
        (manifest(inputs=[manifest()["inputs"][0]] * 65), "inputs"),
        (manifest(memory_bytes=1), "memory_bytes is 1"),
        (manifest(nodes="none"), "nodes"),
        (tensor(dtype="float16"), "float16"),
        (tensor(shape=[0]), "shape"),
        (tensor(shape=[-1]), "shape"),
        (tensor(shape=[1] * 9), "shape"),
        (tensor(offset=KERNEL_RESERVE - 1), "outside the model's part"),
        (tensor(offset=MEMORY - 63), "outside the model's part"),
        (tensor(offset=1 << 32), "offset"),
        (tensor(shape=[0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF]), "outside the model's part"),
        (tensor(scale="big"), "scale"),
    ],
)
def test_a_wrong_value_names_its_key(values: dict[str, Any], why: str) -> None:
    with pytest.raises(ModelError, match=why):
        decode(values)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"abi":' + b"[" * 200_000,
        b'{"abi":1,"x":' + b"[" * 200_000,
        b'{"abi":1e999}',
    ],
)
def test_damaged_json_is_a_model_error(data: bytes) -> None:
    with pytest.raises(ModelError, match="manifest"):
        decode_manifest(data, MEMORY)


def test_a_huge_manifest_is_not_decoded() -> None:
    with pytest.raises(ModelError, match="at most"):
        decode_manifest(b" " * (MAX_BYTES + 1), MEMORY)
