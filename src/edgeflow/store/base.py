"""What a store is: append events, query them by time."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import msgspec

__all__ = ["Event", "Store"]


class Event(msgspec.Struct, kw_only=True):
    """One thing that happened, as it is kept.

    Attributes:
        time: capture time, seconds since the Unix epoch.
        source: node it was captured by; ``topic``: stream it came on; ``id``: frame id.
        value: number, string, JSON-like dict or list, bytes, or None.
        meta: annotations.
    """

    time: float
    topic: str
    source: str = ""
    id: int = 0
    value: Any = None
    meta: dict[str, Any] = {}


class Store(ABC):
    """A place for events. Thread-safe."""

    @abstractmethod
    def append(self, events: Sequence[Event]) -> None:
        """Keep ``events``, all or none.

        Raises:
            StoreError: the store is closed, full or broken, or a value has no stored form.
        """

    @abstractmethod
    def query(
        self,
        topic: str | None = None,
        *,
        source: str | None = None,
        since: float = float("-inf"),
        until: float = float("inf"),
        limit: int = 1000,
    ) -> list[Event]:
        """Return the newest ``limit`` events with ``since <= time < until``, oldest first."""

    @abstractmethod
    def close(self) -> None:
        """Write what is pending and close. Idempotent."""
