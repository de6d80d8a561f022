"""Values of a result by path, and what an agent remembers of each sensor."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

__all__ = ["MISSING", "PerSensor", "find", "number_at"]

MAX_SENSORS = 4096
MAX_FOUND = 1024

MISSING: Any = object()
"""What ``find`` gives for a value that is not there."""

T = TypeVar("T")


class PerSensor(Generic[T]):
    """One state for each sensor, for so many at most: those not heard of longest are forgotten.

    Args:
        make: a new state.
        limit: how many.
    """

    def __init__(self, make: Callable[[], T], limit: int = MAX_SENSORS) -> None:
        self._make = make
        self._limit = limit
        self._states: OrderedDict[str, T] = OrderedDict()

    def __getitem__(self, sensor: str) -> T:
        """Return the state of ``sensor``, a new one if need be."""
        state = self._states.get(sensor)
        if state is None:
            state = self._states[sensor] = self._make()
            if len(self._states) > self._limit:
                self._states.popitem(last=False)
        self._states.move_to_end(sensor)
        return state

    def __len__(self) -> int:
        return len(self._states)

    def items(self) -> list[tuple[str, T]]:
        """Return all sensors with their states."""
        return list(self._states.items())


def find(data: Any, path: str) -> Any:
    """Return the value at ``path``: keys and numbers of list items between dots.

    ``*`` stands for all items of a list and gives a list, ``#`` for their number. A key that has
    dots in it is found under its whole name too.

    Returns:
        ``MISSING`` where there is nothing.
    """
    if isinstance(data, Mapping) and path in data:
        return data[path]
    head, _, rest = path.partition(".")
    value = _step(data, head, rest)
    return value if value is MISSING or not rest or head in ("*", "#") else find(value, rest)


def number_at(data: Any, path: str) -> float | None:
    """Return the finite number at ``path``, None where there is none; booleans are no numbers."""
    value = find(data, path)
    if hasattr(value, "item") and getattr(value, "size", 0) == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _step(data: Any, head: str, rest: str) -> Any:
    if isinstance(data, Mapping):
        return data.get(head, MISSING)
    if not isinstance(data, list | tuple):
        return MISSING
    if head == "#":
        return len(data)
    if head == "*":
        found = (find(item, rest) if rest else item for item in data[:MAX_FOUND])
        return [each for each in found if each is not MISSING]
    if head.isascii() and head.isdigit() and len(head) < 9 and int(head) < len(data):
        return data[int(head)]
    return MISSING
