"""What people said: the only truth that a model learns from."""

import threading
import zlib
from collections import deque
from pathlib import Path

import msgspec
import numpy as np
import structlog

from edgeflow.climate.learning.examples import SPANS, Examples, Floats
from edgeflow.errors import StoreError
from edgeflow.protocols.climate import Features

__all__ = ["HELD_OUT_EVERY", "LABELS", "Label", "Labels", "values_of"]

_log = structlog.get_logger(__name__)

LABELS = "labels.jsonl"
"""File of what people said, beside the versions."""
MAX_LABELS = 20_000
MAX_LINE = 4096
NEIGHBOURS = 3
ODD = 40.0
"""Points from what was said in similar situations, from which a label must be said twice."""
CONFIRMS = 15.0
WAITING = 256
HELD_OUT_EVERY = 4
HALF_LIFE = 60 * 86_400.0
"""Seconds in which a label loses half of its weight: habits change with the season."""


class Label(msgspec.Struct, frozen=True):
    """Somebody wanted a position in a situation."""

    time: float
    device: str
    features: Features
    position: float
    person: str = ""

    @property
    def situation(self) -> Floats:
        """The features as float64 (3,), in units of what makes a difference."""
        own = self.features
        return np.asarray(values_of(own) / SPANS, np.float64)


def values_of(features: Features) -> Floats:
    """Features as float64 (3,)."""
    return np.array([features.temperature, features.humidity, features.sound_volume])


class Labels:
    """A bounded list of labels. Thread-safe.

    A label that contradicts what was said in at least three similar situations waits until another
    one says the same: a slip, or somebody who means ill, teaches nothing.

    Args:
        path: file of JSON lines that keeps them over a restart; None keeps them in memory only.

    Raises:
        StoreError: the file cannot be read. A line that a crash cut off is left out.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._path = path
        self._known: deque[Label] = deque(maxlen=MAX_LABELS)
        self._places, self._next = np.full((MAX_LABELS, 4), np.inf), 0
        for label in _read(path) if path is not None else ():
            self._learn(label)
        self._waiting: list[Label] = []

    def __len__(self) -> int:
        with self._lock:
            return len(self._known)

    @property
    def waiting(self) -> int:
        """How many wait for another one that says the same."""
        with self._lock:
            return len(self._waiting)

    def add(self, label: Label) -> bool:
        """Take a label in; False while it waits to be confirmed.

        Raises:
            StoreError: it cannot be written down; it counts until the next start.
        """
        with self._lock:
            if not self._is_odd(label):
                self._keep([label])
                return True
            second = next((old for old in self._waiting if _agree(old, label)), None)
            if second is not None:
                self._waiting.remove(second)
                self._keep([second, label])
                return True
            self._waiting = [*self._waiting[-(WAITING - 1) :], label]
        _log.warning("label_doubted", device=label.device, position=label.position)
        return False

    def examples(self, now: float, *, held_out: bool) -> Examples:
        """What models learn from, or the quarter that none ever sees; the older the lighter."""
        with self._lock:
            chosen = [one for one in self._known if _is_held_out(one) == held_out]
        return _examples(chosen, now)

    def held_out(self, now: float) -> tuple[Examples, Floats]:
        """The quarter that none ever sees, and when it was said: seconds, (n,)."""
        with self._lock:
            chosen = [one for one in self._known if _is_held_out(one)]
        return _examples(chosen, now), np.array([one.time for one in chosen], np.float64)

    def since(self, then: float, now: float) -> Examples:
        """What was said after a time: nothing that a model made then has learnt from."""
        with self._lock:
            chosen = [one for one in self._known if one.time > then]
        return _examples(chosen, now)

    def newest(self, since: float) -> list[Label]:
        """The labels from a time on, oldest first."""
        with self._lock:
            return [one for one in self._known if one.time >= since]

    def _keep(self, labels: list[Label]) -> None:
        for label in labels:
            self._learn(label)
        if self._path is not None:
            try:
                with self._path.open("ab") as file:
                    file.write(msgspec.json.Encoder().encode_lines(labels))
            except OSError as error:
                raise StoreError(f"{self._path}: {error}", hint="is the disk full?") from error

    def _learn(self, label: Label) -> None:
        self._known.append(label)
        self._places[self._next % MAX_LABELS] = (*label.situation, label.position)
        self._next += 1

    def _is_odd(self, label: Label) -> bool:
        places = self._places[: min(self._next, MAX_LABELS)]
        near = (np.abs(places[:, :3] - label.situation) <= 1.0).all(axis=1)
        said = places[near, 3]
        return len(said) >= NEIGHBOURS and abs(float(np.median(said)) - label.position) > ODD


def _read(path: Path) -> deque[Label]:
    """The newest labels of a file; none of one that is not there."""
    known: deque[Label] = deque(maxlen=MAX_LABELS)
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_LINE):
                try:
                    known.append(msgspec.json.decode(line, type=Label))
                except msgspec.DecodeError as error:
                    _log.warning("label_left_out", path=str(path), error=str(error))
    except FileNotFoundError:
        return known
    except OSError as error:
        raise StoreError(f"{path}: {error}") from error
    return known


def _examples(chosen: list[Label], now: float) -> Examples:
    features = np.array([values_of(one.features) for one in chosen]).reshape(-1, 3)
    age = np.array([max(0.0, now - one.time) for one in chosen])
    positions = np.array([one.position for one in chosen], np.float64)
    return Examples(features, positions, np.exp2(-age / HALF_LIFE))


def _is_held_out(label: Label) -> bool:
    """The same for a label whenever it is asked, so that no version learns what it is judged by."""
    return zlib.crc32(f"{label.device}/{label.time!r}".encode()) % HELD_OUT_EVERY == 0


def _agree(one: Label, other: Label) -> bool:
    alike = float(np.abs(one.situation - other.situation).max()) <= 1.0
    return alike and abs(one.position - other.position) <= CONFIRMS
