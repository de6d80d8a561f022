"""What a connector is: an async iterator of messages."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import structlog
from pydantic import BaseModel, ConfigDict

from edgeflow.core.qos import QoS
from edgeflow.pipelines.message import EdgeMessage

__all__ = ["BaseConnector", "ConnectorOptions", "RouteOptions"]


class ConnectorOptions(BaseModel):
    """Keys of a connector in the YAML beside ``id`` and ``type``; subclasses add theirs.

    Attributes:
        pipeline: pipeline or pipelines of its messages, where there are no ``topics``.
        serializer: how their payload is decoded.
        sensor_id: overrides the connector's own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pipeline: str | list[str] | None = None
    serializer: str | None = None
    sensor_id: str | None = None


class RouteOptions(BaseModel):
    """One entry under ``topics:``.

    Attributes:
        filter: which messages (an MQTT topic filter, a path...).
        pipeline: pipeline or pipelines they go to.
        serializer: how their payload is decoded.
        sensor_id: overrides the message's own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    filter: str
    pipeline: str | list[str]
    serializer: str = "json"
    sensor_id: str | None = None


class BaseConnector(ABC):
    """A source of messages. Everything but ``__init__`` runs on one event loop.

    Blocking libraries are called in a thread of the connector's own. A connector keeps itself
    connected: it reconnects with exponential back-off and jitter, reports through ``state``, and
    ends its iterator only when there will never be another message (end of a file).

    Args:
        name: its ``id`` in the YAML.
        options: validated options.

    Attributes:
        Options: model of its keys in the YAML.
        uses_topics: takes ``topics:`` (a list of ``RouteOptions``, or of a subclass); ``routes``.
        device_kind: what it is in the registry of devices; empty for what is no device itself.
        delivery: how messages go to pipelines that do not say so themselves; an option ``qos`` of
            1 or more, on a route or on the connector, makes it DURABLE.
        state: ``connecting``, ``connected``, ``waiting`` (to try again), ``ended`` or ``failed``.
        last_error: why it is not connected.
        dropped: messages lost before anybody took them, because newer ones came.
    """

    Options: ClassVar[type[ConnectorOptions]] = ConnectorOptions
    Route: ClassVar[type[RouteOptions]] = RouteOptions
    uses_topics: ClassVar[bool] = False
    device_kind: ClassVar[str] = ""
    delivery: ClassVar[QoS] = QoS.BALANCED

    def __init__(self, name: str, options: Any, routes: tuple[RouteOptions, ...] = ()) -> None:
        self.name = name
        self.options = options
        self.routes = routes
        self.state = "connecting"
        self.last_error: str | None = None
        self.dropped = 0
        self.log: Any = structlog.get_logger("edgeflow.connector").bind(connector=name)

    async def start(self) -> None:
        """Prepare; do not wait for a peer that is away.

        Raises:
            ConfigError: an option cannot work.
            MissingExtraError: a package is not installed.
        """

    async def stop(self) -> None:
        """Release everything; ``iter_messages`` is not being waited for any more."""

    @abstractmethod
    def iter_messages(self) -> AsyncIterator[EdgeMessage]:
        """Yield messages until the end of the source, or cancellation.

        A message for several pipelines is yielded once: ``pipeline_override`` names them where
        routes decide.
        """

    async def acknowledge(self, message: EdgeMessage) -> None:
        """Everything that follows from ``message`` is done (or it was given up): forget it."""

    async def throttle(self, sensor_id: str, interval_s: float) -> bool:
        """Ask a sensor to send no more often than every ``interval_s`` seconds, 0 for as it likes.

        Returns:
            False when this connector cannot tell its sensors anything.
        """
        return False
