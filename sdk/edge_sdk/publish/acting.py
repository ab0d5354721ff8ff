"""Results that act on a machine: the newest decides, a safe state stands for everything else.

    publish() --> wanted --> worker: at most max_rate_hz --> Actuator (coil, register, CAN frame, line)
                    safe: before the first result, without one for timeout_s, of a model that failed, at the end

The worker has the actuator to itself, so a peer that hangs holds up nobody. An alarm that is over before it could be
written is still written once. What was written is not believed after a fault: it is written again.

What no program can promise is its own death: a machine that must stop then has to miss the refreshes (`refresh_s`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from edge_sdk.config import Where
from edge_sdk.errors import TransferError
from edge_sdk.reading import Result

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
CLOSE_S = 3.0
Value = bool | float


class ActingOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What every acting sink has."""

    safe: Annotated[
        bool | float,
        Meta(description="written at the start, without results, after faults and at the end; true = as at an alarm"),
    ]
    value: Annotated[Literal["alarm", "score"], Meta(description="what of a result acts")] = "alarm"
    max_rate_hz: Annotated[
        float, Meta(gt=0, le=1000, description="writes a second at most; the newest result wins")
    ] = 10.0
    timeout_s: Annotated[
        float, Meta(ge=0, le=86400, description="without a result for so long, the safe state; 0: never")
    ] = 10.0
    refresh_s: Annotated[
        float, Meta(ge=0, le=3600, description="write again so often what has not changed; 0: only changes")
    ] = 0.0
    on_stale: Annotated[
        Literal["safe", "use"], Meta(description="a result whose model failed: the safe state, or its last good values")
    ] = "safe"
    dry_run: Annotated[bool, Meta(description="say in the log what would be written, and touch nothing")] = False


class Actuator(Protocol):
    """The thin part that touches the world. All methods raise TransferError when it does not answer."""

    def open(self) -> None: ...

    def write(self, value: Value) -> None: ...

    def close(self) -> None: ...

    def describe(self, value: Value) -> str:
        """Return what `write` would do, for people."""


class ActingSink:
    """The worker around an actuator; the rows of SINKS make one with theirs."""

    def __init__(
        self,
        options: ActingOptions,
        where: Where,
        actuator: Actuator,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if isinstance(options.safe, bool) != (options.value == "alarm"):
            wanted = "true or false" if options.value == "alarm" else "a number"
            raise where.at("safe").error(f"expected {wanted}, since value is {options.value!r}")
        self._options = options
        self._place = str(where)
        self._actuator = actuator
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._wanted: Value = options.safe
        self._alarm_since_write = False
        self._heard_s = float("-inf")
        self._written: Value | None = None
        self._next_s = self._refresh_at_s = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._is_open = False
        self._problem = ""
        self._stop = False
        self._thread: threading.Thread | None = None
        self._counts = {"delivered": 0, "faults": 0, "safe": 0}

    def open(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"acting {self._place}", daemon=True)
        self._thread.start()

    def publish(self, result: Result) -> None:
        value = self._value_of(result)
        with self._lock:
            self._wanted = value
            self._alarm_since_write |= value is True
            self._heard_s = self._monotonic()
            self._changed.notify()

    def close(self) -> None:
        """Write the safe state, and let go."""
        if self._thread is None:
            return
        with self._lock:
            self._stop = True
            self._changed.notify()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive() or self._written != self._options.safe:
            log.error("%s: the safe state could not be written: %s", self._place, self._problem or "no answer")
        self._thread = None

    def counts(self) -> Mapping[str, int]:
        return {**self._counts, "waiting": 0}

    @property
    def state(self) -> str:
        if self._options.dry_run:
            return "dry run"
        if self._problem:
            return f"not written: {self._problem}"
        return "idle" if self._written is None else self._actuator.describe(self._written)

    def _value_of(self, result: Result) -> Value:
        if result.stale and self._options.on_stale == "safe":
            return self._options.safe
        if self._options.value == "alarm":
            return result.alarm
        return self._options.safe if result.score is None else result.score

    # The worker's thread.

    def _run(self) -> None:
        while True:
            with self._lock:
                stop, value, wait_s = self._stop, *self._due(self._monotonic())
                if wait_s > 0 and not stop:
                    self._changed.wait(wait_s)
                    continue
            if stop:
                self._finish()
                return
            self._write(value)

    def _due(self, now_s: float) -> tuple[Value, float]:
        """Return what should be written, and how long to wait before that, or before looking again."""
        timeout_s = self._options.timeout_s
        quiet_s = now_s - self._heard_s
        is_silent = self._heard_s == float("-inf") or (timeout_s > 0 and quiet_s >= timeout_s)
        value: Value = self._options.safe if is_silent else self._alarm_since_write or self._wanted
        waits = [60.0]
        if timeout_s and not is_silent:
            waits.append(timeout_s - quiet_s)
        if self._options.refresh_s:
            waits.append(self._refresh_at_s - now_s)
        if value != self._written or (self._options.refresh_s and now_s >= self._refresh_at_s):
            return value, self._next_s - now_s
        return value, max(0.001, min(waits))

    def _write(self, value: Value) -> None:
        try:
            self._act(value)
        except TransferError as fault:
            self._fault(fault)
            return
        now_s = self._monotonic()
        with self._lock:
            if self._problem:
                log.warning("%s: works again", self._place)
            self._written, self._problem, self._pause_s = value, "", FIRST_PAUSE_S
            if value is True:
                self._alarm_since_write = False
            self._next_s = now_s + 1 / self._options.max_rate_hz
            self._refresh_at_s = now_s + self._options.refresh_s
            self._counts["delivered"] += 1
            self._counts["safe"] += value == self._options.safe

    def _act(self, value: Value) -> None:
        if self._options.dry_run:
            log.info("%s: dry run: %s", self._place, self._actuator.describe(value))
            return
        if not self._is_open:
            self._actuator.open()
            self._is_open = True
        self._actuator.write(value)

    def _fault(self, fault: TransferError) -> None:
        self._let_go()
        with self._lock:
            first = not self._problem
            self._written, self._problem = None, fault.message
            self._counts["faults"] += 1
            self._next_s = self._monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        if first:
            log.error("%s: %s; trying again", self._place, fault.message)

    def _finish(self) -> None:
        self._write(self._options.safe)
        if self._written is None:  # the connection may have been an old one: once more, over a fresh one
            self._write(self._options.safe)
        self._let_go()

    def _let_go(self) -> None:
        if self._is_open:
            self._is_open = False
            self._actuator.close()
