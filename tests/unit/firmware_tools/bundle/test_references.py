from __future__ import annotations

from pathlib import Path

import pytest

from edge_sdk.engines import FOREIGN
from edge_sdk.errors import ConfigError, EdgeError, SafetyError, TargetNotFoundError
from firmware_tools.bundle.references import References, named_files, read_references

PIPELINE = """
name = "app"
[sources.accel]
type = "serial"
port = "usb:0403:6001:A1"
rate_hz = 100
text = {}
[sources.old]
type = "replay"
file = "../data/run 1.npz"
[[steps]]
id = "win"
use = "window"
input = "accel"
size = 64
[[steps]]
id = "a"
use = "model"
input = "win"
model = "a/net.tflite"
labels_file = "labels.txt"
[[steps]]
id = "b"
use = "model"
input = "win"
model = "b/NET.wasm"
[[steps]]
id = "c"
use = "model"
input = "win"
model = "${env:MODEL}"
[[sinks]]
type = "mqtt"
input = "a"
url = "${env:URL}"
password = "${env:PASSWORD}"
"""


def project(folder: Path, text: str = PIPELINE) -> Path:
    for name in ("p/a/net.tflite", "p/b/NET.wasm", "p/labels.txt", "data/run 1.npz", "p/ca.pem"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "p/pipeline.toml").write_text(text)
    return folder / "p/pipeline.toml"


def read(folder: Path, text: str = PIPELINE) -> References:
    return read_references(project(folder, text), {"MODEL": "a/net.tflite"})


def test_the_files_a_pipeline_names_are_found_whether_they_are_there_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL", "c.tflite")
    found = named_files(project(tmp_path))
    folder = tmp_path / "p"
    assert found[0] == folder / "pipeline.toml"
    assert {folder / "a/net.tflite", folder / "b/NET.wasm", folder / "labels.txt", folder / "c.tflite"} <= set(found)
    assert folder / "../data/run 1.npz" in found


@pytest.mark.parametrize("text", ["", "no TOML [", "steps = 3\n", '[[steps]]\nid = "a"\n', "[sources]\na = 3\n"])
def test_of_a_broken_pipeline_at_least_the_pipeline_is_named(tmp_path: Path, text: str) -> None:
    assert named_files(project(tmp_path, text)) == [tmp_path / "p/pipeline.toml"]
    assert named_files(tmp_path / "none.toml") == [tmp_path / "none.toml"]


def test_files_are_found_and_renamed(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert {place: role for place, (role, _) in found.files.items()} == {
        "captures/run-1.npz": "capture",
        "labels/labels.txt": "labels",
        "models/net.wasm": "model",
        "models/NET-2.wasm": "model",
    }
    models = [row["model"] for row in found.table["steps"] if row["use"] == "model"]
    assert models == ["models/net.wasm", "models/NET-2.wasm", "models/net.wasm"]
    assert found.table["sources"]["old"]["file"] == "captures/run-1.npz"
    assert found.ports == {"accel": "usb:0403:6001:A1"}


def test_what_the_device_fills_in_stays_open(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert found.environment == ("PASSWORD", "URL")
    assert found.table["sinks"][0]["password"] == "${env:PASSWORD}"


def test_a_value_of_this_machine_never_goes_in(tmp_path: Path) -> None:
    found = read_references(project(tmp_path), {"MODEL": "a/net.tflite", "PASSWORD": "hunter2", "URL": "mqtt://here"})
    assert "hunter2" not in repr(found.table)
    assert "mqtt://here" not in repr(found.table)


@pytest.mark.parametrize("engine", FOREIGN)
def test_a_runtime_outside_the_sandbox_does_not_go_into_a_bundle(tmp_path: Path, engine: str) -> None:
    text = PIPELINE.replace('labels_file = "labels.txt"', f'engine = "{engine}"')
    with pytest.raises(
        SafetyError, match=rf"pipeline\.toml: steps\[1\]\.engine: '{engine}' is a runtime outside the sand"
    ):
        read(tmp_path, text)


def test_health_and_sources_are_those_of_the_pipeline(tmp_path: Path) -> None:
    found = read(tmp_path, PIPELINE + '[health]\ngate_s = 5\noptional_sources = ["old"]\n')
    assert found.sources == ("accel", "old")
    assert (found.health.gate_s, found.health.hold_s, found.health.optional_sources) == (5, 5, ("old",))


def test_the_device_may_name_itself_and_the_pipeline(tmp_path: Path) -> None:
    assert read(tmp_path).name == "app"
    found = read(tmp_path, 'device = "${env:DEVICE}"' + PIPELINE.replace('"app"', '"${env:LINE}"'))
    assert found.name == ""
    assert found.environment == ("DEVICE", "LINE", "PASSWORD", "URL")
    assert found.table["device"] == "${env:DEVICE}"


def test_a_file_named_by_a_variable_that_is_not_set_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="MODEL is not set"):
        read_references(project(tmp_path), {})


SECRETS = {
    'password_file = "secret.txt"': "password_file",
    'password_file = "/etc/secret.txt"': "password_file",
    'password = "hunter2"': "password",
    'key = "device.key"': "private key",
    'ca = "ca.pem"': "private key",
}


@pytest.mark.parametrize("line", SECRETS)
def test_secrets_are_refused_and_not_repeated(tmp_path: Path, line: str) -> None:
    path = project(tmp_path, PIPELINE.replace('password = "${env:PASSWORD}"', line))
    (tmp_path / "p/ca.pem").write_text("-----BEGIN PRIVATE KEY-----")
    with pytest.raises(SafetyError, match=SECRETS[line]) as caught:
        read_references(path, {"MODEL": "a/net.tflite"})
    assert caught.value.exit_code == 5
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_a_password_in_a_url_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SafetyError) as caught:
        read(tmp_path, PIPELINE.replace('"${env:URL}"', '"mqtt://me:hunter2@broker"'))
    assert "hunter2" not in str(caught.value)


def test_certificates_go_in_and_those_of_the_device_stay_there(tmp_path: Path) -> None:
    lines = 'ca = "ca.pem"\ncert = "/etc/edge-sdk/device.pem"\nkey = "/etc/edge-sdk/device.key"'
    found = read(tmp_path, PIPELINE.replace('password = "${env:PASSWORD}"', lines))
    sink = found.table["sinks"][0]
    assert (sink["ca"], sink["cert"], sink["key"]) == (
        "certificates/ca.pem",
        "/etc/edge-sdk/device.pem",
        "/etc/edge-sdk/device.key",
    )


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("labels.txt", "absent.txt", TargetNotFoundError),
        ('"a/net.tflite"', "7", ConfigError),
        ('input = "win"', 'input = "wim"', ConfigError),
    ],
)
def test_mistakes_of_the_pipeline_are_said(tmp_path: Path, old: str, new: str, kind: type[EdgeError]) -> None:
    with pytest.raises(kind):
        read(tmp_path, PIPELINE.replace(old, new))
