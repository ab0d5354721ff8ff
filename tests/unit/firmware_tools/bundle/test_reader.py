from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge_sdk.errors import SafetyError, SignatureError, TargetNotFoundError, TransferError, VerificationError
from firmware_tools.bundle import Device, check_requires, inspect_bundle, read_bundle
from firmware_tools.bundle.requires import version
from firmware_tools.bundle.sign_again import add_signatures
from firmware_tools.sign import TrustStore
from tests.unit.firmware_tools.bundles import DEVICE, FILES, bundle_bytes, manifest_of, new_keys, trusting


@pytest.fixture
def store(tmp_path: Path) -> TrustStore:
    root, good = new_keys(tmp_path, "root", "good")
    (tmp_path / "app.edgeb").write_bytes(bundle_bytes([good]))
    return trusting(tmp_path / "trust", root, good)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_good_bundle_comes_out_as_it_went_in(store: TrustStore, tmp_path: Path) -> None:
    seen = []
    with read_bundle(tmp_path / "app.edgeb", store, DEVICE) as bundle:
        bundle.extract(tmp_path / "slot", lambda done, total: seen.append((done, total)))
    assert contents(tmp_path / "slot") == FILES
    assert seen[-1] == (sum(map(len, FILES.values())),) * 2


def test_the_wall_clock_is_never_asked(store: TrustStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> float:
        raise AssertionError("the clock was asked")

    monkeypatch.setattr(time, "time", refuse)
    monkeypatch.setattr(time, "time_ns", refuse)
    with read_bundle(tmp_path / "app.edgeb", store, DEVICE) as bundle:
        bundle.extract(tmp_path / "slot")
        store.accept("app", bundle.manifest.counter, 0, bundle.manifest_sha256)


def test_other_users_may_read_the_slot_whatever_the_umask(store: TrustStore, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with read_bundle(tmp_path / "app.edgeb", store, DEVICE) as bundle:
            bundle.extract(tmp_path / "slot")
    finally:
        os.umask(before)
    slot = tmp_path / "slot"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (slot, slot / "models")}
    assert modes == {0o755}
    assert stat.S_IMODE((slot / "pipeline.toml").stat().st_mode) == 0o644


def test_damage_in_the_last_byte_leaves_nothing_behind(store: TrustStore, tmp_path: Path) -> None:
    data = bytearray((tmp_path / "app.edgeb").read_bytes())
    data[-1] ^= 1
    (tmp_path / "app.edgeb").write_bytes(data)
    before = set(tmp_path.iterdir())
    with (
        read_bundle(tmp_path / "app.edgeb", store, DEVICE) as bundle,
        pytest.raises(VerificationError, match="SHA-256"),
    ):
        bundle.extract(tmp_path / "slot")
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("there", ["file", "full", "link"])
def test_nothing_that_exists_is_overwritten(store: TrustStore, tmp_path: Path, there: str) -> None:
    slot = tmp_path / "slot"
    if there == "file":
        slot.write_text("mine")
    elif there == "full":
        slot.mkdir()
        (slot / "mine").write_text("mine")
    else:
        slot.symlink_to(tmp_path / "elsewhere")
    with (
        read_bundle(tmp_path / "app.edgeb", store, DEVICE) as bundle,
        pytest.raises(TransferError, match="empty folder"),
    ):
        bundle.extract(slot)
    assert not (tmp_path / "elsewhere").exists()


def test_an_empty_folder_becomes_the_slot(store: TrustStore, tmp_path: Path) -> None:
    (tmp_path / "slot").mkdir()
    with read_bundle(tmp_path / "app.edgeb", store, DEVICE) as bundle:
        bundle.extract(tmp_path / "slot")
    assert contents(tmp_path / "slot") == FILES


def test_a_failing_disk_leaves_nothing(store: TrustStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    real = os.fsync

    def fail(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(5, "Input/output error")
        real(handle)

    monkeypatch.setattr(os, "fsync", fail)
    before = set(tmp_path.iterdir())
    with (
        read_bundle(tmp_path / "app.edgeb", store, DEVICE) as bundle,
        pytest.raises(TransferError, match="Input/output"),
    ):
        bundle.extract(tmp_path / "slot")
    assert set(tmp_path.iterdir()) == before


def test_what_is_no_file_is_no_bundle(store: TrustStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "absent", Path("/dev/zero")):
        with pytest.raises(TargetNotFoundError):
            read_bundle(path, store, DEVICE)


def test_a_second_person_signs_without_the_project(tmp_path: Path) -> None:
    root, a, b = new_keys(tmp_path, "root", "a", "b")
    store = trusting(tmp_path / "trust", root, a, b, threshold=2)
    path = tmp_path / "app.edgeb"
    path.write_bytes(bundle_bytes([a]))
    with pytest.raises(SignatureError):
        read_bundle(path, store, DEVICE)
    assert set(add_signatures(path, path, [b])) == {a.id, b.id}
    assert path.read_bytes() == bundle_bytes([b, a])
    with read_bundle(path, store, DEVICE) as bundle:
        bundle.verify()


def test_nobody_signs_damaged_contents(tmp_path: Path) -> None:
    (key,) = new_keys(tmp_path, "a")
    path = tmp_path / "app.edgeb"
    path.write_bytes(bundle_bytes([])[:-1] + b"!")
    with pytest.raises(VerificationError):
        add_signatures(path, path, [key])


def test_looking_needs_no_trust(tmp_path: Path) -> None:
    path = tmp_path / "app.edgeb"
    path.write_bytes(bundle_bytes([]))
    with inspect_bundle(path) as bundle:
        bundle.verify()
        assert bundle.signers == ()
        assert bundle.manifest.name == "app"


def test_a_device_tree_string_stands_for_a_name() -> None:
    needs = replace(
        manifest_of(FILES).requires, arch="aarch64", boards=("raspberrypi-5",), compatible=("brcm,bcm2712",)
    )
    check_requires(needs, Device("my-own", "aarch64", ("brcm,bcm2712",)))
    check_requires(needs, Device("raspberrypi-5", "aarch64"))
    with pytest.raises(SafetyError, match="aarch64"):
        check_requires(needs, Device("raspberrypi-5", "x86_64"))


def test_versions_are_numbers() -> None:
    assert version("0.10.1") > version("0.9.9")
    assert version("1.2.dev3+abc") == (1, 2, 0)
    assert version("nonsense") == (0, 0, 0)
