"""The live feed of the dashboard: one JSON message twice a second."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from edgeflow.core.ports import ActivityView, ClimateView, DeviceView, FlowView, ModelView
from edgeflow.core.sensing import SensingDesk
from edgeflow.web.problems import to_json
from edgeflow.web.streams import Hub

__all__ = ["Feed", "stats_routes"]

PERIOD_SECONDS = 0.5
MAX_LOG_LINES = 200
MAX_ACTIVITIES = 200


class Feed:
    """What one client is told, message by message: only what it has not been told before.

    Args:
        view: the running flow.
        hub: its streams.
        models: the models it uses, if any.
        activity: what happened, if that is kept.
        devices: the devices it serves, if any.
        sensing: the nodes that sense, if any.
        climate: the climate system, if there is one.
    """

    def __init__(
        self,
        view: FlowView,
        hub: Hub,
        models: ModelView | None = None,
        activity: ActivityView | None = None,
        devices: DeviceView | None = None,
        *,
        sensing: SensingDesk | None = None,
        climate: ClimateView | None = None,
    ) -> None:
        self._view, self._hub, self._models, self._activity = view, hub, models, activity
        self._devices, self._sensing, self._climate = devices, sensing, climate
        self._last_log = 0
        self._last_activity = 0

    def message(self) -> str:
        """Return the next message as JSON."""
        logs = self._view.logs(after=self._last_log, limit=MAX_LOG_LINES)
        happened = []
        if self._activity is not None:
            happened = self._activity.activities(self._last_activity, MAX_ACTIVITIES)
        message: dict[str, Any] = {
            "status": self._view.status(),
            "paths": self._view.paths(),
            "logs": logs,
            "streams": [stream.status() for stream in self._hub.streams()],
            "models": self._models.models() if self._models is not None else [],
            "activity": happened,
            "devices": self._devices.devices() if self._devices is not None else [],
            "sensing": self._sensing.summary() if self._sensing is not None else None,
            "climate": self._climate.summary() if self._climate is not None else None,
        }
        self._last_log = logs[-1].number if logs else self._last_log
        self._last_activity = happened[-1].number if happened else self._last_activity
        return to_json(message).decode()


def stats_routes(new_feed: Callable[[], Feed], closing: asyncio.Event) -> APIRouter:
    """Return the endpoint of the live feed."""
    router = APIRouter()

    @router.websocket("/ws/stats")
    async def stats(socket: WebSocket) -> None:
        await _send(socket, new_feed(), closing)

    return router


async def _send(socket: WebSocket, feed: Feed, closing: asyncio.Event) -> None:
    """Feed one client until it leaves or is cut off, or the server ends."""
    await socket.accept()
    listener = asyncio.ensure_future(_drain(socket))
    try:
        while not closing.is_set() and not listener.done():
            await socket.send_text(await asyncio.to_thread(feed.message))
            try:
                async with asyncio.timeout(PERIOD_SECONDS):
                    await closing.wait()
            except TimeoutError:
                continue
        if not listener.done():
            await socket.close(1001)
    except (WebSocketDisconnect, RuntimeError):
        return  # it has gone
    finally:
        listener.cancel()
        await asyncio.gather(listener, return_exceptions=True)


async def _drain(socket: WebSocket) -> None:
    """Read what the client says, which means nothing here, until it leaves."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
