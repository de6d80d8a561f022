"""The series, sea temperature off Maine every half hour for 13 months, and what a model sees of it.

A sample holds 32 hours in steps of one hour, four features each; its target is how much warmer or
colder, in kelvin, the sea is one to eight hours after the sample's last step.
"""

import csv
import gzip
import itertools
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeflow import assets

__all__ = ["ASSET", "FEATURES", "HORIZON", "STEPS", "Samples", "Split", "load", "split"]

ASSET = "sea-temperature"
STEPS, HORIZON = 32, 8
FEATURES = ("above the mean of 24 hours, K", "change in an hour, K", "sin of the hour", "cos of it")

Floats: TypeAlias = npt.NDArray[np.float32]

_HOUR, _DAY = 3600.0, 24
_PER_HOUR = 2
_BLOCK, _TRAIN, _CHECK = 20.0, 14.0, 2.0
"""Days."""


@dataclass(frozen=True)
class Samples:
    """Windows of the series.

    Attributes:
        inputs: float32 (N, 32, 4); targets: float32 (N, 8), kelvin relative to ``now``.
        now: float32 (N,), degrees Celsius at the last step; seconds: (N,), since 1970.
        day_before: float32 (N, 8), how the sea changed over the same hours one day earlier.
    """

    inputs: Floats
    targets: Floats
    now: Floats
    seconds: npt.NDArray[np.float64]
    day_before: Floats

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Samples":
        """Return some of them."""
        return Samples(*(getattr(self, each.name)[chosen] for each in fields(self)))

    def __len__(self) -> int:
        return len(self.now)


class Split(NamedTuple):
    """Windows within the first 14, the next 2 and the last 4 of every 20 days."""

    train: Samples
    check: Samples
    test: Samples


def load(file: Path | None = None) -> Samples:
    """Return every window of the series in the order of time; the asset is pulled if need be.

    Raises:
        AssetError: it cannot be had.
    """
    seconds, values = _read(file or assets.pull(ASSET))
    parts = [_windows(seconds[run], values[run]) for run in _runs(seconds)]
    columns = ([getattr(part, each.name) for part in parts] for each in fields(Samples))
    return Samples(*(np.concatenate(column) for column in columns))


def split(samples: Samples) -> Split:
    """Divide the samples by where they lie, from their first step to their last target."""
    start = samples.seconds - (STEPS - 1) * _HOUR
    day = (start - start[0]) / (_HOUR * _DAY) % _BLOCK
    end = day + (STEPS - 1 + HORIZON) / _DAY
    edges = [(0.0, _TRAIN), (_TRAIN, _TRAIN + _CHECK), (_TRAIN + _CHECK, _BLOCK)]
    return Split(*(samples.where((low <= day) & (end < high)) for low, high in edges))


def _read(file: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        rows = list(csv.reader(text))[1:]
    times = [datetime.fromisoformat(row[0]).timestamp() for row in rows]
    return np.array(times), np.array([float(row[1]) for row in rows])


def _runs(seconds: npt.NDArray[np.float64]) -> list[slice]:
    """Return the stretches without a gap or a step back."""
    breaks = np.flatnonzero(np.diff(seconds) != _HOUR / _PER_HOUR) + 1
    edges = itertools.pairwise([0, *breaks.tolist(), len(seconds)])
    longest_look = _PER_HOUR * (_DAY + STEPS + HORIZON)
    return [slice(start, end) for start, end in edges if end - start > longest_look]


def _windows(seconds: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> Samples:
    features = _features(seconds, values)
    first = _PER_HOUR * (_DAY + STEPS - 1)
    now = np.arange(first, len(values) - _PER_HOUR * HORIZON)
    past = now[:, None] - _PER_HOUR * np.arange(STEPS)[::-1]
    future = now[:, None] + _PER_HOUR * np.arange(1, HORIZON + 1)
    day = _PER_HOUR * _DAY
    return Samples(
        inputs=features[past],
        targets=(values[future] - values[now, None]).astype(np.float32),
        now=values[now].astype(np.float32),
        seconds=seconds[now],
        day_before=(values[future - day] - values[now - day, None]).astype(np.float32),
    )


def _features(seconds: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> Floats:
    """Return (N, 4); they look back only, so that a board can be fed row by row."""
    day = _PER_HOUR * _DAY
    means = np.convolve(values, np.full(day, 1 / day))[: len(values)]
    angle = seconds / (_HOUR * _DAY) * 2 * np.pi
    change = values - np.concatenate([values[:_PER_HOUR], values[:-_PER_HOUR]])
    return np.stack([values - means, change, np.sin(angle), np.cos(angle)], axis=1).astype(
        np.float32
    )
