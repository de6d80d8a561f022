"""Keeping what flowed: events in a database, frames in recordings."""

from edgeflow.errors import StoreError, did_you_mean
from edgeflow.store.base import Event, Store

__all__ = ["Event", "Store", "open_store"]


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
