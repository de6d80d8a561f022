"""What a store is: append events, query them by time."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import msgspec

from edgeflow.errors import StoreError, did_you_mean

__all__ = ["Event", "Store", "open_store"]


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


def open_store(url: str) -> Store:
    """Open ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or ``sqlite://:memory:``.

    Raises:
        StoreError: unknown scheme, or it cannot be opened.
    """
    scheme, separator, place = url.partition("://")
    if not separator or scheme != "sqlite":
        hint = did_you_mean(scheme, ["sqlite"])
        raise StoreError(f"no store for {url!r}", hint=f"{hint}; for example sqlite:///flow.db")
    from edgeflow.store.sqlite import SqliteStore

    path = place if place == ":memory:" else place.removeprefix("/")
    if not path:
        raise StoreError(f"{url!r} names no file", hint="for example sqlite:///flow.db")
    return SqliteStore(path)
