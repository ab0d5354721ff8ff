from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_sdk.errors import ConfigError, EdgeError, TargetNotFoundError
from edge_sdk.pipeline.check import Checked, check
from tests.unit.pipeline.fakes import LABELS, MODEL, THRESHOLD, WINDOW, loader, loud_model, write_pipeline

SINK = '[[sinks]]\ntype = "mqtt"\ninput = "win"\n'


def looked_at(folder: Path, text: str, environment: dict[str, str] | None = None, model: Any = None) -> Checked:
    load = loader(model or loud_model())
    return check(write_pipeline(folder, text), load=load, environment=environment or {})


def test_a_sound_pipeline_is_built_and_closed_again(tmp_path: Path) -> None:
    model = loud_model()
    assert looked_at(tmp_path, WINDOW + MODEL + LABELS + THRESHOLD, model=model) == Checked("test", (), ())
    assert model.closed


def test_the_values_of_variables_are_the_devices(tmp_path: Path) -> None:
    sink = (
        SINK
        + 'url = "${env:URL}"\nusername = "${env:USER_NAME}"\npassword = "${env:PW}"\ntopic = "l/${env:L}/{step}"\n'
    )
    found = looked_at(tmp_path, WINDOW + sink, {"L": "3"})
    assert found == Checked("test", ("PW", "URL", "USER_NAME"), ())


def test_a_variable_that_is_set_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sinks\[0\].url: expected a URL"):
        looked_at(tmp_path, WINDOW + SINK + 'url = "${env:URL}"\n', {"URL": "http://x"})


@pytest.mark.parametrize(
    "more",
    [
        'ca = "none.pem"',
        'password = "${env:PW}"',
        'topic = "{stop}"',
        "report_s = -1",
        "colour = 1",
    ],
)
def test_a_variable_hides_no_mistake_in_another_option(tmp_path: Path, more: str) -> None:
    with pytest.raises(EdgeError) as caught:
        looked_at(tmp_path, WINDOW + SINK + f'url = "${{env:URL}}"\n{more}\n')
    assert caught.value.exit_code in (3, 4)
    assert "sinks[0].url" not in caught.value.message


def test_certificates_of_the_device_are_not_looked_for_here(tmp_path: Path) -> None:
    lines = 'url = "mqtts://b"\ncert = "/absent/device.pem"\nkey = "/absent/device.key"\n'
    (complaint,) = looked_at(tmp_path, WINDOW + SINK + lines).unchecked
    assert complaint.endswith("sinks[0].cert: /absent/device.pem: no such file")


def test_a_file_that_only_a_variable_names_leaves_what_follows_half_checked(tmp_path: Path) -> None:
    path = write_pipeline(tmp_path, WINDOW + MODEL)
    path.write_text(path.read_text().replace('"x.npz"', '"${env:CAPTURE}.npz"'))
    found = check(path, load=loader(loud_model()), environment={})
    assert found.variables == ("CAPTURE",)
    assert "sources.a.file: " in found.unchecked[0]
    path.write_text(path.read_text().replace("size = 8", "siez = 8"))
    with pytest.raises(ConfigError, match="did you mean 'size'"):
        check(path, load=loader(loud_model()), environment={})


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (WINDOW.replace("size", "siez"), ConfigError, "unknown key; did you mean 'size'"),
        (WINDOW.replace('"window"', '"windwo"'), ConfigError, "did you mean 'window'"),
        (WINDOW + MODEL + 'labels = ["one"]\n', ConfigError, "expected 2 labels"),
        (WINDOW + MODEL + 'labels_file = "/absent/l.txt"\n', ConfigError, "cannot be read"),
        (WINDOW + '[[sinks]]\ntype = "stdotu"\ninput = "win"\n', ConfigError, "did you mean 'stdout'"),
        (WINDOW + SINK + 'url = "mqtts://b"\nca = "absent.pem"\n', TargetNotFoundError, "no such file"),
    ],
)
def test_mistakes_are_said_as_when_it_runs(tmp_path: Path, text: str, kind: type[EdgeError], message: str) -> None:
    with pytest.raises(kind, match=message):
        looked_at(tmp_path, text)
