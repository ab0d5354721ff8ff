"""Who is believed: Ed25519 keys, files sealed by several of them, and the folder that remembers both.

key = load_private(Path("me.pem"))
data = seal(BUNDLE, b"document", [key])
TrustStore(Path("/etc/edge-sdk/trust")).check_signers(read_sealed(io.BytesIO(data), BUNDLE))
"""

from firmware_tools.sign.keys import PrivateKey, PublicKey, generate, load_private, load_public
from firmware_tools.sign.sealed import BUNDLE, ROOT, Kind, Sealed, read_sealed, seal
from firmware_tools.sign.store import Counter, TrustStore

__all__ = [
    "BUNDLE",
    "ROOT",
    "Counter",
    "Kind",
    "PrivateKey",
    "PublicKey",
    "Sealed",
    "TrustStore",
    "generate",
    "load_private",
    "load_public",
    "read_sealed",
    "seal",
]
