"""What people said: the only truth that a model learns from."""

import threading
import zlib
from dataclasses import dataclass

import numpy as np
import structlog

from edgeflow.climate.learning.examples import Examples, Floats
from edgeflow.protocols.climate import Features

__all__ = ["HELD_OUT_EVERY", "Label", "Labels", "values_of"]

_log = structlog.get_logger(__name__)

MAX_LABELS = 20_000
SPANS = np.array([5.0, 15.0, 15.0])
"""Degrees, per cent and decibels that make two situations different ones."""
NEIGHBOURS = 3
ODD = 40.0
"""Points from what was said in similar situations, from which a label must be said twice."""
CONFIRMS = 15.0
WAITING = 256
HELD_OUT_EVERY = 4
HALF_LIFE = 60 * 86_400.0
"""Seconds in which a label loses half of its weight: habits change with the season."""


@dataclass(frozen=True, slots=True)
class Label:
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
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: list[Label] = []
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
        """Take a label in; False while it waits to be confirmed."""
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

    def since(self, then: float, now: float) -> Examples:
        """What was said after a time: nothing that a model made then has learnt from."""
        with self._lock:
            chosen = [one for one in self._known if one.time > then]
        return _examples(chosen, now)

    def _keep(self, labels: list[Label]) -> None:
        self._known = [*self._known[-(MAX_LABELS - len(labels)) :], *labels]

    def _is_odd(self, label: Label) -> bool:
        near = [
            one.position
            for one in self._known
            if float(np.abs(one.situation - label.situation).max()) <= 1.0
        ]
        return len(near) >= NEIGHBOURS and abs(float(np.median(near)) - label.position) > ODD


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
