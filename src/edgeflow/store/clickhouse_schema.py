"""Tables as ClickHouse has them: parts by month, rollups that materialized views fill."""

from edgeflow.store.cells import SPANS, rolled_up, time_of
from edgeflow.store.tables import TOKENS, Column, Table

__all__ = [
    "TYPES",
    "adjusting",
    "creating",
    "creating_rollups",
    "mismatched",
    "quoted",
    "selected",
    "type_of",
]

TYPES = {
    "float": "Nullable(Float64)",
    "integer": "Int64",
    "text": "String",
    "bool": "Bool",
    "time": "DateTime64(3)",
    "json": "String",
}
_DEFAULTS = {"integer": " DEFAULT -1", "json": " DEFAULT '{}'"}


def creating(table: Table, known: dict[str, str], keep_days: int) -> list[str]:
    """Statements that make a table, or bring one with the known columns up to date.

    Args:
        table: what is wanted.
        known: types by column; empty if there is no table.
        keep_days: rows older than so many days go; 0 keeps them.
    """
    if known:
        fresh = [column for column in table.columns if column.name not in known]
        return [
            f"ALTER TABLE {table.name} ADD COLUMN IF NOT EXISTS {_defined(column)}"
            for column in fresh
        ]
    parts = [_defined(column) for column in table.columns]
    if table.newest_by:
        return [
            f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join(parts)}) "
            f"ENGINE = ReplacingMergeTree({time_of(table)}) "
            f"ORDER BY ({', '.join(table.newest_by)}) {_settings()}"
        ]
    if table.identity:
        # Sequences of a device grow with time, so this leaves few granules to look into.
        parts.append("INDEX once (boot, sequence) TYPE minmax GRANULARITY 1")
    return [
        f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join(parts)}) ENGINE = MergeTree "
        "PARTITION BY toYYYYMM(timestamp) ORDER BY (device_id, timestamp) "
        f"{_ending('timestamp', keep_days)}{_settings()}"
    ]


def adjusting(table: Table, engine: str, keep_days: int) -> list[str]:
    """Statements that give an existing table the settings that it would be made with.

    Args:
        table: what is wanted.
        engine: how ClickHouse describes it; empty for a table that was not there.
        keep_days: as in ``creating``.
    """
    if not engine:
        return []
    made = []
    if f"non_replicated_deduplication_window = {TOKENS}" not in engine:
        made.append(f"ALTER TABLE {table.name} MODIFY {_settings().replace('SETTINGS', 'SETTING')}")
    if table.newest_by:
        return made
    if keep_days and f"toIntervalDay({keep_days})" not in engine:
        made.append(f"ALTER TABLE {table.name} MODIFY {_ending('timestamp', keep_days)}")
    if not keep_days and "toIntervalDay" in engine:
        made.append(f"ALTER TABLE {table.name} REMOVE TTL")
    return made


def creating_rollups(table: Table) -> list[str]:
    """Statements that make what is missing of a table's rollups."""
    made = []
    for span, width in SPANS.items() if rolled_up(table) else ():
        name = f"{table.name}_{span}"
        made += [
            f"CREATE TABLE IF NOT EXISTS {name} (device_id String, start DateTime64(3), "
            "total SimpleAggregateFunction(sum, Float64), "
            "least SimpleAggregateFunction(min, Float64), "
            "most SimpleAggregateFunction(max, Float64), "
            "amount SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree "
            f"PARTITION BY toYYYYMM(start) ORDER BY (device_id, start) {_settings()}",
            f"CREATE MATERIALIZED VIEW IF NOT EXISTS {name}_filling TO {name} AS "  # noqa: S608
            "SELECT device_id, fromUnixTimestamp64Milli("
            f"intDiv(toUnixTimestamp64Milli(timestamp), {width}) * {width}) AS start, "
            f"sum(assumeNotNull({table.measure})) AS total, "
            f"min(assumeNotNull({table.measure})) AS least, "
            f"max(assumeNotNull({table.measure})) AS most, count() AS amount "
            f"FROM {table.name} WHERE isNotNull({table.measure}) GROUP BY device_id, start",
        ]
    return made


def mismatched(table: Table, known: dict[str, str]) -> list[str]:
    """Columns that an existing table has with another type than values are sent in."""
    return [
        f"{column.name} {known[column.name]}, not {TYPES[column.kind]}"
        for column in table.columns
        if column.name in known and not _fits(known[column.name], column)
    ]


def quoted(text: str) -> str:
    """A text as a literal of SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def type_of(column: Column) -> str:
    """The type that values are sent as."""
    return TYPES[column.kind]


def selected(column: Column) -> str:
    """An expression of a column in its stored form."""
    if column.kind == "time":
        return f"toUnixTimestamp64Milli({column.name})"
    return column.name


def _fits(found: str, column: Column) -> bool:
    return found.split(",", maxsplit=1)[0].rstrip(")") == type_of(column).rstrip(")")


def _defined(column: Column) -> str:
    return f"{column.name} {type_of(column)}{_DEFAULTS.get(column.kind, '')}"


def _ending(column: str, keep_days: int) -> str:
    return f"TTL toDateTime({column}) + INTERVAL {keep_days} DAY " if keep_days else ""


def _settings() -> str:
    return f"SETTINGS non_replicated_deduplication_window = {TOKENS}"
