"""What a store of tables is: rows in batches, questions that charts and triggers ask."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

__all__ = ["MAX_ROWS", "TOKENS", "Aggregate", "Bucket", "Column", "Row", "Table", "TableStore"]

MAX_ROWS = 1_000_000
TOKENS = 10_000

Row = Mapping[str, Any]
"""Values by column; ``timestamp`` in seconds since the Unix epoch, a ``json`` column as a dict."""


class Column(NamedTuple):
    """A column; ``time`` is kept to the millisecond."""

    name: str
    kind: Literal["float", "integer", "text", "bool", "time", "json"]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of rows by device and time.

    Attributes:
        columns: all of them, ``device_id`` and ``timestamp`` included.
        measure: the column that series and aggregates are about, if there is one.
        newest_by: of a registry, the columns of which only the newest row counts.
        identity: columns that tell a redelivered row from a new one; empty keeps them all.
    """

    name: str
    columns: tuple[Column, ...]
    measure: str = ""
    newest_by: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bucket:
    """Values of a device within a step of time that begins at ``time``."""

    device_id: str
    time: float
    mean: float
    least: float
    most: float
    count: int


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Of some values; ``deviation`` is the population's. Of no values all but count are NaN."""

    count: int
    mean: float
    deviation: float
    least: float
    most: float


class TableStore(ABC):
    """Tables by name, of which each row is kept once it was inserted. Thread-safe."""

    @abstractmethod
    def create(self, tables: Sequence[Table]) -> None:
        """Make what is missing, and add columns that an older version did not have.

        Raises:
            StoreError: the store cannot be reached, or holds a table that does not fit.
        """

    @abstractmethod
    def insert(self, table: str, rows: Sequence[Row], *, token: str = "") -> None:
        """Keep the rows, all or none; those that the table's identity knows already, once.

        A batch whose token was among the last ``TOKENS`` is not kept again, so that who does not
        know whether it arrived can send it again.

        Raises:
            StoreError: the store cannot be reached or is full; nothing was kept.
            ConfigError: no such table or column, or a value has no form in its column.
        """

    @abstractmethod
    def rows(
        self,
        table: str,
        *,
        device: str | None = None,
        where: Mapping[str, str] | None = None,
        since: float = float("-inf"),
        until: float = float("inf"),
        limit: int = 1000,
    ) -> list[dict[str, Any]]:
        """The newest rows with ``since <= timestamp < until``, oldest first.

        Of one device, and with texts that columns must have, if they are given; at most
        ``MAX_ROWS``.

        Raises:
            StoreError: the store cannot be reached.
            ConfigError: no such table or column. So do the other questions.
        """

    @abstractmethod
    def latest(self, table: str, *, since: float = float("-inf")) -> list[dict[str, Any]]:
        """The newest row of each device, by device."""

    @abstractmethod
    def series(
        self,
        table: str,
        column: str,
        *,
        step: float,
        device: str | None = None,
        where: Mapping[str, str] | None = None,
        since: float = float("-inf"),
        until: float = float("inf"),
    ) -> list[Bucket]:
        """A column in steps of so many seconds, by time and device.

        Rollups answer where they can: for the table's measure, without ``where``, in whole minutes
        or hours. Then the first step begins at or before ``since``.
        """

    @abstractmethod
    def counts(
        self,
        table: str,
        *,
        step: float,
        where: Mapping[str, str] | None = None,
        since: float = float("-inf"),
        until: float = float("inf"),
    ) -> list[tuple[float, int]]:
        """How many rows of all devices there are in steps of so many seconds, by time.

        Rollups answer where they can, as of ``series``; then rows without the measure do not count.
        """

    @abstractmethod
    def aggregate(
        self,
        table: str,
        column: str,
        *,
        device: str | None = None,
        where: Mapping[str, str] | None = None,
        since: float = float("-inf"),
        until: float = float("inf"),
    ) -> Aggregate:
        """A column over a stretch of time."""

    @abstractmethod
    def forget(self, table: str, *, before: float) -> int:
        """Delete rows that are older, and return how many; what is rolled up stays."""

    @abstractmethod
    def forget_device(self, table: str, device: str) -> int:
        """Delete all rows of a device, and what is rolled up of them; return how many rows."""

    @abstractmethod
    def close(self) -> None:
        """Write what is pending and close. Idempotent."""
