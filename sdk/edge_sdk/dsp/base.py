"""The contract of a step: told what it gets, says what it gives, then turns frames into frames.

    step = SpectrumStep(SpectrumStep.Options(bands=64), where, spec_of_the_input, kernels)
    step.output                  # what it gives: known before the first sample
    for out in step.push(frame): # none, one or several frames for each frame
        ...

Steps are pure: no clock, no thread, no file. Times come with the frames, kernels come from outside, so a recorded hour
can be computed again at any speed with the same result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol

import msgspec
from numpy.typing import NDArray

from edge_sdk.config import Where
from edge_sdk.reading import Frame, StreamSpec


class Kernels(Protocol):
    """Calls one kernel of the namespace `edge_kernels` on arrays; the pipeline brings the runtime's."""

    def call(
        self,
        kernel: str,
        /,
        *,
        inputs: Mapping[str, NDArray[Any]],
        outputs: Mapping[str, tuple[tuple[int, ...], str]],
        **fields: Any,
    ) -> Mapping[str, NDArray[Any]]: ...


class Step(Protocol):
    """One row of `STEPS`: built as `Class(options, where, spec, kernels)`.

    Attributes:
        Options: the keys of the step in a pipeline file.
    """

    Options: ClassVar[type[msgspec.Struct]]

    @property
    def output(self) -> StreamSpec:
        """The spec of the frames that `push` returns."""

    def push(self, frame: Frame) -> Iterable[Frame]:
        """Take the next frame and return what became complete by it."""


def expect_kind(spec: StreamSpec, kinds: tuple[str, ...], where: Where) -> None:
    """Raise ConfigError unless the input is of one of these kinds."""
    if spec.kind not in kinds:
        raise where.at("input").error(f"expected {' or '.join(kinds)}, got {spec}")


def expect_rate(spec: StreamSpec, where: Where) -> float:
    """Return the sample rate; raise ConfigError where it is unknown but frequencies are asked for."""
    if spec.rate_hz <= 0:
        raise where.at("input").error("expected a stream with a known rate: frequencies are given in Hz")
    return spec.rate_hz
