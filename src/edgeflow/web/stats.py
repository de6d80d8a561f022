"""The live feed of the dashboard: one JSON message twice a second."""

import asyncio
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from edgeflow.core.ports import FlowView
from edgeflow.web.problems import to_json
from edgeflow.web.streams import Hub

__all__ = ["send_stats"]

PERIOD_SECONDS = 0.5
MAX_LOG_LINES = 200


async def send_stats(socket: WebSocket, view: FlowView, hub: Hub, closing: asyncio.Event) -> None:
    """Feed one client until it leaves or is cut off, or the server ends."""
    await socket.accept()
    listener = asyncio.ensure_future(_drain(socket))
    seen = 0
    try:
        while not closing.is_set() and not listener.done():
            message, seen = await asyncio.to_thread(_message, view, hub, seen)
            await socket.send_text(message)
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


def _message(view: FlowView, hub: Hub, seen: int) -> tuple[str, int]:
    logs = view.logs(after=seen, limit=MAX_LOG_LINES)
    message: dict[str, Any] = {
        "status": view.status(),
        "paths": view.paths(),
        "logs": logs,
        "streams": [stream.status() for stream in hub.streams()],
    }
    return to_json(message).decode(), logs[-1].number if logs else seen
