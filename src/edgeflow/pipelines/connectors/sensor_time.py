"""The sensor's own time, from the forms in which sensors write it."""

from collections.abc import Callable
from datetime import UTC, datetime
from time import time
from typing import Any

import msgspec

__all__ = ["SensorTime", "epoch_seconds"]

_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
_EARLIEST = 946684800.0  # the year 2000: clocks that were never set show 1970
_AHEAD = 86400.0


def epoch_seconds(value: Any) -> float | None:
    """Return seconds since the Unix epoch, or None for what is no time.

    Args:
        value: a number (seconds, or by its size milli-, micro- or nanoseconds), the same as text,
            or ISO 8601 text; without a time zone it is UTC.
    """
    if isinstance(value, str):
        value = _from_text(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if not -1e30 < value < 1e30:  # infinity, NaN and numbers that no float holds
        return None
    for least, unit in _UNITS:
        if value >= least:
            return value / unit
    return float(value)


def _from_text(text: str) -> float | None:
    if len(text) > 64:
        return None
    try:
        return float(text)
    except ValueError:
        return _iso(text)


def _iso(text: str) -> float | None:
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


class SensorTime:
    """Finds the time in messages; what lies before 2000 or more than a day ahead is no time.

    Args:
        now: seconds since the Unix epoch.
    """

    def __init__(self, now: Callable[[], float] = time) -> None:
        self._now = now
        self._decoders: dict[str, Any] = {}

    def of(self, stated: Any, payload: bytes, key: str | None) -> float | None:
        """Return the time that ``stated`` or, else, the JSON ``payload`` under ``key`` holds."""
        found = None if stated is None else epoch_seconds(stated)
        if found is None and key is not None:
            found = epoch_seconds(self._inside(payload, key))
        if found is None or not _EARLIEST <= found <= self._now() + _AHEAD:
            return None
        return found

    def _inside(self, payload: bytes, key: str) -> Any:
        decoder = self._decoders.get(key)
        if decoder is None:
            decoder = self._decoders[key] = msgspec.json.Decoder(_shape(key.split(".")))
        try:
            found = decoder.decode(payload)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None
        for _ in range(key.count(".") + 1):
            found = None if found is None else found.value
        return found


def _shape(path: list[str]) -> Any:
    """Return a type that picks one key of an object out; the rest is passed over."""
    inner: Any = Any if len(path) == 1 else _shape(path[1:]) | None
    return msgspec.defstruct("Picked", [("value", inner, None)], rename={"value": path[0]})
