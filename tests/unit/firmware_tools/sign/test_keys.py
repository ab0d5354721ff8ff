from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from edge_sdk.errors import (
    AccessDeniedError,
    ConfigError,
    MissingExtraError,
    TargetNotFoundError,
    TransferError,
    TrustError,
)
from firmware_tools.sign import generate, load_private, load_public
from firmware_tools.sign.keys import PublicKey, parse_id


def test_a_generated_key_signs_and_its_public_half_verifies(tmp_path: Path) -> None:
    made = generate(tmp_path / "me.pem")
    key, public = load_private(tmp_path / "me.pem"), load_public(tmp_path / "me.pub")
    signature = key.sign(b"hello")
    assert public.verifies(signature, b"hello")
    assert not public.verifies(signature, b"hellO")
    assert not public.verifies(signature[:-1], b"hello")
    assert made.id == key.id == public.id == hashlib.sha256(public.raw).hexdigest()[:16]


def test_rfc_8032_test_vector_2_verifies() -> None:
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert PublicKey(public).verifies(signature, b"\x72")


def test_the_private_file_is_only_its_owners(tmp_path: Path) -> None:
    generate(tmp_path / "me.pem")
    assert stat.S_IMODE((tmp_path / "me.pem").stat().st_mode) == 0o600


@pytest.mark.parametrize("taken", ["me.pem", "me.pub"])
def test_a_key_is_never_overwritten(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("mine")
    with pytest.raises(ConfigError, match="never overwritten"):
        generate(tmp_path / "me.pem")
    assert [path.name for path in tmp_path.iterdir()] == [taken]


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "me.pem").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError):
        generate(tmp_path / "me.pem")
    assert not (tmp_path / "elsewhere").exists()


def test_a_locked_key_needs_its_passphrase(tmp_path: Path) -> None:
    generate(tmp_path / "me.pem", "correct horse")
    assert load_private(tmp_path / "me.pem", "correct horse").id
    with pytest.raises(TrustError, match="none was given"):
        load_private(tmp_path / "me.pem")
    with pytest.raises(TrustError, match="does not open"):
        load_private(tmp_path / "me.pem", "wrong")


def test_an_unlocked_key_may_stand_beside_a_locked_one(tmp_path: Path) -> None:
    made = generate(tmp_path / "me.pem")
    assert load_private(tmp_path / "me.pem", "for another").id == made.id


def test_other_files_are_no_keys(tmp_path: Path) -> None:
    generate(tmp_path / "me.pem")
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = other.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "rsa.pem").write_bytes(text)
    (tmp_path / "text.pem").write_text("hello")
    (tmp_path / "big.pem").write_bytes(bytes(100_000))
    with pytest.raises(ConfigError, match="public key"):
        load_private(tmp_path / "me.pub")
    with pytest.raises(ConfigError, match="private key"):
        load_public(tmp_path / "me.pem")
    with pytest.raises(ConfigError, match="Ed25519"):
        load_private(tmp_path / "rsa.pem")
    for load in (load_private, load_public):
        with pytest.raises(ConfigError, match="PEM"):
            load(tmp_path / "text.pem")
        with pytest.raises(TransferError, match="at most"):
            load(tmp_path / "big.pem")
        with pytest.raises(TargetNotFoundError):
            load(tmp_path / "absent.pem")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises((TransferError, AccessDeniedError)):
        generate(tmp_path / "no" / "me.pem")


def test_without_cryptography_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cryptography.hazmat.primitives", None)
    with pytest.raises(MissingExtraError) as caught:
        generate(tmp_path / "me.pem")
    assert caught.value.hint == "pip install cryptography"


@pytest.mark.parametrize("text", ["", "abc", "g" * 16, "0" * 17])
def test_an_id_is_sixteen_hexadecimal_digits(text: str) -> None:
    with pytest.raises(TargetNotFoundError, match="16"):
        parse_id(text)
    assert parse_id(" 0123456789ABCDEF ") == "0123456789abcdef"
