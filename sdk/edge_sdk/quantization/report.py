"""What a quantisation did, for people and for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from edge_sdk.quantization.outcome import Outcome
from edge_sdk.units import seconds, si_bytes


@dataclass(frozen=True)
class NodeChoice:
    """One node of the float model.

    Attributes:
        index: what `--keep-float` takes beside the name.
        int8: whether it computes in int8 now.
        reason: why it does not.
        alone_db: signal over noise of the model's outputs when this node's output alone is rounded; None where that
            was not measured, or where nothing differs.
    """

    index: int
    name: str
    op: str
    int8: bool
    reason: str
    alone_db: float | None


@dataclass(frozen=True)
class Speed:
    """CPU time of one run, both models in turns on this machine.

    Attributes:
        ratio: how many times as fast the quantised model is: the median over the turns.
    """

    engine: str
    float_us: float
    quantized_us: float
    ratio: float


@dataclass(frozen=True)
class Report:
    """The whole of it.

    Attributes:
        samples: how many the ranges were taken from, and how many the outcome.
        held_out: whether those are different ones.
        chooses_a_class: whether the model is judged by its greatest output.
        float_accuracy: of the float model; None without labels.
        float_bytes, quantized_bytes: the modules' sizes.
        trials: how many sets of float nodes were tried.
        key: its place in the JSON report of a conversion.
    """

    key: ClassVar[str] = "quantization"
    name: str
    calibration: str
    io: str
    samples: dict[str, int]
    held_out: bool
    chooses_a_class: bool
    float_accuracy: float | None
    outcome: Outcome
    target_reached: bool
    float_bytes: int
    quantized_bytes: int
    speed: Speed | None
    nodes: tuple[NodeChoice, ...]
    trials: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def text(self) -> str:
        """Return the report for a terminal."""
        held_out = "others" if self.held_out else "the same"
        lines = [
            f"calibrated    {self.samples['calibration']} samples, {self.calibration}",
            f"compared      {self.samples['comparison']} samples, {held_out}",
            *outcome_lines(self.outcome, self.float_accuracy, self.chooses_a_class),
            f"size          {si_bytes(self.float_bytes)} -> {si_bytes(self.quantized_bytes)}",
        ]
        if self.speed is not None:
            before, after = seconds(self.speed.float_us / 1e6), seconds(self.speed.quantized_us / 1e6)
            lines.append(
                f"speed         {before} -> {after} a run, {self.speed.ratio:.1f}x as fast "
                f"(measured here, {self.speed.engine})"
            )
        return "\n".join(lines + self._float_nodes())

    def _float_nodes(self) -> list[str]:
        kept = [node for node in self.nodes if not node.int8]
        lines = [f"int8          {len(self.nodes) - len(kept)} of {len(self.nodes)} nodes"]
        lines += [f"  float: {node.index} {node.op} {node.name}: {node.reason}" for node in kept]
        return lines


def outcome_lines(outcome: Outcome, float_accuracy: float | None, chooses_a_class: bool) -> list[str]:
    """Return what a report says of an outcome."""
    lines = []
    if outcome.accuracy is not None and float_accuracy is not None:
        lines.append(f"accuracy      {float_accuracy:.2%} -> {outcome.accuracy:.2%}")
    if chooses_a_class:
        lines.append(f"agreement     {outcome.agreement:.2%} of the samples have the float model's class")
    if outcome.signal_to_noise_db is None:
        return [*lines, "output error  none"]
    share = 10 ** (-outcome.signal_to_noise_db / 20)
    most = f"at most {outcome.largest_error:.2%} of the range"
    return [*lines, f"output error  {share:.2%} rms ({outcome.signal_to_noise_db:.1f} dB), {most}"]
