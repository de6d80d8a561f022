"""Values of rows as databases keep them: checked, times in milliseconds, no number as None."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from edgeflow.errors import ConfigError, did_you_mean
from edgeflow.store.tables import Column, Row, Table

__all__ = [
    "SPANS",
    "cells_of",
    "column_of",
    "from_cell",
    "milliseconds",
    "number_of",
    "rolled_up",
    "row_of",
    "span_of",
    "time_of",
    "to_cell",
    "width_of",
]

SPANS = {"minute": 60_000, "hour": 3_600_000}
"""Widths of rollups, in milliseconds."""
_INTEGERS = range(-(2**63), 2**63)
_TIMES = range(-2_208_988_800_000, 10_413_792_000_000)
"""The years 1900 to 2299: what every database has a form for."""
_LAST_SECOND = 10_413_791_999


def cells_of(table: Table, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    """The rows' values in their stored form, in the table's order.

    Raises:
        ConfigError: a row has a column that the table does not, or a value that has no form.
    """
    names = {column.name for column in table.columns}
    strange = set().union(*rows) - names
    if strange:
        name = min(strange)
        raise ConfigError(
            f"{table.name} has no column {name!r}", hint=did_you_mean(name, sorted(names))
        )
    return list(zip(*(_cells(column, rows) for column in table.columns), strict=True))


def _cells(column: Column, rows: Sequence[Row]) -> list[Any]:
    """One column of the rows. Usual values need no look at each."""
    name, kind, missing = column.name, column.kind, _MISSING[column.kind]
    values = [row.get(name, missing) for row in rows]
    types = set(map(type, values))
    if kind == "float" and types == {float}:
        return [None if value != value else value for value in values]  # noqa: PLR0124 - NaN
    if (
        kind == "integer"
        and types == {int}
        and min(values) in _INTEGERS
        and max(values) in _INTEGERS
    ):
        return values
    if kind == "text" and types == {str} and "".join(values).isascii():
        return values
    if kind == "time" and types == {float} and _usual_times(values):
        return [round(value * 1000) for value in values]
    convert = to_cell(column)
    return [convert(value) for value in values]


def _usual_times(values: Sequence[float]) -> bool:
    return math.isfinite(sum(values)) and min(values) >= 0.0 and max(values) < _LAST_SECOND


def row_of(table: Table, cells: Sequence[Any]) -> dict[str, Any]:
    """A row of stored values."""
    return {
        column.name: from_cell(column)(cell)
        for column, cell in zip(table.columns, cells, strict=True)
    }


def to_cell(column: Column) -> Callable[[Any], Any]:
    """What turns a value into its stored form; raises ConfigError for one that has none."""

    def convert(value: Any) -> Any:
        try:
            return _TO[column.kind](value)
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigError(
                f"column {column.name}: {value!r:.80} is no {column.kind}: {error}"
            ) from error

    return convert


def from_cell(column: Column) -> Callable[[Any], Any]:
    """What turns a stored value back."""
    return _FROM[column.kind]


def column_of(table: Table, name: str) -> Column:
    """A column by its name.

    Raises:
        ConfigError: the table has none.
    """
    for column in table.columns:
        if column.name == name:
            return column
    names = [column.name for column in table.columns]
    raise ConfigError(f"{table.name} has no column {name!r}", hint=did_you_mean(name, names))


def number_of(table: Table, name: str) -> Column:
    """A column of numbers; raises ConfigError for another."""
    column = column_of(table, name)
    if column.kind not in ("float", "integer"):
        raise ConfigError(f"{table.name}.{name} is no number", hint=f"{table.measure} is one")
    return column


def time_of(table: Table) -> str:
    """The column that says when a row is of."""
    return "last_seen" if table.newest_by else "timestamp"


def rolled_up(table: Table) -> bool:
    """Whether a table has rollups: it has one measure, and of each device one thing to measure."""
    names = {column.name for column in table.columns}
    return bool(table.measure) and not names & {"kind", "service"}


def span_of(table: Table, column: str, width: int) -> str | None:
    """The coarsest rollup that steps of a width in milliseconds can be made of."""
    if column != table.measure or not rolled_up(table):
        return None
    for span in reversed(SPANS):
        if width % SPANS[span] == 0:
            return span
    return None


def width_of(step: float) -> int:
    """A step in milliseconds.

    Raises:
        ConfigError: it is shorter than one.
    """
    width = round(step * 1000)
    if width < 1:
        raise ConfigError(f"series: a step of {step} s", hint="a millisecond or more")
    return width


def milliseconds(seconds: float) -> int:
    """A time as it is stored; an infinite one as the first or last that is."""
    if math.isinf(seconds):
        return _TIMES[0] if seconds < 0 else _TIMES[-1]
    return max(_TIMES[0], min(round(seconds * 1000), _TIMES[-1]))


def _float(value: Any) -> float | None:
    number = float(value)
    return None if math.isnan(number) else number


def _integer(value: Any) -> int:
    number = int(value)
    if number not in _INTEGERS:
        raise ValueError("more than 64 bits")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value.encode("utf-8", "replace").decode()


def _time(value: Any) -> int:
    number: int = round(value * 1000)
    if number not in _TIMES:
        raise ValueError("not in the years 1900 to 2299")
    return number


_TO: dict[str, Callable[[Any], Any]] = {
    "float": _float,
    "integer": _integer,
    "text": _text,
    "bool": bool,
    "time": _time,
    "json": lambda value: msgspec.json.encode(value).decode(),
}
_FROM: dict[str, Callable[[Any], Any]] = {
    "float": lambda value: math.nan if value is None else float(value),
    "integer": int,
    "text": str,
    "bool": bool,
    "time": lambda value: value / 1000,
    "json": msgspec.json.decode,
}
_MISSING: dict[str, Any] = {
    "float": math.nan,
    "integer": -1,
    "text": "",
    "bool": False,
    "time": 0.0,
    "json": {},
}
