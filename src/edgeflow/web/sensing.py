"""Nodes that sense, over HTTP: who they are, their vitals, their history, and a live feed."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Annotated

import structlog
from fastapi import APIRouter, Query
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from edgeflow.core.sensing import SensingDesk
from edgeflow.core.vitals import SensingView
from edgeflow.errors import ConfigError
from edgeflow.web.problems import json_response, to_json
from edgeflow.web.sensing_live import live_routes
from edgeflow.web.sensing_modules import module_routes
from edgeflow.web.sensing_setting import asked, setting_routes

__all__ = ["sensing_routes"]

MAX_NEWS = 500
"""Updates and events in one message; a client that is slower misses the oldest."""
PAUSE_SECONDS = 0.02
"""Between two messages, so that many nodes share them."""

After = Annotated[int, Query(ge=0)]
Limit = Annotated[int, Query(ge=1, le=2000)]

log = structlog.get_logger(__name__)


def sensing_routes(sensing: SensingDesk | None, closing: asyncio.Event) -> APIRouter:
    """Return what shows nodes that sense."""
    router = APIRouter(tags=["sensing"])

    ask = partial(asked, sensing)

    @router.get("/api/csi/nodes", summary="All CSI nodes with rate, loss, RSSI and newest vitals")
    def nodes() -> Response:
        return json_response(sensing.nodes() if sensing is not None else [])

    @router.get("/api/csi/vitals", summary="The newest vitals of each CSI node")
    def vitals() -> Response:
        found = sensing.nodes() if sensing is not None else []
        return json_response({node.name: node.vitals for node in found})

    @router.get("/api/csi/nodes/{name}/vitals", summary="The newest vitals of a CSI node")
    def newest(name: str) -> Response:
        found = ask(lambda desk: desk.history(name, 0, 1))
        return json_response(found[-1] if found else None)

    @router.get("/api/csi/nodes/{name}/history", summary="Vitals of a CSI node above `after`")
    def history(name: str, after: After = 0, limit: Limit = 300) -> Response:
        return json_response(ask(lambda desk: desk.history(name, after, limit)))

    @router.post(
        "/api/csi/nodes/{name}/calibrate", summary="Let a CSI node learn its room", status_code=202
    )
    def calibrate(name: str) -> Response:
        ask(lambda desk: desk.calibrate(name))
        return json_response({"ok": True}, 202)

    @router.get("/api/csi/news", summary="Vitals and events of all CSI nodes above `after`")
    def news(after: After = 0, limit: Limit = 500) -> Response:
        return json_response(sensing.news(after, limit) if sensing is not None else [])

    @router.websocket("/ws/csi")
    async def live(socket: WebSocket) -> None:
        await _feed(socket, sensing, closing)

    router.include_router(setting_routes(sensing))
    router.include_router(module_routes(sensing))
    router.include_router(live_routes(sensing, closing))
    return router


async def _feed(socket: WebSocket, sensing: SensingView | None, closing: asyncio.Event) -> None:
    """Send one client what is new, as it comes, until it leaves or the server ends."""
    await socket.accept()
    if sensing is None:
        await socket.close(1000, "there are no nodes that sense here")
        return
    loop, fresh = asyncio.get_running_loop(), asyncio.Event()
    try:
        unsubscribe = sensing.subscribe(lambda: _wake(loop, fresh))
    except ConfigError as error:
        await socket.close(1013, error.message[:100])
        return
    listener = asyncio.ensure_future(_drain(socket))
    listener.add_done_callback(lambda _: fresh.set())
    ended = asyncio.ensure_future(closing.wait())
    ended.add_done_callback(lambda _: fresh.set())
    try:
        await _send(socket, sensing, fresh, lambda: listener.done() or closing.is_set())
        if not listener.done():
            await socket.close(1001)
    except (WebSocketDisconnect, RuntimeError):
        return  # it has gone
    finally:
        unsubscribe()
        listener.cancel()
        ended.cancel()
        await asyncio.gather(listener, ended, return_exceptions=True)


async def _send(
    socket: WebSocket, sensing: SensingView, fresh: asyncio.Event, over: Callable[[], bool]
) -> None:
    before = sensing.news(0, 1)
    last = before[-1].number if before else 0
    await socket.send_text(to_json({"nodes": sensing.nodes(), "news": []}).decode())
    while not over():
        await fresh.wait()
        fresh.clear()
        news = sensing.news(last, MAX_NEWS)
        if news:
            last = news[-1].number
            await socket.send_text(to_json({"news": news}).decode())
            await asyncio.sleep(PAUSE_SECONDS)


def _wake(loop: asyncio.AbstractEventLoop, fresh: asyncio.Event) -> None:
    try:
        loop.call_soon_threadsafe(fresh.set)
    except RuntimeError:
        log.debug("feed_gone")  # its loop is closed: nobody waits any more


async def _drain(socket: WebSocket) -> None:
    """Read what the client says, which means nothing here, until it leaves."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
