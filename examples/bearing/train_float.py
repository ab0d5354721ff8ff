"""A float model of simulated motors, and the capture that quantises it: `edge-sdk convert --quantize`.

    python examples/bearing/train_float.py --out .      # motor-float.tflite and capture.npz

The capture holds features of other motors than those the model learnt from, and what is right for each.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from features import Features
from mlp import train
from motors import motors
from numpy.typing import NDArray
from tflite_writer import float_tflite

from edge_sdk.runtime.kernel_call import KernelCaller
from edge_sdk.sim.motor import Motor

PIPELINE = Path(__file__).parent.parent / "demo" / "pipeline.toml"
SECONDS_PER_MOTOR = 2


def main() -> int:
    parser = argparse.ArgumentParser(description="Train a float model, write it and a capture to quantise it with.")
    parser.add_argument("--out", type=Path, metavar="DIR", default=Path(), help="default: this folder")
    parser.add_argument("--motors", type=int, default=160, help="simulated motors to learn from (default: %(default)s)")
    args = parser.parse_args()
    with KernelCaller(provider="sandbox") as kernels:
        features = Features(PIPELINE, kernels)
        learn, capture = _windows(features, args.motors, seed=1), _windows(features, args.motors // 4, seed=1001)
    network = train(*learn, hidden=[32, 16], epochs=30, seed=1, noise=0.2, shift=6)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "motor-float.tflite").write_bytes(float_tflite("motor", network.weights, network.biases))
    np.savez(args.out / "capture.npz", features=capture[0].astype(np.float32), labels=capture[1])
    return 0


def _windows(features: Features, count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the features [windows, features] of motors and whether each is broken."""
    found, classes = [], []
    for settings in motors(count, seed):
        rows = features.of(Motor(settings).read(int(SECONDS_PER_MOTOR * settings.rate_hz)))
        found.append(rows)
        classes += [int(settings.fault is not None)] * len(rows)
    return np.concatenate(found), np.array(classes, np.int64)


if __name__ == "__main__":
    sys.exit(main())
