"""`edge-sdk convert`: a model file becomes a WebAssembly module, or a table of what it would become."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from shutil import get_terminal_size

from edge_sdk.cli import quantizing
from edge_sdk.cli.write_file import write_file
from edge_sdk.compiler.convert import Conversion, convert, convert_graph
from edge_sdk.compiler.report_text import DEFAULT_WIDTH, report_text
from edge_sdk.errors import (
    AccessDeniedError,
    TargetNotFoundError,
    TransferError,
    UnsupportedModelError,
    UsageError,
    about_file,
)
from edge_sdk.quantization.report import Report
from edge_sdk.quantization.weights_only import WeightsReport
from edge_sdk.units import printable, utf8

_EXAMPLE = """examples:
  edge-sdk convert kws.tflite -o kws.wasm
  edge-sdk convert kws.tflite --standalone -o kws-browser.wasm
  edge-sdk convert kws.tflite --dry-run
  edge-sdk convert kws.tflite --quantize capture.npz -o kws-int8.wasm
  edge-sdk convert kws.tflite --weights float16 -o kws-f16.wasm"""
_KERNELS = "kernels.wasm"
_Report = Report | WeightsReport


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `convert`."""
    parser.add_argument("model", metavar="MODEL", type=Path, help="a .tflite file")
    parser.add_argument("-o", "--output", metavar="OUT", type=Path, help="default: MODEL with the ending .wasm")
    parser.add_argument(
        "--standalone", action="store_true", help="put the kernels into the module, for any Wasm engine or a browser"
    )
    parser.add_argument("--dry-run", action="store_true", help="write nothing; show nodes, operators, work and memory")
    parser.add_argument("--json", action="store_true", help="print the report, or what is refused, as one JSON object")
    quantizing.configure(parser)
    parser.epilog = _EXAMPLE


def run(args: argparse.Namespace) -> int:
    """Convert one model; the report goes to stdout, words to stderr."""
    model: Path = args.model
    quantizing.check(args)
    data = _read(model)
    output: Path = args.output or model.with_suffix(".wasm")
    if not args.dry_run and output.exists() and output.samefile(model):
        raise UsageError(f"{output}: the output is the model itself", hint=f"edge-sdk convert {model} -o OUT.wasm")
    kernels = _kernels() if args.standalone else None
    try:
        with about_file(model):
            conversion, quantization = _converted(args, data, kernels)
    except UnsupportedModelError as error:
        if args.json:
            _print_refusals(model, error)
        raise
    if not args.dry_run:
        write_file(output, conversion.module)
        form = conversion.manifest["form"]
        print(f"wrote {output}: {len(conversion.module):,} bytes, {form}", file=sys.stderr)
    _print_report(args, output, conversion, quantization)
    return 0


def _converted(args: argparse.Namespace, data: bytes, kernels: bytes | None) -> tuple[Conversion, _Report | None]:
    name = utf8(args.model.stem)
    made = quantizing.quantized(args, data, name)
    if made is None:
        return convert(data, name=name, standalone=args.standalone, kernels=kernels), None
    sha256 = hashlib.sha256(data).hexdigest()
    return convert_graph(made.graph, source_sha256=sha256, standalone=args.standalone, kernels=kernels), made.report


def _print_report(args: argparse.Namespace, output: Path, conversion: Conversion, quantization: _Report | None) -> None:
    if args.json:
        report = conversion.report.to_dict() | {
            "form": conversion.manifest["form"],
            "source_sha256": conversion.manifest["source_sha256"],
            "module_bytes": len(conversion.module),
            "output": None if args.dry_run else utf8(str(output)),
        }
        if quantization is not None:
            report[quantization.key] = quantization.to_dict()
        print(json.dumps(report))
        return
    if args.dry_run:
        print(printable(report_text(conversion.report, get_terminal_size((DEFAULT_WIDTH, 24)).columns)))
    if quantization is not None:
        print(printable(quantization.text()))


def _print_refusals(model: Path, error: UnsupportedModelError) -> None:
    """Print, for programs, what main() will tell people on stderr."""
    refusals = [asdict(refusal) | {"count": len(refusal.nodes)} for refusal in error.refusals]
    print(json.dumps({"name": utf8(model.stem), "error": error.message, "refusals": refusals, "hint": error.hint}))


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
