"""Trust roots and the folder that keeps them: TUF's rule of rotation, revocation, counters."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edge_sdk.errors import (
    BusyError,
    ConfigError,
    SignatureError,
    TargetNotFoundError,
    TransferError,
    TrustError,
    UsageError,
)
from firmware_tools.sign import BUNDLE, ROOT, PrivateKey, TrustStore, durable, read_sealed, seal
from firmware_tools.sign.root import EMPTY, Root, Signers, encode_root, with_key, without_key
from firmware_tools.sign.sealed import Sealed
from tests.unit.firmware_tools.bundles import new_keys, trusting

SHA = ["a" * 64, "b" * 64]


def bundle(*keys: PrivateKey) -> Sealed:
    return read_sealed(io.BytesIO(seal(BUNDLE, b"document", keys)), BUNDLE)


def after(root: Root) -> Root:
    return replace(root, version=root.version + 1)


def test_two_of_three_means_two(tmp_path: Path) -> None:
    root, *team = new_keys(tmp_path, "root", "a", "b", "c")
    store = trusting(tmp_path / "trust", root, *team, threshold=2)
    assert set(store.check_signers(bundle(team[0], team[2]))) == {team[0].id, team[2].id}
    for signers in ([], team[:1], [team[0], root]):
        with pytest.raises(SignatureError, match="2 trusted"):
            store.check_signers(bundle(*signers))


def test_a_wrong_signature_of_a_trusted_key_is_never_outvoted(tmp_path: Path) -> None:
    root, a, b = new_keys(tmp_path, "root", "a", "b")
    store = trusting(tmp_path / "trust", root, a, b)
    good = bundle(a, b)
    spoilt = replace_signature(good, b.id, bytes(64))
    with pytest.raises(SignatureError, match="changed after signing"):
        store.check_signers(spoilt)


def replace_signature(sealed: Sealed, key: str, signature: bytes) -> Sealed:
    rows = tuple((one, signature if one == key else old) for one, old in sealed.signatures)
    return Sealed(sealed.kind, rows, sealed.document, sealed.payload_at, sealed.payload_bytes)


def test_the_next_root_needs_the_old_and_the_new_keys(tmp_path: Path) -> None:
    old, new, signer = new_keys(tmp_path, "old", "new", "signer")
    store = trusting(tmp_path / "trust", old, signer)
    handover = after(store.root())
    handover = replace(
        handover,
        keys={signer.id: signer.public.raw.hex(), new.id: new.public.raw.hex()},
        roles={**handover.roles, "root": Signers((new.id,), 1)},
    )
    for signers in ([], [old], [new], [signer]):
        with pytest.raises(SignatureError):
            store.update(seal(ROOT, encode_root(handover), signers))
    assert store.root().version == 1
    assert store.update(seal(ROOT, encode_root(handover), [old, new])).version == 2
    with pytest.raises(SignatureError):  # the old key has no say any more
        store.amend(with_key(after(handover), "bundle", old.public), [old])


def test_a_root_key_is_replaced_in_two_steps(tmp_path: Path) -> None:
    old, new, signer = new_keys(tmp_path, "old", "new", "signer")
    store = trusting(tmp_path / "trust", old, signer)
    store.amend(with_key(after(store.root()), "root", new.public), [old])
    store.amend(without_key(after(store.root()), old.id), [old, new])
    with pytest.raises(SignatureError):
        store.amend(after(store.root()), [old])
    assert store.amend(after(store.root()), [new]).version == 4
    assert store.check_signers(bundle(signer)) == (signer.id,)


def test_a_root_neither_comes_again_nor_skips_a_version(tmp_path: Path) -> None:
    root, a = new_keys(tmp_path, "root", "a")
    store = trusting(tmp_path / "trust", root, a)
    first = (tmp_path / "trust/root.edget").read_bytes()
    store.amend(after(store.root()), [root])
    for version in (1, 2, 4, 2**31):
        with pytest.raises(TrustError, match="not the next"):
            store.amend(replace(store.root(), version=version), [root])
    with pytest.raises(TrustError):
        store.update(first)
    assert store.root().version == 2


def test_a_revoked_key_counts_no_more_and_never_again(tmp_path: Path) -> None:
    root, a, b = new_keys(tmp_path, "root", "a", "b")
    store = trusting(tmp_path / "trust", root, a, b)
    before = store.root()
    store.amend(without_key(after(before), a.id), [root])
    with pytest.raises(SignatureError, match="revoked"):
        store.check_signers(bundle(a))
    assert store.check_signers(bundle(a, b)) == (b.id,)
    with pytest.raises(TrustError, match="never trusted again"):
        with_key(after(store.root()), "bundle", a.public)
    with pytest.raises(TrustError, match="brings back"):
        store.amend(replace(before, version=3), [root])


def test_the_last_needed_key_is_not_revoked(tmp_path: Path) -> None:
    root, a = new_keys(tmp_path, "root", "a")
    store = trusting(tmp_path / "trust", root, a)
    for key in (root, a):
        with pytest.raises(UsageError, match="are left"):
            without_key(store.root(), key.id)


def test_roots_that_contradict_themselves_are_refused(tmp_path: Path) -> None:
    (root,) = new_keys(tmp_path, "root")
    good = with_key(EMPTY, "root", root.public)
    wrong = [
        EMPTY,
        replace(good, roles={"root": good.roles["root"]}),
        replace(good, keys={"0" * 16: root.public.raw.hex()}, roles={**good.roles, "root": Signers(("0" * 16,), 1)}),
        replace(good, roles={**good.roles, "root": Signers((root.id, root.id), 2)}),
        replace(good, roles={**good.roles, "root": Signers((root.id,), 2)}),
        replace(good, roles={**good.roles, "bundle": Signers(("f" * 16,), 1)}),
        replace(good, revoked=(root.id,)),
    ]
    for one in wrong:
        with pytest.raises(ConfigError, match="trust root"):
            encode_root(one)


def test_a_damaged_store_believes_nobody(tmp_path: Path) -> None:
    root, a = new_keys(tmp_path, "root", "a")
    store = trusting(tmp_path / "trust", root, a)
    file = tmp_path / "trust/root.edget"
    data = bytearray(file.read_bytes())
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 1
        file.write_bytes(damaged)
        with pytest.raises((ConfigError, SignatureError)):
            store.check_signers(bundle(a))
    file.unlink()
    with pytest.raises(TargetNotFoundError, match="no trust root"):
        store.root()


def test_one_process_at_a_time_changes_the_folder(tmp_path: Path) -> None:
    root, a = new_keys(tmp_path, "root", "a")
    store = trusting(tmp_path / "trust", root, a)
    with store._locked(), pytest.raises(BusyError):
        TrustStore(tmp_path / "trust").accept("app", 1, 0, SHA[0])
    assert store.accept("app", 1, 0, SHA[0]).counter == 1


def test_counters_only_rise(tmp_path: Path) -> None:
    store = TrustStore(tmp_path)
    store.accept("app", 5, 3, SHA[0])
    store.check_counter("app", 5, 0, SHA[0])
    store.check_counter("app", 6, 0, SHA[1])
    store.check_counter("other", 1, 0, SHA[1])
    with pytest.raises(TrustError, match="older than 5"):
        store.check_counter("app", 4, 0, SHA[1])
    with pytest.raises(TrustError, match="another bundle"):
        store.check_counter("app", 5, 0, SHA[1])
    store.check_counter("app", 3, 0, SHA[1], allow_downgrade=True)
    with pytest.raises(TrustError, match="below the floor 3"):
        store.check_counter("app", 2, 0, SHA[1], allow_downgrade=True)


def test_a_downgrade_leaves_counter_and_floor(tmp_path: Path) -> None:
    store = TrustStore(tmp_path)
    store.accept("app", 5, 3, SHA[0])
    store.accept("app", 4, 0, SHA[1], allow_downgrade=True)
    known = store.counter("app")
    assert known is not None
    assert (known.counter, known.floor, known.manifest_sha256) == (5, 3, SHA[0])


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(0, 20), st.sampled_from(SHA), st.booleans()), max_size=30))
def test_whatever_comes_neither_counter_nor_floor_falls(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, str, bool]]
) -> None:
    store = TrustStore(tmp_path_factory.mktemp("store"))
    newest = floor = 0
    for counter, own_floor, sha, downgrade in steps:
        try:
            known = store.accept("app", counter, own_floor, sha, allow_downgrade=downgrade)
        except (TrustError, ConfigError):
            continue
        assert counter >= floor
        assert downgrade or counter >= newest
        assert known.counter >= newest
        assert known.floor >= floor
        newest, floor = known.counter, known.floor


def test_the_first_counter_outlasts_a_power_cut_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    real = durable.sync_folder

    def noting(folder: Path) -> None:
        synced.append(folder)
        real(folder)

    monkeypatch.setattr(durable, "sync_folder", noting)
    TrustStore(tmp_path / "trust").accept("app", 1, 0, "0" * 64)
    assert synced == [tmp_path, tmp_path / "trust", tmp_path / "trust/counters"]


@pytest.mark.parametrize("text", [b"", b"{", b'{"counter":1}', b'{"counter":-1,"floor":0,"manifest_sha256":"x"}'])
def test_a_damaged_counter_is_not_guessed(tmp_path: Path, text: bytes) -> None:
    store = TrustStore(tmp_path)
    store.accept("app", 5, 3, SHA[0])
    (tmp_path / "counters/app.json").write_bytes(text)
    with pytest.raises(ConfigError, match="malformed"):
        store.check_counter("app", 9, 0, SHA[0])


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a" * 65, "a\n"])
def test_a_name_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no name"):
        TrustStore(tmp_path).accept(name, 1, 0, SHA[0])


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path = tmp_path / "file"
    durable.write(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(TransferError, match="No space"):
        durable.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
