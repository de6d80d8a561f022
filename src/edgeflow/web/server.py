"""The HTTP server of one gateway: a thread with an event loop of its own."""

import asyncio
from collections.abc import Sequence
from urllib.parse import quote

import structlog
import uvicorn
from fastapi import APIRouter

from edgeflow.comms.http_thread import HttpThread
from edgeflow.comms.listening import listen
from edgeflow.core.frame import Frame
from edgeflow.core.ports import (
    ActivityView,
    ClimateView,
    DeviceView,
    FlowView,
    FrameSource,
    ModelView,
)
from edgeflow.core.sensing import SensingDesk
from edgeflow.errors import ConfigError
from edgeflow.web.access import AccessRules
from edgeflow.web.application import build
from edgeflow.web.mjpeg import Encoder
from edgeflow.web.own_routes import CustomRoute
from edgeflow.web.streams import Hub

__all__ = ["WebServer"]

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
        sensing: the nodes that sense, if any.
        climate: the climate system, if there is one.
        routers: more routes, which come before our own.
        port_hint: what to do when the port is taken.

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
        sensing: SensingDesk | None = None,
        climate: ClimateView | None = None,
        routers: Sequence[APIRouter] = (),
        port_hint: str = _OTHER_PORT,
    ) -> None:
        self.hub = Hub(channels, max_viewers=max_viewers)
        self.encoder = Encoder()
        self.rules = AccessRules(host)
        self._closing = asyncio.Event()
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
            sensing=sensing,
            climate=climate,
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
        listener = listen(host, port, server="the dashboard", hint=port_hint)
        self.port = int(listener.getsockname()[1])
        self._thread = HttpThread(
            config,
            listener,
            name="edgeflow-web",
            server="the web server",
            linger_s=LINGER_SECONDS,
            ending=self._ending,
        )
        try:
            self._thread.start()
        except ConfigError:
            self.close()
            raise
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
        self._thread.stop()
        self.encoder.close()

    def _ending(self) -> None:
        self._closing.set()
        self.hub.close()
