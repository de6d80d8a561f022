"""Tables that give up their least important columns where the terminal is narrow. Pure."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from rich.table import Table
from rich.text import Text

__all__ = ["Column", "fitting", "table_of"]

_GAP = 2


class Column(NamedTuple):
    """One column.

    Attributes:
        heading: what stands above it; a table whose headings are all empty has none.
        cells: one text per row.
        rank: how important it is; the lowest goes first.
        left: flush left instead of right.
    """

    heading: str
    cells: Sequence[Text | str]
    rank: int
    left: bool = False

    @property
    def width(self) -> int:
        """Characters of the widest cell or the heading."""
        return max(len(text) for text in (self.heading, *self.cells))


def fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """Return the columns, without the least important ones, that fit; one stays in any case."""
    kept = list(columns)
    while len(kept) > 1 and sum(column.width + _GAP for column in kept) - _GAP > width:
        kept.remove(min(kept, key=lambda column: column.rank))
    return kept


def table_of(columns: Sequence[Column], width: int) -> Table:
    """Return the columns that fit as a table without lines."""
    kept = fitting(columns, width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    table.show_header = any(column.heading for column in kept)
    for column in kept:
        justify: Literal["left", "right"] = "left" if column.left else "right"
        table.add_column(column.heading, justify=justify, no_wrap=True)
    for row in zip(*(column.cells for column in kept), strict=True):
        table.add_row(*row)
    return table
