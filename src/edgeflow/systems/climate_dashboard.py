"""The dashboard of a climate system: pages, REST and WebSocket on one port."""

from typing import TYPE_CHECKING, Literal

from edgeflow.climate.dashboard.view import ClimateDashboard, Running
from edgeflow.config import settings
from edgeflow.core.no_flow import NoFlow
from edgeflow.core.ports import ClimateView
from edgeflow.errors import ConfigError
from edgeflow.observe.activity import activities
from edgeflow.web.server import WebServer

if TYPE_CHECKING:
    from edgeflow.systems.climate import ClimateSystem

__all__ = ["USUAL_PORT", "open_dashboard", "view_of"]

USUAL_PORT = 8000


def view_of(system: "ClimateSystem") -> ClimateView | None:
    """What a dashboard shows of a system, on its event loop; None without a backend."""
    if system.backend is None or system.store is None or system.writer is None:
        return None
    running = Running(
        store=system.store,
        writer=system.writer,
        backend=system.backend,
        client=system.clients[0],
        service=system.service,
        models=system.options.folder / "models",
        states=system.states,
        problems=system.problems,
    )
    return ClimateDashboard(running)


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
