"""The dashboard of a climate system: pages, REST and WebSocket on one port."""

from typing import Literal

from edgeflow.config import settings
from edgeflow.core.no_flow import NoFlow
from edgeflow.core.ports import ClimateView
from edgeflow.errors import ConfigError
from edgeflow.observe.activity import activities
from edgeflow.web.server import WebServer

__all__ = ["USUAL_PORT", "open_dashboard"]

USUAL_PORT = 8000


def open_dashboard(view: ClimateView, port: int | Literal["usual"]) -> WebServer:
    """Serve a climate system until the server is closed.

    ``usual`` takes port 8000, or a free one if another program has that.

    Raises:
        ConfigError: the port is taken.
    """
    try:
        return _serve(view, USUAL_PORT if port == "usual" else port)
    except ConfigError:
        if port != "usual":
            raise
        return _serve(view, 0)


def _serve(view: ClimateView, port: int) -> WebServer:
    flow = NoFlow("climate")
    return WebServer(
        settings.BIND_HOST,
        port,
        app="climate",
        channels=(),
        view=flow,
        frames=flow,
        activity=activities,
        climate=view,
        port_hint="another program has it: name another with --port, or --no-dashboard",
    )
