"""A simulated electric motor with one bearing: acceleration as a sensor on its housing would see it.

    strikes (impulses, slip, load zone) --+
                                          +--> resonance of the housing --+
    rolling noise ------------------------+                               +--> x gain --> sensor
    shaft harmonics, broadband noise -------------------------------------+

A fault changes only the strikes: the housing rings by rolling noise in a healthy motor too, so energy near the
resonance alone tells nothing. The strikes (slip of 1-2 %, modulation by the load zone) follow Randall and Antoni,
"Rolling element bearing diagnostics - a tutorial", Mechanical Systems and Signal Processing 25 (2011).

    motor = Motor(MotorSettings(fault="outer_race", fault_at_s=30.0, seed=7))
    motor.read(1200)   # the next 0.1 s, float32 [1200, 1], in g
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_sdk.errors import UsageError
from edge_sdk.sim.bearing import BEARING_6205, FAULTS, Bearing, Fault

Floats = NDArray[np.float64]
#: Everything is made in blocks of this many samples, so the result does not depend on how it is read.
BLOCK = 1200
#: Length of the resonance's impulse response, in samples.
_TAPS = 512
#: Speed and noise level return to their mean with this time constant.
_DRIFT_TIME_S = 10.0


@dataclass(frozen=True)
class MotorSettings:
    """How the motor turns, what is broken, what the sensor adds.

    Attributes:
        rate_hz: samples per second.
        speed_rpm: mean speed of the shaft.
        speed_drift: standard deviation of the slow speed change, as a part of the speed.
        bearing: geometry; gives the strikes per turn.
        fault: None for a motor that stays healthy.
        fault_at_s: when the damage appears, in seconds of simulated time.
        strikes_per_turn: replaces the geometry's figure when above 0.
        severity: size of a strike; with the default noise 1 is early damage, 1.5 is plain, 3 is bad.
        slip: standard deviation of the time between strikes, as a part of it.
        resonance_hz: natural frequency of the housing.
        damping: damping ratio of that resonance.
        rolling_g: rolling noise that excites the resonance, RMS after it.
        shaft_g: size of the first shaft harmonic (unbalance); the next ones fall with their order.
        noise_g: broadband noise, RMS.
        noise_drift: standard deviation of the slow change of the rolling noise, as a part of it.
        gain: of the sensor; 1 means that the samples are in g.
        seed: the same seed gives the same samples.
    """

    rate_hz: float = 12000.0
    speed_rpm: float = 1770.0
    speed_drift: float = 0.01
    bearing: Bearing = BEARING_6205
    fault: Fault | None = None
    fault_at_s: float = 0.0
    strikes_per_turn: float = 0.0
    severity: float = 1.5
    slip: float = 0.01
    resonance_hz: float = 3200.0
    damping: float = 0.05
    rolling_g: float = 0.08
    shaft_g: float = 0.05
    noise_g: float = 0.04
    noise_drift: float = 0.1
    gain: float = 1.0
    seed: int = 0

    def check(self) -> None:
        """Raise UsageError for what no motor does."""
        if self.fault is not None and self.fault not in FAULTS:
            raise UsageError(f"fault: expected one of {', '.join(FAULTS)}, got {self.fault!r}")
        for name in ("rate_hz", "speed_rpm", "resonance_hz", "gain"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name}: expected a number above 0, got {getattr(self, name)}")
        if not 0 < self.damping < 1:
            raise UsageError(f"damping: expected a number between 0 and 1, got {self.damping}")
        if self.resonance_hz >= self.rate_hz / 2:
            raise UsageError(
                f"resonance_hz: expected less than half the rate {self.rate_hz:g}, got {self.resonance_hz:g}"
            )


class Motor:
    """The running motor: endless, in one direction."""

    def __init__(self, settings: MotorSettings) -> None:
        settings.check()
        self.settings = settings
        # One stream of random numbers for each cause: a fault must not change the noise of the same seed.
        drift, noise, strikes, shaft = (np.random.default_rng([settings.seed, part]) for part in range(4))
        self._drift_rng, self._noise_rng, self._strike_rng = drift, noise, strikes
        self._response = _impulse_response(settings)
        self._tail = np.zeros(_TAPS - 1)
        self._shaft_phases = shaft.uniform(0, 2 * np.pi, 6)
        self._shaft_sizes = settings.shaft_g * shaft.uniform(0.3, 1.0, 6) / np.arange(1, 7)
        self._block = 0
        self._turns = 0.0
        self._speed_drift, self._level_drift = drift.standard_normal(2)
        self._next_strikes = _strike_times(strikes, settings.slip, 0.0)
        self._spare: Floats = np.zeros(0)

    def read(self, count: int) -> NDArray[np.float32]:
        """Return the next `count` samples, float32 [count, 1]."""
        parts, have = [self._spare], len(self._spare)
        while have < count:
            parts.append(self._next_block())
            have += BLOCK
        samples = np.concatenate(parts)
        self._spare = samples[count:]
        return samples[:count, None].astype(np.float32)

    @property
    def time_s(self) -> float:
        """Simulated time of the next sample that `read` returns."""
        return (self._block * BLOCK - len(self._spare)) / self.settings.rate_hz

    def _next_block(self) -> Floats:
        settings = self.settings
        old_speed, old_level = self._speed_drift, self._level_drift
        self._drift()
        ramp = np.arange(1, BLOCK + 1) / BLOCK
        speed_hz = (
            settings.speed_rpm / 60 * (1 + settings.speed_drift * (old_speed + (self._speed_drift - old_speed) * ramp))
        )
        turns = self._turns + np.cumsum(speed_hz) / settings.rate_hz
        level = np.maximum(0.0, 1 + settings.noise_drift * (old_level + (self._level_drift - old_level) * ramp))
        excitation = settings.rolling_g * level * self._noise_rng.standard_normal(BLOCK) + self._strikes(turns)
        ringing = np.convolve(excitation, self._response)
        ringing[: _TAPS - 1] += self._tail
        self._tail = ringing[BLOCK:]
        self._turns = turns[-1]
        self._block += 1
        angles = 2 * np.pi * np.outer(np.arange(1, 7), turns) + self._shaft_phases[:, None]
        noise = settings.noise_g * self._noise_rng.standard_normal(BLOCK)
        result: Floats = settings.gain * (ringing[:BLOCK] + self._shaft_sizes @ np.sin(angles) + noise)
        return result

    def _drift(self) -> None:
        """Step the slow changes: a random walk that is pulled back to its mean (Ornstein-Uhlenbeck)."""
        keep = np.exp(-BLOCK / self.settings.rate_hz / _DRIFT_TIME_S)
        steps = self._drift_rng.standard_normal(2) * np.sqrt(1 - keep**2)
        # Bounded at three deviations: a controlled motor does not run away.
        self._speed_drift, self._level_drift = np.clip(
            keep * np.array([self._speed_drift, self._level_drift]) + steps, -3.0, 3.0
        )

    def _strikes(self, turns: Floats) -> Floats:
        """Return the impulses of this block, whose samples are at the given turns of the shaft."""
        out = np.zeros(BLOCK)
        settings = self.settings
        if settings.fault is None:
            return out
        per_turn = settings.strikes_per_turn or settings.bearing.strikes_per_turn(settings.fault)
        while self._next_strikes[-1] <= turns[-1] * per_turn:
            more = _strike_times(self._strike_rng, settings.slip, self._next_strikes[-1])
            self._next_strikes = np.concatenate([self._next_strikes, more])
        due = int(np.searchsorted(self._next_strikes, turns[-1] * per_turn))
        at_turn = self._next_strikes[:due] / per_turn
        self._next_strikes = self._next_strikes[due:]
        sizes = settings.severity * self._load_zone(at_turn) * (1 + 0.15 * self._strike_rng.standard_normal(due))
        place = np.interp(at_turn, turns, np.arange(BLOCK))
        begun = self._block * BLOCK + place >= settings.fault_at_s * settings.rate_hz
        # A strike falls between two samples: share it, or the spectrum would see a grid.
        whole = place.astype(int)
        np.add.at(out, whole, sizes * begun * (1 - (place - whole)))
        np.add.at(out, np.minimum(whole + 1, BLOCK - 1), sizes * begun * (place - whole))
        return out

    def _load_zone(self, at_turn: Floats) -> Floats:
        """Return how hard each strike is: the place of damage moves through the load except on the outer race."""
        settings = self.settings
        if settings.fault == "outer_race":
            return np.ones(len(at_turn))
        turns = at_turn if settings.fault == "inner_race" else at_turn * settings.bearing.cage_turns
        result: Floats = 0.4 + 0.6 * (0.5 + 0.5 * np.cos(2 * np.pi * turns))
        return result


def _strike_times(rng: np.random.Generator, slip: float, start: float) -> Floats:
    """Return the next 64 strikes, counted in mean distances between strikes; slip adds up, as it does in a bearing."""
    return start + np.cumsum(np.maximum(0.1, 1 + slip * rng.standard_normal(64)))


def _impulse_response(settings: MotorSettings) -> Floats:
    """Return the housing's answer to one strike, scaled so that white noise of RMS 1 comes out with RMS 1."""
    time_s = np.arange(_TAPS) / settings.rate_hz
    natural = 2 * np.pi * settings.resonance_hz
    response: Floats = np.exp(-settings.damping * natural * time_s) * np.sin(
        natural * np.sqrt(1 - settings.damping**2) * time_s
    )
    scaled: Floats = response / np.sqrt(np.sum(response**2))
    return scaled
