"""Samples and models for tests of quantisation: photographs in new crops, spoken digits, bearings.

Images are shifted, scaled, mirrored, made brighter and noisier; `seed` draws which. Two seeds give sets that share no
sample.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_sdk.runtime.kernel_call import KernelCaller
from tests.support import REPOSITORY, require_shared
from tests.unit.compiler.tflite_writer import TfliteWriter, fully_connected_options, softmax_options

BEARING = REPOSITORY / "examples" / "bearing"
WINDOW = 1024
MELS, FRAMES, RATE_HZ = 24, 12, 8000


@dataclass(frozen=True)
class Labelled:
    """Features [n, ..] and classes [n]."""

    x: np.ndarray
    y: np.ndarray


def photographs(names: Sequence[str]) -> list[np.ndarray]:
    """Return bitmaps of the test material as [height, width, 3] in 0 to 255."""
    return [_bitmap(require_shared("models/inputs/raw") / f"{name}.bmp") for name in names]


def _bitmap(path: Path) -> np.ndarray:
    raw = path.read_bytes()
    offset, width, height = (int.from_bytes(raw[at : at + 4], "little", signed=True) for at in (10, 18, 22))
    channels = int.from_bytes(raw[28:30], "little") // 8
    rows = np.frombuffer(raw, np.uint8, -(-width * channels // 4) * 4 * abs(height), offset).reshape(abs(height), -1)
    image = rows[:: -1 if height > 0 else 1, : width * channels].reshape(abs(height), width, channels)
    return (image[..., ::-1] if channels == 3 else image.repeat(3, axis=2)).astype(np.float32)


def augmented(images: Sequence[np.ndarray], size: int, count: int, seed: int) -> np.ndarray:
    """Return [count, size, size, 3] in 0 to 255."""
    rng = np.random.default_rng(seed)
    return np.stack([_augmented(images[index % len(images)], size, rng) for index in range(count)])


def _augmented(image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    side = int(min(image.shape[:2]) * rng.uniform(0.85, 1))
    top, left = (
        int(np.clip((whole - side) / 2 + rng.uniform(-0.1, 0.1) * side, 0, whole - side)) for whole in image.shape[:2]
    )
    part = _resized(image[top : top + side, left : left + side], size)
    part = part[:, :: rng.choice([-1, 1])] * rng.uniform(0.9, 1.1) + rng.normal(0, rng.uniform(0, 5), part.shape)
    return np.clip(part, 0, 255).astype(np.float32)


def _resized(image: np.ndarray, size: int) -> np.ndarray:
    """Return the image with `size` pixels a side, each the mean of four bilinear samples."""
    for axis in (0, 1):
        place = np.clip((np.arange(2 * size) + 0.5) * image.shape[axis] / (2 * size) - 0.5, 0, image.shape[axis] - 1)
        below = np.minimum(place.astype(int), image.shape[axis] - 2)
        share = (place - below).reshape([-1 if k == axis else 1 for k in range(3)])
        image = image.take(below, axis) * (1 - share) + image.take(below + 1, axis) * share
    return image.reshape(size, 2, size, 2, 3).mean(axis=(1, 3))


def digits() -> tuple[Labelled, Labelled]:
    """Return spoken digits to learn from and, of other takes, to judge by: log-mel features of 12 frames."""
    file = np.load(require_shared("data/fsdd") / "fsdd_25.npz")
    audio, places = file["audio"] / 32768.0, zip(file["offset"], file["length"], strict=True)
    x = np.stack([_log_mel(audio[start : start + length]) for start, length in places])
    judging = file["index"] < 5
    y = file["digit"].astype(np.int64)
    return Labelled(x[~judging], y[~judging]), Labelled(x[judging], y[judging])


def _log_mel(clip: np.ndarray) -> np.ndarray:
    size = max(256, -(-len(clip) // FRAMES))
    frames = np.pad(clip, (0, max(0, FRAMES * size - len(clip))))[: FRAMES * size].reshape(FRAMES, size)
    power = np.abs(np.fft.rfft(frames * np.hanning(size), 1024 if size <= 1024 else size)) ** 2
    mel = np.linspace(0, 2595 * np.log10(1 + RATE_HZ / 2 / 700), MELS + 2)
    edges = (700 * (10 ** (mel / 2595) - 1)) / (RATE_HZ / 2) * (power.shape[1] - 1)
    bins = np.arange(power.shape[1])
    rise = (bins[None] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - bins[None]) / np.diff(edges)[1:, None]
    return np.log(power @ np.clip(np.minimum(rise, fall), 0, None).T + 1e-6).reshape(-1)


def bearings() -> tuple[Labelled, Labelled]:
    """Return windows under loads 0 to 2 to learn from, under load 3 to judge by: features of the pipeline."""
    recordings = np.load(require_shared("data/cwru") / "cwru_12k_DE.npz")
    faults = sorted({name.partition("_load")[0] for name in recordings.files} - {"Normal"})
    features_of = _example("features").Features
    with KernelCaller(provider="sandbox") as kernels:
        features = features_of(BEARING / "cwru.toml", kernels)

        def labelled(loads: Sequence[int], shifts: Sequence[int]) -> Labelled:
            parts = [
                (features.of(recordings[f"{fault}_load{load}"].astype(np.float32)[shift:, None]), index)
                for index, fault in enumerate(faults)
                for load in loads
                for shift in shifts
            ]
            classes = np.concatenate([np.full(len(rows), index) for rows, index in parts])
            return Labelled(np.concatenate([rows for rows, _ in parts]), classes)

        return labelled((0, 1, 2), (0, WINDOW // 2)), labelled((3,), (0,))


def perceptron(learn: Labelled, hidden: Sequence[int], epochs: int) -> bytes:
    """Return a float .tflite file of a network trained on the features."""
    network = _example("mlp").train(learn.x, learn.y, hidden, epochs=epochs, seed=1, noise=0.2)
    model = TfliteWriter()
    value = first = model.tensor("features", (1, learn.x.shape[1]), "float32")
    for index, (weights, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        constants = [
            model.constant(f"w{index}", np.ascontiguousarray(weights.T, np.float32)),
            model.constant(f"b{index}", bias.astype(np.float32)),
        ]
        output = model.tensor(f"layer{index}", (1, len(bias)), "float32")
        activation = "relu" if index < len(network.weights) - 1 else "none"
        model.operator("FULLY_CONNECTED", [value, *constants], [output], **fully_connected_options(activation))
        value = output
    scores = model.tensor("scores", (1, len(network.biases[-1])), "float32")
    model.operator("SOFTMAX", [value], [scores], **softmax_options())
    return model.finish([first], [scores])


def _example(name: str):
    """Return a module of the bearing example, whose files import each other by their bare names."""
    if str(BEARING) not in sys.path:
        sys.path.insert(0, str(BEARING))
    return __import__(name)
