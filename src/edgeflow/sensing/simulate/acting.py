"""From what somebody does to where the body is: one point after the other."""

from dataclasses import dataclass

import numpy as np

from edgeflow.sensing.simulate.falling import descend
from edgeflow.sensing.simulate.scenario import Activity, Person, Room
from edgeflow.sensing.simulate.tracks import Floats, Track

__all__ = ["ANGLE", "HEADING", "PELVIS", "WEIGHT", "Fall", "Script", "perform"]

PELVIS, ANGLE, HEADING, WEIGHT = 2, 3, 4, 5
"""Channels of a track behind x and y: height of the pelvis, angle of the trunk from the vertical,
heading, and 1 in the room or 0 outside."""

MARGIN = 0.45
STRIDE = 0.6
POSTURES = {
    "stand": (0.53, 0.03),
    "sit": (0.28, 0.2),
    "lie": (0.26, -1.5),
    "squat": (0.2, 0.35),
    "bend": (0.51, 1.2),
}
CHANGE_SECONDS = {"stand": 0.8, "sit": 1.6, "lie": 3.5, "squat": 1.3, "bend": 1.2}
RISING = 0.6
STIRS = 1.5


@dataclass(frozen=True, slots=True)
class Fall:
    """A fall: when it began, and when the body lay (seconds from the start)."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Script:
    """What somebody's body does: the track (x, y, pelvis, angle, heading, weight), and falls."""

    track: Track
    falls: tuple[Fall, ...]


def perform(rng: np.random.Generator, person: Person, room: Room, seconds: float) -> Script:
    """Act out the activities of a person."""
    actor = _Actor(rng, person, room, seconds)
    for index, activity in enumerate(person.activities):
        if actor.now >= seconds:
            break
        last = index == len(person.activities) - 1
        actor.act(activity, seconds if last else actor.now + activity.seconds)
    return Script(Track(np.array(actor.times), np.array(actor.points)), tuple(actor.falls))


class _Actor:
    def __init__(
        self, rng: np.random.Generator, person: Person, room: Room, seconds: float
    ) -> None:
        self._rng, self._person, self._room, self._seconds = rng, person, room, seconds
        self.times: list[float] = []
        self.points: list[Floats] = []
        self.falls: list[Fall] = []
        first = person.activities[0]
        outside = first.kind in ("enter", "away")
        place = room.door if outside else first.place or self._anywhere()
        posture: str = first.kind if first.kind in POSTURES else "stand"
        pelvis, angle = POSTURES[posture]
        heading = rng.uniform(0, 2 * np.pi)
        self._at = np.array([*place, pelvis * person.height, angle, heading, float(not outside)])
        self._posture: str = posture
        self._walking = False
        self.now = 0.0
        self._mark(0.0)

    def act(self, activity: Activity, until: float) -> None:
        if activity.kind == "walk":
            self._walk(until, activity.speed)
        elif activity.kind == "fall":
            self._fall(activity, until)
        elif activity.kind == "away":
            if self._at[WEIGHT]:
                self._leave(activity)
        elif activity.kind == "enter":
            self._enter(activity)
        elif activity.kind == "leave":
            self._leave(activity)
        else:
            self._settle(activity, until)
        self._walking = activity.kind == "walk"
        if self.now < until:
            self._mark(until)

    def _mark(self, time: float) -> None:
        self.now = max(time, self.now)
        self.times.append(self.now)
        self.points.append(self._at.copy())

    def _anywhere(self) -> tuple[float, float]:
        width, depth, _ = self._room.size
        return (
            self._rng.uniform(MARGIN, width - MARGIN),
            self._rng.uniform(MARGIN, depth - MARGIN),
        )

    def _go(self, place: tuple[float, float], speed: float) -> None:
        """Walk there in a line that is not quite straight, a point at each stride."""
        self._take_posture("stand", 1.0)
        start, goal = self._at[:2].copy(), np.array(place)
        way = goal - start
        length = float(np.hypot(*way))
        if length < 0.05:
            return
        self._turn(float(np.arctan2(way[1], way[0])))
        steps = max(2, int(length / STRIDE))
        side = np.array([-way[1], way[0]]) / length
        for step in range(1, steps + 1):
            sway = 0.0 if step == steps else self._rng.normal(0, 0.05)
            self._at[:2] = start + way * (step / steps) + side * sway
            pace = speed * np.clip(self._rng.normal(1, 0.1), 0.6, 1.4)
            slower = 1.4 if step in (1, steps) else 1.0
            self._mark(self.now + length / steps / pace * slower)

    def _turn(self, heading: float) -> None:
        change = (heading - self._at[HEADING] + np.pi) % (2 * np.pi) - np.pi
        self._at[HEADING] += change
        self._mark(self.now + 0.15 + abs(change) / 4)

    def _walk(self, until: float, speed: float) -> None:
        while self.now < until:
            self._go(self._anywhere(), speed)

    def _take_posture(self, posture: str, hasty: float) -> None:
        if posture == self._posture:
            return
        slow = max(CHANGE_SECONDS[posture], CHANGE_SECONDS[self._posture] * 0.8)
        seconds = slow / hasty * self._rng.uniform(0.85, 1.2)
        goal_pelvis, goal_angle = POSTURES[posture]
        goal_pelvis *= self._person.height
        middle = self.now + seconds / 2
        self._mark(self.now)
        self._at[PELVIS] = (self._at[PELVIS] + goal_pelvis) / 2
        self._at[ANGLE] = (self._at[ANGLE] + goal_angle) / 2 + (0.35 if "sit" in posture else 0.1)
        self._mark(middle)
        self._at[PELVIS], self._at[ANGLE] = goal_pelvis, goal_angle
        self._mark(middle + seconds / 2)
        self._posture = posture

    def _settle(self, activity: Activity, until: float) -> None:
        place = activity.place
        if place is not None and np.hypot(*(self._at[:2] - place)) > 0.05:
            self._go(place, activity.speed)
        self._take_posture(activity.kind, activity.hasty)
        self._mark(self.now)
        if activity.kind != "lie":
            self._fidget(until)

    def _fidget(self, until: float) -> None:
        rate = self._person.fidgets_per_min / 60
        while rate:
            pause = self._rng.exponential(1 / rate)
            if self.now + pause > until - 2:
                return
            self._mark(self.now + pause)
            self._at[:2] += self._rng.normal(0, 0.02, 2)
            self._at[ANGLE] += self._rng.normal(0, 0.04)
            self._mark(self.now + self._rng.uniform(0.5, 1.5))

    def _fall(self, activity: Activity, until: float) -> None:
        """Lose balance: in the middle of a walk, while getting up, or standing."""
        speed = self._stride_out(activity.speed) if self._walking else 0.0
        if self._posture in ("sit", "lie"):
            self._rise_half()
        start, at = self.now, self._at.copy()
        side = float(self._rng.choice((0.0, 0.0, -1.0, 1.0)))
        sign = 1.0 if side else self._rng.choice((-1.0, 1.0))
        turned = at[HEADING] + side * np.pi / 2
        ahead = np.array([np.cos(at[HEADING]), np.sin(at[HEADING])])
        aside = sign * np.array([np.cos(turned), np.sin(turned)])
        went = descend(self._rng, self._person.height, at[PELVIS], speed if sign > 0 else 0.0)
        lean = np.minimum(went.angles / went.angles[-1], 1.0)
        first = at[ANGLE] - sign * went.angles[0]
        for i in range(1, len(went.times)):
            drift = max(went.drifts[i], 0.0)
            self._at[:2] = self._inside(
                at[:2] + aside * (went.ways[i] - went.ways[0]) + ahead * drift
            )
            self._at[PELVIS] = went.heights[i]
            self._at[ANGLE] = sign * went.angles[i] + first * (1 - lean[i])
            self._at[HEADING] = at[HEADING] + side * np.pi / 2 * lean[i]
            self._mark(start + float(went.times[i]))
        self._posture = "lie"
        self.falls.append(Fall(start, self.now))
        self._stir(until)

    def _stride_out(self, speed: float) -> float:
        """Walk on, and do not arrive: the speed at which the next step fails."""
        for _ in range(20):
            way = np.array(self._anywhere()) - self._at[:2]
            length = float(np.hypot(*way))
            if length > 2 * STRIDE:
                break
        else:
            return 0.0
        self._turn(float(np.arctan2(way[1], way[0])))
        steps = int(self._rng.integers(2, max(3, int(length / STRIDE))))
        for step in range(steps):
            self._at[:2] = self._inside(self._at[:2] + way / length * STRIDE)
            self._mark(self.now + STRIDE / speed * (1.4 if step == 0 else 1.0))
        return speed

    def _rise_half(self) -> None:
        """Get up most of the way."""
        goal_pelvis = POSTURES["stand"][0] * self._person.height
        self._mark(self.now)
        self._at[PELVIS] += self._rng.uniform(RISING, 1.0) * (goal_pelvis - self._at[PELVIS])
        self._at[ANGLE] = self._rng.uniform(0.1, 0.6)
        self._mark(self.now + self._rng.uniform(0.8, 1.4))

    def _stir(self, until: float) -> None:
        """Somebody who lies there moves a little in the first seconds, and now and then later."""
        for _ in range(self._rng.poisson(STIRS)):
            self._mark(self.now + self._rng.uniform(0.1, 1.5))
            self._at[:2] += self._rng.normal(0, 0.03, 2)
            self._at[ANGLE] += self._rng.normal(0, 0.06)
            self._mark(self.now + self._rng.uniform(0.4, 1.0))
        self._fidget(until)

    def _inside(self, place: Floats) -> Floats:
        return np.clip(place, 0.2, np.array(self._room.size[:2]) - 0.2)

    def _enter(self, activity: Activity) -> None:
        self._at[:2], self._at[WEIGHT] = self._room.door, 0.0
        self._mark(self.now)
        self._at[WEIGHT] = 1.0
        self._mark(self.now + 0.6)
        self._go(activity.place or self._anywhere(), activity.speed)

    def _leave(self, activity: Activity) -> None:
        self._go(self._room.door, activity.speed)
        self._at[WEIGHT] = 0.0
        self._mark(self.now + 0.6)
