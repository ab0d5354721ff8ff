"""Make the recordings of the project template `vibration`, from simulated motors.

    python examples/bearing/captures.py          # sdk/edge_sdk/templates/vibration/captures

Counts of a 16-bit sensor with 0.5 mg a count that tells steps of 4 mg apart, as many do; so the files stay small.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_sdk.sim.motor import Motor, MotorSettings

FOLDER = Path(__file__).parents[2] / "sdk" / "edge_sdk" / "templates" / "vibration" / "captures"
SECONDS = 5
COUNT_G = 0.0005
STEP_COUNTS = 8

MOTORS = {
    "good": MotorSettings(seed=21),
    "worn": MotorSettings(fault="outer_race", fault_at_s=1.5, seed=22),
}


def capture(settings: MotorSettings) -> NDArray[np.int16]:
    samples = Motor(settings).read(int(SECONDS * settings.rate_hz))[:, 0]
    return (np.round(samples / COUNT_G / STEP_COUNTS) * STEP_COUNTS).astype(np.int16)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, settings in MOTORS.items():
        np.savez_compressed(folder / f"{name}.npz", radial=capture(settings))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
