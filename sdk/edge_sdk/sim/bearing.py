"""The kinematics of a rolling bearing: how often per turn of the shaft a damaged place is struck.

         D = pitch diameter, d = ball diameter, n balls, contact angle a; outer ring at rest, no sliding

    outer race  BPFO = n/2 (1 - d/D cos a)        inner race  BPFI = n/2 (1 + d/D cos a)
    cage        FTF  = 1/2 (1 - d/D cos a)        ball spin   BSF  = D/(2d) (1 - (d/D cos a)^2)

A damaged ball strikes both races in each turn of its own, so its strikes come at 2 BSF. Formulas: Randall and Antoni,
"Rolling element bearing diagnostics - a tutorial", Mechanical Systems and Signal Processing 25 (2011).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians
from typing import Literal

Fault = Literal["outer_race", "inner_race", "ball"]
FAULTS: tuple[Fault, ...] = ("outer_race", "inner_race", "ball")


@dataclass(frozen=True)
class Bearing:
    """Geometry of one bearing.

        BEARING_6205.strikes_per_turn("outer_race")  # 3.585

    Attributes:
        name: as in the catalogue.
        balls: number of rolling elements.
        ball_mm: diameter of a ball.
        pitch_mm: diameter of the circle through the balls' centres.
        contact_deg: contact angle.
    """

    name: str
    balls: int
    ball_mm: float
    pitch_mm: float
    contact_deg: float = 0.0

    @property
    def _ratio(self) -> float:
        return self.ball_mm / self.pitch_mm * cos(radians(self.contact_deg))

    @property
    def cage_turns(self) -> float:
        """Turns of the cage for one turn of the shaft (FTF)."""
        return (1 - self._ratio) / 2

    @property
    def ball_turns(self) -> float:
        """Turns of a ball around itself for one turn of the shaft (BSF)."""
        return self.pitch_mm / (2 * self.ball_mm) * (1 - self._ratio**2)

    def strikes_per_turn(self, fault: Fault) -> float:
        """Return the strikes on the damaged place for one turn of the shaft."""
        if fault == "outer_race":
            return self.balls / 2 * (1 - self._ratio)
        if fault == "inner_race":
            return self.balls / 2 * (1 + self._ratio)
        return 2 * self.ball_turns


#: SKF 6205-2RS JEM, the drive-end bearing of the Case Western Reserve University test rig. Its bearing data centre
#: gives the diameters (0.3126 in and 1.537 in) and the strikes per turn: 3.5848 outer, 5.4152 inner, 4.7135 ball.
BEARING_6205 = Bearing("6205-2RS", balls=9, ball_mm=7.940, pitch_mm=39.04)
#: SKF 6203-2RS JEM, the fan-end bearing of the same rig: 0.2656 in and 1.122 in; 3.0530 outer,
#: 4.9469 inner, 3.9874 ball.
BEARING_6203 = Bearing("6203-2RS", balls=8, ball_mm=6.746, pitch_mm=28.50)
