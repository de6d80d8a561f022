"""Bodies as a radio sees them: a handful of points that scatter, each with a cross-section."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeflow.sensing.simulate.acting import ANGLE, HEADING, PELVIS, WEIGHT, Script
from edgeflow.sensing.simulate.scenario import DoorMove, Person, Pet, Room
from edgeflow.sensing.simulate.tracks import Floats, Track
from edgeflow.sensing.simulate.vital import Chest

__all__ = ["Animal", "Door", "Human", "Points"]

NDArrayBool = NDArray[np.bool_]

MOVING = 0.06
"""A body whose trunk is faster than this moves, m/s."""

CHEST, BELLY, HEAD, ARM, LEG = 0.9, 0.6, 0.15, 0.1, 0.2
BELLY_WAY = 1.0
SIDEWAYS = 0.5

JUMP, SEAT = 0.35, 0.45
"""A cat needs this long to be on a seat of this height, seconds and metres."""

LATCHED, LATCH = 0.9, 0.14
"""A door that shuts meets its frame at speed: what is left of its way after a part of the time."""


@dataclass(frozen=True, slots=True)
class Points:
    """Points that scatter.

    Attributes:
        places: f64[frames, points, 3], metres.
        areas: f64[frames, points] or [points], cross-sections in square metres.
        mirrored: how many of the first points are strong enough to be seen in the walls too.
        shade: f64[frames, 3], upper end of what stands in the way of other paths, or None.
        width: of the shade in metres.
    """

    places: Floats
    areas: Floats
    mirrored: int = 0
    shade: Floats | None = None
    width: float = 0.0


class Human:
    """A person with a body: trunk, pelvis, head, arms and legs.

    Args:
        script: what the body does.
        chest: how the chest breathes and beats.
        person: whose body.
        link: f64[3], the middle between the antennas.
    """

    def __init__(
        self, rng: np.random.Generator, script: Script, chest: Chest, person: Person, link: Floats
    ) -> None:
        self.script, self.chest = script, chest
        self._height, self._size, self._link = person.height, person.size, link
        self._sway_rates = rng.uniform(0.1, 0.9, (4, 2))
        self._sway_phases = rng.uniform(0, 2 * np.pi, (4, 2))
        self._cadence, self._step_phase = rng.uniform(0.8, 1.05), rng.uniform(0, 2 * np.pi)

    def points(self, times: Floats) -> Points:
        """Where the body's points are at these times (seconds, f64[frames])."""
        state = self.script.track(times)
        heading, angle = state[:, HEADING], state[:, ANGLE]
        ahead = np.stack((np.cos(heading), np.sin(heading), np.zeros_like(heading)), axis=1)
        side = np.stack((-np.sin(heading), np.cos(heading), np.zeros_like(heading)), axis=1)
        up = np.array([0.0, 0.0, 1.0])
        spine = ahead * np.sin(angle)[:, None] + up * np.cos(angle)[:, None]
        front = ahead * np.cos(angle)[:, None] - up * np.sin(angle)[:, None]
        pelvis = state[:, :3].copy()
        pelvis[:, :2] += self._sway(times, state)
        swing, bob = self._gait(times)
        pelvis[:, 2] += bob
        tall = self._height
        chest = pelvis + spine * (0.27 * tall)
        breath = self._breath(times, chest, front)
        chest = chest + breath
        belly = pelvis + spine * (0.08 * tall) + breath * BELLY_WAY
        head = pelvis + spine * (0.43 * tall)
        hands = [
            chest - spine * 0.25 + side * s * 0.25 + ahead * (s * swing * 0.7)[:, None]
            for s in (-1.0, 1.0)
        ]
        knee = pelvis * (1.0, 1.0, 0.5)
        knees = [knee + side * s * 0.1 - ahead * (s * swing)[:, None] for s in (-1.0, 1.0)]
        places = np.stack((chest, belly, head, *hands, *knees), axis=1)
        areas = self._size * np.array([CHEST, BELLY, HEAD, ARM, ARM, LEG, LEG])
        weight = state[:, WEIGHT]
        return Points(places, areas * weight[:, None], 2, chest, 0.22 * self._size)

    def present(self, times: Floats) -> NDArrayBool:
        """Whether in the room."""
        inside: NDArrayBool = self.script.track(times)[:, WEIGHT] > 0.5
        return inside

    def moving(self, times: Floats) -> NDArrayBool:
        """Whether the trunk moves: walking, standing up, falling, shifting about."""
        before, after = self.script.track(times - 0.1), self.script.track(times + 0.1)
        step = np.linalg.norm(after[:, :3] - before[:, :3], axis=1)
        tip = abs(after[:, ANGLE] - before[:, ANGLE]) * 0.27 * self._height
        fast: NDArrayBool = (step + tip) / 0.2 > MOVING
        return fast & self.present(times)

    def _breath(self, times: Floats, chest: Floats, front: Floats) -> Floats:
        """Way of the skin that the antennas see: most in front, some at the sides and the back."""
        seen = self._link - chest
        seen /= np.linalg.norm(seen, axis=1)[:, None]
        facing = np.maximum((seen * front).sum(axis=1), 0)
        way = self.chest.displacement(times) * (SIDEWAYS + (1 - SIDEWAYS) * facing)
        breath: Floats = seen * way[:, None]
        return breath

    def _sway(self, times: Floats, state: Floats) -> Floats:
        waves = np.sin(2 * np.pi * times[:, None, None] * self._sway_rates + self._sway_phases).sum(
            axis=1
        )
        upright = np.clip((state[:, PELVIS] / self._height - 0.3) / 0.2, 0.05, 1)
        lying = abs(state[:, ANGLE]) > 1.2
        way = np.where(lying, 0.0, 0.0025 * upright)
        swaying: Floats = waves * way[:, None]
        return swaying

    def _gait(self, times: Floats) -> tuple[Floats, Floats]:
        """Swing of the limbs (metres, legs; half the step rate), bobbing of the pelvis."""
        step = self.script.track(times + 0.15)[:, :2] - self.script.track(times - 0.15)[:, :2]
        speed = np.hypot(step[:, 0], step[:, 1]) / 0.3
        phase = 2 * np.pi * self._cadence * times + self._step_phase
        strength = np.clip(speed / 1.2, 0, 1)
        return 0.28 * strength * np.sin(phase), 0.02 * strength * np.cos(2 * phase)


class Animal:
    """A pet: a trunk and legs, low over the floor, resting and running."""

    def __init__(self, rng: np.random.Generator, pet: Pet, room: Room, seconds: float) -> None:
        self._pet = pet
        times, places, level = [0.0], [np.append(_somewhere(rng, room), 0.0)], 0.0
        while times[-1] < seconds:
            goal = _somewhere(rng, room)
            way = float(np.hypot(*(goal - places[-1][:2])))
            run = way / rng.uniform(0.4, 1.5)
            rest = run * (1 / max(pet.restless, 0.01) - 1) * rng.exponential(1.0)
            times.append(times[-1] + rest)
            places.append(places[-1])
            if level:
                times.append(times[-1] + JUMP)
                places.append(np.append(places[-1][:2], 0.0))
            times.append(times[-1] + run)
            places.append(np.append(goal, 0.0))
            level = SEAT if pet.jumps and rng.random() < pet.jumps else 0.0
            if level:
                times.append(times[-1] + JUMP)
                places.append(np.append(goal, level))
        self._track = Track(np.array(times), np.array(places))
        self._breath = rng.uniform(0.4, 0.6)

    def points(self, times: Floats) -> Points:
        """See ``Human.points``."""
        place = self._track(times)
        flat, above = place[:, :2], place[:, 2]
        step = self._track(times + 0.1) - self._track(times - 0.1)
        running = np.clip(np.hypot(step[:, 0], step[:, 1]) / 0.2, 0, 1)
        gait = np.sin(2 * np.pi * 2.5 * times) * running
        breath = 0.002 * np.sin(2 * np.pi * self._breath * times)
        tall = self._pet.height
        trunk = np.column_stack((flat, above + tall * 0.7 + breath + 0.02 * gait))
        legs = np.column_stack((flat + 0.05 * gait[:, None], above + tall * 0.3))
        areas = self._pet.size * np.array([0.4, 0.15])
        return Points(np.stack((trunk, legs), axis=1), areas, 1)

    def moving(self, times: Floats) -> NDArrayBool:
        """Whether it runs."""
        step = self._track(times + 0.1) - self._track(times - 0.1)
        fast: NDArrayBool = np.linalg.norm(step, axis=1) / 0.2 > MOVING
        return fast


class Door:
    """A leaf that turns about its hinge and mirrors what hits it."""

    def __init__(self, moves: tuple[DoorMove, ...], room: Room) -> None:
        times, angles = [-1.0], [0.0]
        for move in sorted(moves, key=lambda move: move.at):
            begin, goal = max(move.at, times[-1]), float(np.radians(move.angle))
            times += [begin, begin + move.seconds]
            angles += [angles[-1], goal]
            if goal < angles[-2]:
                times.insert(-1, begin + LATCHED * move.seconds)
                angles.insert(-1, goal + LATCH * (angles[-2] - goal))
        self._track = Track(np.array(times), np.array(angles)[:, None])
        self._hinge = np.array([*room.door, 1.0])

    def points(self, times: Floats) -> Points:
        """See ``Human.points``."""
        angle = self._track(times)[:, 0]
        leaf = np.stack((np.sin(angle), np.cos(angle), np.zeros_like(angle)), axis=1)
        reach = np.array([0.25, 0.5, 0.75])
        places = self._hinge + leaf[:, None, :] * reach[:, None]
        return Points(places, np.full(3, 0.25), 0)

    def moving(self, times: Floats) -> NDArrayBool:
        """Whether it turns."""
        turn = self._track(times + 0.1) - self._track(times - 0.1)
        turning: NDArrayBool = abs(turn[:, 0]) > 0.005
        return turning


def _somewhere(rng: np.random.Generator, room: Room) -> Floats:
    return rng.uniform((0.3, 0.3), np.array(room.size[:2]) - 0.3)
