"""The HTTP server of one gateway: a thread with an event loop of its own."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Sequence
from urllib.parse import quote

import structlog
import uvicorn
from fastapi import APIRouter

from edgeflow.comms.listening import listen
from edgeflow.core.frame import Frame
from edgeflow.core.ports import ActivityView, DeviceView, FlowView, FrameSource, ModelView
from edgeflow.errors import ConfigError
from edgeflow.web.access import AccessRules
from edgeflow.web.application import build
from edgeflow.web.mjpeg import Encoder
from edgeflow.web.own_routes import CustomRoute
from edgeflow.web.streams import Hub

__all__ = ["WebServer"]

START_SECONDS = 10.0
LINGER_SECONDS = 0.3
MAX_MESSAGE_BYTES = 64 * 1024
"""Largest WebSocket message taken; none is expected."""

_OTHER_PORT = "another app may run there: set GATEWAY_HTTP_PORT or WebInterface(port=...)"

log = structlog.get_logger(__name__)


class WebServer:
    """Serves the dashboard from its construction until ``close``.

    Args:
        host, port: where to listen; port 0 takes a free one.
        app: name of the app.
        channels: streams that are expected.
        view, frames: the running flow.
        routes: the user's own routes.
        max_viewers: open video responses at most.
        models: the models that the flow uses, if any.
        activity: what happened, if that is kept.
        devices: the devices that are served, if any.
        routers: more routes, which come before our own.

    Raises:
        ConfigError: it cannot listen there.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        app: str,
        channels: Sequence[str],
        view: FlowView,
        frames: FrameSource,
        routes: Sequence[CustomRoute] = (),
        max_viewers: int = 64,
        models: ModelView | None = None,
        activity: ActivityView | None = None,
        devices: DeviceView | None = None,
        routers: Sequence[APIRouter] = (),
    ) -> None:
        self.hub = Hub(channels, max_viewers=max_viewers)
        self.encoder = Encoder()
        self.rules = AccessRules(host)
        self._closing = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        application = build(
            app,
            view=view,
            frames=frames,
            hub=self.hub,
            encoder=self.encoder,
            rules=self.rules,
            closing=self._closing,
            routes=routes,
            models=models,
            activity=activity,
            devices=devices,
            routers=routers,
        )
        config = uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            lifespan="off",
            http="h11",
            ws="websockets-sansio",
            ws_max_size=MAX_MESSAGE_BYTES,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._socket = listen(host, port, server="the dashboard", hint=_OTHER_PORT)
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="edgeflow-web", daemon=True)
        self._thread.start()
        if not self._starts():
            self.close()
            raise ConfigError("the web server did not start", hint="see the log above")
        self.url = self._address(host)
        log.info("dashboard_ready", url=self.url)

    def _address(self, host: str) -> str:
        shown = f"[{host}]" if ":" in host else host
        shown = "localhost" if self.rules.loopback else shown
        query = f"?token={quote(self.rules.token, safe='')}" if self.rules.token else ""
        return f"http://{shown}:{self.port}/dashboard{query}"

    def publish(self, frame: Frame) -> None:
        """Show a frame; callable from any thread, returns at once."""
        self.hub.publish(frame)

    def close(self) -> None:
        """Stop within a second, viewers or not. Idempotent."""
        if self._loop is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(self._end)
        self._thread.join(timeout=2.0)
        self.encoder.close()
        self._socket.close()

    def _end(self) -> None:
        self._closing.set()
        self.hub.close()
        self._server.should_exit = True
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._force)

    def _force(self) -> None:
        self._server.force_exit = True

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.serve(sockets=[self._socket])
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _starts(self) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True
