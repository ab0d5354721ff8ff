from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Xml

from edge_sdk.errors import ConfigError, VerificationError
from edge_sdk.golden.junit import Report, junit_xml


def test_a_mismatch_is_a_failure_and_what_kept_a_test_from_running_an_error() -> None:
    mismatch = VerificationError("expected 1, got 2", hint="--update")
    reports = [
        Report("good", Path("a.toml"), 0.25),
        Report("bad", Path("b.toml"), 0.5, mismatch),
        Report("broken", Path("c.toml"), 0.0, ConfigError("no such key")),
    ]
    root = Xml.fromstring(junit_xml(reports))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "1")
    cases = list(root.iter("testcase"))
    assert [case.get("name") for case in cases] == ["good", "bad", "broken"]
    failure, error = cases[1].find("failure"), cases[2].find("error")
    assert failure is not None
    assert failure.get("message") == "expected 1, got 2"
    assert error is not None
    assert len(cases[0]) == 0


def test_names_that_xml_cannot_hold_are_written_as_escapes() -> None:
    data = junit_xml([Report("a\x00\x1b<&\udcff", Path("t.toml"), 0.0)])
    (case,) = Xml.fromstring(data).iter("testcase")
    assert case.get("name") == "a\\x00\\x1b<&?"
