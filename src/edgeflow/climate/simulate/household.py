"""One home as a model learns it: rooms, the person who lives there, and time that is injected."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from edgeflow.climate.simulate.homes import room_of
from edgeflow.climate.simulate.people import Person
from edgeflow.climate.simulate.rooms import Room
from edgeflow.protocols.climate import Features

__all__ = ["Home", "Household", "HouseholdOptions"]

NOISE = (0.1, 0.5, 0.5)
"""Deviations of the sensors: degrees, per cent, decibels."""


class Home(Protocol):
    """Rooms and somebody who lives in them."""

    @property
    def names(self) -> Sequence[str]:
        """Of the rooms."""

    def advance(self, seconds: float) -> None:
        """Let time pass in all rooms."""

    def move(self, name: str, position: float) -> None:
        """Put a window somewhere (per cent open)."""

    def sensed(self, name: str) -> Features:
        """What the sensors of a room say."""

    def wanted(self, name: str) -> float:
        """The position that somebody there would choose, said or not."""

    def said(self, name: str) -> float | None:
        """Somebody looks at a window, and says where it should be, or nothing."""

    def is_lived_in(self, name: str) -> bool:
        """Somebody is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdOptions:
    """Who lives where.

    Attributes:
        rooms: how many; size, walls, sun and street differ, the weather does not.
        people: what is wanted, and how often it is said: by one in all of them, or by the first in
            the first, the second in the second.
        seed: of rooms, weather, sensors, and when somebody speaks.
    """

    rooms: int = 4
    people: tuple[Person, ...] = field(default_factory=lambda: (Person(),))
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
        people = options.people
        self._people = {
            name: people[number % len(people)] for number, name in enumerate(self.rooms)
        }
        self._rng = np.random.default_rng((options.seed, 11))

    @property
    def names(self) -> list[str]:
        """Of the rooms."""
        return list(self.rooms)

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

    def wanted(self, name: str) -> float:
        """The position that the person would choose."""
        return self._people[name].wants(self.rooms[name].features)

    def said(self, name: str) -> float | None:
        """The person looks at a window, and says where it should be, or nothing."""
        room = self.rooms[name]
        if not room.is_lived_in:
            return None
        return self._people[name].says(room.features, room.window, self._rng)

    def is_lived_in(self, name: str) -> bool:
        """From evening to morning."""
        return self.rooms[name].is_lived_in
