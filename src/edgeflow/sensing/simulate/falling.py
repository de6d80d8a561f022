"""How bodies fall: a body that topples, or knees that give way; never faster than gravity.

Speeds at impact follow 25 real falls of old people on video (Choi, Wakeling and Robinovitch 2015,
J. Biomech. 48, 911-920): pelvis 2.14 (deviation 0.63) m/s, head 2.91 (0.86) m/s, 1.27 (0.65) s from
the loss of balance and 0.58 (0.26) s from the start of the descent. A rigid rod would be 30 to 40 %
faster: muscles hold back a part of the weight.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLOOR", "Descent", "descend"]

Floats = NDArray[np.float64]

GRAVITY = 9.81
FLAT = np.pi / 2
STEP = 0.02
FLOOR = 0.12
HEAD = 0.43
IMPACT = 5
TRUNK = 0.9
SLIDE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Descent:
    """Where a body is while it falls: f64[times] each, from the loss of balance to the floor.

    Attributes:
        times: seconds. heights: of the pelvis, metres. angles: of the trunk from the vertical, rad.
        ways: of the pelvis, in the direction of the fall; drifts: in that of the walk before.
    """

    times: Floats
    heights: Floats
    angles: Floats
    ways: Floats
    drifts: Floats


def descend(rng: np.random.Generator, height: float, pelvis: float, speed: float) -> Descent:
    """A fall of somebody this tall (metres), out of a walk of this speed or 0 (m/s)."""
    if rng.random() < 0.5:
        heights, angles, ways = _topple(rng, height, pelvis, speed)
        drifts = np.zeros_like(heights)
    else:
        heights, angles = _collapse(rng, height, pelvis)
        times = np.arange(len(heights)) * STEP
        ways = 0.15 * np.minimum(times / times[-1], 1)
        drifts = speed * SLIDE_SECONDS * (1 - np.exp(-times / SLIDE_SECONDS))
    softened = [_soften(each) for each in (heights, angles, ways, drifts)]
    return Descent(np.arange(len(softened[0]), dtype=np.float64) * STEP, *softened)


def _soften(path: Floats) -> Floats:
    """Flesh and floor take some hundredths of a second to stop a body."""
    window = np.hanning(IMPACT + 2)[1:-1]
    padded = np.concatenate((np.full(IMPACT - 1, path[0]), path, np.full(IMPACT - 1, path[-1])))
    soft: Floats = np.convolve(padded, window / window.sum(), "valid")
    return soft


def _rod(length: float, part: float, angle: float, speed: float) -> Floats:
    """Angles of a rod that tips over under this part of gravity, until it lies."""
    angles = [angle]
    while angle < FLAT:
        speed += 1.5 * GRAVITY * part / length * np.sin(angle) * STEP
        angle += speed * STEP
        angles.append(min(angle, FLAT))
    return np.array(angles)


def _part(rng: np.random.Generator, mean: float, deviation: float, rigid: float) -> float:
    """Which part of gravity gives such a speed at impact instead of that of a rigid rod."""
    return float(np.clip(rng.normal(mean, deviation) / rigid, 0.25, 0.95) ** 2)


def _topple(
    rng: np.random.Generator, height: float, pelvis: float, speed: float
) -> tuple[Floats, Floats, Floats]:
    """The body tips over its feet: a trip, a slip, somebody who is dizzy."""
    part = _part(rng, 2.14, 0.63, pelvis * np.sqrt(3 * GRAVITY / height))
    push = max(speed / pelvis, rng.uniform(0.3, 0.8))
    angles = _rod(height, part, 0.0, push) if speed else _rod(height, part, 0.1, push)
    return np.maximum(pelvis * np.cos(angles), FLOOR), angles, pelvis * np.sin(angles)


def _collapse(rng: np.random.Generator, height: float, pelvis: float) -> tuple[Floats, Floats]:
    """The knees give way, the trunk follows."""
    drop = pelvis - FLOOR
    impact = np.clip(rng.normal(2.14, 0.63), 1.2, 0.95 * np.sqrt(2 * GRAVITY * drop))
    sink = 2 * drop / impact
    part = _part(rng, 2.91, 0.86, HEAD * height * np.sqrt(3 * GRAVITY / TRUNK))
    tip = _rod(TRUNK, part, 0.35, 0.3)
    begin = rng.uniform(0.3, 0.8) * sink
    times = np.arange(0.0, max(sink, begin + len(tip) * STEP) + STEP, STEP)
    heights = pelvis - drop * np.minimum(times / sink, 1) ** 2
    lean = np.interp(times, (0.0, begin), (0.0, tip[0]))
    late = times > begin
    lean[late] = np.interp(times[late] - begin, np.arange(len(tip)) * STEP, tip)
    return heights, lean
