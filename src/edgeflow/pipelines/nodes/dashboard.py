"""The web pages of a flow that comes from YAML."""

from edgeflow.core.sensing import SensingDesk
from edgeflow.core.status import ModelStatus
from edgeflow.nodes.gateway.interfaces.web import WebInterface
from edgeflow.nodes.gateway.node import GatewayNode
from edgeflow.pipelines.connectors.csi import CsiConnector
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
            WebInterface(
                self.http_port,
                self.http_host,
                models=_Models(self.session),
                sensing=_nodes_of(self.session),
            )
        )


def _nodes_of(session: Session) -> SensingDesk | None:
    """Return the nodes of the first connector that senses; None without one."""
    listening = [
        plan.name for plan in session.declaration.connectors if issubclass(plan.kind, CsiConnector)
    ]
    if not listening:
        return None
    from edgeflow.sensing.late import LateDesk

    def find() -> SensingDesk | None:
        feed = session.connectors.get(listening[0])
        connector = feed.connector if feed is not None else None
        return connector.desk if isinstance(connector, CsiConnector) else None

    return LateDesk(find)


class _Models:
    """The models of a session, as the dashboard asks for them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def models(self) -> list[ModelStatus]:
        """Return every model as it is now."""
        return self._session.service.status()
