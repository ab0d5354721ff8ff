"""What people see while a pipeline runs, always on stderr: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edge_sdk.pipeline import Observer, Pipeline, Snapshot, Summary
from edge_sdk.reading import Result
from edge_sdk.units import printable, seconds

#: Without a terminal: a line at least this often.
LINE_EVERY_S = 10.0


class _Handler(logging.Handler):
    """Log records as `warning: ...` lines, printed above a live table if there is one."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._console.print(Text(printable(f"{record.levelname.lower()}: {record.getMessage()}")), soft_wrap=True)
        except (OSError, ValueError):
            self.handleError(record)


@contextmanager
def logging_to(console: Console, level: int = logging.INFO) -> Iterator[None]:
    """Send the package's log records to the console while the block runs."""
    logger, handler = logging.getLogger("edge_sdk"), _Handler(console)
    before, logger.level = logger.level, level
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.level = before


def stderr_console() -> Console:
    """Return a console on stderr that prints texts as they are."""
    return Console(stderr=True, markup=False, highlight=False)


def view_for(console: Console, *, data_on_stdout: bool) -> TableView | LineView:
    """Return the live table for a terminal; plain lines elsewhere, and when data goes to the same terminal."""
    mixed = data_on_stdout and sys.stdout.isatty()
    return TableView(console) if console.is_terminal and not mixed else LineView(console)


def figures_table(pipeline: Pipeline, figures: Snapshot) -> Group:
    """Return the live table: state, latency of each stage, losses, sinks."""
    head = Text(f"{pipeline.name} on {pipeline.device}   {seconds(figures.elapsed_s)}", style="bold")
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(pipeline, figures):
        facts.add_row(Text(name, style="dim"), value)
    stages = Table("stage", "p50", "p99", box=None, padding=(0, 2), header_style="dim")
    for kind, latency in figures.stages.items():
        stages.add_row(kind, seconds(latency.p50_s), seconds(latency.p99_s))
    return Group(head, facts, stages)


def health(result: Result | None) -> Text:
    """Return the state in one word with its label and score."""
    if result is None:
        return Text("waiting for the first result", style="dim")
    word, style = ("ALARM", "bold white on red") if result.alarm else ("ok", "bold green")
    score = "" if result.score is None else f" {result.score:.3f}"
    stale = " (old: the model failed)" if result.stale else ""
    return Text.assemble((f" {word} ", style), f" {result.label}{score}{stale}")


def _facts(pipeline: Pipeline, figures: Snapshot) -> Iterator[tuple[str, Text]]:
    yield "health", health(figures.last)
    for step, engine in pipeline.engines.items():
        yield "engine", Text(f"{step}: {engine}")
    yield "results", Text(f"{figures.results} ({figures.results_per_s:.1f}/s), {figures.alarms} with alarm")
    lost = f"{figures.gaps} gaps, {figures.dropped} dropped, {figures.faults} model faults, {figures.queue} waiting"
    yield "losses", Text(lost + (f", {figures.restarts} restarts" if figures.restarts else ""))
    for name, counts in figures.sources.items():
        if any(counts.values()):
            yield name, Text(counted(counts))
    for name, state in figures.sink_states.items():
        yield name, Text(f"{state}; {counted(figures.sinks[name])}")


def counted(counts: Mapping[str, int]) -> str:
    """Return "12 sent, 3 dropped": what is not zero."""
    return ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in counts.items() if value) or "nothing yet"


class TableView(Observer):
    """A table that is drawn again four times a second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._pipeline: Pipeline | None = None

    def started(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._live.start()

    def tick(self, snapshot: Snapshot) -> None:
        if self._pipeline is not None:
            self._live.update(figures_table(self._pipeline, snapshot), refresh=True)

    def stopped(self, summary: Summary) -> None:
        self.close()
        if self._pipeline is not None:
            self._console.print(figures_table(self._pipeline, summary.figures))
        self._console.print(Text(closing_line(summary)))

    def close(self) -> None:
        """Give the terminal back, also after an error."""
        self._live.stop()


class LineView(Observer):
    """A line at the start, at each change of the alarm, every ten seconds, and at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._alarms: dict[str, bool] = {}
        self._next_s = LINE_EVERY_S

    def started(self, pipeline: Pipeline) -> None:
        engines = ", ".join(f"{step}: {engine}" for step, engine in pipeline.engines.items())
        self._say(f"{pipeline.name} on {pipeline.device}: running" + (f"; {engines}" if engines else ""))

    def result(self, result: Result) -> None:
        if result.alarm != self._alarms.get(result.step, False):
            self._alarms[result.step] = result.alarm
            self._say(
                f"{result.step}: {'ALARM' if result.alarm else 'alarm over'} at frame {result.seq}: {health(result)}"
            )

    def tick(self, snapshot: Snapshot) -> None:
        if snapshot.elapsed_s >= self._next_s:
            self._next_s = snapshot.elapsed_s + LINE_EVERY_S
            states = "".join(f"; {state}" for state in snapshot.sink_states.values())
            self._say(f"{seconds(snapshot.elapsed_s)}: {snapshot.results} results, {snapshot.gaps} gaps{states}")

    def stopped(self, summary: Summary) -> None:
        self._say(closing_line(summary))

    def close(self) -> None:
        """Nothing to give back."""

    def _say(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


def closing_line(summary: Summary) -> str:
    """Return the last line: why it ended, and everything that was lost."""
    figures = summary.figures
    parts = [f"{figures.results} results, {figures.alarms} with alarm, {figures.gaps} gaps, {figures.dropped} dropped"]
    if figures.faults:
        parts.append(f"{figures.faults} model faults")
    if figures.restarts:
        parts.append(f"{figures.restarts} restarts")
    parts += [f"{name}: {counted(counts)}" for name, counts in figures.sources.items() if any(counts.values())]
    parts += [f"{name}: {counted(counts)}" for name, counts in figures.sinks.items()]
    return f"ended after {seconds(figures.elapsed_s)} ({summary.reason}): " + "; ".join(parts)
