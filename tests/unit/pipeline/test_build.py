from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_sdk.errors import ConfigError
from edge_sdk.pipeline import build
from tests.unit.pipeline.fakes import LABELS, MODEL, THRESHOLD, WINDOW, loader, loud_model, write_pipeline


def test_parts_know_their_place(tmp_path: Path) -> None:
    sink = '[[sinks]]\ntype = "stdout"\ninput = "alarm"\n'
    path = write_pipeline(tmp_path, WINDOW + MODEL + LABELS + THRESHOLD + sink)
    with build(path, load=loader(loud_model())) as pipeline:
        assert [node.id for node in pipeline.nodes] == ["win", "score", "alarm"]
        assert [node.source for node in pipeline.nodes] == ["a", "a", "a"]
        assert [node.model is not None for node in pipeline.nodes] == [False, True, True]
        assert pipeline.result_nodes == {"alarm"}
        assert pipeline.engines == {"score": "fake (none)"}
        assert (pipeline.name, pipeline.device) == ("test", "gw")


def test_closing_frees_the_models(tmp_path: Path) -> None:
    model = loud_model()
    with build(write_pipeline(tmp_path, WINDOW + MODEL), load=loader(model)):
        assert not model.closed
    assert model.closed


def test_a_failed_build_frees_the_models(tmp_path: Path) -> None:
    model = loud_model()
    with pytest.raises(ConfigError, match=r"steps\[2\]\.labels"):
        build(write_pipeline(tmp_path, WINDOW + MODEL + THRESHOLD), load=loader(model))
    assert model.closed


def test_the_engine_can_be_overridden(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    path = write_pipeline(tmp_path, WINDOW + MODEL + 'engine = "host"\n')
    build(path, engine="sandbox", load=loader(loud_model(), seen)).close()
    build(path, load=loader(loud_model(), seen)).close()
    assert [call["engine"] for call in seen] == ["sandbox", "host"]
    assert seen[0]["path"] == tmp_path / "m.wasm"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WINDOW.replace("size", "sise"), "steps[0].sise: unknown key; did you mean 'size'?"),
        (WINDOW.replace('"window"', '"windw"'), "steps[0].use: unknown step 'windw'; did you mean 'window'?"),
        (WINDOW + MODEL.replace('"win"', '"a"'), "steps[1].input: expected frames of a fixed size"),
        (WINDOW.replace("8", "9") + MODEL, "steps[1].input: the model takes 1x8 = 8 numbers, this input gives window"),
        (WINDOW + MODEL.replace('use = "model"', 'use = "window"\nsize = 4'), "steps[1].model: unknown key"),
        (
            WINDOW + '[[sinks]]\ntype = "mqt"\ninput = "win"\n',
            "sinks[0].type: unknown sink 'mqt'; did you mean 'mqtt'?",
        ),
        (WINDOW + '[[sinks]]\ntype = "mqtt"\ninput = "win"\n', "sinks[0].url: this key is missing"),
        (
            WINDOW + '[[sinks]]\ntype = "stdout"\ninput = "win"\nurl = "x"\n',
            "sinks[0].url: unknown key (known keys: none)",
        ),
        ("loops = true\n", "sources.a.loops: unknown key; did you mean 'loop'?"),
        ("[sources.b]\ntype = 'seral'\n", "sources.b.type: unknown sensor 'seral'; did you mean 'serial'?"),
        (
            "[sources.b]\ntype = 'serial'\nport = '/dev/x'\nrate_hz = 0\ntext = {}\n",
            "sources.b.rate_hz: expected a number > 0",
        ),
        (WINDOW + MODEL + "memory_mib = 32.5\n", "steps[1].memory_mib: expected an integer"),
        (WINDOW + MODEL + 'on_fault = "panic"\n', "steps[1].on_fault: invalid enum value 'panic'"),
    ],
)
def test_each_mistake_is_found_before_anything_runs(tmp_path: Path, text: str, message: str) -> None:
    path = write_pipeline(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        build(path, load=loader(loud_model()))
    assert caught.value.message.startswith(f"{path}: {message}")
