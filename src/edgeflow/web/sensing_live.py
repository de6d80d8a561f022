"""The live feed of the page about nodes that sense: figures as JSON, frames as bytes.

A binary message is a row of blocks, little-endian: kind (u8), bytes of the node's name (u8),
columns (u16), rows (u16), rows that the client missed (u16), Unix seconds of the newest row (f64),
the name, and then the values. Kinds: 1 amplitudes (a byte per subcarrier, 50 ms per row), 2 phases
of the newest frame (i16, milliradians), 3 a preview of 32 columns.
"""

import asyncio
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np
from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from edgeflow.core.sensing import Row, SensingDesk, Watch
from edgeflow.core.vitals import SensingEvent, SensingNode
from edgeflow.errors import ConfigError
from edgeflow.web.problems import to_json

__all__ = ["MAX_LISTED", "MAX_PREVIEWS", "live_routes"]

TICK_SECONDS = 0.05
GLANCE_TICKS, NODES_TICKS, PREVIEW_TICKS = 5, 20, 4
MAX_CLIENTS = 32
MAX_LISTED = 200
"""Nodes that a client is told of; the summary counts all."""
MAX_PREVIEWS = 16
PREVIEW_COLUMNS = 32
MAX_NEWS = 500
AMPLITUDES, PHASES, PREVIEW = 1, 2, 3

_HEADER = struct.Struct("<BBHHHd")


def live_routes(desk: SensingDesk | None, closing: asyncio.Event) -> APIRouter:
    """Return the endpoint of the live feed."""
    router = APIRouter()
    clients: set[WebSocket] = set()

    @router.websocket("/ws/csi/live")
    async def live(socket: WebSocket, node: str = "", previews: int = 0) -> None:
        await socket.accept()
        if desk is None or len(clients) >= MAX_CLIENTS:
            why = "there are no nodes that sense here" if desk is None else "too many watch"
            await socket.close(1000 if desk is None else 1013, why)
            return
        clients.add(socket)
        try:
            await _feed(socket, Feed(desk, node[:200], previews), closing)
        finally:
            clients.discard(socket)

    return router


class Feed:
    """What one client is told, tick by tick; it holds no frames, only where the client stands.

    Args:
        desk: the nodes.
        node: the one that is looked at closely; none if empty.
        previews: how many nodes are shown small, at most 16.
    """

    def __init__(self, desk: SensingDesk, node: str, previews: int) -> None:
        self._desk, self._node = desk, node
        self._previews = min(max(previews, 0), MAX_PREVIEWS)
        self._tick = 0
        self._listed: list[SensingNode] = []
        self._watched: dict[str, _Watched] = {}
        self._open = ExitStack()
        self._closely = self._watch(node) if node else None
        before = desk.news(0, 1)
        self._last = before[-1].number if before else 0

    def close(self) -> None:
        """Watch no more."""
        self._open.close()

    def _watch(self, name: str) -> "_Watched":
        watch = self._desk.watch(name)
        self._open.callback(watch.close)
        return _Watched(name, watch)

    def next(self) -> tuple[bytes, bytes]:
        """Return what is to be told now, as JSON and as blocks; either may be empty."""
        told = {key: value for key, value in self._figures() if value is not None}
        blocks = b"".join(self._blocks())
        self._tick += 1
        return to_json(told) if told else b"", blocks

    def _figures(self) -> Iterator[tuple[str, Any]]:
        if self._tick % NODES_TICKS == 0:
            self._listed = sorted(self._desk.nodes(), key=_order)[:MAX_LISTED]
            self._look_at_previews()
            yield "nodes", self._listed
            yield "summary", self._desk.summary()
        if self._node and self._tick % GLANCE_TICKS == 0:
            with suppress(ConfigError):  # it was not heard yet
                yield "glance", self._desk.glance(self._node)
        news = self._desk.news(self._last, MAX_NEWS)
        if news:
            self._last = news[-1].number
            events = [said for said in news if isinstance(said, SensingEvent)]
            yield "events", events or None
            own = [s for s in news if not isinstance(s, SensingEvent) and s.name == self._node]
            yield "updates", own or None

    def _look_at_previews(self) -> None:
        for node in self._listed[: self._previews]:
            if node.name not in self._watched and len(self._watched) < MAX_PREVIEWS:
                self._watched[node.name] = self._watch(node.name)

    def _blocks(self) -> Iterator[bytes]:
        if self._closely is not None:
            rows, missed = self._closely.fresh()
            if rows:
                yield from _rows_of(self._node, rows, missed)
                phases = self._closely.watch.phases()
                yield _block(PHASES, self._node, (1, len(phases) // 2), rows[-1], phases)
        if self._tick % PREVIEW_TICKS == 0:
            for watched in self._watched.values():
                rows, missed = watched.fresh()
                if rows:
                    yield _preview(watched.name, rows, missed)


class _Watched:
    """A node that is watched, and how far the client has come."""

    def __init__(self, name: str, watch: Watch) -> None:
        self.name, self.watch = name, watch
        self._last = 0

    def fresh(self) -> tuple[list[Row], int]:
        """Return the rows since the last time, and how many of them are gone."""
        rows = self.watch.rows(self._last)
        missed = rows[0].number - self._last - 1 if rows and self._last else 0
        self._last = rows[-1].number if rows else self._last
        return rows, missed


def _order(node: SensingNode) -> tuple[int, str]:
    return node.node, node.name


def _rows_of(name: str, rows: list[Row], missed: int) -> Iterator[bytes]:
    """Yield a block per run of rows of the same length."""
    begin = 0
    for end in range(1, len(rows) + 1):
        columns = len(rows[begin].levels)
        if end == len(rows) or len(rows[end].levels) != columns:
            values = b"".join(row.levels for row in rows[begin:end])
            size, newest = (end - begin, columns), rows[end - 1]
            yield _block(AMPLITUDES, name, size, newest, values, missed=missed)
            begin, missed = end, 0


def _preview(name: str, rows: list[Row], missed: int) -> bytes:
    """Return one row of the newest rows' mean, in 32 columns."""
    newest = rows[-1]
    alike = [row.levels for row in rows if len(row.levels) == len(newest.levels)]
    levels = np.frombuffer(b"".join(alike), np.uint8).reshape(len(alike), -1)
    means = levels.mean(axis=0, dtype=np.float32)
    cuts = np.linspace(0, means.size, PREVIEW_COLUMNS, endpoint=False).astype(int)
    values = np.maximum.reduceat(means, cuts).astype(np.uint8).tobytes()
    return _block(PREVIEW, name, (1, PREVIEW_COLUMNS), newest, values, missed=missed)


def _block(
    kind: int, name: str, size: tuple[int, int], at: Row, of: bytes, *, missed: int = 0
) -> bytes:
    """Return a block of (rows, columns) values, the newest of which are from ``at``."""
    called = name.encode(errors="replace")[:255]
    seconds = at.time_us / 1e6 + time.time() - time.monotonic()
    head = _HEADER.pack(kind, len(called), size[1], size[0], min(missed, 65535), seconds)
    return b"".join((head, called, of))


async def _feed(socket: WebSocket, feed: Feed, closing: asyncio.Event) -> None:
    """Feed one client until it leaves or is cut off, or the server ends."""
    listener = asyncio.ensure_future(_drain(socket))
    try:
        while not closing.is_set() and not listener.done():
            text, blocks = await asyncio.to_thread(feed.next)
            if text:
                await socket.send_text(text.decode())
            if blocks:
                await socket.send_bytes(blocks)
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await closing.wait()
        if not listener.done():
            await socket.close(1001)
    except (WebSocketDisconnect, RuntimeError):
        return  # it has gone
    finally:
        feed.close()
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


async def _drain(socket: WebSocket) -> None:
    """Read what the client says, which means nothing here, until it leaves."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
