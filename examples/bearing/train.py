"""Train the bearing models: features by the pipeline's own steps, a small network in numpy, an int8 .tflite file.

    python examples/bearing/train.py --sim                        # examples/demo/motor.tflite, from simulated motors
    python examples/bearing/train.py --cwru ../shared/data/cwru --out /tmp/cwru

The same seed and options give the same file on the same machine; what it scored stands beside it in a .json file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from features import Features
from mlp import Mlp, quantise, train
from motors import NEVER_HZ, STRIKE_HZ, motors
from numpy.typing import NDArray
from tflite_writer import tflite

from edge_sdk.runtime.kernel_call import KernelCaller
from edge_sdk.sim.motor import Motor

HERE = Path(__file__).parent
DEMO = HERE.parent / "demo"
SECONDS_PER_MOTOR = 4

Set = tuple[NDArray[np.float64], NDArray[np.int64]]


def main() -> int:
    parser = argparse.ArgumentParser(description="Train the bearing models.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--sim", action="store_true", help="healthy or broken, from simulated motors")
    which.add_argument("--cwru", type=Path, metavar="DIR", help="nine faults, from recordings; loads 0 to 2")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the model (default for --sim: examples/demo)"
    )
    parser.add_argument(
        "--motors", type=int, default=1000, help="simulated motors to learn from (default: %(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=60, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    args = parser.parse_args()
    if args.cwru and not args.out:
        parser.error("--cwru needs --out: these recordings, and what is learnt from them, are not ours to publish")
    began_s = time.monotonic()
    with KernelCaller(provider="sandbox") as kernels:
        facts = _sim(args, kernels) if args.sim else _cwru(args, kernels)
    print(json.dumps(facts, indent=1))
    print(f"{time.monotonic() - began_s:.0f} s", file=sys.stderr)
    return 0


def _sim(args: argparse.Namespace, kernels: KernelCaller) -> dict[str, Any]:
    features = Features(DEMO / "pipeline.toml", kernels)
    learn, judge = _motor_set(features, args.motors, args.seed), _motor_set(features, 200, args.seed + 1000)
    network, facts = _trained(["healthy", "fault"], learn, judge, features, args, shift=6)
    origin = {
        "made_by": "python examples/bearing/train.py --sim",
        "trained_on": f"{args.motors} simulated motors of {SECONDS_PER_MOTOR} s, half of them broken",
        "strike_hz": STRIKE_HZ,
        "strike_hz_never_trained": NEVER_HZ,
    }
    return _write(args.out or DEMO, "motor", network, learn[0], origin | facts)


def _motor_set(features: Features, count: int, seed: int) -> Set:
    found, classes = [], []
    for settings in motors(count, seed):
        rows = features.of(Motor(settings).read(int(SECONDS_PER_MOTOR * settings.rate_hz)))
        found.append(rows)
        classes += [int(settings.fault is not None)] * len(rows)
    return np.concatenate(found), np.array(classes)


def _cwru(args: argparse.Namespace, kernels: KernelCaller) -> dict[str, Any]:
    features = Features(HERE / "cwru.toml", kernels)
    recordings = np.load(args.cwru / "cwru_12k_DE.npz")
    labels = sorted({name.partition("_load")[0] for name in recordings.files} - {"Normal"})
    # Windows that begin elsewhere are as good as new ones.
    learn = _recording_set(features, recordings, labels, loads=(0, 1, 2), shifts=range(0, 1024, 128))
    judge = _recording_set(features, recordings, labels, loads=(3,), shifts=[0])
    network, facts = _trained(labels, learn, judge, features, args, shift=0)
    facts = _write(args.out, "cwru", network, learn[0], {"trained_on": "loads 0 to 2, judged on load 3"} | facts)
    (args.out / "cwru.labels.txt").write_text("".join(label + "\n" for label in labels))
    return facts


def _recording_set(features: Features, recordings: Any, labels: list[str], *, loads: Any, shifts: Any) -> Set:
    found, classes = [], []
    for index, label in enumerate(labels):
        for load in loads:
            samples = recordings[f"{label}_load{load}"].astype(np.float32)[:, None]
            rows = np.concatenate([features.of(samples[shift:]) for shift in shifts])
            found.append(rows)
            classes += [index] * len(rows)
    return np.concatenate(found), np.array(classes)


def _trained(
    labels: list[str], learn: Set, judge: Set, features: Features, args: argparse.Namespace, *, shift: int
) -> tuple[Mlp, dict[str, Any]]:
    network = train(*learn, hidden=[32, 16], epochs=args.epochs, seed=args.seed, noise=0.2, shift=shift)
    right = network.scores(judge[0]).argmax(axis=1) == judge[1]
    by_label = {label: round(float(right[judge[1] == index].mean()), 4) for index, label in enumerate(labels)}
    return network, {
        "labels": labels,
        "seed": args.seed,
        "epochs": args.epochs,
        "numpy": np.__version__,
        "features": features.steps,
        "windows": {"trained": len(learn[0]), "judged": len(judge[0])},
        "accuracy_before_quantisation": round(float(right.mean()), 4),
        "accuracy_by_label": by_label,
    }


def _write(
    out: Path, name: str, network: Mlp, calibration: NDArray[np.float64], facts: dict[str, Any]
) -> dict[str, Any]:
    """Write the model and, beside it, the facts; return them."""
    data = tflite(name, *quantise(network, calibration))
    facts = {"model": f"{name}.tflite", "sha256": hashlib.sha256(data).hexdigest()} | facts
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.tflite").write_bytes(data)
    (out / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n")
    return facts


if __name__ == "__main__":
    sys.exit(main())
