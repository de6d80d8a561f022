"""What simulated sensors send: pure, and the same for the same seed."""

import json
import math
from abc import ABC, abstractmethod
from random import Random

__all__ = ["Environment", "Room", "Trajectory", "Trigger"]


class Trajectory(ABC):
    """A sequence of payloads.

    Args:
        random: source of chance.
    """

    def __init__(self, random: Random) -> None:
        self._random = random

    @abstractmethod
    def next(self, interval: float, now: float) -> bytes:
        """Return the next payload.

        Args:
            interval: seconds since the one before.
            now: seconds since the Unix epoch.
        """


def _json(values: dict[str, object]) -> bytes:
    return json.dumps(values, separators=(",", ":")).encode()


class Environment(Trajectory):
    """CO2 that swings between 180 and 820 ppm, temperature and humidity.

    Each message moves ``t`` on by 0.2, whatever the interval: 31 messages are one swing.

    Args:
        random: source of chance.
        stamped: add the time under ``timestamp``.
    """

    def __init__(self, random: Random, *, stamped: bool = False) -> None:
        super().__init__(random)
        self._stamped = stamped
        self._t = 0.0

    def next(self, interval: float, now: float) -> bytes:
        """Return ``co2_ppm``, ``temperature_c`` and ``humidity_pct`` as JSON."""
        t, spread = self._t, self._random.uniform
        self._t += 0.2
        values: dict[str, object] = {
            "co2_ppm": round(500 + 300 * math.sin(t) + spread(-20, 20), 2),
            "temperature_c": round(22 + 1.5 * math.sin(t / 5) + spread(-0.5, 0.5), 2),
            "humidity_pct": round(45 + spread(-5, 5), 2),
        }
        if self._stamped:
            values["timestamp"] = now
        return _json(values)


class Trigger(Trajectory):
    """A detector that sees one person who moves through a picture of 640 x 480."""

    def next(self, interval: float, now: float) -> bytes:
        """Return ``label`` and ``bbox`` (x1, y1, x2, y2 in pixels) as JSON."""
        x, y = self._random.randint(0, 480), self._random.randint(0, 200)
        width, height = self._random.randint(60, 160), self._random.randint(160, 280)
        return _json({"label": "person", "bbox": [x, y, x + width, y + height]})


class Room(Trajectory):
    """A room that people enter and leave through a door: a mass balance of CO2, heat and moisture.

    Args:
        random: source of chance.
        people: most that are in it.
        speed: simulated seconds per second.
        volume: of the room, in cubic metres.
    """

    OUTSIDE_PPM = 420.0
    _EXHALED = 18.0  # litres of CO2 an hour and person, seated
    _STAY_S = 1200.0
    _STEP_S = 10.0

    def __init__(
        self, random: Random, *, people: int = 6, speed: float = 60.0, volume: float = 60.0
    ) -> None:
        super().__init__(random)
        self._most = people
        self._speed = speed
        self._volume = volume
        self.co2 = self.OUTSIDE_PPM
        self.temperature = 20.0
        self.humidity = 40.0
        self.occupancy = 0
        self._open_s = 0.0

    def next(self, interval: float, now: float) -> bytes:
        """Return the values of ``Environment`` with ``occupancy``, ``door_open``, ``timestamp``."""
        left = min(interval * self._speed, 86400.0)
        while left > 0:
            step = min(left, self._STEP_S)
            self._move(step)
            left -= step
        noise = self._random.gauss
        return _json(
            {
                "co2_ppm": round(self.co2 + noise(0, 5), 1),
                "temperature_c": round(self.temperature + noise(0, 0.05), 2),
                "humidity_pct": round(self.humidity + noise(0, 0.3), 1),
                "occupancy": self.occupancy,
                "door_open": self._open_s > 0,
                "timestamp": now,
            }
        )

    def _move(self, seconds: float) -> None:
        """Let ``seconds`` pass: people come and go, then the air follows."""
        self._open_s = max(0.0, self._open_s - seconds)
        come = seconds / self._STAY_S * (self._most - self.occupancy)
        leave = seconds / self._STAY_S * self.occupancy
        change = (self._random.random() < come) - (self._random.random() < leave)
        if change:
            self.occupancy = min(self._most, max(0, self.occupancy + change))
            self._open_s = 20.0
        hours = seconds / 3600
        exchanged = 1 - math.exp(-hours * (12.0 if self._open_s else 0.8))
        self.co2 += self.occupancy * self._EXHALED * hours / self._volume * 1000
        self.co2 += (self.OUTSIDE_PPM - self.co2) * exchanged
        self.temperature += self.occupancy * 1.5 * hours + (20.0 - self.temperature) * exchanged
        self.humidity += self.occupancy * 2.0 * hours + (40.0 - self.humidity) * exchanged
