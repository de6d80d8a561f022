"""A day of vitals in memory: one row a second and node, packed, with a bound for all together."""

import math
import operator
import struct
import types
import typing
from collections import OrderedDict, deque
from typing import Any

import msgspec

from edgeflow.core.vitals import VitalsUpdate

__all__ = ["DAY_ROWS", "History"]

DAY_ROWS = 86_400
CHUNK_ROWS = 3_600
MOST_BYTES = 256 << 20
"""Of all nodes together: a day of some 45 nodes, or an hour of a thousand."""
DIGITS = 6
"""That are told of a float; as many survive in four bytes."""


class _Column:
    """How a field is packed: a format character, and what stands for None."""

    def __init__(self, name: str, kind: Any) -> None:
        kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
        self.name = name
        self.kind = next(each for each in kinds if each is not types.NoneType)
        wide = name in ("time", "t") or self.kind is int
        self.code = {bool: "?", int: "q", float: "d" if wide else "f", str: "?"}[self.kind]

    def unpack(self, value: Any) -> Any:
        if self.kind is str:
            return "node" if value else "host"
        if self.code == "f":
            return None if math.isnan(value) else float(f"{value:.{DIGITS}g}")
        return value


_COLUMNS = [
    _Column(each.name, each.type)
    for each in msgspec.structs.fields(VitalsUpdate)
    if each.name != "name"
]
_READ = operator.attrgetter(*(column.name for column in _COLUMNS))
_NULLABLE = [index for index, column in enumerate(_COLUMNS) if column.code == "f"]
_TEXTS = [index for index, column in enumerate(_COLUMNS) if column.kind is str]
_ROW = struct.Struct("<" + "".join(column.code for column in _COLUMNS))
_TIME = struct.Struct("<d")
_TIME_AT = struct.calcsize(
    "<" + "".join(c.code for c in _COLUMNS[: [c.name for c in _COLUMNS].index("time")])
)


class _Node:
    """The rows of one node, in chunks, the oldest first."""

    def __init__(self) -> None:
        self.chunks: deque[bytearray] = deque()
        self.second = -math.inf
        self.fell = False

    @property
    def rows(self) -> int:
        return sum(map(len, self.chunks)) // _ROW.size


class History:
    """Keeps the newest update of every second of each node. Calls must not overlap.

    A second in which a fall was told keeps it. The oldest hour of whoever has most makes room.

    Args:
        rows: of one node, at most.
        most_bytes: of all together, at most; a chunk of an hour goes at a time.
    """

    def __init__(self, rows: int = DAY_ROWS, most_bytes: int = MOST_BYTES) -> None:
        self._most_rows, self._most_bytes = rows, most_bytes
        self._nodes: OrderedDict[str, _Node] = OrderedDict()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """What the rows take."""
        return self._bytes

    def add(self, said: VitalsUpdate) -> None:
        """Take an update in; its ``time`` is in Unix seconds."""
        node = self._nodes.get(said.name)
        if node is None:
            node = self._nodes[said.name] = _Node()
        second = math.floor(said.time)
        again = second == node.second and bool(node.chunks)
        node.fell = said.fall or (again and node.fell)
        if node.fell and not said.fall:
            said = msgspec.structs.replace(said, fall=True)
        row = _packed(said)
        if again:
            node.chunks[-1][-_ROW.size :] = row
            return
        node.second = second
        if not node.chunks or len(node.chunks[-1]) >= CHUNK_ROWS * _ROW.size:
            node.chunks.append(bytearray())
        node.chunks[-1] += row
        self._bytes += _ROW.size
        while node.rows > self._most_rows and len(node.chunks) > 1:
            self._drop(node)
        if self._bytes > self._most_bytes:
            self._make_room()

    def forget(self, name: str) -> None:
        """Drop what is kept of a node."""
        node = self._nodes.pop(name, None)
        if node is not None:
            self._bytes -= sum(map(len, node.chunks))

    def names(self) -> list[str]:
        """Return whose updates are kept."""
        return [*self._nodes]

    def query(
        self, name: str, since: float, until: float, limit: int = DAY_ROWS
    ) -> list[dict[str, Any]]:
        """Return the newest updates with ``since <= time < until``, oldest first."""
        found: list[dict[str, Any]] = []
        node = self._nodes.get(name)
        for chunk in reversed(node.chunks if node is not None else ()):
            for at in range(len(chunk) - _ROW.size, -1, -_ROW.size):
                if len(found) >= limit:
                    return found[::-1]
                (time,) = _TIME.unpack_from(chunk, at + _TIME_AT)
                if since <= time < until:
                    found.append(_update(name, chunk, at))
        return found[::-1]

    def _make_room(self) -> None:
        most = max(self._nodes.values(), key=lambda node: node.rows)
        self._drop(most)

    def _drop(self, node: _Node) -> None:
        self._bytes -= len(node.chunks.popleft())


def _packed(said: VitalsUpdate) -> bytes:
    values = list(_READ(said))
    for index in _NULLABLE:
        if values[index] is None:
            values[index] = math.nan
    for index in _TEXTS:
        values[index] = values[index] == "node"
    return _ROW.pack(*values)


def _update(name: str, chunk: bytearray, at: int) -> dict[str, Any]:
    values = zip(_COLUMNS, _ROW.unpack_from(chunk, at), strict=True)
    return {"name": name} | {column.name: column.unpack(value) for column, value in values}
