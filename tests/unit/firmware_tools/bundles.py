"""What the tests of bundles share: keys, a trusting folder, bundles that no honest tool would make."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from firmware_tools.bundle.manifest import FileEntry, Health, Limits, Manifest, Requires, SdkRange
from firmware_tools.bundle.requires import Device
from firmware_tools.sign import BUNDLE, PrivateKey, TrustStore, canonical, generate, seal
from firmware_tools.sign.root import EMPTY, with_key

DEVICE = Device("sim", "x86_64", ram_mib=512, sdk="0.1.0")
FILES = {"models/m.wasm": b"model" * 100, "pipeline.toml": b'name = "app"\n'}


def role_of(path: str) -> str:
    return "pipeline" if path == "pipeline.toml" else "model"


def manifest_of(files: dict[str, bytes], **changes: Any) -> Manifest:
    entries = tuple(
        FileEntry(path=path, role=role_of(path), sha256=hashlib.sha256(data).hexdigest(), size=len(data))  # type: ignore[arg-type]
        for path, data in sorted(files.items())
    )
    needs = Requires(arch="any", boards=(), compatible=(), sdk=SdkRange(least="0.1.0", below="0.2.0"), ram_mib=256)
    plain = Manifest(
        schema=1,
        name="app",
        version="1.0.0",
        counter=10,
        rollback_floor=0,
        created_by="edge-sdk 0.1.0",
        requires=needs,
        limits=Limits(memory_mib=256),
        health=Health(gate_s=60, hold_s=10, latency_p99_ms=0, sources=("accel",), offline=True),
        environment=(),
        files=entries,
        golden=(),
    )
    return msgspec.structs.replace(plain, **changes)


def bundle_bytes(keys: Sequence[PrivateKey], files: dict[str, bytes] = FILES, **changes: Any) -> bytes:
    """A bundle sealed without any check of its manifest."""
    payload = b"".join(data for _, data in sorted(files.items()))
    return seal(BUNDLE, canonical.encode(manifest_of(files, **changes)), keys, len(payload)) + payload


def plain_manifest(**changes: Any) -> dict[str, Any]:
    """The manifest as JSON values, to be damaged."""
    plain: dict[str, Any] = msgspec.to_builtins(manifest_of(FILES, **changes))
    return plain


def document_bytes(keys: Sequence[PrivateKey], document: bytes, payload: bytes = b"") -> bytes:
    return seal(BUNDLE, document, keys, len(payload)) + payload


def trusting(folder: Path, root: PrivateKey, *signers: PrivateKey, threshold: int = 1) -> TrustStore:
    """A store with one root key that trusts the signers."""
    store, first = TrustStore(folder), with_key(EMPTY, "root", root.public)
    for key in signers:
        first = with_key(first, "bundle", key.public, threshold)
    store.amend(first, [root])
    return store


def new_keys(folder: Path, *names: str) -> list[PrivateKey]:
    return [generate(folder / f"{name}.pem") for name in names]
