"""The user's own keys, for whoever has not thought about keys yet: made on first use, kept in the user's configuration.

    $XDG_CONFIG_HOME/edge-sdk/keys/dev.pem     signs what is built without a --key
    $XDG_CONFIG_HOME/edge-sdk/keys/root.pem    signs the folder of trust
    $XDG_CONFIG_HOME/edge-sdk/trust/           given to a device that trusts nobody yet

A bundle signed so is believed only by devices that this user has set up. For a product, make keys by hand.
"""

from __future__ import annotations

from pathlib import Path

from edge_sdk.config.project import user_hosts_file
from edge_sdk.errors import AccessDeniedError, TransferError
from firmware_tools.sign.keys import PrivateKey, generate, load_private
from firmware_tools.sign.root import EMPTY, with_key
from firmware_tools.sign.store import TrustStore


def own_key_file() -> Path:
    """Return where the user's own signing key is, or would be."""
    return user_hosts_file().with_name("keys") / "dev.pem"


def own_trust() -> TrustStore:
    """Return the user's own folder of trust, which need not exist."""
    return TrustStore(user_hosts_file().with_name("trust"))


def own_key() -> tuple[PrivateKey, bool]:
    """Return the user's own signing key, and whether it was made just now.

    Raises:
        MissingExtraError: `cryptography` is not installed.
        AccessDeniedError, TransferError: the configuration folder cannot be written.
    """
    path, trust = own_key_file(), own_trust()
    made = not path.exists()
    _make_folder(path.parent)
    key = generate(path) if made else load_private(path)
    if not trust.exists():  # the key is made first, so that a stop between the two is mended here
        root_file = path.with_name("root.pem")
        root = load_private(root_file) if root_file.exists() else generate(root_file)
        trust.amend(with_key(with_key(EMPTY, "root", root.public), "bundle", key.public), [root])
    return key, made


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        kind = AccessDeniedError if isinstance(fault, PermissionError) else TransferError
        raise kind(f"{folder}: cannot be made: {fault.strerror}") from fault
