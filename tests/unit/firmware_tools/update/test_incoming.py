from __future__ import annotations

from pathlib import Path

import pytest

from firmware_tools.update.incoming import Part, Refused, check_room, make_folder
from tests.unit.firmware_tools.flash.targets import sha256_of


def test_too_little_room_is_told_with_figures(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        check_room(str(tmp_path), 1 << 60, "for what is sent")
    assert caught.value.kind == "TransferError"
    assert caught.value.message.startswith(f"{tmp_path}: 1,099,511,627,776.0 MiB are needed for what is sent, ")
    check_room(str(tmp_path), 1, "for what is sent")


def test_a_part_that_is_longer_than_the_blob_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "x.part").write_bytes(b"much too long")
    with Part(str(tmp_path / "x.part"), 3) as part:
        assert part.at == 0
        part.add(b"abc")
        part.finish(str(tmp_path / "x"), sha256_of(b"abc"))
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"abc"


def test_a_part_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "x.part").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        Part(str(tmp_path / "x.part"), 3)
    assert not (tmp_path / "elsewhere").exists()


def test_folders_are_made_with_those_above(tmp_path: Path) -> None:
    for _ in range(2):
        make_folder(str(tmp_path / "a/b/c"))
    assert (tmp_path / "a/b/c").is_dir()
