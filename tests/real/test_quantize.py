"""Real float models, quantised: on samples that calibration never saw they choose the float model's class.

Images: new crops, shifts, mirrors, brightness and noise of the photographs of the test material. Spoken digits and
bearings: other takes and another load than those that the networks, trained here, learnt from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_sdk.compiler.convert import convert, convert_graph
from edge_sdk.quantization import Order, Quantized, WeightsOrder, quantize, shrink_weights
from edge_sdk.runtime.session import open_session
from tests.real.quantize_sets import augmented, bearings, digits, perceptron, photographs
from tests.support import require_shared

#: Share of equal classes that must be reached.
AGREEMENT = 0.97
SAMPLES, JUDGING = 160, 100
IMAGES = {
    "mobilenet_v1_0.25_224_fp32": (224, ("cat", "grace_hopper"), lambda x: x / 127.5 - 1),
    "resnet8_fp32": (32, ("cat", "grace_hopper", "person", "no_person"), lambda x: x),
    "vww96_fp32": (96, ("cat", "grace_hopper", "person", "no_person"), lambda x: x / 255),
}
SENSORS = {"bearings": (bearings, (32, 16)), "digits": (digits, (32,))}


def quantised(folder: Path, data: bytes, name: str, x: np.ndarray, labels: np.ndarray | None = None) -> Quantized:
    path = folder / "capture.npz"
    np.savez(path, x0=x.astype(np.float32), **({} if labels is None else {"labels": labels}))
    return quantize(data, name, Order(path, bench_s=0))


def classes(module: bytes, x: np.ndarray) -> np.ndarray:
    with open_session(module) as model:
        return np.array([model.run(row[None].astype(np.float32))[0].argmax() for row in x])


def modules(data: bytes, made: Quantized) -> tuple[bytes, bytes]:
    """Return the float module and the quantised one."""
    return convert(data, name="m").module, convert_graph(made.graph, source_sha256="0" * 64).module


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_model_chooses_the_same_classes_on_images_it_was_not_calibrated_on(name: str, tmp_path: Path):
    data = (require_shared() / f"{name}.tflite").read_bytes()
    size, files, scaled = IMAGES[name]
    images = photographs(files)
    made = quantised(tmp_path, data, name, scaled(augmented(images, size, SAMPLES, seed=1)))
    as_float, as_int8 = modules(data, made)
    x = scaled(augmented(images, size, JUDGING, seed=2))
    agreement = float((classes(as_float, x) == classes(as_int8, x)).mean())
    print(f"{name}: agreement {agreement:.3f}, {len(as_float)} -> {len(as_int8)} bytes\n{made.report.text()}")
    assert agreement >= AGREEMENT
    assert len(as_int8) < 0.6 * len(as_float)


@pytest.mark.parametrize(("form", "share"), [("dynamic", 0.35), ("float16", 0.55)])
def test_narrow_weights_choose_the_float_models_classes(form: str, share: float, tmp_path: Path):
    data = (require_shared() / "vww96_fp32.tflite").read_bytes()
    size, files, scaled = IMAGES["vww96_fp32"]
    path = tmp_path / "capture.npz"
    np.savez(path, x0=scaled(augmented(photographs(files), size, 100, seed=2)).astype(np.float32))
    report = shrink_weights(data, "vww96_fp32", WeightsOrder(form, path)).report
    print(report.text())
    assert report.evaluation.outcome.agreement >= AGREEMENT
    assert report.narrow_bytes < share * report.float_bytes


@pytest.mark.parametrize("name", SENSORS)
def test_a_sensor_model_loses_one_point_of_accuracy_at_most(name: str, tmp_path: Path):
    sets, hidden = SENSORS[name]
    learn, judge = sets()
    data = perceptron(learn, hidden, epochs=20)
    rows = np.random.default_rng(1).permutation(len(learn.x))[:200]
    made = quantised(tmp_path, data, name, learn.x[rows], learn.y[rows])
    found = [classes(module, judge.x) for module in modules(data, made)]
    before, after = (float((one == judge.y).mean()) for one in found)
    print(f"{name}: accuracy {before:.4f} -> {after:.4f}, agreement {(found[0] == found[1]).mean():.4f}")
    print(made.report.text())
    assert before > 0.85
    assert after >= before - 0.01
    assert (found[0] == found[1]).mean() >= AGREEMENT


def test_the_quantised_model_gives_the_same_bits_on_both_engines(tmp_path: Path):
    data = (require_shared() / "resnet8_fp32.tflite").read_bytes()
    images = photographs(("cat", "person"))
    path = tmp_path / "capture.npz"
    np.savez(path, x0=augmented(images, 32, 32, seed=3))
    made = quantize(data, "resnet8", Order(path, io="int8", keep_float=(), bench_s=0))
    module = convert_graph(made.graph, source_sha256="0" * 64).module
    given = np.random.default_rng(4).integers(-128, 128, (20, 1, 32, 32, 3), np.int8)
    outputs: list[bytes] = []
    for engine in ("host", "sandbox"):
        with open_session(module, engine=engine) as model:
            outputs.append(b"".join(model.run(x)[0].tobytes() for x in given))
    assert outputs[0] == outputs[1]
