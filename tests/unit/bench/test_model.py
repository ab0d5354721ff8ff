"""The benchmark of a model, with models that are counters and no runtime."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edge_sdk.bench import model as module
from edge_sdk.bench.model import bench_model, compare_outputs
from edge_sdk.bench.peak_memory import PeakMemory
from edge_sdk.errors import ModelError, UnsupportedPlatformError, UsageError
from edge_sdk.tensor import TensorSpec


class FakeModel:
    """Adds `offset` to its input."""

    inputs = (TensorSpec("x", "int8", (4,)),)
    manifest: dict[str, Any] = {"macs": 12}  # noqa: RUF012 - as a session has it
    source_sha256 = "f" * 64
    module_sha256 = "e" * 64

    def __init__(self, engine: str, offset: int = 0) -> None:
        self.engine = SimpleNamespace(name=engine, isa=f"{engine}-isa", reason="fake")
        self.offset = offset
        self.seen: list[np.ndarray] = []
        self.is_closed = False

    def run(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        self.seen.append(x)
        return ((x // 2 + self.offset).astype(np.int8),)

    def __enter__(self) -> FakeModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.is_closed = True


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """engine -> the model or error that loading gives."""
    table: dict[str, Any] = {"host": FakeModel("host"), "sandbox": FakeModel("sandbox")}

    def load(path: Path, engine: str, threads: int) -> FakeModel:
        if isinstance(table[engine], Exception):
            raise table[engine]
        return table[engine]  # type: ignore[no-any-return]

    monkeypatch.setattr(module, "load", load)
    return table


def bench(engines: list[str], **options: Any) -> module.Report:
    return bench_model(Path("m.wasm"), engines, 0.01, peak=lambda path, engine: PeakMemory(1024, 3072), **options)


def test_every_engine_gets_the_same_input(models: dict[str, Any]) -> None:
    bench(["host", "sandbox"])
    first, second = models["host"].seen[0], models["sandbox"].seen[-1]
    assert np.array_equal(first, second)


def test_the_report_has_figures_ratio_and_memory_of_each_engine(models: dict[str, Any]) -> None:
    report = bench(["sandbox", "host"])
    sandbox, host = report.engines
    assert (sandbox.engine, sandbox.isa, sandbox.ratio, report.ratio_base) == ("sandbox", "sandbox-isa", 1.0, "sandbox")
    assert (host.peak_memory_mib, host.model_memory_mib) == (3.0, 2.0)
    assert 0 < host.least_us <= host.median_us <= host.p99_us
    assert report.outputs.identical
    assert report.as_dict()["machine"]["board"]


class FakeForeign(FakeModel):
    """Says what a run took instead of being timed."""

    def time_runs(self, x: np.ndarray, times: int) -> SimpleNamespace:
        return SimpleNamespace(outputs=self.run(x), cpu_ns=3000 * times, wall_ns=5000 * times)


def test_a_runtime_in_a_child_process_is_timed_there(models: dict[str, Any]) -> None:
    models["litert"] = FakeForeign("litert", offset=1)
    report = bench(["host", "litert"])
    assert report.clock == "cpu"
    host, litert = report.engines
    assert (litert.median_us, litert.least_us) == (3.0, 3.0)
    assert bench(["litert"], threads=2).engines[0].median_us == 5.0
    assert (host.peak_memory_mib, litert.peak_memory_mib) == (3.0, None)
    assert (report.outputs.integers_differ, report.outputs.largest_difference) == (False, 1.0)  # others round otherwise


def test_a_runtime_that_refuses_the_model_is_skipped_unless_it_was_named(models: dict[str, Any]) -> None:
    models["litert"] = ModelError("no such operator")
    assert bench(["host", "litert"], all_or_nothing=False).skipped == {"litert": "no such operator"}
    with pytest.raises(ModelError):
        bench(["host", "litert"])


def test_other_runtimes_run_the_file_of_a_model_and_no_module() -> None:
    assert module.usual_engines(Path("m.wasm")) == ("host", "sandbox")
    assert module.usual_engines(Path("m.tflite"))[:2] == ("host", "sandbox")


def test_models_are_closed_afterwards(models: dict[str, Any]) -> None:
    bench(["host"])
    assert models["host"].is_closed


def test_an_engine_that_gives_other_integers_is_found(models: dict[str, Any]) -> None:
    models["sandbox"].offset = 3
    report = bench(["host", "sandbox"])
    assert report.outputs.integers_differ
    assert report.outputs.largest_difference == 3.0


def test_an_engine_this_machine_lacks_is_skipped_with_its_reason(models: dict[str, Any]) -> None:
    models["host"] = UnsupportedPlatformError("no AVX2")
    report = bench(["host", "sandbox"], all_or_nothing=False)
    assert report.skipped == {"host": "no AVX2"}
    assert [one.engine for one in report.engines] == ["sandbox"]


def test_an_engine_that_was_asked_for_by_name_is_not_skipped(models: dict[str, Any]) -> None:
    models["host"] = UnsupportedPlatformError("no AVX2")
    with pytest.raises(UnsupportedPlatformError, match="no AVX2"):
        bench(["host", "sandbox"])


def test_a_damaged_model_is_an_error_and_no_skip(models: dict[str, Any]) -> None:
    models["host"] = ModelError("damaged")
    with pytest.raises(ModelError, match="damaged"):
        bench(["host", "sandbox"], all_or_nothing=False)


@pytest.mark.parametrize("engines", [[], ["host", "host"]])
def test_engines_must_be_named_once(models: dict[str, Any], engines: list[str]) -> None:
    with pytest.raises(UsageError, match="expected different engines"):
        bench(engines)


def test_floats_may_differ_and_integers_may_not() -> None:
    exact, near = np.float32([1.0, 2.0]), np.float32([1.0, 2.5])
    assert compare_outputs([[exact], [near]]) == module.Agreement(False, False, 0.5)
    assert compare_outputs([[exact], [exact.copy()]]).identical
    assert compare_outputs([[np.int8([1])], [np.int8([-128])]]) == module.Agreement(False, True, 129.0)
