"""A pipeline file becomes objects that fit together: options decoded, models loaded, shapes checked, nothing opened.

Every mistake that can be seen before the first sample is found here, with the file and the key.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
from numpy.typing import NDArray

from edge_sdk.config import decode
from edge_sdk.config.pipeline import Part, PipelineFile, read_pipeline
from edge_sdk.dsp.base import Step
from edge_sdk.engines import FOREIGN, OWN
from edge_sdk.errors import ConfigError
from edge_sdk.pipeline.model_step import LoadModel, ModelOptions, ModelStep
from edge_sdk.pipeline.steps import NEED_KERNELS, STEPS
from edge_sdk.publish import SINKS
from edge_sdk.publish.base import Sink
from edge_sdk.reading import StreamSpec
from edge_sdk.registry import Registry
from edge_sdk.sensors import SENSORS
from edge_sdk.sensors.base import Source


class KernelTool:
    """The runtime's kernel caller, made when a step needs it: importing the runtime costs time that others save."""

    def __init__(self, provider: str = "auto") -> None:
        self._provider = provider
        self._caller: Any = None

    def ready(self) -> None:
        """Make the caller now."""
        if self._caller is None:
            from edge_sdk.runtime.kernel_call import KernelCaller

            self._caller = KernelCaller(provider=self._provider)

    def call(
        self,
        kernel: str,
        inputs: Mapping[str, NDArray[Any]],
        outputs: Mapping[str, tuple[tuple[int, ...], str]],
        **fields: float,
    ) -> Mapping[str, NDArray[Any]]:
        self.ready()
        found: Mapping[str, NDArray[Any]] = self._caller.call(kernel, inputs=inputs, outputs=outputs, **fields)
        return found

    def close(self) -> None:
        caller, self._caller = self._caller, None
        if caller is not None:
            caller.close()


@dataclass(frozen=True)
class Node:
    """One step in its place.

    Attributes:
        source: the source at the head of its branch.
        model: the nearest model at or before it, None when there is none.
    """

    id: str
    kind: str
    input: str
    step: Step
    source: str
    model: ModelStep | None


@dataclass(frozen=True)
class Outlet:
    """One sink in its place; `id` is for people."""

    id: str
    kind: str
    input: str
    sink: Sink


@dataclass(frozen=True)
class Pipeline:
    """A pipeline that is ready to run. `close` frees models and kernels; `with` does it."""

    file: Path
    name: str
    device: str
    sources: Mapping[str, Source]
    nodes: tuple[Node, ...]
    outlets: tuple[Outlet, ...]
    _resources: ExitStack = field(default_factory=ExitStack)

    @property
    def result_nodes(self) -> frozenset[str]:
        """The steps whose frames are results: those that a sink listens to, and those that nobody listens to."""
        heard = {node.input for node in self.nodes}
        return frozenset(
            {outlet.input for outlet in self.outlets} | {node.id for node in self.nodes if node.id not in heard}
        )

    @property
    def engines(self) -> dict[str, str]:
        """Step id -> engine, for the steps that are models."""
        return {node.id: node.step.engine for node in self.nodes if isinstance(node.step, ModelStep)}

    def close(self) -> None:
        self._resources.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def build(path: Path, *, engine: str | None = None, load: LoadModel | None = None) -> Pipeline:
    """Read a pipeline file and build it.

    Args:
        engine: overrides the engine of every model; default as the file says.
        load: opens models; default `edge_sdk.load`.

    Raises:
        ConfigError: the message starts with the file and the key.
        EdgeError: a model, file or password that is not there or not usable.
    """
    return build_file(read_pipeline(path), engine=engine, load=load)


def build_file(file: PipelineFile, *, engine: str | None = None, load: LoadModel | None = None) -> Pipeline:
    """Build a pipeline that was read, and perhaps changed, by the caller; see `build`."""
    return Builder(file, engine, load or default_load()).pipeline()


def default_load() -> LoadModel:
    """Return `edge_sdk.load`, imported when it is called."""

    def load(path: Path, engine: str = "auto", threads: int = 1, **options: Any) -> Any:
        from edge_sdk import load as load_model

        return load_model(path, engine=engine, threads=threads, **options)

    return load


class Builder:
    """Makes the parts of one pipeline file, in the order of the data.

    Args:
        engine: overrides the engine of every model; None = as the file says.

    Attributes:
        resources: closes what was made; `pipeline` hands it on.
        nodes: the steps made so far.
        specs: what comes out of the sources and steps made so far.
    """

    def __init__(self, file: PipelineFile, engine: str | None, load: LoadModel) -> None:
        self._file = file
        self._engine = engine
        self._load = load
        self._kernels = KernelTool(engine if engine in OWN else "auto")
        self.resources = ExitStack()
        self.resources.callback(self._kernels.close)
        self.specs: dict[str, StreamSpec] = {}
        self.nodes: dict[str, Node] = {}

    def pipeline(self) -> Pipeline:
        """Return all of it."""
        with self.resources:
            sources = {part.id: self.source(part) for part in self._file.sources}
            for part in self._file.steps:
                self.node(part)
            self.ready()
            outlets = tuple(self.outlet(part) for part in self._file.sinks)
            nodes = tuple(self.nodes.values())
            file = self._file
            return Pipeline(file.file, file.name, file.device, sources, nodes, outlets, self.resources.pop_all())
        raise AssertionError("unreachable")

    def ready(self) -> None:
        """Load the kernels, if a step needs them."""
        if any(node.kind in NEED_KERNELS for node in self.nodes.values()):
            self._kernels.ready()

    def source(self, part: Part) -> Source:
        kind = kind_of(SENSORS, part, "type")
        source: Source = kind(decode(dict(part.options), kind.Options, part.where), part.where, part.id)
        self.specs[part.id] = source.output
        return source

    def node(self, part: Part) -> Node:
        kind = kind_of(STEPS, part, "use")
        options = decode(dict(part.options), kind.Options, part.where)
        spec = self.specs[part.input]
        before = self.nodes.get(part.input)
        if kind is ModelStep:
            if self._engine is not None:
                options = overridden(options, self._engine)
            model_step = ModelStep(options, part.where, spec, self._load)
            self.resources.callback(model_step.close)
            step: Step = model_step
        else:
            step = kind(options, part.where, spec, self._kernels)
        self.specs[part.id] = step.output
        model = step if isinstance(step, ModelStep) else before.model if before else None
        node = Node(part.id, part.kind, part.input, step, before.source if before else part.input, model)
        self.nodes[part.id] = node
        return node

    def outlet(self, part: Part) -> Outlet:
        kind = kind_of(SINKS, part, "type")
        options = decode(dict(part.options), kind.Options, part.where)
        return Outlet(part.id, part.kind, part.input, kind(options, part.where, self._file.name, self._file.device))


def overridden(options: ModelOptions, engine: str) -> ModelOptions:
    """Return the options of a model for another engine; the delegate stays only where one can be."""
    if engine in FOREIGN:
        return msgspec.structs.replace(options, engine=engine)
    return msgspec.structs.replace(options, engine=engine, delegate="xnnpack", delegate_options={})


def kind_of(table: Registry, part: Part, key: str) -> Any:
    """Return the class of a part.

    Raises:
        ConfigError: the table has no such row.
    """
    try:
        return table.load(part.kind)
    except ConfigError as fault:
        raise part.where.at(key).error(fault.message, hint=fault.hint) from None
