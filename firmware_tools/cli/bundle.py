"""`edge-sdk bundle`: pack a pipeline, sign the result, look into one, keep the keys, fetch a board's wheels.

One verb with forms: the first word says which (`show`, `sign`, `keys`, `wheels`); any other word is a pipeline to pack.
So the verb's own parser takes all words as they are, and the parser of the form reads them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec

from edge_sdk.config.project import ProjectFile, find_project
from edge_sdk.errors import TargetNotFoundError, UsageError
from edge_sdk.units import printable, si_bytes
from firmware_tools.bundle import Bundle, Manifest, inspect_bundle, read_bundle
from firmware_tools.bundle.build import Order, build_bundle
from firmware_tools.bundle.reader import Progress
from firmware_tools.bundle.sign_again import add_signatures
from firmware_tools.cli import keys, wheels
from firmware_tools.sign import PrivateKey, TrustStore, load_private
from firmware_tools.sign.own import own_key, own_key_file
from firmware_tools.sign.store import MAX_COUNTER

_EXAMPLE = """forms:
  edge-sdk bundle PIPELINE.toml -o APP.edgeb   pack and sign
  edge-sdk bundle show APP.edgeb               what is in it; --trust DIR checks who signed
  edge-sdk bundle sign APP.edgeb               add a signature
  edge-sdk bundle keys generate|trust|revoke|list
  edge-sdk bundle wheels DIR --board B         Python wheels for the board
Each has its own --help: edge-sdk bundle sign --help, edge-sdk bundle PIPELINE.toml --help.

examples:
  edge-sdk bundle keys generate me.pem
  edge-sdk bundle pipeline.toml -o app.edgeb --key me.pem --version 1.0.0 --board raspberrypi-5
  edge-sdk bundle show app.edgeb --trust trust/"""
#: Below this a bar would only flicker.
BAR_BYTES = 16 << 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Take every word as it is; `run` reads them."""
    parser.epilog = _EXAMPLE
    parser.usage = (
        "edge-sdk bundle PIPELINE.toml -o APP.edgeb [OPTIONS]\n       edge-sdk bundle show|sign|keys|wheels ..."
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="PIPELINE|show|sign|keys|wheels", help="see below")
    parser.set_defaults(parser=parser)
    parser.prefix_chars = ""  # so no word is an option here, and the order of words is the form's own affair


def run(args: argparse.Namespace) -> int:
    """Read the words with the parser of their form and do what they say."""
    verb: argparse.ArgumentParser = args.parser
    words: list[str] = args.words
    if words in (["-h"], ["--help"]):
        print(verb.format_help())
        return 0
    if not words:
        raise UsageError(
            "edge-sdk bundle: expected a pipeline, or show, sign, keys or wheels", hint="edge-sdk bundle --help"
        )
    forms = {
        "keys": (keys.configure, keys.run),
        "show": (_configure_show, _show),
        "sign": (_configure_sign, _sign),
        "wheels": (wheels.configure, wheels.run),
    }
    form = words[0] if words[0] in forms else ""
    declare, act = forms.get(form, (_configure_build, _build))
    parser = type(verb)(
        prog=f"edge-sdk bundle {form}".rstrip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    declare(parser)
    try:
        return act(parser.parse_args(words[1:] if form else words))
    except SystemExit as leave:  # argparse printed a help text
        return leave.code if isinstance(leave.code, int) else 0


def add_key_options(parser: argparse.ArgumentParser, default: str = "") -> None:
    """Declare the private keys to sign with."""
    text = "sign with this key" + (f"; {default}" if default else "")
    parser.add_argument("--key", metavar="KEY.pem", type=Path, action="append", default=[], help=text)
    keys.add_passphrase(parser)


def signing_keys(args: argparse.Namespace) -> list[PrivateKey]:
    """Return the keys that the options name."""
    passphrase = keys.passphrase(args)
    return [load_private(path, passphrase) for path in args.key]


def keys_for(args: argparse.Namespace, project: ProjectFile | None) -> list[PrivateKey]:
    """Return the keys to sign what is built: those of the options, else the project's, else the user's own."""
    if args.key:
        return signing_keys(args)
    if project is not None and (path := project.path(project.project.key)) is not None:
        return [load_private(path, keys.passphrase(args))]
    key, made = own_key()
    if made:
        print(f"made a key of your own, {own_key_file()}; devices you set up with it will believe it", file=sys.stderr)
    return [key]


def _configure_build(parser: argparse.ArgumentParser) -> None:
    parser.description = "Pack a pipeline, its models and what the board needs into one file."
    parser.epilog = "example:\n  edge-sdk bundle pipeline.toml -o app.edgeb --key me.pem --version 1.0.0"
    parser.add_argument("pipeline", metavar="PIPELINE.toml", type=Path)
    parser.add_argument("-o", "--output", metavar="APP.edgeb", type=Path, required=True)
    add_key_options(parser, "default: the project's, or your own")
    parser.add_argument("--unsigned", action="store_true", help="sign later; no device takes it like that")
    parser.add_argument("--name", default="", help="of the application; default the pipeline's")
    parser.add_argument("--version", default="0.0.1", metavar="X.Y.Z", help="of the application; default 0.0.1")
    parser.add_argument(
        "--counter", type=_counter, metavar="N", help="rises with each release; default X*1000000+Y*1000+Z"
    )
    parser.add_argument(
        "--rollback-floor",
        type=partial(_counter, least=0),
        default=0,
        metavar="N",
        help="once accepted, nothing below this counter ever is",
    )
    parser.add_argument("--board", default="", help="board or family it is for; default any")
    parser.add_argument("--wheelhouse", metavar="DIR", type=Path, help="Python wheels for the board")
    parser.add_argument("--json", action="store_true", help="the manifest on stdout")


def _counter(text: str, least: int = 1) -> int:
    if not text.isdecimal() or not least <= int(text[:20]) <= MAX_COUNTER:
        raise argparse.ArgumentTypeError(f"expected {least} to {MAX_COUNTER}, got {text[:40]!r}")
    return int(text)


def _build(args: argparse.Namespace) -> int:
    order = Order(
        pipeline=args.pipeline,
        output=args.output,
        name=args.name,
        version=args.version,
        counter=args.counter,
        rollback_floor=args.rollback_floor,
        board=args.board,
        wheelhouse=args.wheelhouse,
    )
    if args.pipeline.suffix != ".toml":
        raise UsageError(
            f"{args.pipeline}: expected a pipeline (.toml), or show, sign, keys or wheels",
            hint="edge-sdk bundle --help",
        )
    if args.unsigned and args.key:
        raise UsageError("--unsigned and --key: expected one of them", hint="edge-sdk bundle PIPELINE.toml --help")
    if args.output.suffix == ".toml":
        raise UsageError(f"{args.output}: a bundle is not written over a pipeline", hint="-o app.edgeb")
    if not args.pipeline.is_file():  # before a key is made for nothing
        raise TargetNotFoundError(f"{args.pipeline}: no such file")
    signers = [] if args.unsigned else keys_for(args, find_project(args.pipeline.absolute().parent))
    with progress_bar("writing") as progress:
        manifest = build_bundle(order, signers, progress)
    size = si_bytes(args.output.stat().st_size)
    who = ", ".join(key.id for key in signers) or "nobody: no device will take it"
    print(f"wrote {args.output}: {manifest.name} {manifest.version}, {size}, signed by {who}", file=sys.stderr)
    if args.json:
        with inspect_bundle(args.output) as bundle:
            print(json.dumps(as_json(bundle)))
    return 0


def _configure_show(parser: argparse.ArgumentParser) -> None:
    parser.description = "Say what is in a bundle; every hash is checked. Without --trust nobody's signature is."
    parser.epilog = "example:\n  edge-sdk bundle show app.edgeb --trust trust/"
    parser.add_argument("bundle", metavar="APP.edgeb", type=Path)
    parser.add_argument("--trust", metavar="DIR", type=Path, help="check signatures and counter against this folder")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def _show(args: argparse.Namespace) -> int:
    opened = read_bundle(args.bundle, TrustStore(args.trust), None) if args.trust else inspect_bundle(args.bundle)
    with opened as bundle, progress_bar("checking") as progress:
        bundle.verify(progress)
        print(json.dumps(as_json(bundle)) if args.json else "\n".join(map(printable, describe(bundle))))
    return 0


def _configure_sign(parser: argparse.ArgumentParser) -> None:
    parser.description = "Add signatures to a bundle, where several people must sign. The contents stay as they are."
    parser.epilog = "example:\n  edge-sdk bundle sign app.edgeb --key second.pem"
    parser.add_argument("bundle", metavar="APP.edgeb", type=Path)
    parser.add_argument("-o", "--output", metavar="APP.edgeb", type=Path, help="default: the same file")
    add_key_options(parser)


def _sign(args: argparse.Namespace) -> int:
    signers = signing_keys(args)
    if not signers:
        raise UsageError("edge-sdk bundle sign: expected --key KEY.pem", hint="edge-sdk bundle sign --help")
    everyone = add_signatures(args.bundle, args.output or args.bundle, signers)
    print(f"{args.output or args.bundle}: signed by {', '.join(everyone)}", file=sys.stderr)
    return 0


def as_json(bundle: Bundle) -> dict[str, object]:
    """Return the manifest with what surrounds it."""
    manifest: dict[str, object] = msgspec.to_builtins(bundle.manifest)
    return {
        "manifest": manifest,
        "manifest_sha256": bundle.manifest_sha256,
        "signatures": [key for key, _ in bundle.sealed.signatures],
        "trusted_signers": list(bundle.signers),
        "bytes": bundle.sealed.payload_at + bundle.sealed.payload_bytes,
    }


def describe(bundle: Bundle) -> Iterator[str]:
    """Yield the lines of `show`."""
    manifest = bundle.manifest
    keys_named = ", ".join(key for key, _ in bundle.sealed.signatures) or "nobody"
    yield f"{manifest.name} {manifest.version}, counter {manifest.counter}, by {manifest.created_by}"
    yield f"signed by   {keys_named}"
    yield f"trusted     {', '.join(bundle.signers) if bundle.signers else 'not checked; --trust DIR does'}"
    yield f"for         {_for(manifest)}"
    yield f"memory      {manifest.limits.memory_mib} MiB"
    if manifest.environment:
        yield f"environment {', '.join(manifest.environment)} (set on the device)"
    yield ""
    for entry in manifest.files:
        yield f"{entry.role:<11} {si_bytes(entry.size):>10}  {entry.sha256[:16]}  {entry.path}"
    for vector in manifest.golden:
        yield f"golden      {vector.model}: {len(vector.outputs)} output(s), {vector.compare}"


def _for(manifest: Manifest) -> str:
    needs = manifest.requires
    boards = ", ".join(needs.boards) or "any board"
    arch = "any architecture" if needs.arch == "any" else needs.arch
    return f"{boards}; {arch}; edge-sdk {needs.sdk.least} or newer, below {needs.sdk.below}; {needs.ram_mib} MiB"


@contextmanager
def progress_bar(word: str) -> Iterator[Progress]:
    """Give a function for (bytes done, bytes in all): a bar on a terminal, a line per 10 % elsewhere, only if large."""
    bar = "\r" if sys.stderr.isatty() else ""
    shown = -1

    def advance(done: int, total: int) -> None:
        nonlocal shown
        percent = 100 * done // total
        step = percent if bar else percent // 10 * 10
        if total < BAR_BYTES or step == shown:
            return
        shown = step
        drawn = f"[{'#' * (percent // 4):<25}] " if bar else ""
        end = "" if bar and done < total else "\n"
        print(f"{bar}{word} {drawn}{step:3d} % of {si_bytes(total)}", end=end, file=sys.stderr, flush=True)

    yield advance
