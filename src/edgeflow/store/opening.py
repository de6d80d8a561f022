"""Stores of tables by URL."""

from edgeflow.errors import StoreError, did_you_mean
from edgeflow.store.tables import TableStore

__all__ = ["open_tables"]


def open_tables(url: str) -> TableStore:
    """Open ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or ``sqlite://:memory:``.

    Raises:
        StoreError: unknown scheme, or it cannot be opened.
    """
    scheme, separator, place = url.partition("://")
    if not separator or scheme != "sqlite":
        hint = did_you_mean(scheme, ["sqlite"])
        raise StoreError(f"no store for {url!r}", hint=f"{hint}; for example sqlite:///home.db")
    from edgeflow.store.sqlite_tables import SqliteTables

    path = place if place == ":memory:" else place.removeprefix("/")
    if not path:
        raise StoreError(f"{url!r} names no file", hint="for example sqlite:///home.db")
    return SqliteTables(path)
