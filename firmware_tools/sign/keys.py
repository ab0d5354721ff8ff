"""Ed25519 keys (RFC 8032) as PEM files: NAME.pem is private and only its owner's, NAME.pub may go anywhere.

A key is named by its id: the first 16 hexadecimal digits of the SHA-256 of its 32 public bytes. `cryptography` is
imported when a key is used, so that the rest works without it.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_sdk.errors import ConfigError, MissingExtraError, TargetNotFoundError, TrustError
from firmware_tools.sign import durable

PUBLIC_BYTES = 32
SIGNATURE_BYTES = 64
ID_DIGITS = 16
MAX_PEM_BYTES = 16 * 1024


def _crypto() -> tuple[Any, Any]:
    """Return cryptography's modules `ed25519` and `serialization`."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as missing:
        raise MissingExtraError(
            "signatures need the package 'cryptography', which is not installed", hint="pip install cryptography"
        ) from missing
    return ed25519, serialization


@dataclass(frozen=True)
class PublicKey:
    """A key that checks signatures; `raw` are its 32 bytes."""

    raw: bytes

    @property
    def id(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()[:ID_DIGITS]

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Return whether the signature is this key's for this message."""
        ed25519, _ = _crypto()
        from cryptography.exceptions import InvalidSignature

        try:
            ed25519.Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def pem(self) -> bytes:
        ed25519, serialization = _crypto()
        key = ed25519.Ed25519PublicKey.from_public_bytes(self.raw)
        kinds = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        return bytes(key.public_bytes(*kinds))


class PrivateKey:
    """A key that signs. Its repr shows the id only."""

    def __init__(self, key: Any) -> None:
        self._key = key
        _, serialization = _crypto()
        kinds = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        self.public = PublicKey(bytes(key.public_key().public_bytes(*kinds)))

    @property
    def id(self) -> str:
        return self.public.id

    def sign(self, message: bytes) -> bytes:
        return bytes(self._key.sign(message))

    def pem(self, passphrase: str | None) -> bytes:
        _, s = _crypto()
        lock = s.BestAvailableEncryption(passphrase.encode()) if passphrase else s.NoEncryption()
        return bytes(self._key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, lock))

    def __repr__(self) -> str:
        return f"PrivateKey({self.id})"


def public_path(path: Path) -> Path:
    """Return where the public half of a private key file lies: me.pem -> me.pub."""
    return path.with_suffix(".pub")


def generate(path: Path, passphrase: str | None = None) -> PrivateKey:
    """Make a key, write `path` (mode 0600) and its public half beside it; never over an existing file.

    Raises:
        ConfigError: one of the two files exists, or `path` is itself called .pub.
    """
    if path.suffix == ".pub":
        raise ConfigError(f"{path}: the private key needs another ending", hint=f"use {path.with_suffix('.pem')}")
    for taken in (path, public_path(path)):
        if taken.exists() or taken.is_symlink():
            raise ConfigError(f"{taken}: exists; a key is never overwritten", hint="choose another name")
    ed25519, _ = _crypto()
    key = PrivateKey(ed25519.Ed25519PrivateKey.generate())
    _create(path, key.pem(passphrase), 0o600)
    _create(public_path(path), key.public.pem(), 0o644)
    return key


def _create(path: Path, data: bytes, mode: int) -> None:
    """Write a new file that nobody else could read in between (O_EXCL also refuses a link put there)."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        durable.sync_folder(path.parent)
    except OSError as fault:
        raise durable.write_error(path, fault) from fault


def load_private(path: Path, passphrase: str | None = None) -> PrivateKey:
    """Read a private key.

    Raises:
        ConfigError: not an Ed25519 private key in PEM.
        TrustError: it is locked and the passphrase is missing or wrong.
    """
    ed25519, serialization = _crypto()
    data = durable.read(path, MAX_PEM_BYTES)
    if b"PUBLIC KEY" in data:
        raise ConfigError(f"{path}: is a public key; signing needs the private one", hint=f"use {path.stem}.pem")
    try:
        key = serialization.load_pem_private_key(data, passphrase.encode() if passphrase else None)
    except TypeError:
        if passphrase:
            return load_private(path)  # not locked: the passphrase belongs to another key of the same command
        hint = "--passphrase '${env:NAME}'"
        raise TrustError(f"{path}: is locked with a passphrase, and none was given", hint=hint) from None
    except Exception as fault:
        if b"ENCRYPTED" in data:
            raise TrustError(f"{path}: the passphrase does not open it") from None
        raise ConfigError(f"{path}: is no private key in PEM: {type(fault).__name__}") from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ConfigError(f"{path}: expected an Ed25519 key, got {type(key).__name__}")
    return PrivateKey(key)


def load_public(path: Path) -> PublicKey:
    """Read a public key.

    Raises:
        ConfigError: not an Ed25519 public key in PEM; a private one is refused too, it should not be passed around.
    """
    ed25519, serialization = _crypto()
    data = durable.read(path, MAX_PEM_BYTES)
    if b"PRIVATE KEY" in data:
        raise ConfigError(f"{path}: is a private key; expected a public one", hint=f"use {public_path(path)}")
    try:
        key = serialization.load_pem_public_key(data)
    except Exception as fault:
        raise ConfigError(f"{path}: is no public key in PEM: {type(fault).__name__}") from None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise ConfigError(f"{path}: expected an Ed25519 key, got {type(key).__name__}")
    return PublicKey(bytes(key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)))


def parse_id(text: str) -> str:
    """Return a key id as written by a person.

    Raises:
        TargetNotFoundError: it is not one.
    """
    word = text.strip().lower()
    if len(word) != ID_DIGITS or any(c not in "0123456789abcdef" for c in word):
        raise TargetNotFoundError(f"{text[:80]!r} is no key id: expected {ID_DIGITS} hexadecimal digits")
    return word
