"""Real builds of the demo's project, through the command line's own conversion and inference."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

import edge_sdk
from edge_sdk.config.pipeline import read_pipeline
from edge_sdk.errors import ConfigError, EdgeError, ModelError, TargetNotFoundError
from firmware_tools.bundle import Health, inspect_bundle
from firmware_tools.bundle.build import Order, build_bundle, counter_of
from firmware_tools.bundle.engine_process import complaint
from firmware_tools.bundle.golden import agrees, digest, seeded_input
from firmware_tools.bundle.module_facts import module_facts
from tests.support import REPOSITORY
from tests.unit.firmware_tools.bundles import new_keys

DEMO = REPOSITORY / "examples/demo/pipeline.toml"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    (key,) = new_keys(folder, "me")
    build_bundle(Order(DEMO, folder / "app.edgeb", version="1.2.3", board="jetson"), [key])
    with inspect_bundle(folder / "app.edgeb") as bundle:
        bundle.extract(folder / "slot")
    return folder


def test_building_twice_gives_the_same_bytes(built: Path, tmp_path: Path) -> None:
    from firmware_tools.sign import load_private

    key = load_private(built / "me.pem")
    build_bundle(Order(DEMO, tmp_path / "again.edgeb", version="1.2.3", board="jetson"), [key])
    assert (tmp_path / "again.edgeb").read_bytes() == (built / "app.edgeb").read_bytes()


def test_the_manifest_says_what_the_board_must_be(built: Path) -> None:
    with inspect_bundle(built / "app.edgeb") as bundle:
        manifest = bundle.manifest
    assert (manifest.name, manifest.version, manifest.counter) == ("motor", "1.2.3", 1_002_003)
    assert manifest.requires.boards == ("jetson-agx-orin", "jetson-orin-nano")
    assert "nvidia,p3767-0005" in manifest.requires.compatible
    assert manifest.requires.arch == "aarch64"
    assert manifest.environment == ("EDGE_MQTT_URL", "EDGE_PORT")
    assert [entry.role for entry in manifest.files] == ["golden", "model", "pipeline", "unit"]


def test_the_pipeline_of_the_bundle_finds_its_model(built: Path) -> None:
    environment = {"EDGE_PORT": "/dev/ttyS0", "EDGE_MQTT_URL": "mqtt://broker"}
    file = read_pipeline(built / "slot/pipeline.toml", environment)
    model = next(part for part in file.steps if part.kind == "model")
    assert model.options["model"] == "models/motor.wasm"
    assert (built / "slot/models/motor.wasm").exists()


def test_without_a_health_table_every_source_must_deliver(built: Path) -> None:
    with inspect_bundle(built / "app.edgeb") as bundle:
        assert bundle.manifest.health == Health(
            gate_s=60, hold_s=10, latency_p99_ms=0, sources=("accel",), offline=True
        )


def project(folder: Path, text: str) -> Path:
    (folder / "motor.tflite").write_bytes(DEMO.with_name("motor.tflite").read_bytes())
    (folder / "pipeline.toml").write_text(text)
    return folder / "pipeline.toml"


def test_the_health_table_becomes_the_manifests_and_stays_in_the_pipeline(tmp_path: Path) -> None:
    rules = '[health]\ngate_s = 90\nlatency_p99_ms = 40\noptional_sources = ["accel"]\noffline = false\n'
    pipeline = project(tmp_path, DEMO.read_text() + rules)
    manifest = build_bundle(Order(pipeline, tmp_path / "app.edgeb"), [])
    assert manifest.health == Health(gate_s=90, hold_s=10, latency_p99_ms=40, sources=(), offline=False)
    with inspect_bundle(tmp_path / "app.edgeb") as bundle:
        bundle.extract(tmp_path / "slot")
    environment = {"EDGE_PORT": "/dev/ttyS0", "EDGE_MQTT_URL": "mqtt://broker"}
    assert read_pipeline(tmp_path / "slot/pipeline.toml", environment).health.gate_s == 90


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("size = 4096", "siez = 4096", "steps[0].siez: unknown key; did you mean 'size'?"),
        ("size = 4096", "size = 4095.5", "steps[0].size: expected an integer"),
        ("bands = 64", "bands = 63", "steps[3].input: the model takes"),
        ('score = "fault"', 'score = "falut"', "steps[3].score: unknown score 'falut'"),
        ("required = true", 'required = true\ntopic = "a/{stop}"', "sinks[0].topic: unknown field {stop}"),
        ('type = "serial"', 'type = "cereal"', "sources.accel.type: unknown sensor 'cereal'"),
    ],
)
def test_a_wrong_option_is_found_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, complaint: str
) -> None:
    monkeypatch.setenv("EDGE_MQTT_URL", "a value of this machine that would be wrong")
    pipeline = project(tmp_path, DEMO.read_text().replace(old, new))
    with pytest.raises(ConfigError) as caught:
        build_bundle(Order(pipeline, tmp_path / "app.edgeb"), [])
    assert caught.value.message.startswith(f"{pipeline}: {complaint}")
    assert not (tmp_path / "app.edgeb").exists()


@pytest.mark.parametrize("engine", ["host", "sandbox"])
def test_the_golden_vector_is_answered_again(built: Path, engine: str) -> None:
    with inspect_bundle(built / "app.edgeb") as bundle:
        (golden,) = bundle.manifest.golden
    inputs = [seeded_input(golden.seed, n, one.dtype, one.shape) for n, one in enumerate(golden.inputs)]
    assert [digest(array) for array in inputs] == [one.sha256 for one in golden.inputs]
    with edge_sdk.load(built / "slot" / golden.model, engine=engine) as model:
        answers = model.run(*inputs)
    assert golden.compare == "exact"
    for path, answer in zip(golden.outputs, answers, strict=True):
        assert agrees(golden, np.load(io.BytesIO((built / "slot" / path).read_bytes())), answer)


def test_the_module_says_its_shapes_and_memory(built: Path) -> None:
    facts = module_facts(built / "slot/models/motor.wasm")
    assert facts.inputs == (("int8", (1, 64)),)
    assert facts.outputs == (("int8", (1, 2)),)
    assert facts.memory_bytes == 131072
    assert facts.exact


@pytest.mark.parametrize(
    "data",
    [b"", b"\0asm", b"\0asm\1\0\0\0", b"\0asm\1\0\0\0\0\xff\xff\xff\xff\xff\xff", b"\0asm\1\0\0\0\0\x05\x0dedge"],
)
def test_another_file_is_no_module(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.wasm").write_bytes(data)
    with pytest.raises(ModelError, match="no model module"):
        module_facts(tmp_path / "m.wasm")


def test_a_broken_model_is_the_converters_complaint_and_leaves_the_old_bundle(tmp_path: Path) -> None:
    (tmp_path / "pipeline.toml").write_text(DEMO.read_text())
    (tmp_path / "motor.tflite").write_bytes(b"no model at all, but long enough to be one")
    (tmp_path / "app.edgeb").write_text("old")
    with pytest.raises(EdgeError) as caught:
        build_bundle(Order(tmp_path / "pipeline.toml", tmp_path / "app.edgeb"), [])
    assert caught.value.exit_code == 3
    assert "motor" in caught.value.message
    assert (tmp_path / "app.edgeb").read_text() == "old"


def test_names_boards_and_versions_are_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"X\.Y\.Z"):
        build_bundle(Order(DEMO, tmp_path / "a.edgeb", version="1.0"), [])
    with pytest.raises(TargetNotFoundError, match="unknown board"):
        build_bundle(Order(DEMO, tmp_path / "a.edgeb", board="toaster"), [])
    with pytest.raises(ConfigError, match="--name"):
        build_bundle(Order(DEMO, tmp_path / "a.edgeb", name="../x"), [])
    with pytest.raises(ConfigError, match="rollback_floor"):
        build_bundle(Order(DEMO, tmp_path / "a.edgeb", rollback_floor=9), [])
    assert list(tmp_path.iterdir()) == []


def test_a_version_becomes_a_counter_that_rises_with_it() -> None:
    versions = ["0.0.1", "0.0.10", "0.1.0", "0.10.0", "1.0.0", "1.0.1", "10.0.0"]
    counters = [counter_of(text) for text in versions]
    assert counters == sorted(set(counters))
    with pytest.raises(ConfigError):
        counter_of("1.0.1000")


def test_the_childs_error_keeps_its_code() -> None:
    error = complaint(["convert"], 3, "warning: x\nerror: net.tflite: damaged\ntry: look\n")
    assert (error.exit_code, error.message, error.hint) == (3, "net.tflite: damaged", "look")
    error = complaint(["convert"], 3, "error: cannot:\n  A\n  B: x\n")
    assert (error.message, error.hint) == ("cannot:\n  A\n  B: x", "")
    assert complaint(["run"], 99, "").exit_code == 8
