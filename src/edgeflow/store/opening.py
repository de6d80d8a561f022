"""Stores of tables by URL."""

import re
from pathlib import Path

from edgeflow.errors import ConfigError, StoreError, did_you_mean
from edgeflow.store.tables import TableStore

__all__ = ["check_there", "open_tables", "without_password"]

SCHEMES = ("sqlite", "clickhouse", "chdb")


def open_tables(url: str) -> TableStore:
    """Open the tables that a URL names.

    ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or ``sqlite://:memory:``;
    ``clickhouse://user:password@host:8123/database`` on a server; ``chdb:///relative/path`` or
    ``chdb:////absolute/path`` for ClickHouse within this process. The latter two are connected to
    when they are first asked.

    Raises:
        StoreError: unknown scheme, or it cannot be opened.
        MissingExtraError: a package is missing.
    """
    scheme, separator, place = url.partition("://")
    if not separator or scheme not in SCHEMES:
        hint = did_you_mean(scheme, list(SCHEMES))
        raise StoreError(
            f"no store of the scheme {scheme!r}", hint=f"{hint}; for example sqlite:///home.db"
        )
    if scheme != "sqlite":
        from edgeflow.store.clickhouse_client import ClickHousePlace
        from edgeflow.store.clickhouse_tables import ClickHouseTables

        return ClickHouseTables(ClickHousePlace.from_url(url))
    from edgeflow.store.sqlite_tables import SqliteTables

    path = place if place == ":memory:" else place.removeprefix("/")
    if not path:
        raise StoreError(f"{url!r} names no file", hint="for example sqlite:///home.db")
    return SqliteTables(path)


def check_there(url: str) -> None:
    """Look whether a store that is a file or folder is there: opening it would make an empty one.

    Raises:
        ConfigError: it is not.
    """
    scheme, _, place = url.partition("://")
    path = Path(place.partition("?")[0].removeprefix("/"))
    if scheme in ("sqlite", "chdb") and not path.exists():
        raise ConfigError(f"--store: there is no {path}", hint="name the store that is in use")


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    return re.sub(r"^(\w+://[^:/@]+):.*@", r"\1:***@", url)
