"""What the demo shows on stderr: a live table on a terminal, a line per second elsewhere; and what it remembers."""

from __future__ import annotations

import time

from motor import SimulatedMotor
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edge_sdk.pipeline import Observer, Pipeline, Snapshot, Summary
from edge_sdk.reading import Result
from edge_sdk.units import seconds

BAR = 30


class DemoView(Observer):
    """Watches the run.

    Attributes:
        alarm_s: monotonic time of the first result with an alarm, None without any.
        results: of the whole run.
        engine: the model's, with its ISA.
    """

    def __init__(self, console: Console, motor: SimulatedMotor, broker: str) -> None:
        self._console, self._motor, self._broker = console, motor, broker
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._next_line_s = 0.0
        self._told = self._ended = False
        self.alarm_s: float | None = None
        self.results = 0
        self.engine = ""

    def started(self, pipeline: Pipeline) -> None:
        self.engine = ", ".join(pipeline.engines.values())
        self._console.print(f"motor   simulated, on serial port {self._motor.port}")
        self._console.print(f"model   {self.engine}")
        self._console.print(f"broker  {self._broker}")
        if self._live:
            self._live.start()

    def result(self, result: Result) -> None:
        self.results += 1
        if result.alarm and self.alarm_s is None:
            self.alarm_s = time.monotonic()

    def tick(self, snapshot: Snapshot) -> None:
        if self._motor.fault_began_s is not None and not self._told:
            self._told = True
            self._console.print(f"{self._motor.fault_began_utc}  the motor breaks: {self._motor.fault} fault")
        if self._live:
            self._live.update(self._table(snapshot), refresh=True)
        elif snapshot.elapsed_s >= self._next_line_s:
            self._next_line_s = snapshot.elapsed_s + 1.0
            self._console.print(self._line(snapshot))

    def stopped(self, summary: Summary) -> None:
        self.close()
        self._ended = True
        self._console.print(self._table(summary.figures) if self._console.is_terminal else self._line(summary.figures))

    def close(self) -> None:
        """Give the terminal back."""
        if self._live:
            self._live.stop()

    def _line(self, snapshot: Snapshot) -> str:
        last = snapshot.last
        if last is None:
            return f"{snapshot.elapsed_s:5.1f} s  waiting for the first result"
        total = snapshot.stages.get("total")
        latency = f", {seconds(total.p50_s)}" if total else ""
        word = "ALARM" if last.alarm else "ok"
        return (
            f"{snapshot.elapsed_s:5.1f} s  motor {self._state()}; {word:5} {last.label}, fault score "
            f"{last.score or 0.0:.3f}; {snapshot.results} results ({snapshot.results_per_s:.1f}/s{latency})"
        )

    def _table(self, snapshot: Snapshot) -> Group:
        grid = Table.grid(padding=(0, 2))
        grid.add_row("motor", self._state())
        grid.add_row("health", _health(snapshot.last))
        grid.add_row("engine", self.engine)
        grid.add_row("results", f"{snapshot.results} ({snapshot.results_per_s:.1f}/s), {snapshot.alarms} with alarm")
        for name, state in snapshot.sink_states.items():
            confirmed = snapshot.sinks[name]["delivered"]
            link = "" if self._ended else state.partition(": ")[2] + ", "
            grid.add_row("broker", f"{self._broker}  {link}{confirmed} confirmed")
        stages = Table("stage", "p50", "p99", box=None, padding=(0, 2), header_style="dim")
        for kind, latency in snapshot.stages.items():
            stages.add_row(kind, seconds(latency.p50_s), seconds(latency.p99_s))
        return Group(Text(f"edge-sdk demo   {seconds(snapshot.elapsed_s)}", style="bold"), grid, stages)

    def _state(self) -> str:
        if self._motor.fault_began_s is None:
            return "healthy"
        return f"{self._motor.fault} fault since {time.monotonic() - self._motor.fault_began_s:.1f} s"


def _health(result: Result | None) -> Text:
    if result is None:
        return Text("waiting for the first result", style="dim")
    healthy = 1 - (result.score or 0.0)
    full = round(BAR * min(1.0, max(0.0, healthy)))
    colour = "red" if result.alarm else "green" if healthy > 0.5 else "yellow"
    word, style = (" ALARM ", "bold white on red") if result.alarm else (" ok ", "bold green")
    bar = Text("#" * full + "." * (BAR - full), style=colour)
    return Text.assemble(bar, f" {100 * healthy:3.0f} %  ", (word, style), f"  {result.label}")
