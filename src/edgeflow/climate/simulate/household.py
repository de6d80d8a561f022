"""One home as a model learns it: rooms, the person who lives there, and time that is injected."""

from dataclasses import dataclass, field

import numpy as np

from edgeflow.climate.simulate.homes import room_of
from edgeflow.climate.simulate.people import Person
from edgeflow.climate.simulate.rooms import Room
from edgeflow.protocols.climate import Features

__all__ = ["Household", "HouseholdOptions"]

NOISE = (0.1, 0.5, 0.5)
"""Deviations of the sensors: degrees, per cent, decibels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdOptions:
    """Who lives where.

    Attributes:
        rooms: how many; size, walls, sun and street differ, the weather does not.
        person: what is wanted in all of them, and how often it is said.
        seed: of rooms, weather, sensors, and when somebody speaks.
    """

    rooms: int = 4
    person: Person = field(default_factory=Person)
    seed: int = 1


class Household:
    """Rooms whose windows are where they were put. The same seed is the same home.

    Attributes:
        rooms: by name.
    """

    def __init__(self, options: HouseholdOptions) -> None:
        self.options = options
        self.rooms: dict[str, Room] = {
            f"room-{number + 1}": room_of(options.seed, number) for number in range(options.rooms)
        }
        self._rng = np.random.default_rng((options.seed, 11))

    @property
    def person(self) -> Person:
        """Who lives there."""
        return self.options.person

    def advance(self, seconds: float) -> None:
        """Let time pass in all rooms."""
        for room in self.rooms.values():
            room.advance(seconds, room.window)

    def move(self, name: str, position: float) -> None:
        """Put a window somewhere (per cent open)."""
        self.rooms[name].window = position

    def sensed(self, name: str) -> Features:
        """What the sensors of a room say."""
        felt = self.rooms[name].features
        warm, damp, loud = (float(each) for each in self._rng.normal(0.0, NOISE))
        return Features(
            felt.temperature + warm,
            float(np.clip(felt.humidity + damp, 0.0, 100.0)),
            float(np.clip(felt.sound_volume + loud, -80.0, 0.0)),
        )

    def said(self, name: str) -> float | None:
        """The person looks at a window, and says where it should be, or nothing."""
        room = self.rooms[name]
        if not room.is_lived_in:
            return None
        return self.person.says(room.features, room.window, self._rng)
