"""`edge-sdk convert`: a model file becomes a WebAssembly module, or a table of what it would become."""

from __future__ import annotations

import argparse
import json
import sys
from importlib.resources import files
from pathlib import Path

from edge_sdk.cli.write_file import write_file
from edge_sdk.compiler.convert import Conversion, convert
from edge_sdk.errors import AccessDeniedError, TargetNotFoundError, TransferError, UsageError, about_file
from edge_sdk.units import printable, utf8

_EXAMPLE = """examples:
  edge-sdk convert kws.tflite -o kws.wasm
  edge-sdk convert kws.tflite --standalone -o kws-browser.wasm
  edge-sdk convert kws.tflite --dry-run"""
_KERNELS = "kernels.wasm"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `convert`."""
    parser.add_argument("model", metavar="MODEL", type=Path, help="a .tflite file")
    parser.add_argument("-o", "--output", metavar="OUT", type=Path, help="default: MODEL with the ending .wasm")
    parser.add_argument(
        "--standalone", action="store_true", help="put the kernels into the module, for any Wasm engine or a browser"
    )
    parser.add_argument("--dry-run", action="store_true", help="write nothing; show nodes, shapes, memory and work")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    parser.epilog = _EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Convert one model; the report goes to stdout, words to stderr."""
    model: Path = args.model
    data = _read(model)
    output: Path = args.output or model.with_suffix(".wasm")
    if not args.dry_run and output.exists() and output.samefile(model):
        raise UsageError(f"{output}: the output is the model itself", hint=f"edge-sdk convert {model} -o OUT.wasm")
    kernels = _kernels() if args.standalone else None
    with about_file(model):
        conversion = convert(data, name=utf8(model.stem), standalone=args.standalone, kernels=kernels)
    if not args.dry_run:
        write_file(output, conversion.module)
        form = conversion.manifest["form"]
        print(f"wrote {output}: {len(conversion.module):,} bytes, {form}", file=sys.stderr)
    _print_report(args, output, conversion)
    return 0


def _print_report(args: argparse.Namespace, output: Path, conversion: Conversion) -> None:
    if args.json:
        report = conversion.report.to_dict() | {
            "form": conversion.manifest["form"],
            "source_sha256": conversion.manifest["source_sha256"],
            "module_bytes": len(conversion.module),
            "output": None if args.dry_run else utf8(str(output)),
        }
        print(json.dumps(report))
    elif args.dry_run:
        print(printable(conversion.report.table()))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise TargetNotFoundError(f"{path}: no such file", hint=f"ls {path.parent}") from None
    except IsADirectoryError:
        raise TargetNotFoundError(f"{path}: is a folder, expected a model file") from None
    except PermissionError as error:
        raise AccessDeniedError(f"{path}: {error.strerror}") from error
    except OSError as error:
        raise TransferError(f"{path}: {error.strerror}") from error


def _kernels() -> bytes:
    try:
        return (files("edge_sdk") / _KERNELS).read_bytes()
    except FileNotFoundError:
        raise TargetNotFoundError(
            f"the package has no {_KERNELS}, which --standalone puts into the module", hint="install edge-sdk again"
        ) from None
