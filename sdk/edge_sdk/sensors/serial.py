"""Samples from a serial port: binary frames or lines of numbers, through noise and pulled cables.

A port that vanishes is looked for again under its own name (a USB id finds it at another ttyUSBn too), with growing
pauses; the first samples after it came back are marked with `gap`.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_sdk.config import Where
from edge_sdk.errors import EdgeError, TransferError
from edge_sdk.reading import Reading, StreamSpec
from edge_sdk.sensors.base import Channel, RateHz, SampleClock, Scaling, channels_or_default, samples_spec
from edge_sdk.sensors.frame_parser import FrameOptions, FrameParser, layout_of
from edge_sdk.sensors.links import Link, LinkLostError, SerialLink
from edge_sdk.sensors.ports import resolve_port, warn_if_numbered
from edge_sdk.sensors.runs import Run
from edge_sdk.sensors.text_parser import TextOptions, TextParser
from edge_sdk.units import utc_now

log = logging.getLogger(__name__)

#: Samples are collected this long before they are handed on: long enough to be cheap, short against any window.
BATCH_S = 0.02
MAX_READ_BYTES = 65536
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0


class SerialOptions(msgspec.Struct, frozen=True, kw_only=True):
    """A sensor on a serial port."""

    port: Annotated[
        str, Meta(min_length=1, description="usb:VID:PID:SERIAL, /dev/serial/by-id/..., or the path of a device")
    ]
    rate_hz: Annotated[RateHz, Meta(description="samples per second and channel")]
    baud: Annotated[int, Meta(ge=50, le=20_000_000, description="bits per second")] = 115200
    parity: Annotated[Literal["none", "even", "odd"], Meta(description="parity bit")] = "none"
    stop_bits: Annotated[Literal[1, 2], Meta(description="stop bits")] = 1
    frame: Annotated[FrameOptions | None, Meta(description="binary frames")] = None
    text: Annotated[TextOptions | None, Meta(description="lines of numbers; text = {} takes all columns")] = None
    channels: Annotated[
        tuple[Channel, ...], Meta(description="names, units and scales; default one plain channel per number")
    ] = ()
    on_lost: Annotated[
        Literal["reconnect", "stop"], Meta(description="what to do when the port vanishes while running")
    ] = "reconnect"


class SerialSource:
    """The row `serial` of SENSORS.

    Args:
        open_link: opens the wire; default the real port.
        monotonic, pause: clock and sleep, for tests.
    """

    Options = SerialOptions
    live = True

    def __init__(
        self,
        options: SerialOptions,
        where: Where,
        source_id: str,
        *,
        open_link: Callable[[SerialOptions], Link] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._options = options
        self._id = source_id
        self._open_link = open_link or _open_port
        self._monotonic = monotonic
        self._pause = pause
        self._parser, self._channels, row_bytes = _parser(options, where)
        self._read_bytes = min(MAX_READ_BYTES, max(1, int(options.rate_hz * BATCH_S) * row_bytes))
        self._scaling = Scaling(self._channels)
        self._clock = SampleClock(options.rate_hz)
        self._link: Link | None = None
        self._ready: deque[Reading] = deque()
        self._retry_at_s = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._lost = 0

    @property
    def output(self) -> StreamSpec:
        return samples_spec(self._channels, self._options.rate_hz)

    @property
    def ended(self) -> bool:
        return False

    def open(self) -> None:
        """Open the port.

        Raises:
            TargetNotFoundError, AccessDeniedError, BusyError, ConfigError: with the port's name.
        """
        warn_if_numbered(self._options.port)
        self._link = self._open_link(self._options)

    def read(self, timeout_s: float) -> Reading | None:
        """Return the next samples.

        Raises:
            TransferError: the port vanished and `on_lost` is "stop".
        """
        if self._ready:
            return self._ready.popleft()
        link = self._link or self._reopened(timeout_s)
        if link is None:
            return None
        try:
            data = link.read(self._read_bytes, min(timeout_s, max(BATCH_S, 1.5 / self._options.rate_hz)))
        except LinkLostError as fault:
            self._lose(fault)
            return None
        if data:
            self._pause_s = FIRST_PAUSE_S
        self._stamp(self._parser.feed(data), self._monotonic())
        return self._ready.popleft() if self._ready else None

    def close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def counts(self) -> Mapping[str, int]:
        return {**self._parser.counts, "port_lost": self._lost, "clock_resets": self._clock.resets}

    def _stamp(self, runs: list[Run], now_s: float) -> None:
        """Queue the runs as readings. The last sample of the last run arrived just now."""
        behind = sum(len(run.samples) for run in runs)
        for run in runs:
            if run.gap:
                self._clock.restart()
            behind -= len(run.samples)
            time_s = self._clock.stamp(now_s - behind / self._options.rate_hz, len(run.samples))
            utc = utc_now() - timedelta(seconds=self._monotonic() - time_s)
            samples = self._scaling.apply(run.samples)
            self._ready.append(
                Reading(samples, time_s, utc, self._options.rate_hz, run.gap, self._id, self._scaling.units)
            )

    def _lose(self, fault: LinkLostError) -> None:
        self.close()
        self._lost += 1
        self._parser.restart()
        self._clock.restart()
        if self._options.on_lost == "stop":
            raise TransferError(f"source {self._id}: {fault.message}") from fault
        log.warning("source %s: %s; waiting for it to come back", self._id, fault.message)
        self._retry_at_s = self._monotonic() + self._pause_s

    def _reopened(self, timeout_s: float) -> Link | None:
        """Try again when it is time; wait otherwise."""
        wait_s = self._retry_at_s - self._monotonic()
        if wait_s > 0:
            self._pause(min(wait_s, timeout_s))
            return None
        try:
            self._link = self._open_link(self._options)
        except EdgeError as fault:
            log.debug("source %s: %s", self._id, fault.message)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            self._retry_at_s = self._monotonic() + self._pause_s
            return None
        log.warning("source %s: serial port %s is back", self._id, self._options.port)
        return self._link


def _open_port(options: SerialOptions) -> Link:
    return SerialLink(resolve_port(options.port), options.baud, options.parity, options.stop_bits)


def _parser(options: SerialOptions, where: Where) -> tuple[FrameParser | TextParser, tuple[Channel, ...], int]:
    """Return the parser, the channels and about how many bytes a row of samples takes on the wire."""
    if (options.frame is None) == (options.text is None):
        raise where.error('expected either frame = { format = "..." } or text = {}')
    if options.text is not None:
        count = len(options.channels) or len(options.text.columns)
        if count == 0:
            raise where.at("channels").error(
                "expected channels, or text.columns, so that the numbers per line are known"
            )
        if options.text.columns and len(options.text.columns) != count:
            raise where.at("text.columns").error(
                f"expected {count} columns, one per channel, got {len(options.text.columns)}"
            )
        return TextParser(options.text, count), channels_or_default(options.channels, count, where), 6 * count
    assert options.frame is not None  # noqa: S101
    layout = layout_of(options.frame, where.at("frame"))
    if layout.samples == 0:
        raise where.at("frame.format").error("expected at least one number beside the counter")
    channels = channels_or_default(options.channels, layout.samples, where)
    if layout.samples % len(channels):
        raise where.at("channels").error(
            f"the frame carries {layout.samples} sample numbers, which {len(channels)} channels do not divide"
        )
    rows = layout.samples // len(channels)
    return FrameParser(layout, len(channels)), channels, max(1, layout.size_bytes // rows)
