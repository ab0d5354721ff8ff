"""The step `model`: features in, scores out, computed where a crash stays, with a deadline and a plan for faults.

    features --quantise--> model.run --dequantise--> scores, the winning label, one score to decide on

A model that overruns its deadline, breaks a rule of the sandbox or takes its runtime's process with it costs a frame,
not the pipeline: `on_fault` says whether that frame repeats the last good scores (marked stale), is left out, or stops
everything.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Protocol

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edge_sdk.config import Where
from edge_sdk.errors import DeadlineError, EdgeError, SandboxError
from edge_sdk.pipeline.quantize import from_tensor, takes_real_numbers, to_tensor
from edge_sdk.reading import Array, Frame, StreamSpec
from edge_sdk.registry import nearest
from edge_sdk.tensor import TensorSpec

log = logging.getLogger(__name__)

RECONSTRUCTION_ERROR = "reconstruction_error"
MAX_LABELS_BYTES = 1 << 20
NO_DEADLINE_S = 10.0
#: So many restarts are each worth a line in the log; after that, every thousandth.
TOLD_RESTARTS = 10


class Model(Protocol):
    """What `edge_sdk.load` returns."""

    @property
    def inputs(self) -> Sequence[TensorSpec]: ...

    @property
    def outputs(self) -> Sequence[TensorSpec]: ...

    @property
    def engine(self) -> object: ...

    @property
    def source_sha256(self) -> str: ...

    @property
    def restarts(self) -> int: ...

    def run(self, *inputs: NDArray[Any]) -> Sequence[NDArray[Any]]: ...

    def reset(self) -> None: ...

    def close(self) -> None: ...


class LoadModel(Protocol):
    """The signature of `edge_sdk.load`."""

    def __call__(
        self,
        path: Path,
        engine: str = ...,
        threads: int = ...,
        *,
        deadline_s: float = ...,
        memory_mib: int = ...,
        delegate: str = ...,
        delegate_options: Mapping[str, str] = ...,
    ) -> Model: ...


class ModelOptions(msgspec.Struct, frozen=True, kw_only=True):
    """A model and how to read its answer."""

    model: Annotated[str, Meta(min_length=1, description=".tflite or .wasm, relative to the pipeline file")]
    engine: Annotated[
        Literal["auto", "host", "sandbox", "litert", "tflite_runtime"],
        Meta(description="who computes: our kernels, host = native, sandbox = WebAssembly; or another runtime"),
    ] = "auto"
    delegate: Annotated[
        str,
        Meta(
            min_length=1,
            description="of another runtime: xnnpack, none, reference, or a vendor's library (a path, or libNAME.so)",
        ),
    ] = "xnnpack"
    delegate_options: Annotated[dict[str, str], Meta(description="for the vendor's library")] = {}
    threads: Annotated[int, Meta(ge=1, le=64, description="threads of one inference")] = 1
    memory_mib: Annotated[int, Meta(ge=1, le=4096, description="most memory that the model may ask for")] = 256
    deadline_ms: Annotated[
        Annotated[float, Meta(gt=0, le=3_600_000)] | None,
        Meta(description="longest inference, cut off up to 10 ms later; 10 s when absent"),
    ] = None
    labels: Annotated[tuple[str, ...], Meta(description="names of the scores, in order")] = ()
    labels_file: Annotated[
        str | None, Meta(description="file with one label per line, relative to the pipeline file")
    ] = None
    score: Annotated[
        str,
        Meta(description="what to decide on: max, reconstruction_error (autoencoders), or the label of one class"),
    ] = "max"
    on_fault: Annotated[Literal["last_good", "skip", "stop"], Meta(description="what a failed inference becomes")] = (
        "last_good"
    )
    on_gap: Annotated[
        Literal["reset", "keep"],
        Meta(
            description="samples are missing, and the model keeps state between runs: reset = it begins anew with the "
            "frame that has the gap; keep = it goes on"
        ),
    ] = "reset"


class ModelStep:
    """The row `model` of STEPS.

    Args:
        load: opens the model; default `edge_sdk.load`.
    """

    Options: ClassVar[type[msgspec.Struct]] = ModelOptions

    def __init__(self, options: ModelOptions, where: Where, spec: StreamSpec, load: LoadModel) -> None:
        if spec.kind == "samples":
            raise where.at("input").error(f"expected frames of a fixed size, got {spec}; put a window step in between")
        self._options = options
        self._where = where
        labels = _labels(options, where)
        self._model = _opened(options, where, load)
        try:
            self._input, self._output = _tensors(self._model, spec, where)
            self.labels = _checked(labels, self._output, options, where)
            self._score_index = _score_index(options, self.labels, self._input, self._output, where)
        except EdgeError:
            self._model.close()
            raise
        size = 1 if options.score == RECONSTRUCTION_ERROR else self._output.elements
        self.output = replace(spec, kind="scores", shape=(size,), labels=self.labels)
        self.engine = str(self._model.engine)
        self.model_sha256 = self._model.source_sha256
        self.faults = 0
        self._restarts_told = 0
        self._cause = ""
        self._last: Frame | None = None

    def push(self, frame: Frame) -> list[Frame]:
        """Return the frame with scores, label and score.

        Raises:
            EdgeError: the model failed and `on_fault` is "stop".
        """
        if frame.gap and self._options.on_gap == "reset":
            self._model.reset()
        try:
            (found,) = self._model.run(to_tensor(frame.data, self._input))
            if found.size != self._output.elements:  # another runtime's output may depend on the data
                raise SandboxError(f"the model gave {found.size} numbers, expected {self._output.elements}")
        except (DeadlineError, SandboxError) as fault:
            return self._failed(frame, fault)
        if self._cause:
            self._recovered(frame)
        self._last = self._judged(frame, from_tensor(found, self._output))
        return [self._last]

    @property
    def restarts(self) -> int:
        """How often the model was opened anew after a fault."""
        return self._model.restarts

    def close(self) -> None:
        self._model.close()

    def _judged(self, frame: Frame, scores: Array) -> Frame:
        if self._options.score == RECONSTRUCTION_ERROR:
            error = np.mean((scores - frame.data.reshape(-1)) ** 2, dtype=np.float64)
            return replace(frame, data=np.array([error], np.float32), score=float(error))
        winner = int(np.argmax(scores))
        label = self.labels[winner] if self.labels else str(winner)
        index = winner if self._score_index is None else self._score_index
        return replace(frame, data=scores, label=label, score=float(scores[index]))

    def _failed(self, frame: Frame, fault: EdgeError) -> list[Frame]:
        self.faults += 1
        if self._options.on_fault == "stop":
            raise fault
        self._cause = self._cause or fault.message
        if self.faults in (1, 10, 100) or self.faults % 1000 == 0:
            log.warning("%s: frame %d: %s (faults so far: %d)", self._where, frame.seq, fault.message, self.faults)
        last = self._last
        if self._options.on_fault == "skip" or last is None:
            return []
        return [replace(frame, data=last.data, label=last.label, score=last.score, stale=True)]

    def _recovered(self, frame: Frame) -> None:
        """Tell that the model was opened anew, and why; not every time where every other frame brings it down."""
        cause, self._cause = self._cause, ""
        count, before = self.restarts, self._restarts_told
        if count != before and (count <= TOLD_RESTARTS or count // 1000 != before // 1000):
            log.warning(
                "%s: frame %d: opened anew after: %s (restarts so far: %d)", self._where, frame.seq, cause, count
            )
        self._restarts_told = count


def _opened(options: ModelOptions, where: Where, load: LoadModel) -> Model:
    path, place = where.resolve(options.model), where.at("model")
    if path.suffix not in (".tflite", ".wasm"):
        raise place.error(f"expected a .tflite or .wasm file, got {options.model!r}")
    deadline_s = NO_DEADLINE_S if options.deadline_ms is None else options.deadline_ms / 1000
    try:
        return load(
            path,
            options.engine,
            options.threads,
            deadline_s=deadline_s,
            memory_mib=options.memory_mib,
            delegate=_delegate(options.delegate, where),
            delegate_options=options.delegate_options,
        )
    except EdgeError as fault:
        raise type(fault)(f"{place}: {fault.message}", hint=fault.hint) from fault


def _delegate(word: str, where: Where) -> str:
    """Return a delegate with its path, which is relative to the pipeline file like every other."""
    return str(where.resolve(word)) if "/" in word else word


def _tensors(model: Model, spec: StreamSpec, where: Where) -> tuple[TensorSpec, TensorSpec]:
    place = where.at("model")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        counts = f"{len(model.inputs)} and {len(model.outputs)}"
        raise place.error(f"expected a model with one input and one output, got {counts}")
    tensor, output = model.inputs[0], model.outputs[0]
    for one in (tensor, output):
        if not takes_real_numbers(one):
            raise place.error(f"tensor {one.name!r}: expected float32 or quantised integers, got {one.dtype}")
    if not _fits(spec.shape, tensor.shape):
        wanted = "x".join(map(str, tensor.shape))
        raise where.at("input").error(f"the model takes {wanted} = {tensor.elements} numbers, this input gives {spec}")
    return tensor, output


def _fits(given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether the shapes are equal but for ones, or one of them is flat: no other reshaping keeps the meaning."""
    a, b = [size for size in given if size != 1], [size for size in wanted if size != 1]
    return a == b or (min(len(a), len(b)) <= 1 and int(np.prod(a)) == int(np.prod(b)))


def _labels(options: ModelOptions, where: Where) -> tuple[str, ...]:
    if options.labels_file is None:
        return options.labels
    place, path = where.at("labels_file"), where.resolve(options.labels_file)
    if options.labels:
        raise place.error("expected labels or labels_file, not both")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LABELS_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise place.error(f"{path} cannot be read as text: {getattr(fault, 'strerror', None) or fault}") from fault
    if len(data) > MAX_LABELS_BYTES:
        raise place.error(f"{path} is larger than {MAX_LABELS_BYTES >> 20} MiB")
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _checked(labels: tuple[str, ...], output: TensorSpec, options: ModelOptions, where: Where) -> tuple[str, ...]:
    place = where.at("labels" if options.labels_file is None else "labels_file")
    if labels and options.score == RECONSTRUCTION_ERROR:
        raise place.error("a model that reconstructs its input has no labels")
    if labels and len(labels) != output.elements:
        raise place.error(f"expected {output.elements} labels, one per score of the model, got {len(labels)}")
    if len(set(labels)) != len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise place.error(f"the label {twice!r} is there twice")
    return labels


def _score_index(
    options: ModelOptions, labels: tuple[str, ...], tensor: TensorSpec, output: TensorSpec, where: Where
) -> int | None:
    """Return which score to decide on; None for the largest."""
    place = where.at("score")
    if options.score == RECONSTRUCTION_ERROR:
        if tensor.elements != output.elements:
            raise place.error(
                f"{RECONSTRUCTION_ERROR} needs as many outputs as inputs; "
                f"the model has {tensor.elements} inputs and {output.elements} outputs"
            )
        return None
    if options.score == "max":
        return None
    if options.score not in labels:
        known = ["max", RECONSTRUCTION_ERROR, *labels]
        raise place.error(
            f"unknown score {options.score!r}{nearest(options.score, known)} (known: {', '.join(known[:40])})"
        )
    return labels.index(options.score)
