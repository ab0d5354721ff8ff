"""`edge-sdk bundle keys`: make keys, say whom a device trusts, take trust away."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path

from msgspec.structs import replace

from edge_sdk.errors import TargetNotFoundError, UsageError
from firmware_tools.sign import PrivateKey, TrustStore, generate, load_private, load_public
from firmware_tools.sign.keys import parse_id, public_path
from firmware_tools.sign.root import EMPTY, ROLES, Root, with_key, without_key

_EXAMPLE = """examples:
  edge-sdk bundle keys generate root.pem
  edge-sdk bundle keys generate me.pem
  edge-sdk bundle keys trust root.pub --role root --trust trust/ --key root.pem
  edge-sdk bundle keys trust me.pub --trust trust/ --key root.pem
  edge-sdk bundle keys revoke 0123456789abcdef --trust trust/ --key root.pem
  edge-sdk bundle keys list --trust trust/"""
_FROM_ENVIRONMENT = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the four actions."""
    parser.description = "Keys that sign bundles, and the folder that says which of them a device believes."
    parser.epilog = _EXAMPLE
    actions = parser.add_subparsers(dest="action", metavar="generate|trust|revoke|list", required=True)
    one = actions.add_parser("generate", help="make a key: KEY.pem for you alone, KEY.pub for everybody")
    one.add_argument("file", metavar="KEY.pem", type=Path)
    add_passphrase(one)
    one = actions.add_parser("trust", help="let a key sign; the first root key begins the folder")
    one.add_argument("file", metavar="KEY.pub", type=Path, nargs="+")
    one.add_argument("--role", choices=ROLES, default="bundle", help="bundle: signs bundles; root: signs this folder")
    one.add_argument("--threshold", type=int, metavar="N", help="how many keys of the role must sign")
    _change_options(one)
    one = actions.add_parser("revoke", help="never believe a key again")
    one.add_argument("id", metavar="ID", help="as `list` shows it")
    _change_options(one)
    one = actions.add_parser("list", help="whom the folder trusts")
    one.add_argument("--trust", metavar="DIR", type=Path, required=True)
    one.add_argument("--json", action="store_true", help="one JSON object on stdout")


def _change_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trust", metavar="DIR", type=Path, required=True, help="the folder")
    parser.add_argument(
        "--key", metavar="ROOT.pem", type=Path, action="append", required=True, help="root key that signs the change"
    )
    add_passphrase(parser)


def add_passphrase(parser: argparse._ActionsContainer) -> None:
    """Declare the option that unlocks private keys."""
    parser.add_argument("--passphrase", metavar="'${env:NAME}'", help="of the private key; only from the environment")


def passphrase(args: argparse.Namespace) -> str | None:
    """Return the passphrase that the option names.

    Raises:
        UsageError: it stands in the command itself, where every process could read it, or the variable is not set.
    """
    if args.passphrase is None:
        return None
    found = _FROM_ENVIRONMENT.fullmatch(args.passphrase)
    if found is None:
        raise UsageError("--passphrase: expected '${env:NAME}', in single quotes; a command line is no place for it")
    value = os.environ.get(found[1], "")
    if not value:
        raise UsageError(f"--passphrase: the environment variable {found[1]} is not set", hint=f"export {found[1]}=...")
    return value


def run(args: argparse.Namespace) -> int:
    """Do one of the four."""
    actions = {"generate": _generate, "trust": _trust, "revoke": _revoke, "list": _list}
    return actions[args.action](args)


def _generate(args: argparse.Namespace) -> int:
    key = generate(args.file, passphrase(args))
    print(f"wrote {args.file} (keep it secret) and {public_path(args.file)}", file=sys.stderr)
    print(key.id)
    return 0


def _root_keys(args: argparse.Namespace) -> list[PrivateKey]:
    words = passphrase(args)
    return [load_private(path, words) for path in args.key]


def _trust(args: argparse.Namespace) -> int:
    store = TrustStore(args.trust)
    if not store.exists() and args.role != "root":
        raise TargetNotFoundError(
            f"{args.trust}: holds no trust root; a root key comes first",
            hint=f"edge-sdk bundle keys trust ROOT.pub --role root --trust {args.trust} --key ROOT.pem",
        )
    if args.threshold is not None and not 1 <= args.threshold <= 64:
        raise UsageError(f"--threshold: expected 1 to 64, got {args.threshold}")
    root = _following(store)
    for path in args.file:
        root = with_key(root, args.role, load_public(path), args.threshold)
    return _amend(store, root, args)


def _revoke(args: argparse.Namespace) -> int:
    store, key = TrustStore(args.trust), parse_id(args.id)
    before = store.root()
    if key not in before.keys:
        state = "is revoked already" if key in before.revoked else "is not trusted here"
        raise TargetNotFoundError(f"{key} {state}", hint=f"edge-sdk bundle keys list --trust {args.trust}")
    return _amend(store, without_key(_following(store), key), args)


def _following(store: TrustStore) -> Root:
    """Return the root to be changed, numbered as the next."""
    if not store.exists():
        return EMPTY
    root = store.root()
    return replace(root, version=root.version + 1)


def _amend(store: TrustStore, root: Root, args: argparse.Namespace) -> int:
    new = store.amend(root, _root_keys(args))
    print(f"{store.folder}: trust root {new.version} is in force", file=sys.stderr)
    return 0


def _list(args: argparse.Namespace) -> int:
    root = TrustStore(args.trust).root()
    if args.json:
        roles = {role: {"keys": list(one.keys), "threshold": one.threshold} for role, one in root.roles.items()}
        print(json.dumps({"version": root.version, "roles": roles, "revoked": list(root.revoked)}))
        return 0
    print(f"trust root {root.version}")
    for role, signers in sorted(root.roles.items()):
        print(f"{role:<8} {signers.threshold} of {len(signers.keys)}: {', '.join(signers.keys) or 'nobody'}")
    print(f"revoked  {', '.join(root.revoked) or 'none'}")
    return 0
