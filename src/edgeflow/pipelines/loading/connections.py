"""``host: floor1-mqtt``: an action that names a connector uses that connector's broker."""

from typing import Any

from pydantic import BaseModel

from edgeflow.pipelines.actions.base import Dispatcher
from edgeflow.pipelines.connectors.base import BaseConnector, ConnectorOptions

__all__ = ["borrow_connection"]

_OWN = frozenset({"client_id", "qos", "retain", "topic", *ConnectorOptions.model_fields})
"""Keys that both sides may have and that are not about the connection."""


def borrow_connection(
    action: dict[str, Any],
    kind: type[Dispatcher],
    connector: dict[str, Any],
    connector_kind: type[BaseConnector] | None,
) -> dict[str, Any]:
    """Return ``action`` with the connection of ``connector`` in place of its id.

    What the action sets itself stays; ``host`` always comes from the connector.
    """
    if connector_kind is None:
        return action
    shared = _keys(kind.Options) & _keys(connector_kind.Options) - _OWN
    taken = {key: value for key, value in connector.items() if key in shared}
    address = ("host", "port") if "url" in taken else ("host",)
    own = {key: value for key, value in action.items() if key not in address}
    return taken | own


def _keys(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}
