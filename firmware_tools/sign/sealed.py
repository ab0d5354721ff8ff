"""A document and the signatures over it, readable in bounded steps from the first byte.

Nothing of the document is looked at before its signatures were checked; the fixed header alone says how much to read.
Numbers are little-endian.

    offset  size
         0     8  magic: "EDGEB" or "EDGET", then CR LF 0x1a (a transfer that edits text changes it)
         8     2  version of the format, 1
        10     2  n, number of signatures, at most 32
        12     4  d, bytes of the document, at most 4 MiB
        16     8  p, bytes of the payload after it, at most 8 GiB
        24   72n  signatures, ascending by key: 8 bytes key id, 64 bytes Ed25519 signature (RFC 8032)
    24+72n     d  document: canonical JSON
           ..  p  payload; what it is made of stands in the document
                  the file ends here

What is signed: "edge-sdk seal", a zero byte, the first ten bytes of the header, the document. So a signature of one
kind of file never fits another. The payload is covered by the hashes in the document.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from edge_sdk.errors import ConfigError, UsageError
from firmware_tools.sign.keys import ID_DIGITS, SIGNATURE_BYTES, PrivateKey

VERSION = 1
MAX_SIGNATURES = 32
MAX_DOCUMENT_BYTES = 4 << 20
MAX_PAYLOAD_BYTES = 8 << 30
_HEADER = struct.Struct("<8sHHIQ")
_SIGNATURE = struct.Struct(f"<{ID_DIGITS // 2}s{SIGNATURE_BYTES}s")
HEADER_BYTES = _HEADER.size
MAX_HEAD_BYTES = HEADER_BYTES + MAX_SIGNATURES * _SIGNATURE.size + MAX_DOCUMENT_BYTES


@dataclass(frozen=True)
class Kind:
    """A kind of sealed file; `word` names it in complaints."""

    magic: bytes
    word: str

    def message(self, document: bytes) -> bytes:
        """Return the bytes that are signed."""
        return b"edge-sdk seal\0" + self.magic + struct.pack("<H", VERSION) + document


BUNDLE = Kind(b"EDGEB\r\n\x1a", "bundle")
ROOT = Kind(b"EDGET\r\n\x1a", "trust root")


@dataclass(frozen=True)
class Sealed:
    """A document as it stands in the file, not believed yet.

    Attributes:
        signatures: (key id, signature), ascending by id.
        payload_at: offset of the payload in the file.
    """

    kind: Kind
    signatures: tuple[tuple[str, bytes], ...]
    document: bytes
    payload_at: int
    payload_bytes: int

    def head(self) -> bytes:
        """Return everything up to the payload."""
        return _assemble(self.kind, self.signatures, self.document, self.payload_bytes)


def seal(kind: Kind, document: bytes, keys: Iterable[PrivateKey], payload_bytes: int = 0) -> bytes:
    """Return the file up to its payload, signed by each key."""
    return countersign(Sealed(kind, (), document, 0, payload_bytes), keys).head()


def countersign(sealed: Sealed, keys: Iterable[PrivateKey]) -> Sealed:
    """Return the same document with more signatures."""
    message = sealed.kind.message(sealed.document)
    signatures = dict(sealed.signatures) | {key.id: key.sign(message) for key in keys}
    ordered = tuple(sorted(signatures.items()))
    head = HEADER_BYTES + _SIGNATURE.size * len(ordered) + len(sealed.document)
    return Sealed(sealed.kind, ordered, sealed.document, head, sealed.payload_bytes)


def _assemble(kind: Kind, signatures: Sequence[tuple[str, bytes]], document: bytes, payload_bytes: int) -> bytes:
    for name, count, most in (
        ("signatures", len(signatures), MAX_SIGNATURES),
        ("bytes of description", len(document), MAX_DOCUMENT_BYTES),
        ("bytes of content", payload_bytes, MAX_PAYLOAD_BYTES),
    ):
        if count > most:
            raise UsageError(f"a {kind.word} holds at most {most:,} {name}, got {count:,}")
    head = _HEADER.pack(kind.magic, VERSION, len(signatures), len(document), payload_bytes)
    rows = (_SIGNATURE.pack(bytes.fromhex(key), signature) for key, signature in signatures)
    return b"".join([head, *rows, document])


def read_sealed(file: BinaryIO, kind: Kind, name: str = "", *, head_only: bool = False) -> Sealed:
    """Read up to the payload; the file must have exactly the length its header says.

    Args:
        name: of the file, for complaints.
        head_only: the file is one that ends where its payload would begin (see `Sealed.head`).

    Raises:
        ConfigError: not such a file, cut short, too long, or over a limit.
    """
    name = name or kind.word
    size = file.seek(0, 2)
    file.seek(0)
    header = file.read(HEADER_BYTES)
    if header[: len(kind.magic)] != kind.magic:
        raise ConfigError(f"{name}: is no {kind.word}: expected it to begin with {kind.magic!r}")
    if len(header) < HEADER_BYTES:
        raise ConfigError(f"{name}: cut short: the header has {HEADER_BYTES} bytes, the file {size}")
    _, version, count, document_bytes, payload_bytes = _HEADER.unpack(header)
    if version != VERSION:
        raise ConfigError(
            f"{name}: is of format {version}, expected {VERSION}", hint="install a newer edge-sdk on this machine"
        )
    limits = ((count, MAX_SIGNATURES), (document_bytes, MAX_DOCUMENT_BYTES), (payload_bytes, MAX_PAYLOAD_BYTES))
    if any(value > most for value, most in limits):
        raise ConfigError(f"{name}: malformed: the header asks for more than a {kind.word} may have")
    payload_at = HEADER_BYTES + count * _SIGNATURE.size + document_bytes
    expected = payload_at if head_only else payload_at + payload_bytes
    if expected != size:
        raise ConfigError(f"{name}: cut short or damaged: the header says {expected:,} bytes, the file has {size:,}")
    rows = [_SIGNATURE.unpack(file.read(_SIGNATURE.size)) for _ in range(count)]
    ids = [key.hex() for key, _ in rows]
    if ids != sorted(set(ids)):
        raise ConfigError(f"{name}: malformed: its signatures are not in ascending order of keys")
    signatures = tuple((key.hex(), signature) for key, signature in rows)
    return Sealed(kind, signatures, file.read(document_bytes), payload_at, payload_bytes)
