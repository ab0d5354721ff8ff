"""More than a thousand bad bundles: each is refused with its exit code, and nothing is written anywhere."""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from edge_sdk.errors import EdgeError
from firmware_tools.bundle import Device, read_bundle
from firmware_tools.sign import ROOT, PrivateKey, TrustStore, canonical, seal
from firmware_tools.sign.root import with_key, without_key
from firmware_tools.sign.sealed import HEADER_BYTES
from tests.unit.firmware_tools.bundles import (
    DEVICE,
    FILES,
    bundle_bytes,
    document_bytes,
    manifest_of,
    new_keys,
    plain_manifest,
    trusting,
)

MALFORMED, REFUSED, HASH, TRUST = 3, 5, 8, 12
SIGNATURE_BYTES = 72
BIG = FILES | {"models/big.wasm": bytes(range(256)) * 400}


@dataclass(frozen=True)
class World:
    """A device that trusts `good`, has revoked `dead`, never heard of `stranger`, and has accepted counter 10."""

    store: TrustStore
    good: PrivateKey
    dead: PrivateKey
    stranger: PrivateKey
    root: PrivateKey


Case = tuple[bytes, int, Device]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    root, good, dead, stranger = new_keys(folder, "root", "good", "dead", "stranger")
    store = trusting(folder / "trust", root, good, dead)
    store.amend(without_key(replace(store.root(), version=2), dead.id), [root])
    accepted = hashlib.sha256(canonical.encode(manifest_of(FILES))).hexdigest()
    store.accept("app", 10, 4, accepted)
    return World(store, good, dead, stranger, root)


def flipped(data: bytes, rng: random.Random, begin: int, end: int) -> bytes:
    out = bytearray(data)
    out[rng.randrange(begin, end)] ^= 1 << rng.randrange(8)
    return bytes(out)


def bad_signers(world: World, rng: random.Random) -> Iterator[tuple[bytes, int]]:
    for number in range(60):
        counter = rng.randrange(11, 1000)
        keys = [[world.stranger], [world.dead], [], [world.root], [world.stranger, world.dead]][number % 5]
        yield bundle_bytes(keys, counter=counter), TRUST
    document = canonical.encode(plain_manifest(counter=20))
    other_kind = seal(ROOT, document, [world.good], sum(map(len, FILES.values())))
    yield bundle_bytes([])[:8] + other_kind[8:] + b"".join(FILES[path] for path in sorted(FILES)), TRUST


def replayed(world: World, rng: random.Random) -> Iterator[tuple[bytes, int]]:
    for _ in range(60):
        yield bundle_bytes([world.good], counter=rng.randrange(1, 10)), TRUST
        yield bundle_bytes([world.good], FILES | {"models/x.wasm": rng.randbytes(9)}, counter=10), TRUST


def cut_short(world: World, rng: random.Random) -> Iterator[tuple[bytes, int]]:
    data = bundle_bytes([world.good], BIG, counter=11)
    for at in range(0, len(data), 4096):
        yield data[:at], MALFORMED
    for _ in range(150):
        yield data[: rng.randrange(len(data))], MALFORMED
        yield data + rng.randbytes(rng.randrange(1, 200)), MALFORMED


def bit_flips(world: World, rng: random.Random) -> Iterator[tuple[bytes, int]]:
    data = bundle_bytes([world.good], BIG, counter=11)
    payload_at = len(data) - sum(map(len, BIG.values()))
    signed_at = HEADER_BYTES + SIGNATURE_BYTES
    for _ in range(100):
        yield flipped(data, rng, 0, HEADER_BYTES), MALFORMED
        yield flipped(data, rng, HEADER_BYTES, signed_at), TRUST
        yield flipped(data, rng, signed_at, payload_at), TRUST
        yield flipped(data, rng, payload_at, len(data)), HASH


BAD_PATHS = [
    "../x", "a/../../x", "/etc/passwd", "a//b", "a/./b", "./a", "a/", "", ".", "..", "a\\b", "..\\x", "C:x", "a\0b",
    "a\nb", "a\x7fb", "a\u202eb", "a\u200bb", "a\u030a", "x" * 121, "a/" * 8 + "b", "y" * 241, "a ",
    " a", "a.", "a/b.", "a*", "a?", 'a"b', "a<b", "a|b", "\u2028",
]  # fmt: skip
COLLISIONS = [
    ("models/a.wasm", "models/A.wasm"),
    ("models/a", "Models/b"),
    ("a", "a/b"),
    ("stra\u00dfe", "STRASSE"),
    ("\u00c5ngstrom", "\u00e5ngstrom"),
    ("K", "\u212a".lower()),
]


def entry(path: str, data: bytes = b"x") -> dict[str, Any]:
    return {"path": path, "role": "model", "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def with_files(world: World, rows: list[dict[str, Any]]) -> bytes:
    """A bundle, rightly signed, with more rows in its list of files than `FILES`."""
    plain = plain_manifest(counter=11)
    plain["files"] = sorted([*plain["files"], *rows], key=lambda row: row["path"])
    payload = b"".join(FILES.get(row["path"], b"x") for row in plain["files"])
    return document_bytes([world.good], canonical.encode(plain), payload)


def bad_names(world: World, rng: random.Random) -> Iterator[tuple[bytes, int]]:
    for path in BAD_PATHS:
        for prefix in ("", "models/", "a/b/"):
            yield (
                with_files(world, [entry(f"{prefix}{path}" if not path.startswith("/") or not prefix else path)]),
                MALFORMED,
            )
    for one, other in COLLISIONS:
        yield with_files(world, [entry(one), entry(other)]), MALFORMED
    for path in FILES:
        yield with_files(world, [entry(path)]), MALFORMED
    for _ in range(40):
        name = "".join(rng.choices("abcdef", k=6))
        mixed = "".join(c.upper() if rng.random() < 0.5 else c for c in name)
        yield with_files(world, [entry(name), entry(mixed if mixed != name else name.upper())]), MALFORMED
        yield with_files(world, [entry(name), entry(name)]), MALFORMED


def huge(world: World, rng: random.Random) -> Iterator[tuple[bytes, int]]:
    data = bundle_bytes([world.good], counter=11)
    fields = [("<H", 10), ("<I", 12), ("<Q", 16)]
    for layout, at in fields:
        most = 256 ** struct.calcsize(layout) - 1
        for value in [most, most // 2, most // 2 + 1, *(rng.randrange(100, most) for _ in range(15))]:
            yield data[:at] + struct.pack(layout, value) + data[at + struct.calcsize(layout) :], MALFORMED
    for size in (-1, 2**31, 2**32, 2**33 + 1, 2**53, 2**63, 2**64, 10**400, 1.5, True, "9", None):
        yield with_files(world, [entry("models/huge.wasm") | {"size": size}]), MALFORMED


def bombs(world: World, rng: random.Random) -> Iterator[tuple[bytes, int]]:
    honest = canonical.encode(plain_manifest(counter=11))
    documents = [
        b"[" * 1_000_000, b'{"a":' * 500_000, b'"' + b"a" * 3_000_000, b"9" * 1_000_000, b"", b"\0" * 100, b"\xff\xfe",
        b"null", b"[]", b"{}", honest + b" ", b" " + honest, honest.replace(b'"app"', b'"\\u0061pp"'), honest + b"{}",
        honest[:-1] + b',"zzz":1}', honest.replace(b'"counter":11', b'"counter":11,"counter":12'),
        honest.replace(b'"counter":11', b'"counter":11.0'), honest.replace(b'"counter":11', b'"counter":1e9'),
        honest.replace(b'"app"', b'"\xed\xa0\x80"'), honest.replace(b'"app"', b'"../app"'),
        honest.replace(b'"app"', b'"app\\n"'),
        honest.replace(b'"schema":1', b'"schema":2'), honest.replace(b'"rollback_floor":0', b'"rollback_floor":99'),
        canonical.encode(plain_manifest() | {"files": [entry(f"f{n}", b"") for n in range(5000)]}),
        canonical.encode(plain_manifest() | {"files": []}),
        canonical.encode(plain_manifest() | {"golden": [{}]}),
        *(canonical.encode(plain_manifest(counter=11) | {"health": health}) for health in bad_health()),
    ]  # fmt: skip
    payload = b"".join(FILES[path] for path in sorted(FILES))
    for document in documents:
        yield document_bytes([world.good], document, payload), MALFORMED
    for _ in range(150):
        end = rng.randrange(1, len(honest))
        damaged = honest[:end] if rng.random() < 0.5 else honest[:end] + rng.randbytes(3) + honest[end:]
        yield document_bytes([world.good], damaged, payload), MALFORMED


def bad_health() -> Iterator[object]:
    good = plain_manifest()["health"]
    for key, values in {
        "gate_s": (0, -1, 3601, 2**64, 1.5, True, None, "9"),
        "hold_s": (-1, 61, 3601, False),
        "latency_p99_ms": (-1, 2**32, 0.5),
        "sources": (["b", "a"], ["a", "a"], ["../a"], [""], ["a"] * 5000, "a", {}),
        "offline": (0, 1, "yes", None),
        "never_revert": (True,),
    }.items():
        yield from (good | {key: value} for value in values)
        yield {name: value for name, value in good.items() if name != key} if key in good else None


def other_devices(world: World, rng: random.Random) -> Iterator[Case]:
    needs = manifest_of(FILES).requires

    def case(device: Device = DEVICE, **changes: Any) -> Case:
        return bundle_bytes([world.good], counter=11, requires=replace(needs, **changes)), REFUSED, device

    for _ in range(15):
        yield case(arch="aarch64")
        yield case(boards=("raspberrypi-5",), compatible=("brcm,bcm2712",))
        yield case(Device("raspberrypi-4", "aarch64", ("raspberrypi,4-model-b",)), boards=("raspberrypi-5",))
        yield case(Device("", "riscv64"), arch="x86_64")
        yield case(ram_mib=rng.randrange(513, 9000))
        yield case(replace_sdk(f"0.{rng.randrange(2, 90)}.0"))
        yield case(replace_sdk("0.0.9"))


def replace_sdk(version: str) -> Device:
    return Device(DEVICE.board, DEVICE.arch, ram_mib=DEVICE.ram_mib, sdk=version)


MAKERS: dict[str, tuple[int, Callable[[World, random.Random], Iterator[Any]]]] = {
    "bad signers": (60, bad_signers),
    "bit flips": (400, bit_flips),
    "bombs": (170, bombs),
    "cut short": (300, cut_short),
    "huge sizes": (60, huge),
    "names": (150, bad_names),
    "other devices": (100, other_devices),
    "replayed": (120, replayed),
}


def test_there_are_a_thousand_of_them() -> None:
    assert sum(count for count, _ in MAKERS.values()) >= 1000


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_a_bad_bundle_is_refused_with_its_code_and_writes_nothing(kind: str, world: World, tmp_path: Path) -> None:
    least, maker = MAKERS[kind]
    before = (world.store.folder / "counters/app.json").read_bytes()
    path, slots = tmp_path / "bad.edgeb", tmp_path / "slots"
    slots.mkdir()
    count = 0
    for number, case in enumerate(maker(world, random.Random(kind))):
        data, expected, device = (*case, DEVICE)[:3]
        path.write_bytes(data)
        with pytest.raises(EdgeError) as caught, read_bundle(path, world.store, device) as bundle:
            bundle.extract(slots / "new")
        assert caught.value.exit_code == expected, f"{kind} {number}: {caught.value}"
        assert list(slots.iterdir()) == [], f"{kind} {number}"
        count += 1
    assert count >= least
    assert (world.store.folder / "counters/app.json").read_bytes() == before


def test_the_good_one_they_were_made_from_is_taken(world: World, tmp_path: Path) -> None:
    path = tmp_path / "good.edgeb"
    for files, counter in ((BIG, 11), (FILES, 10)):  # a newer one, and the accepted one once more
        path.write_bytes(bundle_bytes([world.good], files, counter=counter))
        with read_bundle(path, world.store, DEVICE) as bundle:
            bundle.extract(tmp_path / str(counter))
        assert {name: (tmp_path / str(counter) / name).read_bytes() for name in files} == files


def test_a_new_key_makes_a_stranger_a_signer(world: World, tmp_path: Path) -> None:
    store = trusting(tmp_path / "trust", world.root, world.good)
    path = tmp_path / "a.edgeb"
    path.write_bytes(bundle_bytes([world.stranger]))
    store.amend(with_key(replace(store.root(), version=2), "bundle", world.stranger.public), [world.root])
    with read_bundle(path, store, DEVICE) as bundle:
        assert bundle.signers == (world.stranger.id,)
