"""`edge-sdk test`: a project's golden tests. Recordings go through the pipeline; the results must be the known ones."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edge_sdk.cli.write_file import write_file
from edge_sdk.engines import ENGINES
from edge_sdk.errors import EdgeError, TargetNotFoundError, UsageError, VerificationError
from edge_sdk.units import printable, seconds, utf8

if TYPE_CHECKING:
    from edge_sdk.golden import Case
    from edge_sdk.golden.junit import Report

_EXAMPLE = """A folder stands for the .toml files in it, or in its own folder `tests` where it has one.

examples:
  edge-sdk test
  edge-sdk test tests/worn.toml --update
  edge-sdk test --junit report.xml"""
MOST_TESTS = 10_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = _EXAMPLE
    parser.add_argument("paths", metavar="DIR|TEST.toml", type=Path, nargs="*", help="default: this folder")
    parser.add_argument("--update", action="store_true", help="write down the results as the expected ones")
    parser.add_argument("--engine", choices=ENGINES, help="who computes; overrides the pipeline")
    parser.add_argument("--junit", metavar="FILE", type=Path, help="write a report for a CI server")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Run all tests, then say how each ended.

    Raises:
        TargetNotFoundError: there are no tests.
        VerificationError: a test failed; the first difference is in the message.
        EdgeError: a test could not be run, and none that ran failed.
    """
    from edge_sdk.golden.junit import junit_xml

    reports = []
    for path in find_tests(args.paths):
        reports.append(_report(path, args))
        _tell(reports[-1])
    if args.junit is not None:
        write_file(args.junit, junit_xml(reports))
    if args.json:
        sys.stdout.buffer.write(msgspec.json.encode(_as_json(reports)) + b"\n")
    _conclude(reports)
    return 0


def find_tests(paths: list[Path]) -> list[Path]:
    """Return the files of the tests that are meant.

    Raises:
        TargetNotFoundError: a path is not there, or there are no tests at all.
        UsageError: a file that is no .toml.
    """
    found: list[Path] = []
    for path in paths or [Path()]:
        if path.is_dir():
            folder = path / "tests" if (path / "tests").is_dir() else path
            # A project's own files lie beside its tests only where somebody put them there on purpose.
            found += sorted(one for one in folder.glob("*.toml") if folder != path or _may_be_test(one))
        elif path.suffix != ".toml":
            raise UsageError(f"{path}: expected a .toml file or a folder", hint="edge-sdk test --help")
        else:
            found.append(path)
    if not found:
        where = ", ".join(map(str, paths)) if paths else "this folder"
        hint = "edge-sdk init NAME makes a project with tests"
        raise TargetNotFoundError(f"{where}: no golden tests (tests/*.toml)", hint=hint)
    if len(found) > MOST_TESTS:
        raise UsageError(f"{len(found)} tests, at most {MOST_TESTS} are run at once")
    return list(dict.fromkeys(found))


def _may_be_test(path: Path) -> bool:
    return path.name not in ("edge-sdk.toml", "pipeline.toml")


def _report(path: Path, args: argparse.Namespace) -> Report:
    """Run one test; what goes wrong becomes part of its report, so that the others run too."""
    from edge_sdk.golden import read_case
    from edge_sdk.golden.junit import Report

    began_s, name = time.perf_counter(), path.stem
    try:
        case = read_case(path)
        name = case.name
        problems, recorded = _trial(case, args)
    except EdgeError as fault:
        return Report(name, path, time.perf_counter() - began_s, fault)
    spent_s = time.perf_counter() - began_s
    if not problems:
        return Report(name, path, spent_s, None, recorded)
    hint = f"edge-sdk test {path} --update, if the new results are right" if case.golden and not recorded else ""
    return Report(name, path, spent_s, VerificationError("; ".join(problems), hint=hint), recorded)


def _trial(case: Case, args: argparse.Namespace) -> tuple[list[str], bool]:
    """Return what is not as expected, and whether the results were written down."""
    from edge_sdk.golden import encode_rows, mismatches, read_rows, run_case

    known = None
    if case.golden is not None and not args.update:
        known = read_rows(case.golden, hint=f"edge-sdk test {case.file} --update")
    outcome = run_case(case, engine=args.engine)
    if case.golden is not None and args.update:
        write_file(case.golden, encode_rows(outcome.rows))
    return mismatches(case, outcome, known), case.golden is not None and args.update


def _tell(report: Report) -> None:
    """Say how a test ended, as soon as it has."""
    state = "FAIL" if report.fault else "ok"
    recorded = "  results written down" if report.recorded else ""
    print(printable(f"{state:<4}  {report.name}  {seconds(report.seconds)}{recorded}"), file=sys.stderr)
    if report.fault:
        print(printable(f"      {report.fault.message}"), file=sys.stderr)


def _conclude(reports: list[Report]) -> None:
    """Raise for the worst: a mismatch first, then what kept a test from running."""
    faults = [(report, report.fault) for report in reports if report.fault]
    print(f"{len(reports) - len(faults)} of {len(reports)} passed", file=sys.stderr)
    for report, fault in faults:
        if isinstance(fault, VerificationError):
            raise VerificationError(f"{report.file}: {report.name}: {fault.message}", hint=fault.hint)
    for _, fault in faults:
        raise fault


def _as_json(reports: list[Report]) -> dict[str, object]:
    rows = [
        {
            "name": report.name,
            "file": utf8(str(report.file)),
            "ok": report.fault is None,
            "seconds": round(report.seconds, 4),
            "problem": report.fault.message if report.fault else "",
            "exit_code": report.fault.exit_code if report.fault else 0,
            "recorded": report.recorded,
        }
        for report in reports
    ]
    return {"passed": sum(bool(row["ok"]) for row in rows), "failed": sum(not row["ok"] for row in rows), "tests": rows}
