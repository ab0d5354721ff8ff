"""The manifest: what a bundle is, what it needs, and the hash of every file in it.

It holds no time and no machine: two builds of the same project give the same bytes. Files lie in the payload in the
order of `files`, one behind the other, so sizes alone say where each is; ranges can neither overlap nor leave a hole.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge_sdk.errors import ConfigError
from firmware_tools.bundle.paths import check_paths
from firmware_tools.sign import canonical
from firmware_tools.sign.sealed import MAX_PAYLOAD_BYTES
from firmware_tools.sign.store import MAX_COUNTER

MAX_FILES = 4096
PIPELINE = "pipeline.toml"

Name = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
Version = Annotated[str, Meta(pattern=r"\A\d{1,9}\.\d{1,9}\.\d{1,9}\Z")]
Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Text = Annotated[str, Meta(min_length=1, max_length=200)]
Path = Annotated[str, Meta(min_length=1, max_length=240)]
Mib = Annotated[int, Meta(ge=0, le=1 << 20)]
Role = Literal["capture", "certificate", "golden", "labels", "model", "pipeline", "udev", "unit", "wheel"]


class _Strict(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Frozen, keyword-only, and closed to keys nobody knows."""


class FileEntry(_Strict, frozen=True):
    """One file of the payload."""

    path: Path
    """Relative, with `/`."""
    role: Role
    """What it is for."""
    sha256: Sha256
    """Of its content."""
    size: Annotated[int, Meta(ge=0, le=MAX_PAYLOAD_BYTES)]
    """In bytes."""


class SdkRange(_Strict, frozen=True):
    """Which edge-sdk may run it: `least` <= version < `below`."""

    least: Version
    below: Version


class Requires(_Strict, frozen=True):
    """What the device must be."""

    arch: Literal["aarch64", "any", "x86_64"]
    """The machine word of uname."""
    boards: Annotated[tuple[Text, ...], Meta(max_length=64)]
    """Names of boards; with an empty `compatible` too: any board."""
    compatible: Annotated[tuple[Text, ...], Meta(max_length=256)]
    """Device-tree strings, one of which will do instead of a name."""
    sdk: SdkRange
    ram_mib: Mib
    """Memory the device must have."""


class Limits(_Strict, frozen=True):
    """What the application may take."""

    memory_mib: Mib
    """Most resident memory, all of it together."""


class Health(_Strict, frozen=True):
    """When a device keeps this version; otherwise it goes back to the one before. From `[health]` of the pipeline."""

    gate_s: Annotated[int, Meta(ge=1, le=3600)]
    """How long it has to become healthy."""
    hold_s: Annotated[int, Meta(ge=0, le=3600)]
    """How long it must stay so; not above `gate_s`."""
    latency_p99_ms: Annotated[int, Meta(ge=0, le=3_600_000)]
    """Most from data to result, 99th percentile; 0 = not judged."""
    sources: Annotated[tuple[Name, ...], Meta(max_length=4096)]
    """Sources that must deliver, ascending."""
    offline: bool
    """Whether results may wait for a broker that is not there."""


class GoldenInput(_Strict, frozen=True):
    """An input that `golden.seeded_input` makes again from the seed; its hash tells a wrong one."""

    dtype: Literal["bool", "float32", "int16", "int32", "int64", "int8", "uint8"]
    shape: Annotated[tuple[Annotated[int, Meta(ge=1, le=1 << 31)], ...], Meta(max_length=8)]
    sha256: Sha256


class Golden(_Strict, frozen=True):
    """A question to a model with its recorded answer, asked on the device before the model serves."""

    model: Path
    seed: Text
    inputs: Annotated[tuple[GoldenInput, ...], Meta(max_length=64)]
    outputs: Annotated[tuple[Path, ...], Meta(max_length=64)]
    """.npy files of the bundle, in the order of the model's outputs."""
    compare: Literal["close", "exact"]
    """exact = every bit (integer models); close = 1e-5 of the output's range, or one step of an integer output."""


class Manifest(_Strict, frozen=True):
    """All of it."""

    schema: Literal[1]
    name: Name
    version: Version
    counter: Annotated[int, Meta(ge=1, le=MAX_COUNTER)]
    """Rises with each release; a device refuses one below what it has accepted."""
    rollback_floor: Annotated[int, Meta(ge=0, le=MAX_COUNTER)]
    """Once this bundle is accepted, nothing below this counter is, not even on request."""
    created_by: Text
    """The version of edge-sdk that built it."""
    requires: Requires
    limits: Limits
    health: Health
    environment: Annotated[tuple[Text, ...], Meta(max_length=256)]
    """Names of the variables the pipeline takes from the device (passwords, ports)."""
    files: Annotated[tuple[FileEntry, ...], Meta(min_length=1, max_length=MAX_FILES)]
    golden: Annotated[tuple[Golden, ...], Meta(max_length=256)]

    def file(self, path: str) -> FileEntry | None:
        return next((entry for entry in self.files if entry.path == path), None)


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the document to be signed.

    Raises:
        ConfigError: its parts do not fit.
    """
    document = canonical.encode(manifest)
    decode_manifest(document)  # what no device could read is not signed either: a counter of 0, a name that is too long
    return document


def decode_manifest(document: bytes) -> Manifest:
    """Return a manifest whose parts fit each other.

    Raises:
        ConfigError: malformed.
    """
    manifest = canonical.decode(document, Manifest, "bundle manifest")
    check_manifest(manifest)
    return manifest


def check_manifest(manifest: Manifest) -> None:
    """Check what types alone cannot say.

    Raises:
        ConfigError: says what is wrong.
    """
    check_paths(entry.path for entry in manifest.files)
    paths = {entry.path: entry.role for entry in manifest.files}
    if list(paths) != sorted(paths):
        raise ConfigError("bundle manifest: its files are not in ascending order of paths")
    if [path for path, role in paths.items() if role == "pipeline"] != [PIPELINE]:
        raise ConfigError(f"bundle manifest: expected exactly one pipeline, at {PIPELINE}")
    if sum(entry.size for entry in manifest.files) > MAX_PAYLOAD_BYTES:
        raise ConfigError(f"bundle manifest: its files have more than {MAX_PAYLOAD_BYTES:,} bytes together")
    if manifest.rollback_floor > manifest.counter:
        raise ConfigError(
            f"bundle manifest: rollback_floor {manifest.rollback_floor} is above its own counter {manifest.counter}"
        )
    health = manifest.health
    if health.hold_s > health.gate_s:
        raise ConfigError(f"bundle manifest: health.hold_s {health.hold_s} is above health.gate_s {health.gate_s}")
    if list(health.sources) != sorted(set(health.sources)):
        raise ConfigError("bundle manifest: health.sources are not in ascending order, each once")
    for golden in manifest.golden:
        for path, role in ((golden.model, "model"), *((path, "golden") for path in golden.outputs)):
            if paths.get(path) != role:
                raise ConfigError(f"bundle manifest: a golden vector names {path!r}, which is no {role} in the bundle")
