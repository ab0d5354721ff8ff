"""The engine: one thread reads each source, one worker runs the steps, sinks publish in their own time.

    source threads --> Inbox --> worker: step, step, step --> sinks and observers

The worker is the thread that calls `run`, so models and steps need no locks and a signal reaches it at once. The engine
stops when the sources end (everything that was read is worked off), after a time, after a number of results, on SIGINT
or SIGTERM, or on an error; sinks then get the time to deliver. A second signal does not wait.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from types import FrameType

from edge_sdk.errors import EdgeError
from edge_sdk.pipeline.build import Node, Pipeline
from edge_sdk.pipeline.inbox import Arrival, Inbox
from edge_sdk.pipeline.model_step import ModelStep
from edge_sdk.pipeline.stats import Heard, Snapshot, Stats
from edge_sdk.reading import Frame, Result, as_frame

log = logging.getLogger(__name__)

INBOX_READINGS = 64
READ_TIMEOUT_S = 0.2
TICK_S = 0.25
SILENCE_S = 5.0


class _StoppedWhileOpening(BaseException):
    """A signal came while something was waited for that may take long, such as a broker that is `required`."""


class Observer:
    """Watches a run; all methods are called by the worker and must be quick. Override what you need."""

    def started(self, pipeline: Pipeline) -> None:
        """The sources are open."""

    def result(self, result: Result) -> None:
        """A result was handed to the sinks."""

    def tick(self, snapshot: Snapshot) -> None:
        """About four times a second."""

    def stopping(self) -> None:
        """It ends, for whatever reason; sources and sinks are about to be closed, which may take a while."""

    def stopped(self, summary: Summary) -> None:
        """Everything is closed."""


@dataclass(frozen=True)
class Summary:
    """How a run ended.

    Attributes:
        reason: "sources ended", "duration", "results", "stopped", "SIGINT" or "SIGTERM".
        figures: the last figures, after the sinks were closed.
    """

    reason: str
    figures: Snapshot


class Runner:
    """Runs a pipeline once.

    Args:
        pipeline: built, not yet opened.
        observers: who watches.
    """

    def __init__(self, pipeline: Pipeline, observers: Sequence[Observer] = ()) -> None:
        self._pipeline = pipeline
        self._observers = tuple(observers)
        self._inbox = Inbox(INBOX_READINGS)
        self._stats = Stats()
        self._reason = ""
        self._opening = False
        self._halt = threading.Event()
        self._fault: BaseException | None = None
        self._reading = len(pipeline.sources)
        self._lock = threading.Lock()
        self._max_results: int | None = None
        self._seqs = dict.fromkeys(pipeline.sources, 0)
        self._heard_s = dict.fromkeys(pipeline.sources, 0.0)
        self._results_of = pipeline.result_nodes
        self._children: dict[str, list[Node]] = {}
        for node in pipeline.nodes:
            self._children.setdefault(node.input, []).append(node)

    def stop(self, reason: str = "stopped") -> None:
        """Ask the run to end; from any thread or signal handler."""
        self._reason = self._reason or reason

    def run(
        self, *, duration_s: float | None = None, max_results: int | None = None, on_signals: bool = False
    ) -> Summary:
        """Run until something ends it.

        Args:
            on_signals: stop cleanly on SIGINT and SIGTERM (only in the main thread).

        Raises:
            EdgeError: a source, step or sink failed; everything is closed.
            KeyboardInterrupt: a second signal came while closing.
        """
        self._max_results = max_results
        self._stats = Stats()
        catch = self._signals() if on_signals else nullcontext()
        with catch, ExitStack() as opened, suppress(_StoppedWhileOpening):
            self._open(opened)
            opened.callback(self._tell_stopping)
            self._tell_started()
            self._loop(None if duration_s is None else time.monotonic() + duration_s)
        summary = Summary(self._reason, self.snapshot())
        for observer in self._observers:
            observer.stopped(summary)
        return summary

    def snapshot(self) -> Snapshot:
        """Return the figures now."""
        stats, pipeline = self._stats, self._pipeline
        models = [node.step for node in pipeline.nodes if isinstance(node.step, ModelStep)]
        return Snapshot(
            elapsed_s=stats.elapsed_s,
            results=stats.results,
            results_per_s=stats.results_per_s(),
            alarms=stats.alarms,
            gaps=stats.gaps,
            dropped=self._inbox.dropped,
            queue=len(self._inbox),
            faults=sum(model.faults for model in models),
            restarts=sum(model.restarts for model in models),
            stages=stats.stages(),
            heard={name: stats.heard.get(name, Heard()) for name in pipeline.sources},
            sources={name: dict(source.counts()) for name, source in pipeline.sources.items()},
            sinks={outlet.id: dict(outlet.sink.counts()) for outlet in pipeline.outlets},
            sink_states={outlet.id: f"{outlet.kind}: {outlet.sink.state}" for outlet in pipeline.outlets},
            last=stats.last,
        )

    def _open(self, opened: ExitStack) -> None:
        """Open sinks, then sources, then start reading. What was opened is closed in the opposite order."""
        with self._stoppable():
            for outlet in self._pipeline.outlets:
                opened.callback(outlet.sink.close)
                outlet.sink.open()
            for source in self._pipeline.sources.values():
                opened.callback(source.close)
                source.open()
        threads = [
            threading.Thread(target=self._read, args=(name,), name=f"source {name}", daemon=True)
            for name in self._pipeline.sources
        ]
        opened.callback(self._join, threads)
        now_s = time.monotonic()
        for thread in threads:
            self._heard_s[thread.name.partition(" ")[2]] = now_s
            thread.start()

    def _join(self, threads: Sequence[threading.Thread]) -> None:
        self._halt.set()
        self._inbox.close()
        for thread in threads:
            thread.join(5 * READ_TIMEOUT_S)

    def _read(self, name: str) -> None:
        """The thread of one source."""
        source = self._pipeline.sources[name]
        try:
            while not self._halt.is_set() and not source.ended:
                reading = source.read(READ_TIMEOUT_S)
                if reading is not None:
                    self._inbox.put(name, reading, live=source.live)
        except BaseException as fault:  # raised again by the worker
            self._fault = fault
        finally:
            with self._lock:
                self._reading -= 1

    def _loop(self, until_s: float | None) -> None:
        next_tick_s = time.monotonic()
        while not self._reason:
            if self._fault is not None:
                raise self._fault
            now_s = time.monotonic()
            if until_s is not None and now_s >= until_s:
                self.stop("duration")
                break
            if now_s >= next_tick_s:
                next_tick_s = now_s + TICK_S
                self._tick(now_s)
            wait_s = next_tick_s - now_s if until_s is None else min(next_tick_s, until_s) - now_s
            ended = self._reading == 0  # looked at before the inbox, so that nothing can slip in between
            arrival = self._inbox.get(0.0 if ended else max(0.0, wait_s))
            if arrival is not None:
                self._work(arrival)
            elif ended and self._fault is None:
                self.stop("sources ended")

    def _work(self, arrival: Arrival) -> None:
        name = arrival.source
        self._heard_s[name] = arrival.arrived_s
        self._stats.reading(name, arrival.arrived_s)
        self._stats.gaps += arrival.reading.gap
        frame = as_frame(arrival.reading, self._seqs[name])
        self._seqs[name] += 1
        self._push(name, frame, arrival.arrived_s)

    def _push(self, origin: str, frame: Frame, arrived_s: float) -> None:
        """Hand a frame to all steps that listen to `origin`, and what they make of it to those after them."""
        for node in self._children.get(origin, ()):
            began_s = time.perf_counter()
            outs = list(self._step(node, frame))
            spent_s = (time.perf_counter() - began_s) / max(1, len(outs))
            for out in outs:
                if self._reason == "results":
                    return
                self._stats.stage(node.kind, spent_s)
                spent = {**frame.stages, node.kind: frame.stages.get(node.kind, 0.0) + spent_s}
                timed = replace(out, stages=spent)
                if node.id in self._results_of:
                    self._publish(node, timed, arrived_s)
                self._push(node.id, timed, arrived_s)

    def _step(self, node: Node, frame: Frame) -> Sequence[Frame]:
        try:
            return list(node.step.push(frame))
        except EdgeError as fault:
            fault.message = f"step {node.id}: {fault.message}"
            raise

    def _publish(self, node: Node, frame: Frame, arrived_s: float) -> None:
        result = Result(
            device=self._pipeline.device,
            pipeline=self._pipeline.name,
            step=node.id,
            seq=frame.seq,
            time_s=frame.time_s,
            utc=frame.utc,
            values=frame.data,
            label=frame.label,
            score=frame.score,
            alarm=bool(frame.alarm),
            gap=frame.gap,
            stale=frame.stale,
            latency_s={**frame.stages, "total": time.monotonic() - arrived_s},
            model_sha256=node.model.model_sha256 if node.model else "",
            engine=node.model.engine if node.model else "",
            source=node.source,
        )
        for outlet in self._pipeline.outlets:
            if outlet.input == node.id:
                outlet.sink.publish(result)
        self._stats.result(result)
        for observer in self._observers:
            observer.result(result)
        if self._max_results is not None and self._stats.results >= self._max_results:
            self.stop("results")

    def _tick(self, now_s: float) -> None:
        for name, heard_s in self._heard_s.items():
            if now_s - heard_s > SILENCE_S and not self._pipeline.sources[name].ended:
                self._heard_s[name] = float("inf")  # said once, until samples come again
                log.warning("source %s: no samples for %g s%s", name, SILENCE_S, self._complaints(name))
        if self._observers:
            figures = self.snapshot()
            for observer in self._observers:
                observer.tick(figures)

    def _complaints(self, name: str) -> str:
        counts = self._pipeline.sources[name].counts()
        seen = ", ".join(f"{value} {count.replace('_', ' ')}" for count, value in counts.items() if value)
        return f" ({seen})" if seen else ""

    def _tell_started(self) -> None:
        for observer in self._observers:
            observer.started(self._pipeline)

    def _tell_stopping(self) -> None:
        for observer in self._observers:
            observer.stopping()

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """While the block runs, a signal ends it at once instead of being looked at by the loop."""
        self._opening = True
        try:
            yield
        finally:
            self._opening = False

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def handler(number: int, frame: FrameType | None) -> None:
            if self._reason.startswith("SIG"):
                raise KeyboardInterrupt
            self._reason = signal.Signals(number).name
            if self._opening:
                raise _StoppedWhileOpening

        before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, old in before.items():
                signal.signal(number, old)
