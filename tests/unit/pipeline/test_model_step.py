from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

from edge_sdk.config import Where, decode
from edge_sdk.engines import ENGINES
from edge_sdk.errors import ConfigError, DeadlineError, EdgeError, ModelError, SandboxError
from edge_sdk.pipeline.model_step import ModelOptions, ModelStep
from edge_sdk.reading import Frame, StreamSpec
from edge_sdk.tensor import TensorSpec
from tests.unit.pipeline.fakes import FakeModel, loader, loud_model

WHERE = Where(Path("p.toml"), "steps[1]")
FEATURES = StreamSpec("features", (1, 8), labels=())


def step_of(fake: FakeModel, spec: StreamSpec = FEATURES, where: Where = WHERE, **options: Any) -> ModelStep:
    return ModelStep(decode({"model": "m.wasm", **options}, ModelOptions, where), where, spec, loader(fake))


def frame(value: float, seq: int = 0) -> Frame:
    return Frame(np.full((1, 8), value, np.float32), seq, 0.0, datetime(2026, 1, 1, tzinfo=timezone.utc))


def test_scores_label_and_score_of_the_winner() -> None:
    step = step_of(loud_model(), labels=["quiet", "loud"])
    (found,) = step.push(frame(0.9))
    assert found.label == "loud"
    assert found.score == pytest.approx(0.81)
    assert found.data.tolist() == pytest.approx([0.19, 0.81])
    assert (step.output.kind, step.output.shape, step.output.labels) == ("scores", (2,), ("quiet", "loud"))
    assert (step.engine, step.model_sha256) == ("fake (none)", "ab" * 32)


def test_the_score_may_be_that_of_one_class_whoever_wins() -> None:
    (found,) = step_of(loud_model(), labels=["quiet", "loud"], score="loud").push(frame(0.1))
    assert found.label == "quiet"
    assert found.score == pytest.approx(0.01)


def test_without_labels_the_winner_is_its_index() -> None:
    assert step_of(loud_model()).push(frame(0.9))[0].label == "1"


def test_integers_are_quantised_and_dequantised() -> None:
    inputs, outputs = TensorSpec("x", "int8", (1, 8), 0.1, 5), TensorSpec("y", "int8", (1, 2), 0.25, -1)

    def compute(x: Any) -> Any:
        assert x.tolist() == [[15] * 8]
        return np.array([[-1, 3]], np.int8)

    (found,) = step_of(FakeModel(inputs, outputs, compute)).push(frame(1.0))
    assert found.data.tolist() == [0.0, 1.0]


def test_a_reconstruction_is_judged_by_its_mean_square_error() -> None:
    spec = TensorSpec("x", "float32", (1, 8))
    model = FakeModel(spec, spec, lambda x: x * 0.5)
    (found,) = step_of(model, score="reconstruction_error").push(frame(2.0))
    assert found.score == pytest.approx(1.0)
    assert found.data.tolist() == [1.0]


@pytest.mark.parametrize(("options", "resets"), [({}, 2), ({"on_gap": "keep"}, 0)])
def test_a_gap_makes_the_model_forget_unless_it_shall_keep_its_state(options: dict[str, str], resets: int) -> None:
    model = loud_model()
    step = step_of(model, **options)
    for seq, gap in enumerate((False, True, False, True)):
        step.push(replace(frame(0.9, seq), gap=gap))
    assert model.resets == resets


@pytest.mark.parametrize("fault", [DeadlineError("too slow"), SandboxError("trap")])
def test_a_fault_repeats_the_last_good_scores_marked_stale(fault: EdgeError, caplog: pytest.LogCaptureFixture) -> None:
    model = loud_model()
    step = step_of(model, labels=["quiet", "loud"])
    (good,) = step.push(frame(0.9, 0))
    works = model.compute

    def fail(x: Any) -> Any:
        raise fault

    model.compute = fail
    with caplog.at_level(logging.WARNING):
        (old,) = step.push(frame(0.1, 1))
    assert (old.seq, old.label, old.score, old.stale) == (1, good.label, good.score, True)
    assert step.faults == 1
    assert f"p.toml: steps[1]: frame 1: {fault.message}" in caplog.text
    model.compute = works
    (fresh,) = step.push(frame(0.1, 2))
    assert (fresh.label, fresh.stale) == ("quiet", False)


def failing(fault: EdgeError) -> FakeModel:
    def fail(x: Any) -> Any:
        raise fault

    model = loud_model()
    model.compute = fail
    return model


def test_an_output_of_another_size_is_a_fault_of_that_frame() -> None:
    model = loud_model()
    model.compute = lambda x: np.zeros((1, 3), np.float32)
    step = step_of(model)
    assert step.push(frame(1)) == []
    assert step.faults == 1


def test_restarts_are_told_and_not_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    model = loud_model()
    works, step = model.compute, step_of(model)

    def fail(x: Any) -> Any:
        raise SandboxError(f"it died {model.restarts}")

    def bring_down(times: int) -> None:
        model.compute = fail
        for _ in range(times):
            step.push(frame(1))
        model.restarts += 1
        model.compute = works
        step.push(frame(1, 7))

    with caplog.at_level(logging.WARNING):
        bring_down(1)
        bring_down(3)
        told = [record.getMessage().removeprefix("p.toml: steps[1]: frame 7: ") for record in caplog.records]
        assert told[1:] == [
            "opened anew after: it died 0 (restarts so far: 1)",
            "opened anew after: it died 1 (restarts so far: 2)",
        ]
        assert step.restarts == 2
        for _ in range(500):
            bring_down(1)
    assert len(caplog.records) < 20  # said often enough


def test_a_delegate_is_found_beside_the_pipeline(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    where = Where(tmp_path / "p.toml", "steps[0]")
    for delegate in ("lib/npu.so", "libnpu.so", "reference"):
        options = {"model": "m.tflite", "engine": "litert", "delegate": delegate, "delegate_options": {"port": "1"}}
        ModelStep(decode(options, ModelOptions, where), where, FEATURES, loader(loud_model(), seen))
    assert [row["delegate"] for row in seen] == [str(tmp_path / "lib/npu.so"), "libnpu.so", "reference"]
    assert seen[0]["delegate_options"] == {"port": "1"}


def test_the_step_knows_every_engine_of_the_table() -> None:
    assert get_args(get_args(get_type_hints(ModelOptions, include_extras=True)["engine"])[0]) == ENGINES


def test_a_fault_before_any_good_frame_gives_nothing() -> None:
    assert step_of(failing(DeadlineError("slow"))).push(frame(1)) == []


def test_a_fault_may_skip_the_frame_or_stop_the_pipeline() -> None:
    assert step_of(failing(SandboxError("trap")), on_fault="skip").push(frame(1)) == []
    with pytest.raises(SandboxError, match="trap"):
        step_of(failing(SandboxError("trap")), on_fault="stop").push(frame(1))


def test_other_errors_are_not_hidden() -> None:
    with pytest.raises(ModelError):
        step_of(failing(ModelError("closed"))).push(frame(1))


def test_options_reach_the_loader(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    where = Where(tmp_path / "p.toml", "steps[0]")
    options = decode(
        {"model": "sub/m.tflite", "engine": "sandbox", "threads": 2, "deadline_ms": 8, "memory_mib": 32},
        ModelOptions,
        where,
    )
    ModelStep(options, where, FEATURES, loader(loud_model(), seen))
    assert seen == [
        {
            "path": tmp_path / "sub/m.tflite",
            "engine": "sandbox",
            "threads": 2,
            "deadline_s": 0.008,
            "memory_mib": 32,
            "delegate": "xnnpack",
            "delegate_options": {},
        }
    ]


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        (
            StreamSpec("samples", (0, 8)),
            {},
            "input: expected frames of a fixed size, got samples [anyx8]; put a window",
        ),
        (StreamSpec("window", (9, 1)), {}, "input: the model takes 1x8 = 8 numbers, this input gives window [9x1]"),
        (FEATURES, {"model": "m.onnx"}, "model: expected a .tflite or .wasm file, got 'm.onnx'"),
        (FEATURES, {"labels": ["a"]}, "labels: expected 2 labels, one per score of the model, got 1"),
        (FEATURES, {"labels": ["a", "a"]}, "labels: the label 'a' is there twice"),
        (FEATURES, {"labels": ["a", "b"], "labels_file": "l"}, "labels_file: expected labels or labels_file, not both"),
        (FEATURES, {"labels_file": "none.txt"}, "labels_file: none.txt cannot be read as text: No such file"),
        (FEATURES, {"labels": ["ok", "bad"], "score": "bda"}, "score: unknown score 'bda'; did you mean 'bad'?"),
        (FEATURES, {"score": "reconstruction_error"}, "score: reconstruction_error needs as many outputs as inputs"),
    ],
)
def test_what_does_not_fit_is_named_with_its_key(spec: StreamSpec, options: dict[str, Any], message: str) -> None:
    model = loud_model()
    with pytest.raises(ConfigError) as caught:
        step_of(model, spec, **options)
    assert caught.value.message.startswith(f"p.toml: steps[1].{message}")


def test_a_model_that_does_not_fit_is_closed() -> None:
    model = loud_model()
    with pytest.raises(ConfigError):
        step_of(model, labels=["a"])
    assert model.closed


@pytest.mark.parametrize(
    ("given", "wanted", "fits"),
    [
        ((1, 8), (1, 8), True),
        ((8, 1), (1, 8), True),
        ((2, 4), (1, 8), True),
        ((8,), (1, 2, 4, 1), True),
        ((2, 4), (1, 2, 4, 1), True),
        ((4, 2), (1, 2, 4), False),
    ],
)
def test_only_reshapes_that_keep_the_meaning_are_made(
    given: tuple[int, ...], wanted: tuple[int, ...], *, fits: bool
) -> None:
    model = FakeModel(
        TensorSpec("x", "float32", wanted), TensorSpec("y", "float32", (1,)), lambda x: np.zeros(1, np.float32)
    )
    if fits:
        step_of(model, StreamSpec("features", given))
    else:
        with pytest.raises(ConfigError, match="the model takes 1x2x4 = 8 numbers, this input gives features"):
            step_of(model, StreamSpec("features", given))


def test_labels_come_from_a_file_one_per_line(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("quiet\r\n loud \n\n")
    step = step_of(loud_model(), where=Where(tmp_path / "p.toml", "steps[0]"), labels_file="labels.txt")
    assert step.labels == ("quiet", "loud")


def test_what_the_loader_says_gets_the_place(tmp_path: Path) -> None:
    def refuse(*arguments: Any, **more: Any) -> Any:
        raise ModelError("m.wasm: cut short", hint="convert it again")

    with pytest.raises(ModelError) as caught:
        ModelStep(ModelOptions(model="m.wasm"), WHERE, FEATURES, refuse)
    assert caught.value.message == "p.toml: steps[1].model: m.wasm: cut short"
    assert caught.value.hint == "convert it again"
