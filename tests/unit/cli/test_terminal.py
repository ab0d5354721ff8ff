from __future__ import annotations

import io
import logging
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from rich.console import Console

from edge_sdk.cli.terminal import LineView, TableView, closing_line, figures_table, logging_to, view_for
from edge_sdk.pipeline import Runner, Snapshot, Summary, build
from edge_sdk.pipeline.stats import Latency
from edge_sdk.reading import Result
from tests.unit.pipeline.fakes import LABELS, MODEL, THRESHOLD, WINDOW, loader, loud_model, write_pipeline

RESULT = Result(
    "gw",
    "test",
    "alarm",
    3,
    0.0,
    datetime(2026, 1, 1, tzinfo=timezone.utc),
    np.zeros(1, np.float32),
    "loud",
    0.9,
    alarm=True,
)
FIGURES = Snapshot(
    elapsed_s=12.5,
    results=120,
    results_per_s=9.6,
    alarms=3,
    gaps=1,
    dropped=2,
    queue=0,
    faults=4,
    restarts=0,
    stages={"model": Latency(0.0002, 0.0011)},
    heard={},
    sources={"a": {"bad_crc": 7, "dropped_bytes": 0}},
    sinks={"sinks[0]": {"sent": 9, "dropped": 0}},
    sink_states={"sinks[0]": "mqtt: connected (MQTT 5)"},
    last=RESULT,
)


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, markup=False, highlight=False)


def written(where: Console) -> str:
    assert isinstance(where.file, io.StringIO)
    return where.file.getvalue()


def test_the_table_shows_health_score_stages_losses_and_engine(tmp_path: Path) -> None:
    paper = console(terminal=False)
    with build(write_pipeline(tmp_path, WINDOW + MODEL + LABELS + THRESHOLD), load=loader(loud_model())) as pipeline:
        paper.print(figures_table(pipeline, FIGURES))
    for words in ["ALARM  loud 0.900", "score: fake (none)", "120 (9.6/s), 3 with alarm", "model", "200 us", "1.1 ms"]:
        assert words in written(paper)
    for words in ["1 gaps, 2 dropped, 4 model faults", "7 bad crc", "mqtt: connected (MQTT 5); 9 sent"]:
        assert words in written(paper)


def test_without_a_terminal_changes_of_the_alarm_are_lines(tmp_path: Path) -> None:
    paper = console(terminal=False)
    samples = np.concatenate([np.full(40, 0.1), np.full(16, 0.9), np.full(24, 0.1)])
    path = write_pipeline(tmp_path, WINDOW + MODEL + LABELS + THRESHOLD, samples)
    with build(path, load=loader(loud_model())) as pipeline:
        Runner(pipeline, [view_for(paper, data_on_stdout=True)]).run()
    lines = written(paper).splitlines()
    assert lines[0] == "test on gw: running; score: fake (none)"
    assert lines[1].startswith("alarm: ALARM at frame 5:")
    assert lines[2].startswith("alarm: alarm over at frame 7:")
    assert "(sources ended): 10 results, 2 with alarm" in lines[3]
    assert len(lines) == 4


def test_each_step_has_its_own_alarm_in_the_lines() -> None:
    paper = console(terminal=False)
    view = LineView(paper)
    for seq in range(3):
        view.result(replace(RESULT, seq=seq, step="loose"))
        view.result(replace(RESULT, seq=seq, step="strict", alarm=False))
    assert [line.partition(" at ")[0] for line in written(paper).splitlines()] == ["loose: ALARM"]


def test_a_terminal_gets_the_live_table_and_is_given_back(tmp_path: Path) -> None:
    paper = console(terminal=True)
    view = view_for(paper, data_on_stdout=False)
    assert isinstance(view, TableView)
    with build(write_pipeline(tmp_path, WINDOW), load=loader(loud_model())) as pipeline:
        Runner(pipeline, [view]).run()
    assert written(paper).count("\x1b[?25l") == written(paper).count("\x1b[?25h") >= 1, "the cursor is shown again"
    assert "(sources ended)" in written(paper)


def test_log_records_become_lines_and_only_while_asked() -> None:
    paper = console(terminal=False)
    with logging_to(paper):
        logging.getLogger("edge_sdk.publish.mqtt").warning("broker %s: away", "[x]")
    logging.getLogger("edge_sdk.publish.mqtt").warning("later")
    assert written(paper) == "warning: broker [x]: away\n"


def test_the_last_line_says_everything_that_was_lost() -> None:
    line = closing_line(Summary("SIGINT", FIGURES))
    assert line == (
        "ended after 12.5 s (SIGINT): 120 results, 3 with alarm, 1 gaps, 2 dropped; 4 model faults; "
        "a: 7 bad crc; sinks[0]: 9 sent"
    )


def test_restarts_are_told_where_there_are_some() -> None:
    assert "; 4 model faults; 2 restarts; " in closing_line(Summary("SIGINT", replace(FIGURES, restarts=2)))


def test_plain_lines_are_for_pipes() -> None:
    assert isinstance(view_for(console(terminal=False), data_on_stdout=False), LineView)
