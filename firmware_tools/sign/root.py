"""The trust root: which keys exist, what each may sign, how many must agree, which are dead. Pure; no files.

    version 1, signed by its own root keys            put on the device by hand
       | rotation: version + 1, signed by the threshold of the root keys of BOTH versions
    version 2 ...

That is the rule of The Update Framework (TUF 1.0, section 5.3): the old keys name their successors, the successors
show that they hold their keys. Nothing expires: a board without a clock must not refuse what it trusted yesterday.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from edge_sdk.errors import ConfigError, SignatureError, TrustError, UsageError
from firmware_tools.sign import canonical
from firmware_tools.sign.keys import ID_DIGITS, PublicKey
from firmware_tools.sign.sealed import Sealed

MAX_KEYS = 64
Role = Literal["bundle", "root"]
ROLES: tuple[Role, ...] = ("bundle", "root")
KeyId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]
PublicHex = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]


class Signers(Struct, frozen=True, forbid_unknown_fields=True):
    """Who may sign, and how many of them must."""

    keys: Annotated[tuple[KeyId, ...], Meta(max_length=MAX_KEYS)] = ()
    threshold: Annotated[int, Meta(ge=1, le=MAX_KEYS)] = 1


class Root(Struct, frozen=True, forbid_unknown_fields=True):
    """One version of the trust root."""

    schema: Literal[1]
    version: Annotated[int, Meta(ge=1, le=2**31)]
    keys: dict[KeyId, PublicHex]
    roles: dict[Role, Signers]
    revoked: Annotated[tuple[KeyId, ...], Meta(max_length=1024)] = ()


EMPTY = Root(1, 1, {}, {role: Signers() for role in ROLES})


def encode_root(root: Root) -> bytes:
    """Return the document to be signed."""
    check_root(root)
    return canonical.encode(root)


def decode_root(document: bytes) -> Root:
    """Return a root that makes sense.

    Raises:
        ConfigError: malformed.
    """
    root = canonical.decode(document, Root, "trust root")
    check_root(root)
    return root


def check_root(root: Root) -> None:
    """Refuse a root that contradicts itself or can never be followed by another.

    Raises:
        ConfigError: says what is wrong.
    """
    if set(root.roles) != set(ROLES):
        raise ConfigError(f"trust root: expected the roles {', '.join(ROLES)}, got {', '.join(sorted(root.roles))}")
    for key, public in root.keys.items():
        if hashlib.sha256(bytes.fromhex(public)).hexdigest()[:ID_DIGITS] != key:
            raise ConfigError(f"trust root: {key} is not the id of the key it stands for")
    for role, signers in root.roles.items():
        if list(signers.keys) != sorted(set(signers.keys)):
            raise ConfigError(f"trust root: the keys of {role} are not in ascending order")
        for key in signers.keys:
            if key not in root.keys or key in root.revoked:
                raise ConfigError(
                    f"trust root: {role} names {key}, which is {'revoked' if key in root.revoked else 'not known'}"
                )
    signers = root.roles["root"]
    if len(signers.keys) < signers.threshold:
        raise ConfigError(
            f"trust root: {signers.threshold} root keys must sign, but only {len(signers.keys)} may: nothing could be "
            "changed any more",
            hint="trust another root key first",
        )


def check_signers(sealed: Sealed, root: Root, role: Role, what: str) -> tuple[str, ...]:
    """Return the ids of the keys that count; every signature of a trusted key must be right.

    Raises:
        SignatureError: a signature does not fit, or fewer than the threshold count.
    """
    signers = root.roles[role]
    message = sealed.kind.message(sealed.document)
    good, remarks = [], []
    for key, signature in sealed.signatures:
        if key in root.revoked:
            remarks.append(f"{key} is revoked")
        elif key not in signers.keys:
            remarks.append(f"{key} is not trusted as {role}")
        elif not PublicKey(bytes.fromhex(root.keys[key])).verifies(signature, message):
            raise SignatureError(f"{what}: the signature of {key} does not fit: the file was changed after signing")
        else:
            good.append(key)
    if len(good) < signers.threshold:
        detail = "; ".join(remarks) or ("it is not signed" if not sealed.signatures else "")
        raise SignatureError(
            f"{what}: {signers.threshold} trusted signature(s) needed, {len(good)} found"
            + (f": {detail}" if detail else ""),
            hint="edge-sdk bundle keys list --trust DIR",
        )
    return tuple(good)


def first_root(sealed: Sealed) -> Root:
    """Return the root a device begins with: it is signed by its own keys.

    Raises:
        ConfigError, SignatureError.
    """
    root = decode_root(sealed.document)
    check_signers(sealed, root, "root", f"trust root {root.version}")
    return root


def next_root(old: Root, sealed: Sealed) -> Root:
    """Return the successor of `old`, if old and new keys agree.

    Raises:
        SignatureError: the threshold of the old or of the new root keys has not signed.
        TrustError: its version is not the next one.
        ConfigError: malformed.
    """
    check_signers(sealed, old, "root", "new trust root, by the keys of the old one")
    new = decode_root(sealed.document)
    if new.version != old.version + 1:
        raise TrustError(f"new trust root: expected version {old.version + 1}, got {new.version}: not the next one")
    # A key that was revoked stays dead, whatever the new version says.
    if set(old.revoked) - set(new.revoked):
        raise TrustError("new trust root: it brings back revoked keys")
    check_signers(sealed, new, "root", f"trust root {new.version}")
    return new


def with_key(root: Root, role: Role, key: PublicKey, threshold: int | None = None) -> Root:
    """Return a root in which the key may sign as `role`.

    Raises:
        TrustError: the key is revoked.
    """
    if key.id in root.revoked:
        raise TrustError(
            f"{key.id} is revoked; a revoked key is never trusted again", hint="edge-sdk bundle keys generate"
        )
    signers = root.roles[role]
    signers = Signers(tuple(sorted({*signers.keys, key.id})), threshold or signers.threshold)
    return replace(root, keys={**root.keys, key.id: key.raw.hex()}, roles={**root.roles, role: signers})


def without_key(root: Root, key: str) -> Root:
    """Return a root in which the key is revoked for ever.

    Raises:
        UsageError: too few keys would be left for a role.
    """
    roles: Mapping[Role, Signers] = {
        role: Signers(tuple(one for one in signers.keys if one != key), signers.threshold)
        for role, signers in root.roles.items()
    }
    for role, signers in roles.items():
        if key in root.roles[role].keys and len(signers.keys) < signers.threshold:
            raise UsageError(
                f"without {key}, {len(signers.keys)} of the needed {signers.threshold} {role} keys are left",
                hint=f"edge-sdk bundle keys trust NEW.pub --role {role} --trust DIR --key ROOT.pem",
            )
    keys = {one: public for one, public in root.keys.items() if one != key}
    return replace(root, keys=keys, roles=dict(roles), revoked=tuple(sorted({*root.revoked, key})))
