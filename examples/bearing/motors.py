"""Simulated motors to learn from: every property that must not matter is drawn at random, half of them are broken.

Strike frequencies inside `NEVER_HZ` are left out, so that a test can ask for faults that training never met.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edge_sdk.sim.bearing import FAULTS
from edge_sdk.sim.motor import MotorSettings

#: No strike of a training motor comes at these frequencies, its speed drift included.
NEVER_HZ = ((83.0, 97.0), (138.0, 162.0), (222.0, 252.0))
#: Strikes of a training motor come between these frequencies.
STRIKE_HZ = (45.0, 420.0)


def motors(count: int, seed: int) -> Iterator[MotorSettings]:
    """Yield settings: healthy, outer race, healthy, inner race, healthy, ball, and again."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        yield _motor(rng, broken=index % 2 == 1, number=index)


def _motor(rng: np.random.Generator, *, broken: bool, number: int) -> MotorSettings:
    drift = rng.uniform(0, 0.03)
    rpm, strikes = _speed(rng, drift)
    rolling = _log_uniform(rng, 0.03, 0.2)
    return MotorSettings(
        speed_rpm=rpm,
        speed_drift=drift,
        fault=FAULTS[number // 2 % 3] if broken else None,
        strikes_per_turn=strikes,
        # Strikes are heard against the rolling noise, so their size is drawn relative to it.
        severity=rng.uniform(0.8, 3.0) * rolling / MotorSettings.rolling_g,
        slip=rng.uniform(0.003, 0.02),
        resonance_hz=rng.uniform(2000, 4500),
        damping=rng.uniform(0.02, 0.1),
        rolling_g=rolling,
        shaft_g=_log_uniform(rng, 0.01, 0.3),
        noise_g=rolling * _log_uniform(rng, 0.1, 1.0),
        noise_drift=rng.uniform(0, 0.3),
        gain=_log_uniform(rng, 0.2, 5.0),
        seed=int(rng.integers(1 << 31)),
    )


def _speed(rng: np.random.Generator, drift: float) -> tuple[float, float]:
    """Return speed and strikes per turn whose product stays clear of `NEVER_HZ`."""
    while True:
        rpm, strikes = rng.uniform(1000, 3600), rng.uniform(2.5, 8.0)
        low, high = (rpm / 60 * strikes * (1 + side * 3 * drift) for side in (-1, 1))
        inside = STRIKE_HZ[0] < low and high < STRIKE_HZ[1]
        if inside and not any(low < end and begin < high for begin, end in NEVER_HZ):
            return float(rpm), float(strikes)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
