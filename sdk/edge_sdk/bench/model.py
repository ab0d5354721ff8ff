"""`edge-sdk bench MODEL`: one model on several engines, same input, interleaved, checked for equal outputs.

report = bench_model(Path("kws.tflite"), ["host", "sandbox"], seconds=5)
report.engines[1].ratio        # the sandbox takes this many times as long as the host kernels
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_sdk.bench.inputs import random_inputs
from edge_sdk.bench.interleave import Samples, Timer, race, time_calls
from edge_sdk.bench.layers import Layer, best_rates, time_layers
from edge_sdk.bench.peak_memory import PeakMemory, peak_memory
from edge_sdk.bench.power import Meter, Power, find_meter, measure
from edge_sdk.board import read_probe, this_board
from edge_sdk.engines import FOREIGN, OWN
from edge_sdk.errors import EdgeError, UnsupportedPlatformError, UsageError
from edge_sdk.foreign.probe import seems_installed
from edge_sdk.load import load, read_model
from edge_sdk.runtime.session import open_session

#: Samples that a report keeps of each engine, about.
MOST_SHOWN = 400
_CLOCKS = {"cpu": time.thread_time_ns, "wall": time.perf_counter_ns}


@dataclass(frozen=True)
class EngineResult:
    """One engine's figures; times are those of one call, by the report's clock.

    Attributes:
        load_ms, first_ms: wall time of loading the model, with what the caches hold, and of the first call.
        samples_us: every sample, for a picture of them.
        best_gmacs: ending of a kernel's name -> GMAC/s that these kernels reach at best; empty without layers.
    """

    engine: str
    isa: str
    reason: str
    median_us: float
    p90_us: float
    p99_us: float
    least_us: float
    ratio: float
    samples: int
    calls_per_sample: int
    load_ms: float
    first_ms: float
    peak_memory_mib: float | None
    model_memory_mib: float | None
    samples_us: tuple[float, ...] = ()
    best_gmacs: dict[str, float] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True)
class Agreement:
    """Whether the engines gave the same outputs.

    Attributes:
        identical: bit for bit.
        integers_differ: an integer output of two engines of ours differs, which may not be; other runtimes round
            differently by a step or two.
        largest_difference: from the first engine's outputs, in steps of the output.
    """

    identical: bool
    integers_differ: bool
    largest_difference: float


@dataclass(frozen=True)
class Report:
    """What `--json` prints.

    Attributes:
        clock: "cpu" is CPU time of the computing thread; "wall", when several threads compute.
        ratio_base: the engine that every `ratio` is relative to.
        skipped: engine -> why it is not among the results.
        power: None where nobody asked.
        module_sha256: of our WebAssembly module; empty where only other runtimes took part.
    """

    model: str
    source_sha256: str
    seconds: float
    clock: str
    ratio_base: str
    threads: int
    macs: int
    outputs: Agreement
    engines: tuple[EngineResult, ...]
    skipped: dict[str, str]
    machine: dict[str, str]
    power: Power | None = None
    module_sha256: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def is_own(engine: str) -> bool:
    """Return whether an engine is ours, "host:ISA" too."""
    return engine.partition(":")[0] in OWN


def usual_engines(path: Path) -> tuple[str, ...]:
    """Return our own engines, and for a model in its own format those of others that seem installed."""
    others = FOREIGN if path.suffix.lower() == ".tflite" else {}
    return ("host", "sandbox", *(name for name, engine in others.items() if seems_installed(engine)))


def bench_model(
    path: Path,
    engines: Sequence[str],
    seconds: float,
    *,
    threads: int = 1,
    layers: bool = False,
    power: bool = False,
    inputs: Sequence[NDArray[Any]] | None = None,
    all_or_nothing: bool = True,
    peak: Callable[[Path, str], PeakMemory | None] = peak_memory,
    meter: Callable[[], Meter | str] = find_meter,
) -> Report:
    """Measure a model on each engine.

    Args:
        path: a .tflite or .wasm file.
        engines: in this order; ratios are relative to the first that loads. "host:ISA" is the host with other
            kernels than the best.
        seconds: for all engines together.
        threads: most threads that an engine may compute with.
        layers: time each kernel call of our own engines too; takes half of `seconds` more.
        power: measure the energy of an inference too, where the machine tells; takes `seconds` more.
        inputs: default: seeded random ones.
        all_or_nothing: whether an engine that cannot be used is an error or is listed as skipped.

    Raises:
        EdgeError: what `load` raises.
        UsageError: no engine, or one named twice.
    """
    if not engines or len(set(engines)) != len(engines):
        raise UsageError(f"expected different engines, got {', '.join(engines) or 'none'}")
    with ExitStack() as opened:
        models, load_ms, skipped = _open_all(opened, path, engines, threads, all_or_nothing=all_or_nothing)
        given = _inputs(models, inputs)
        outputs, first_ms = {}, {}
        for engine, model in models.items():
            began_s = time.perf_counter()
            outputs[engine] = model.run(*given)
            first_ms[engine] = _since_ms(began_s)
        clock = "wall" if threads > 1 else "cpu"
        samples = race({engine: _timer(engine, model, given, clock) for engine, model in models.items()}, seconds)
        base = next(iter(models))
        results = tuple(
            replace(
                _result(engine, models[engine].engine, samples[engine], samples[base], _peak(peak, path, engine)),
                load_ms=load_ms[engine],
                first_ms=first_ms[engine],
                **(_layers(engine, models[engine], seconds / 2 / len(models)) if layers else {}),
            )
            for engine in models
        )
        agreement = replace(
            compare_outputs(list(outputs.values())),
            integers_differ=compare_outputs([outputs[name] for name in models if is_own(name)]).integers_differ,
        )
        sha256, macs = models[base].source_sha256, _macs(models)
        module = next((model.module_sha256 for engine, model in models.items() if is_own(engine)), "")
        calls = {engine: partial(model.run, *given) for engine, model in models.items()}
        used = measure(calls, seconds, meter()) if power else None
    return Report(
        model=str(path),
        source_sha256=sha256,
        seconds=seconds,
        clock=clock,
        ratio_base=base,
        threads=threads,
        macs=macs,
        outputs=agreement,
        engines=results,
        skipped=skipped,
        machine=_machine(),
        power=used,
        module_sha256=module,
    )


def compare_outputs(runs: Sequence[Sequence[NDArray[Any]]]) -> Agreement:
    """Compare every run's outputs with the first one's."""
    pairs = [pair for run in runs[1:] for pair in zip(runs[0], run, strict=True)]
    different = [(one, other) for one, other in pairs if one.tobytes() != other.tobytes()]
    gaps = [float(np.max(np.abs(one.astype(np.float64) - other.astype(np.float64)))) for one, other in different]
    return Agreement(
        identical=not different,
        integers_differ=any(one.dtype.kind != "f" for one, _ in different),
        largest_difference=max(gaps, default=0.0),
    )


def _timer(engine: str, model: Any, given: Sequence[NDArray[Any]], clock: str) -> Timer:
    """Return what times calls of a model: another runtime's where they are computed, without the pipes between."""
    if engine not in FOREIGN:
        return partial(time_calls, partial(model.run, *given), _CLOCKS[clock])
    return lambda calls: float(getattr(model.time_runs(*given, times=calls), f"{clock}_ns"))


def _open_all(
    opened: ExitStack, path: Path, engines: Sequence[str], threads: int, *, all_or_nothing: bool
) -> tuple[dict[str, Any], dict[str, float], dict[str, str]]:
    """Return engine -> model, the milliseconds that loading took, and why the rest is missing."""
    models: dict[str, Any] = {}
    load_ms: dict[str, float] = {}
    skipped: dict[str, str] = {}
    for engine in engines:
        began_s = time.perf_counter()
        opening = _open(path, engine, threads)
        if not isinstance(opening, EdgeError):
            models[engine] = opened.enter_context(opening)
            load_ms[engine] = _since_ms(began_s)
            continue
        is_last = engine == engines[-1] and not models
        missing = isinstance(opening, UnsupportedPlatformError) or not is_own(engine)
        if all_or_nothing or is_last or not missing:
            raise opening
        skipped[engine] = opening.message
    return models, load_ms, skipped


def _since_ms(began_s: float) -> float:
    return round((time.perf_counter() - began_s) * 1000, 3)


def _macs(models: Mapping[str, Any]) -> int:
    """Return the model's multiply-accumulates; 0 where only other runtimes have it."""
    return next((int(model.manifest["macs"]) for engine, model in models.items() if is_own(engine)), 0)


def _layers(engine: str, model: Any, seconds: float) -> dict[str, Any]:
    """Return the fields of EngineResult that say where the time goes; none for another runtime."""
    if engine in FOREIGN:
        return {}
    name = model.engine.name
    best = best_rates(name)
    return {"best_gmacs": best, "layers": time_layers(model, seconds, best)}


def _open(path: Path, engine: str, threads: int) -> Any:
    """Return the model, or why the engine has it not."""
    name, _, isa = engine.partition(":")
    try:
        if isa:
            return open_session(read_model(path), engine=name, isa=isa, threads=threads)
        return load(path, engine=engine, threads=threads)
    except EdgeError as error:
        return error


def _peak(peak: Callable[[Path, str], PeakMemory | None], path: Path, engine: str) -> PeakMemory | None:
    """Return the memory of an engine; a runtime in a child process is not measured."""
    return None if engine in FOREIGN else peak(path, engine.partition(":")[0])


def _inputs(models: dict[str, Any], inputs: Sequence[NDArray[Any]] | None) -> list[NDArray[Any]]:
    return list(inputs) if inputs is not None else random_inputs(next(iter(models.values())).inputs)


def _result(name: str, info: Any, mine: Samples, base: Samples, memory: PeakMemory | None) -> EngineResult:
    return EngineResult(
        engine=name,
        isa=info.isa,
        reason=info.reason,
        median_us=round(mine.median_ns / 1000, 3),
        p90_us=round(mine.percentile_ns(90) / 1000, 3),
        p99_us=round(mine.percentile_ns(99) / 1000, 3),
        least_us=round(mine.least_ns / 1000, 3),
        ratio=round(mine.ratio_to(base), 4),
        samples=len(mine.call_ns),
        calls_per_sample=mine.calls_per_sample,
        load_ms=0.0,
        first_ms=0.0,
        peak_memory_mib=None if memory is None else round(memory.peak_kib / 1024, 2),
        model_memory_mib=None if memory is None else round(memory.model_mib, 2),
        samples_us=tuple(round(ns / 1000, 3) for ns in mine.call_ns[:: max(1, len(mine.call_ns) // MOST_SHOWN)]),
    )


def _machine() -> dict[str, str]:
    found = this_board()
    probe = read_probe()
    return {
        "board": found.board.name if found.board is not None else "unknown",
        "arch": probe.arch,
        "cpu": probe.cpu,
        "python": platform.python_version(),
        "wasmtime": metadata.version("wasmtime"),
        "edge_sdk": _own_version(),
    }


def _own_version() -> str:
    try:
        return metadata.version("edge-sdk")
    except metadata.PackageNotFoundError:
        return "not installed"
