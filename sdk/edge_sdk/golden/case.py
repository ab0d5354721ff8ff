"""A golden test as people write it: which recording, through which pipeline, and what must come out.

    name = "a worn bearing raises the alarm"
    pipeline = "../pipeline.toml"                 # paths are relative to this file
    [replay]
    accel = "../captures/worn.npz"                # instead of the source `accel`
    [expect]
    alarms = { at_least = 10 }                    # or an exact number
    first_alarm_within_s = 3.0
    golden = "worn.ndjson"                        # every result, written by `edge-sdk test --update`

Of [expect], what is left out is not looked at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from edge_sdk.config import Where, decode, read_toml

MAX_RESULTS = 10_000_000

Text = Annotated[str, Meta(min_length=1, max_length=4096)]
Number = Annotated[int, Meta(ge=0, le=MAX_RESULTS)]


class Range(Struct, frozen=True, kw_only=True):
    """From `at_least` to `at_most`, both included."""

    at_least: Number = 0
    at_most: Number = MAX_RESULTS


class Expect(Struct, frozen=True, kw_only=True):
    """What must come out."""

    results: Number | Range | None = None
    """How many results."""
    alarms: Number | Range | None = None
    """How many of them have the alarm."""
    first_alarm_within_s: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    """Latest start of the first window with the alarm, in seconds of the recording."""
    labels: dict[str, Number | Range] = {}
    """How many results have this label."""
    golden: Text | None = None
    """NDJSON file with every result."""
    tolerance: Annotated[float, Meta(ge=0, le=1e9)] = 1e-3
    """For scores and values: of 1, or of the value where that is larger."""


class _Written(Struct, frozen=True, kw_only=True):
    """The file."""

    name: Text
    pipeline: Text
    expect: Expect
    replay: dict[str, Text | dict[str, Any]] = {}
    max_results: Annotated[int, Meta(ge=1, le=MAX_RESULTS)] | None = None


class Case(Struct, frozen=True):
    """A golden test.

    Attributes:
        file: where it is written.
        replay: source -> options of the replay that stands in for it, at least `file`, which is relative to this test.
        max_results: stop after so many.
        golden: the file with every result, None when the test has none.
    """

    file: Path
    name: str
    pipeline: Path
    replay: dict[str, dict[str, Any]]
    max_results: int | None
    expect: Expect
    golden: Path | None


def read_case(path: Path) -> Case:
    """Read a golden test.

    Raises:
        ConfigError, TargetNotFoundError, AccessDeniedError: the message starts with the file and the key.
    """
    table, where = read_toml(path), Where(path)
    if "sources" in table:
        raise where.error("is a pipeline, expected a golden test (name, pipeline, [replay], [expect])")
    written = decode(table, _Written, where)
    expect, place = written.expect, where.at("expect")
    if expect == Expect(tolerance=expect.tolerance):
        raise place.error("expected at least one of alarms, first_alarm_within_s, golden, labels, results")
    golden = None if expect.golden is None else place.at("golden").resolve(expect.golden)
    replay = {name: _replay(row, where.at("replay").at(name)) for name, row in written.replay.items()}
    pipeline = where.at("pipeline").resolve(written.pipeline)
    return Case(path, written.name, pipeline, replay, written.max_results, expect, golden)


def _replay(row: str | dict[str, Any], where: Where) -> dict[str, Any]:
    options = {"file": row} if isinstance(row, str) else dict(row)
    for key in ("loop", "speed"):
        if key in options:
            raise where.at(key).error("a golden test plays a recording once, as fast as it can")
    if not isinstance(options.get("file"), str):
        raise where.at("file").error("expected the name of a recording")
    return options
