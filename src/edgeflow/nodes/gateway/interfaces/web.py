"""Dashboard, REST API and video for a gateway node."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from edgeflow.config import settings
from edgeflow.core.frame import Frame
from edgeflow.core.ports import ActivityView, ModelView
from edgeflow.core.sensing import SensingDesk
from edgeflow.errors import ConfigError
from edgeflow.nodes.gateway.interfaces.base import GatewayContext, Interface
from edgeflow.observe.activity import activities

if TYPE_CHECKING:
    from edgeflow.web.server import WebServer

__all__ = ["WebInterface"]

Handler = TypeVar("Handler", bound=Callable[..., Any])


class WebInterface(Interface):
    """Serves ``/dashboard``, ``/video/{topic}``, ``/api/...`` and routes of your own.

    Args:
        port: port to listen on; 0 takes a free one, which ``port`` then tells.
        host: address to bind; default ``EDGEFLOW_BIND`` (loopback). Wider needs a token.
        max_viewers: open video responses at most.
        models: the models to show, if the flow uses some.
        activity: alerts and actions to show; those of this process if not given.
        sensing: nodes that sense to show, if there are some.
    """

    takes_jpeg = True

    def __init__(
        self,
        port: int = 8000,
        host: str | None = None,
        *,
        max_viewers: int = 64,
        models: ModelView | None = None,
        activity: ActivityView = activities,
        sensing: SensingDesk | None = None,
    ) -> None:
        self.port = port
        self.host = host
        self._max_viewers = max_viewers
        self._models = models
        self._activity = activity
        self._sensing = sensing
        self._routes: list[tuple[str, Callable[..., Any], tuple[str, ...]]] = []
        self._server: WebServer | None = None

    def route(self, path: str, methods: Sequence[str] = ("GET",)) -> Callable[[Handler], Handler]:
        """Register a handler of your own, as in FastAPI; before the flow runs.

        Raises:
            ConfigError: the server runs already, or the path does not begin with ``/``.
        """
        if self._server is not None:
            raise ConfigError(f"route {path!r} comes too late", hint="add it in configure()")
        if not path.startswith("/"):
            raise ConfigError(f"route {path!r} does not begin with '/'")

        def register(handler: Handler) -> Handler:
            self._routes.append((path, handler, tuple(methods)))
            return handler

        return register

    @property
    def url(self) -> str:
        """Address of the dashboard, with the token if one is needed; empty before the start."""
        return self._server.url if self._server is not None else ""

    def open(self, context: GatewayContext) -> None:
        """Start the server."""
        from edgeflow.web.own_routes import CustomRoute
        from edgeflow.web.server import WebServer

        self._server = WebServer(
            self.host or settings.BIND_HOST,
            self.port,
            app=context.app,
            channels=context.channels,
            view=context.view,
            frames=context.frames,
            routes=[CustomRoute(*route) for route in self._routes],
            max_viewers=self._max_viewers,
            models=self._models,
            activity=self._activity,
            sensing=self._sensing,
        )
        self.port = self._server.port

    def on_frame(self, frame: Frame) -> None:
        """Show a frame."""
        if self._server is not None:
            self._server.publish(frame)

    def close(self) -> None:
        """Stop the server."""
        if self._server is not None:
            self._server.close()
            self._server = None
