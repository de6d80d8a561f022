"""A real office: measured air and light, with somebody made up who would air it."""

import csv
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from edgeflow.climate.simulate.people import Person
from edgeflow.errors import ConfigError
from edgeflow.protocols.climate import Features

__all__ = ["ASSET", "Office"]

ASSET = "office-climate"
NAME = "office"
LIT = 200.0
"""Lux from which the lamps are on and somebody is there; daylight alone was less."""
QUIET, BUSY = -62.0, -48.0
"""dBFS of an empty and of a used office; volumes were not measured."""
PERSON = Person(comfortable=20.8, damp=28.0)
"""Warm and damp for a Belgian office in February, in which the air is dry."""
MAX_ROWS = 100_000


class Office:
    """Temperature, humidity and light of one room as they were measured.

    What the window does is not in them: nobody noted it, and moving it changes nothing.

    Args:
        file: the series. seed: of the volume, and of when somebody speaks.

    Attributes:
        seconds: how long it is.

    Raises:
        ConfigError: the file is no such series.
    """

    def __init__(self, file: Path, *, seed: int = 1, person: Person = PERSON) -> None:
        self._times, self._values = _read(file)
        self.seconds = float(self._times[-1])
        self._now, self._window = 0.0, 0.0
        self._person, self._rng = person, np.random.default_rng((seed, 12))

    @property
    def names(self) -> Sequence[str]:
        """Of the one room."""
        return (NAME,)

    def advance(self, seconds: float) -> None:
        """Go on in the series; at its end time stands still."""
        self._now += seconds

    def move(self, name: str, position: float) -> None:
        """Note where the window is."""
        self._window = position

    def sensed(self, name: str) -> Features:
        """Measured temperature and humidity; a made-up volume."""
        volume = BUSY if self.is_lived_in(name) else QUIET
        loud = float(np.clip(volume + self._rng.normal(0.0, 3.0), -80.0, 0.0))
        return Features(self._value(0), self._value(1), loud)

    def wanted(self, name: str) -> float:
        """The position that the person would choose."""
        volume = BUSY if self.is_lived_in(name) else QUIET
        return self._person.wants(Features(self._value(0), self._value(1), volume))

    def said(self, name: str) -> float | None:
        """The person looks at the window, and says where it should be, or nothing."""
        if not self.is_lived_in(name):
            return None
        felt = Features(self._value(0), self._value(1), BUSY)
        return self._person.says(felt, self._window, self._rng)

    def is_lived_in(self, name: str) -> bool:
        """The light was on."""
        return self._value(2) > LIT

    def _value(self, column: int) -> float:
        return float(np.interp(self._now, self._times, self._values[:, column]))


def _read(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Seconds from the first row (n,), and temperature, humidity and light (n, 3)."""
    try:
        with file.open(encoding="utf-8", newline="") as text:
            rows = [row for row, _ in zip(csv.reader(text), range(MAX_ROWS + 1), strict=False)][1:]
        times = np.array([datetime.fromisoformat(row[0]).timestamp() for row in rows])
        values = np.array([[float(each) for each in row[1:4]] for row in rows])
    except (OSError, ValueError, IndexError) as error:
        raise ConfigError(f"{file}: {error}", hint="edgeflow assets pull office-climate") from error
    if len(times) < 2 or values.shape != (len(times), 3) or not np.isfinite(values).all():
        raise ConfigError(f"{file} is no series of a room", hint="time and three numbers a row")
    return times - times[0], values
