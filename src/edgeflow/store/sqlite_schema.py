"""Tables as SQLite has them: a row number, times in milliseconds, rollups by minute and hour."""

from edgeflow.store.cells import SPANS, rolled_up, time_of
from edgeflow.store.tables import Column, Table

__all__ = [
    "creating",
    "forgetting",
    "forgetting_rollups",
    "insertion",
    "of_each_device",
    "rolling",
]

TOKENS_TABLE = (
    "CREATE TABLE IF NOT EXISTS tokens (number INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE)"
)
"""Of the batches that were inserted last."""
FRESH_TABLE = (
    "CREATE TEMP TABLE IF NOT EXISTS fresh (device_id TEXT, start INTEGER, total REAL, "
    "least REAL, most REAL, amount INTEGER)"
)
"""A batch by device and shortest span, from which all rollups are made."""
_TYPES = {
    "float": "REAL",
    "integer": "INTEGER NOT NULL DEFAULT -1",
    "text": "TEXT NOT NULL DEFAULT ''",
    "bool": "INTEGER NOT NULL DEFAULT 0",
    "time": "INTEGER NOT NULL DEFAULT 0",
    "json": "TEXT NOT NULL DEFAULT '{}'",
}


def creating(table: Table, known: set[str]) -> list[str]:
    """Statements that make a table, or bring one with the known columns up to date."""
    if known:
        fresh = [column for column in table.columns if column.name not in known]
        return [f"ALTER TABLE {table.name} ADD COLUMN {_defined(column)}" for column in fresh]
    columns = ", ".join(_defined(column) for column in table.columns)
    if table.newest_by:
        key = ", ".join(table.newest_by)
        return [f"CREATE TABLE {table.name} ({columns}, PRIMARY KEY ({key})) WITHOUT ROWID"]
    name = table.name
    made = [
        f"CREATE TABLE {name} (number INTEGER PRIMARY KEY, {columns})",
        f"CREATE INDEX {name}_by_device ON {name} (device_id, timestamp)",
        f"CREATE INDEX {name}_by_time ON {name} (timestamp)",
    ]
    if table.identity:
        key = ", ".join(table.identity)
        made.append(f"CREATE UNIQUE INDEX {name}_once ON {name} ({key}) WHERE sequence >= 0")
    return made + [_rollup(table, span) for span in SPANS if rolled_up(table)]


def insertion(table: Table) -> str:
    """The statement that inserts a row."""
    names = [column.name for column in table.columns]
    marks = ", ".join("?" * len(names))
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608
    if table.newest_by:
        others = [name for name in names if name not in table.newest_by]
        sets = ", ".join(f"{name} = excluded.{name}" for name in others)
        key = ", ".join(table.newest_by)
        newer = f"excluded.{time_of(table)} >= {table.name}.{time_of(table)}"
        return f"{statement} ON CONFLICT ({key}) DO UPDATE SET {sets} WHERE {newer}"
    return f"{statement} ON CONFLICT DO NOTHING" if table.identity else statement


def rolling(table: Table) -> list[str]:
    """Statements that add the rows after a number (:before) to the rollups."""
    if not rolled_up(table):
        return []
    name, measure, least = table.name, table.measure, min(SPANS.values())
    made = [
        "DELETE FROM temp.fresh",
        "INSERT INTO temp.fresh "  # noqa: S608 - names are the catalogue's
        f"SELECT device_id, timestamp / {least} * {least} AS start, sum({measure}), "
        f"min({measure}), max({measure}), count({measure}) FROM {name} "
        f"WHERE number > :before AND {measure} IS NOT NULL GROUP BY device_id, start",
    ]
    for span, width in SPANS.items():
        made.append(
            f"INSERT INTO {name}_{span} "  # noqa: S608
            f"SELECT device_id, start / {width} * {width} AS step, sum(total), min(least), "
            "max(most), sum(amount) FROM temp.fresh WHERE true GROUP BY device_id, step "
            "ON CONFLICT (device_id, start) DO UPDATE SET total = total + excluded.total, "
            "least = min(least, excluded.least), most = max(most, excluded.most), "
            "amount = amount + excluded.amount"
        )
    return made


def forgetting(table: Table, limit: int) -> str:
    """The statement that deletes rows of a device (?), of all but registries at most so many."""
    name = table.name
    if table.newest_by:
        return f"DELETE FROM {name} WHERE device_id = ?"  # noqa: S608 - names are the catalogue's
    return (
        f"DELETE FROM {name} WHERE number IN "  # noqa: S608
        f"(SELECT number FROM {name} WHERE device_id = ? LIMIT {limit})"
    )


def forgetting_rollups(table: Table) -> list[str]:
    """Statements that delete what is rolled up of a device (?)."""
    spans = SPANS if rolled_up(table) else ()
    return [f"DELETE FROM {table.name}_{span} WHERE device_id = ?" for span in spans]  # noqa: S608


def of_each_device(rollup: str) -> tuple[str, str]:
    """What to select from, and the condition with its two times (?), for a stretch of a rollup.

    The index begins with the device: one look into it for each is far less than the whole table.
    """
    source = (
        "(WITH RECURSIVE devices(id) AS ("  # noqa: S608 - names are the catalogue's
        f"SELECT min(device_id) FROM {rollup} UNION ALL "
        f"SELECT (SELECT min(device_id) FROM {rollup} WHERE device_id > id) FROM devices "
        "WHERE id IS NOT NULL) SELECT id FROM devices WHERE id IS NOT NULL) "
        f"CROSS JOIN {rollup}"
    )
    return source, "device_id = id AND start >= ? AND start < ?"


def _defined(column: Column) -> str:
    return f"{column.name} {_TYPES[column.kind]}"


def _rollup(table: Table, span: str) -> str:
    return (
        f"CREATE TABLE {table.name}_{span} (device_id TEXT NOT NULL, start INTEGER NOT NULL, "
        "total REAL NOT NULL, least REAL NOT NULL, most REAL NOT NULL, amount INTEGER NOT NULL, "
        "PRIMARY KEY (device_id, start)) WITHOUT ROWID"
    )
