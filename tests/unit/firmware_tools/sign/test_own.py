from __future__ import annotations

import stat
from pathlib import Path

import pytest

from firmware_tools.sign.own import own_key, own_key_file, own_trust
from firmware_tools.sign.sealed import BUNDLE, read_sealed, seal


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def test_the_key_is_made_once_for_its_owner_alone() -> None:
    key, made = own_key()
    again, made_again = own_key()
    assert (made, made_again) == (True, False)
    assert key.id == again.id
    assert stat.S_IMODE(own_key_file().stat().st_mode) == 0o600
    assert stat.S_IMODE(own_key_file().parent.stat().st_mode) == 0o700


def test_what_it_signs_is_believed_by_the_folder_of_trust(tmp_path: Path) -> None:
    key, _ = own_key()
    path = tmp_path / "x"
    path.write_bytes(seal(BUNDLE, b"{}", [key]))
    with path.open("rb") as file:
        assert own_trust().check_signers(read_sealed(file, BUNDLE)) == (key.id,)


def test_a_stop_between_key_and_trust_is_mended() -> None:
    key, _ = own_key()
    (own_trust().folder / "root.edget").unlink()
    again, made = own_key()
    assert (again.id, made) == (key.id, False)
    assert key.id in own_trust().root().roles["bundle"].keys
