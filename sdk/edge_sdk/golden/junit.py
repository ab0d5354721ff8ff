"""Reports of golden tests as JUnit XML, which every CI server shows. There is no standard; this is what all read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as Xml

from edge_sdk.errors import EdgeError, VerificationError
from edge_sdk.units import printable, utf8


@dataclass(frozen=True)
class Report:
    """How one test ended.

    Attributes:
        fault: why it did not pass: a VerificationError for a mismatch, else what kept it from running.
        recorded: its results were written down.
    """

    name: str
    file: Path
    seconds: float
    fault: EdgeError | None = None
    recorded: bool = False


def junit_xml(reports: Sequence[Report]) -> bytes:
    """Return the file: a mismatch is a `failure`, everything else that went wrong an `error`."""
    failures = sum(isinstance(report.fault, VerificationError) for report in reports)
    errors = sum(report.fault is not None for report in reports) - failures
    counts = {"tests": str(len(reports)), "failures": str(failures), "errors": str(errors)}
    total_s = f"{sum(report.seconds for report in reports):.3f}"
    suites = Xml.Element("testsuites", counts | {"time": total_s})
    suite = Xml.SubElement(suites, "testsuite", {"name": "edge-sdk"} | counts | {"time": total_s})
    for report in reports:
        about = {"name": _text(report.name), "classname": _text(str(report.file)), "time": f"{report.seconds:.3f}"}
        case = Xml.SubElement(suite, "testcase", about)
        if report.fault is not None:
            kind = "failure" if isinstance(report.fault, VerificationError) else "error"
            Xml.SubElement(case, kind, {"message": _text(report.fault.message)}).text = _text(report.fault.hint)
    Xml.indent(suites)
    return bytes(Xml.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def _text(text: str) -> str:
    """Names come from files, and XML has no way to write most control characters."""
    return printable(utf8(text))
