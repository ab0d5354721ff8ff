"""A line of a GPIO chip is active while there is an alarm: the kernel's character device, by libgpiod's package."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import gpiod
from gpiod.line import Direction
from gpiod.line import Value as Level
from msgspec import Meta

from edge_sdk.config import Where
from edge_sdk.errors import TransferError
from edge_sdk.publish.acting import ActingOptions, ActingSink, Value


class GpioOptions(ActingOptions, frozen=True, kw_only=True):
    """An output line."""

    line: Annotated[int | str, Meta(description="offset on the chip, or the line's name", examples=[17])]
    chip: Annotated[str, Meta(min_length=1, description="path of the chip")] = "/dev/gpiochip0"
    active_low: Annotated[bool, Meta(description="active means 0 V")] = False
    value: Annotated[Literal["alarm"], Meta(description="a line is on or off")] = "alarm"


class GpioSink(ActingSink):
    """The row `gpio` of SINKS.

    Args:
        library: what has `request_lines`; for tests.
    """

    Options = GpioOptions

    def __init__(self, options: GpioOptions, where: Where, pipeline: str, device: str, *, library: Any = gpiod) -> None:
        super().__init__(options, where, _Line(options, library))


class _Line:
    def __init__(self, options: GpioOptions, library: Any) -> None:
        self._options = options
        self._library = library
        self._request: Any = None

    def open(self) -> None:
        options = self._options
        safe = Level.ACTIVE if options.safe else Level.INACTIVE
        # The line is driven from the moment it is ours, so it begins with the safe state.
        settings = gpiod.LineSettings(direction=Direction.OUTPUT, active_low=options.active_low, output_value=safe)
        try:
            self._request = self._library.request_lines(
                options.chip, consumer="edge-sdk", config={options.line: settings}
            )
        except (OSError, ValueError) as fault:
            raise TransferError(f"GPIO {options.chip} line {options.line}: {fault}") from fault

    def write(self, value: Value) -> None:
        try:
            self._request.set_value(self._options.line, Level.ACTIVE if value else Level.INACTIVE)
        except (OSError, ValueError) as fault:
            raise TransferError(f"GPIO {self._options.chip} line {self._options.line}: {fault}") from fault

    def close(self) -> None:
        self._request.release()

    def describe(self, value: Value) -> str:
        return f"line {self._options.line} {'active' if value else 'inactive'}"
