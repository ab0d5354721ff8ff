"""Slots appear whole or not at all, and hold what was signed."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from pathlib import Path

import pytest

from edge_sdk.errors import (
    AccessDeniedError,
    ConfigError,
    EdgeError,
    SafetyError,
    SignatureError,
    TargetNotFoundError,
    TransferError,
    TrustError,
    VerificationError,
)
from firmware_tools.bundle.manifest import Requires, SdkRange
from firmware_tools.sign import TrustStore, generate
from firmware_tools.update.layout import HEAD, SITE
from firmware_tools.update.slot import accept, build_slot, check_head, held, kept_slots, parse_head, verify_slot
from tests.unit.firmware_tools.update.devices import APP, WHEELS, Device, device, fault_at, put_site

__all__ = ["device"]


def tree(folder: Path) -> dict[str, bytes]:
    """Every file and link below a folder."""
    return {
        str(path.relative_to(folder)): os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def needs(**changes: object) -> Requires:
    plain = {"arch": "any", "boards": (), "compatible": (), "sdk": SdkRange(least="0.1.0", below="9.0.0"), "ram_mib": 0}
    return Requires(**(plain | changes))  # type: ignore[arg-type]


def test_a_slot_holds_all_but_the_wheels_and_its_head_and_a_link_to_its_site(device: Device) -> None:
    app = device.bundle(wheels=WHEELS)
    device.send(app)
    assert build_slot(device.layout, app.head, app.site).slot == app.slot
    folder = device.layout.slot(APP, app.slot)
    assert tree(folder) == app.files | {HEAD: app.head, SITE: f"../../../../sites/{app.site}".encode()}
    assert (folder / SITE / "pump/valve.py").is_file()
    assert verify_slot(device.layout, APP, app.slot) == (len(app.files), sum(map(len, app.files.values())))
    assert kept_slots(device.layout, APP) == [app.slot]


def test_without_wheels_there_is_no_site(device: Device) -> None:
    app = device.bundle()
    device.send(app)
    build_slot(device.layout, app.head, "")
    assert tree(device.layout.slot(APP, app.slot)) == app.files | {HEAD: app.head}


def test_other_users_may_read_a_slot_whatever_the_umask(device: Device) -> None:
    app = device.bundle()
    device.send(app)
    before = os.umask(0o077)
    try:
        build_slot(device.layout, app.head, "")
    finally:
        os.umask(before)
    folder = device.layout.slot(APP, app.slot)
    ways = [folder, *folder.parents][: folder.parts.count("opt") + 6]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [*ways[:4], folder / "models"]}
    assert modes == {0o755}
    assert stat.S_IMODE((folder / HEAD).stat().st_mode) == 0o644


def test_a_slot_that_is_there_and_whole_is_left_alone(device: Device) -> None:
    app = device.bundle()
    device.send(app)
    build_slot(device.layout, app.head, "")
    before = device.layout.slot(APP, app.slot).stat()
    (device.layout.store / sha(b"model one")).unlink()
    with fault_at(0, lambda: None) as calls:
        build_slot(device.layout, app.head, "")
    assert calls == []
    assert device.layout.slot(APP, app.slot).stat().st_ino == before.st_ino


@pytest.mark.parametrize("damage", ["changed", "absent", "head", "link", "site"])
def test_a_damaged_slot_is_made_again_unless_it_runs(device: Device, damage: str) -> None:
    app = device.bundle(wheels=WHEELS)
    device.send(app)
    build_slot(device.layout, app.head, app.site)
    folder = device.layout.slot(APP, app.slot)
    model = folder / "models/m.wasm"
    if damage == "changed":
        model.write_bytes(b"model onf")
    elif damage == "head":
        (folder / HEAD).write_bytes(app.head[:-1])
    elif damage == "site":
        (folder / SITE).unlink()
    else:
        model.unlink()
        if damage == "link":
            model.symlink_to("/etc/passwd")
    with pytest.raises(VerificationError):
        verify_slot(device.layout, APP, app.slot)
    before = tree(folder)
    with pytest.raises(VerificationError, match="the version that runs"):
        build_slot(device.layout, app.head, app.site, kept=[app.slot])
    assert tree(folder) == before
    build_slot(device.layout, app.head, app.site)
    verify_slot(device.layout, APP, app.slot)
    assert [one.name for one in device.layout.slots(APP).iterdir()] == [app.slot]


def test_files_of_kept_slots_need_not_be_sent(device: Device) -> None:
    old, new = device.bundle("1.0.0"), device.bundle("1.0.1", model=b"model two")
    device.send(old)
    build_slot(device.layout, old.head, "")
    for blob in device.layout.store.iterdir():
        blob.unlink()
    unit, model = sha(old.files["system/edge-sdk-app.service"]), sha(b"model two")
    assert held(device.layout, APP, [unit, model]) == [unit]
    (device.layout.store / model).write_bytes(b"model two")
    build_slot(device.layout, new.head, "")
    assert tree(device.layout.slot(APP, new.slot)) == new.files | {HEAD: new.head}


def test_a_damaged_file_of_a_kept_slot_is_not_held(device: Device) -> None:
    app = device.bundle()
    device.send(app)
    build_slot(device.layout, app.head, "")
    (device.layout.slot(APP, app.slot) / "models/m.wasm").write_bytes(b"model onf")
    assert held(device.layout, APP, [sha(b"model one")]) == []
    assert held(device.layout, "nobody", [sha(b"model one")]) == []


def test_a_damaged_blob_is_thrown_away_so_that_it_is_sent_again(device: Device) -> None:
    app = device.bundle()
    device.send(app)
    blob = device.layout.store / sha(b"model one")
    blob.write_bytes(b"model onf")
    with pytest.raises(VerificationError, match=r"models/m\.wasm"):
        build_slot(device.layout, app.head, "")
    assert not blob.exists()
    assert list(device.layout.slots(APP).iterdir()) == []
    with pytest.raises(TargetNotFoundError, match="was not sent"):
        build_slot(device.layout, app.head, "")
    device.send(app)
    build_slot(device.layout, app.head, "")


def test_a_link_in_the_store_is_no_blob(device: Device) -> None:
    app = device.bundle()
    device.send(app)
    blob = device.layout.store / sha(b"model one")
    blob.rename(device.folder / "elsewhere")
    blob.symlink_to(device.folder / "elsewhere")
    with pytest.raises(TargetNotFoundError, match="was not sent"):
        build_slot(device.layout, app.head, "")


def test_the_site_must_be_that_of_the_wheels_and_be_there(device: Device) -> None:
    app = device.bundle(wheels=WHEELS)
    for wrong in ("", "0" * 16):
        with pytest.raises(VerificationError, match=f"its wheels make the site {app.site}"):
            build_slot(device.layout, app.head, wrong)
    with pytest.raises(TargetNotFoundError, match="no such site"):
        build_slot(device.layout, app.head, app.site)
    put_site(device.layout, app.site, {"other-1-py3-none-any.whl": "0" * 64}, {})
    with pytest.raises(VerificationError, match="its wheels make the site"):
        build_slot(device.layout, app.head, app.site)
    assert kept_slots(device.layout, APP) == []


def snapshot(device: Device) -> dict[str, bytes]:
    return tree(device.layout.root)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ("unsigned", SignatureError),
        ("stranger", SignatureError),
        ("changed", SignatureError),
        ("old", TrustError),
        ("twin", TrustError),
        ("arch", SafetyError),
        ("board", SafetyError),
        ("cut", ConfigError),
        ("longer", ConfigError),
        ("empty", ConfigError),
        ("head file", ConfigError),
        ("site file", ConfigError),
        ("payload", ConfigError),
    ],
)
def test_a_bad_head_is_refused_before_anything_is_written(device: Device, wrong: str, kind: type[EdgeError]) -> None:
    good = device.bundle(counter=10)
    accept(device.layout, parse_head(good.head))
    changes: dict[str, object] = {"counter": 11}
    if wrong in ("old", "twin"):
        changes = {"counter": 9 if wrong == "old" else 10}
    elif wrong == "arch":
        changes["requires"] = needs(arch="aarch64" if os.uname().machine == "x86_64" else "x86_64")
    elif wrong == "board":
        changes["requires"] = needs(boards=("jetson-orin-nano",))
    elif wrong == "stranger":
        changes["key"] = generate(device.folder / "stranger.pem")
    elif wrong.endswith(" file"):
        changes["more"] = {"Sealed.Head" if wrong == "head file" else "site/numpy.py": b"x"}
    head = device.bundle("2.0.0", **changes).head  # type: ignore[arg-type]
    if wrong == "changed":
        head = head.replace(b"2.0.0", b"2.0.1")
    elif wrong == "unsigned":
        head = head[:10] + b"\0\0" + head[12:24] + head[96:]
    elif wrong in ("cut", "longer"):
        head = head[:-1] if wrong == "cut" else head + b"\0"
    elif wrong == "empty":
        head = b""
    elif wrong == "payload":
        size = int.from_bytes(head[16:24], "little") + 1
        head = head[:16] + size.to_bytes(8, "little") + head[24:]
    before = snapshot(device)
    with pytest.raises(kind):
        build_slot(device.layout, head, "")
    with pytest.raises(kind):
        check_head(device.layout, head)
    assert snapshot(device) == before


def test_an_older_version_comes_only_when_asked_for_and_never_below_the_floor(device: Device) -> None:
    old, older = device.bundle(counter=5), device.bundle(counter=3)
    accept(device.layout, parse_head(device.bundle(counter=9, rollback_floor=5).head))
    assert check_head(device.layout, old.head, allow_downgrade=True).slot == old.slot
    with pytest.raises(TrustError, match="below the floor"):
        check_head(device.layout, older.head, allow_downgrade=True)


def test_a_folder_is_the_board_that_the_operator_says(device: Device) -> None:
    head = device.bundle(requires=needs(arch="aarch64", boards=("jetson-orin-nano",))).head
    assert check_head(device.layout, head, board="jetson-orin-nano")
    with pytest.raises(SafetyError, match="is for"):
        check_head(device.layout, head, board="raspberrypi-5")
    with pytest.raises(TargetNotFoundError, match="unknown board"):
        check_head(device.layout, head, board="toaster")
    assert check_head(device.layout, device.bundle(requires=needs(arch=os.uname().machine)).head, board="sim")


def fail(code: int) -> None:
    raise OSError(code, os.strerror(code))


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EACCES])
def test_whichever_change_fails_nothing_partial_is_seen_and_the_next_try_succeeds(device: Device, code: int) -> None:
    old = device.bundle("1.0.0", wheels=WHEELS)
    device.send(old)
    build_slot(device.layout, old.head, old.site)
    before = tree(device.layout.slot(APP, old.slot))
    new = device.bundle("2.0.0", model=b"two" * 1000, wheels=WHEELS)
    device.send(new)
    number, failed = 0, True
    while failed:
        number += 1
        with fault_at(number, lambda: fail(code)) as calls:
            try:
                build_slot(device.layout, new.head, new.site)
                failed = len(calls) >= number  # removing what is left over may fail, and is left to `collect`
            except (TransferError, AccessDeniedError):
                failed = True
        assert tree(device.layout.slot(APP, old.slot)) == before
        for slot in kept_slots(device.layout, APP):
            verify_slot(device.layout, APP, slot)
        build_slot(device.layout, new.head, new.site)
        assert tree(device.layout.slot(APP, new.slot)).keys() == {*new.files, HEAD, SITE}
        assert kept_slots(device.layout, APP) == sorted([old.slot, new.slot])
        shutil.rmtree(device.layout.slot(APP, new.slot))
    assert number > 15


def test_a_short_write_is_gone_on_with(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    app = device.bundle(model=b"0123456789" * 50)
    device.send(app)
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(data)[:7]))
    build_slot(device.layout, app.head, "")
    monkeypatch.undo()
    verify_slot(device.layout, APP, app.slot)


def test_a_device_that_trusts_nobody_takes_nothing(device: Device) -> None:
    app = device.bundle()
    (device.layout.trust / "root.edget").unlink()
    assert not TrustStore(device.layout.trust).exists()
    with pytest.raises(TargetNotFoundError, match="no trust root"):
        build_slot(device.layout, app.head, "")
