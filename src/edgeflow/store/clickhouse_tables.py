"""Tables in ClickHouse: on a server, or chdb, which is the same engine within this process."""

import math
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from edgeflow.errors import ConfigError, StoreError, did_you_mean
from edgeflow.store import clickhouse_schema as schema
from edgeflow.store.cells import (
    SPANS,
    cells_of,
    column_of,
    milliseconds,
    number_of,
    rolled_up,
    row_of,
    span_of,
    time_of,
    width_of,
)
from edgeflow.store.clickhouse_client import ClickHouse, ClickHousePlace
from edgeflow.store.tables import MAX_ROWS, Aggregate, Bucket, Row, Table, TableStore

__all__ = ["ClickHouseTables"]

ASKED_AT_ONCE = 1000
"""Rows whose identity one question looks up."""
MAX_UNSURE = 16
"""Batches kept that were sent and not confirmed."""
_INSERTING = {
    # The views' parts of a batch that comes again are left out too.
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "max_partitions_per_insert_block": 0,
}


class ClickHouseTables(TableStore):
    """A table store in ClickHouse. It is connected to when it is first asked.

    Rows that were read from a store of another process in the same moment may be kept twice;
    batches with a token never are.

    Args:
        place: where; of chdb, one process has one folder open at a time.

    Raises:
        MissingExtraError: a package is missing.
    """

    def __init__(self, place: ClickHousePlace) -> None:
        self._engine = ClickHouse(place)
        self._keep_days = place.keep_days
        self._tables: dict[str, Table] = {}
        self._writing = threading.Lock()
        self._unsure: OrderedDict[str, list[tuple[Any, ...]]] = OrderedDict()

    def create(self, tables: Sequence[Table]) -> None:
        """Make what is missing, and add columns that an older version did not have."""
        found = self._engine.read(
            "SELECT table, name, type FROM system.columns WHERE database = currentDatabase()"
        )
        engines = dict(
            self._engine.read(
                "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()"
            )
        )
        for table in tables:
            known = {name: kind for owner, name, kind in found if owner == table.name}
            wrong = schema.mismatched(table, known)
            if wrong:
                raise StoreError(
                    f"{self._engine}: table {table.name} has {'; '.join(wrong)}",
                    hint="ALTER TABLE ... MODIFY COLUMN, or another database",
                )
            for statement in schema.creating(table, known, self._keep_days):
                self._engine.command(statement)
            for statement in schema.adjusting(table, engines.get(table.name, ""), self._keep_days):
                self._engine.command(statement)
            for statement in schema.creating_rollups(table):
                self._engine.command(statement)
        self._tables |= {table.name: table for table in tables}

    def insert(self, table: str, rows: Sequence[Row], *, token: str = "") -> None:
        """Keep the rows, all or none; those that the table's identity knows already, once."""
        own = self._table(table)
        cells = cells_of(own, rows)
        # An equal batch without a token is another one; only the driver's own retry is the same.
        settings = _INSERTING | {"insert_deduplication_token": token or secrets.token_hex(16)}
        with self._writing:
            if token in self._unsure:
                cells = self._unsure[token]
            elif own.identity:
                cells = self._unknown(own, cells)
            if not cells:
                return
            names = [column.name for column in own.columns]
            types = [schema.type_of(column) for column in own.columns]
            try:
                self._engine.write(own.name, names, types, cells, settings)
            except StoreError:
                self._remember(token, cells)
                raise
            self._unsure.pop(token, None)

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
        """The newest rows with ``since <= timestamp < until``, oldest first."""
        own = self._table(table)
        condition, values = _condition(own, device, where, (since, until))
        found = self._engine.read(
            f"SELECT {_selected(own)} FROM {_source(own)} WHERE {condition} "  # noqa: S608
            f"ORDER BY {own.name}.{time_of(own)} DESC LIMIT {max(0, min(limit, MAX_ROWS))}",
            values,
        )
        return [row_of(own, cells) for cells in reversed(found)]

    def latest(self, table: str, *, since: float = float("-inf")) -> list[dict[str, Any]]:
        """The newest row of each device, by device."""
        own = self._table(table)
        if own.newest_by:
            found = self.rows(table, since=since, limit=MAX_ROWS)
            return sorted(found, key=lambda row: str(row["device_id"]))
        condition, values = _condition(own, None, None, (since, float("inf")))
        cells = self._engine.read(
            f"SELECT {_selected(own)} FROM {own.name} WHERE (device_id, timestamp) IN ("  # noqa: S608
            f"SELECT device_id, max(timestamp) FROM {own.name} WHERE {condition} "
            "GROUP BY device_id) ORDER BY device_id LIMIT 1 BY device_id",
            values,
        )
        return [row_of(own, each) for each in cells]

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
        """A column in steps of so many seconds, by time and device."""
        own = self._table(table)
        number_of(own, column)
        width = width_of(step)
        span = span_of(own, column, width) if not where else None
        if span is None:
            condition, values = _condition(own, device, where, (since, until))
            source, time = _source(own), time_of(own)
            what = f"sum({column}), min({column}), max({column}), count({column})"
            condition += f" AND isNotNull({column})"
        else:
            first = milliseconds(since) // width * width / 1000
            condition, values = _condition(own, device, None, (first, until), "start")
            source, time = f"{own.name}_{span}", "start"
            what = "sum(total), min(least), max(most), sum(amount)"
        return [
            Bucket(device_id, at / 1000, total / amount, least, most, amount)
            for device_id, at, total, least, most, amount in self._engine.read(
                f"SELECT device_id, intDiv(toUnixTimestamp64Milli({time}), {width}) * {width} "  # noqa: S608
                f"AS step, {what} FROM {source} WHERE {condition} "
                f"GROUP BY step, device_id ORDER BY step, device_id LIMIT {MAX_ROWS}",
                values,
            )
        ]

    def counts(
        self,
        table: str,
        *,
        step: float,
        where: Mapping[str, str] | None = None,
        since: float = float("-inf"),
        until: float = float("inf"),
    ) -> list[tuple[float, int]]:
        """How many rows of all devices there are in steps of so many seconds, by time."""
        own = self._table(table)
        width = width_of(step)
        span = span_of(own, own.measure, width) if own.measure and not where else None
        source, time, amount = _source(own), time_of(own), "count()"
        if span is None:
            condition, values = _condition(own, None, where, (since, until))
        else:
            first = milliseconds(since) // width * width / 1000
            condition, values = _condition(own, None, None, (first, until), "start")
            source, time, amount = f"{own.name}_{span}", "start", "sum(amount)"
        found = self._engine.read(
            f"SELECT intDiv(toUnixTimestamp64Milli({time}), {width}) * {width} AS step, "  # noqa: S608
            f"{amount} FROM {source} WHERE {condition} GROUP BY step ORDER BY step "
            f"LIMIT {MAX_ROWS}",
            values,
        )
        return [(at / 1000, int(count)) for at, count in found]

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
        own = self._table(table)
        number_of(own, column)
        condition, values = _condition(own, device, where, (since, until))
        ((count, mean, deviation, least, most),) = self._engine.read(
            f"SELECT count({column}), avg({column}), stddevPopStable({column}), "  # noqa: S608
            f"min({column}), max({column}) FROM {_source(own)} WHERE {condition}",
            values,
        )
        if not count:
            return Aggregate(0, math.nan, math.nan, math.nan, math.nan)
        return Aggregate(count, mean, deviation, least, most)

    def forget(self, table: str, *, before: float) -> int:
        """Delete rows that are older, and return how many; what is rolled up stays."""
        own = self._table(table)
        if own.newest_by:
            raise ConfigError(f"{table} is a registry", hint="its rows do not age")
        limit = milliseconds(before)
        with self._writing:
            return self._delete(own.name, f"timestamp < fromUnixTimestamp64Milli({limit})")

    def forget_device(self, table: str, device: str) -> int:
        """Delete all rows of a device, and what is rolled up of them; return how many rows."""
        own = self._table(table)
        condition = f"device_id = {schema.quoted(device)}"
        with self._writing:
            for span in SPANS if rolled_up(own) else ():
                self._delete(f"{own.name}_{span}", condition)
            return self._delete(own.name, condition)

    def _delete(self, source: str, condition: str) -> int:
        ((count,),) = self._engine.read(
            f"SELECT count() FROM {source} WHERE {condition}",  # noqa: S608
            beside=False,
        )
        if count:
            self._engine.command(
                f"DELETE FROM {source} WHERE {condition}",  # noqa: S608
                {"lightweight_deletes_sync": 1},
            )
        return int(count)

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._engine.close()

    def _remember(self, token: str, cells: list[tuple[Any, ...]]) -> None:
        """What may have arrived without its rollups must be sent again as it was."""
        if token:
            self._unsure[token] = cells
            while len(self._unsure) > MAX_UNSURE:
                self._unsure.popitem(last=False)

    def _unknown(self, own: Table, cells: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Of rows with a sequence those that are not kept yet, once each."""
        places = [_place(own, name) for name in own.identity]
        sequence = _place(own, "sequence")
        keys = [
            tuple(row[place] for place in places) if row[sequence] >= 0 else None for row in cells
        ]
        asked = sorted({key for key in keys if key is not None})
        seen: set[tuple[Any, ...]] = set()
        for at in range(0, len(asked), ASKED_AT_ONCE):
            seen |= self._known(own, asked[at : at + ASKED_AT_ONCE])
        fresh = []
        for key, row in zip(keys, cells, strict=True):
            if key is None or key not in seen:
                fresh.append(row)
                if key is not None:
                    seen.add(key)
        return fresh

    def _known(self, own: Table, keys: Sequence[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
        names = ", ".join(own.identity)
        columns = list(zip(*keys, strict=True))
        arrays = ", ".join(
            f"{{{name}:Array({schema.type_of(column_of(own, name))})}}" for name in own.identity
        )
        values: dict[str, Any] = {
            name: list(column) for name, column in zip(own.identity, columns, strict=True)
        }
        sequences = values["sequence"]
        found = self._engine.read(
            f"SELECT {names} FROM {own.name} WHERE device_id IN {{device_id:Array(String)}} "  # noqa: S608
            "AND sequence BETWEEN {least:Int64} AND {most:Int64} "
            f"AND ({names}) IN (SELECT arrayJoin(arrayZip({arrays})))",
            values | {"least": min(sequences), "most": max(sequences)},
            beside=False,
        )
        return set(found)

    def _table(self, name: str) -> Table:
        table = self._tables.get(name)
        if table is None:
            raise ConfigError(f"no table {name!r}", hint=did_you_mean(name, list(self._tables)))
        return table


def _condition(
    own: Table,
    device: str | None,
    where: Mapping[str, str] | None,
    times: tuple[float, float],
    time: str = "",
) -> tuple[str, dict[str, Any]]:
    wanted = dict(where or {}) | ({"device_id": device} if device is not None else {})
    column = time or f"{own.name}.{time_of(own)}"
    parts = [
        f"{column} >= fromUnixTimestamp64Milli({milliseconds(times[0])})",
        f"{column} < fromUnixTimestamp64Milli({milliseconds(times[1])})",
    ]
    values: dict[str, Any] = {}
    for number, (name, text) in enumerate(wanted.items()):
        kind = column_of(own, name).kind
        parts.append(
            f"{name if kind in ('text', 'json') else f'toString({name})'} = {{text{number}:String}}"
        )
        values[f"text{number}"] = text
    return " AND ".join(parts), values


def _source(own: Table) -> str:
    return f"{own.name} FINAL" if own.newest_by else own.name


def _selected(own: Table) -> str:
    return ", ".join(schema.selected(column) for column in own.columns)


def _place(own: Table, name: str) -> int:
    return [column.name for column in own.columns].index(name)
