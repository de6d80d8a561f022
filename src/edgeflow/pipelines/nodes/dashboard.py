"""The web pages of a flow that comes from YAML."""

from edgeflow.core.status import ModelStatus
from edgeflow.nodes.gateway.interfaces.web import WebInterface
from edgeflow.nodes.gateway.node import GatewayNode
from edgeflow.pipelines.session import Session

__all__ = ["DashboardNode"]


class DashboardNode(GatewayNode):
    """Shows the results of every pipeline, the models, alerts and actions.

    Attributes:
        session: what the flow shares.
        http_port: where.
        http_host: address to bind; None for ``EDGEFLOW_BIND``.
    """

    session: Session
    http_port: int = 8000
    http_host: str | None = None

    def configure(self) -> None:
        """Attach the web interface."""
        self.add_interface(
            WebInterface(self.http_port, self.http_host, models=_Models(self.session))
        )


class _Models:
    """The models of a session, as the dashboard asks for them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def models(self) -> list[ModelStatus]:
        """Return every model as it is now."""
        return self._session.service.status()
