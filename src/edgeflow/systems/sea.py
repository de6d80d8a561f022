"""Sea temperatures, hour by hour, as the model of the boards demo sees them."""

import csv
import gzip
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeflow import assets
from edgeflow.errors import AssetError

__all__ = ["ASSET", "STEPS", "Sea", "read_sea"]

ASSET = "sea-temperature"
STEPS = 32
"""Hours of a sample."""

_HOUR, _DAY = 3600.0, 24
_PER_HOUR = 2
_SUMMER = (4200, 5700)
"""Half-hours of the asset that follow each other; a month in which days differ from nights."""

Floats: TypeAlias = npt.NDArray[np.float32]


class Sea(NamedTuple):
    """A series.

    Attributes:
        features: float32 (N, 4) for each half-hour: above the mean of 24 hours and change within
            an hour, in kelvin, sine and cosine of the hour.
        real: measured, and not made up.
    """

    features: Floats
    real: bool

    @classmethod
    def of(cls, seconds: npt.NDArray[np.float64], values: Floats, *, real: bool) -> Self:
        """Return the features of temperatures in degrees Celsius, one each half-hour."""
        day = _PER_HOUR * _DAY
        means = np.convolve(values, np.full(day, 1 / day))[: len(values)]
        change = values - np.concatenate([values[:_PER_HOUR], values[:-_PER_HOUR]])
        angle = seconds / (_HOUR * _DAY) * 2 * np.pi
        columns = [values - means, change, np.sin(angle), np.cos(angle)]
        return cls(np.stack(columns, axis=1).astype(np.float32)[day:], real)

    def sample(self, number: int) -> Floats:
        """Return the sample that ends ``number`` half-hours after the first; it begins anew."""
        span = _PER_HOUR * (STEPS - 1)
        last = span + number % (len(self.features) - span)
        return self.features[last - span : last + 1 : _PER_HOUR]


def read_sea() -> Sea:
    """Return a month of the measured series, or a made-up one where it cannot be had."""
    try:
        file = assets.pull(ASSET)
    except AssetError:
        seconds = np.arange(1500) * _HOUR / _PER_HOUR
        values = 14 + 0.6 * np.sin(seconds / (_HOUR * _DAY) * 2 * np.pi - 2)
        values += 0.3 * np.sin(seconds / (_HOUR * 12.42) * 2 * np.pi)
        return Sea.of(seconds, values.astype(np.float32), real=False)
    return _read(file)


def _read(file: Path) -> Sea:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        rows = list(csv.reader(text))[1:][slice(*_SUMMER)]
    seconds = np.array([datetime.fromisoformat(row[0]).timestamp() for row in rows])
    return Sea.of(seconds, np.array([float(row[1]) for row in rows], np.float32), real=True)
