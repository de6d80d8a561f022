"""How bodies fall: a rod that topples, or knees that give way; both at the pace of gravity."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["collapse", "topple"]

Floats = NDArray[np.float64]

GRAVITY = 9.81
FLAT = np.pi / 2
STEP = 0.02
FLOOR = 0.12


def topple(height: float, first_angle: float, push: float = 0.3) -> tuple[Floats, Floats]:
    """A stiff body tips over its feet: (times from the start, angle from the vertical).

    The angle of a rod of this height (metres) under gravity, from ``first_angle`` (rad) and a first
    speed (rad/s) until it lies; then a small bounce.
    """
    angle, speed = first_angle, push
    angles = [0.0]
    while angle < FLAT:
        speed += 1.5 * GRAVITY / height * np.sin(angle) * STEP
        angles.append(angle)
        angle += speed * STEP
    angles += [FLAT, FLAT - 0.05, FLAT]
    times = np.arange(len(angles), dtype=np.float64) * STEP
    times[-2] += 0.06
    times[-1] += 0.16
    return times, np.array(angles)


def collapse(pelvis: float, gravity: float = 0.67) -> tuple[Floats, Floats, Floats]:
    """The knees give way, the trunk follows: (times, pelvis height, angle of the trunk).

    Legs hold back some of the weight, so the pelvis sinks at a part of gravity.
    """
    sink = np.sqrt(2 * (pelvis - FLOOR) / (GRAVITY * gravity))
    times = np.arange(0.0, sink, STEP)
    heights = pelvis - GRAVITY * gravity / 2 * times**2
    tip, trunk = topple(0.9, 0.35)
    begin = 0.6 * sink
    all_times = np.concatenate((times, [sink], np.arange(sink + STEP, begin + tip[-1], STEP)))
    low = np.maximum(np.interp(all_times, times, heights, right=FLOOR), FLOOR)
    return all_times, low, np.interp(all_times - begin, tip, trunk)
