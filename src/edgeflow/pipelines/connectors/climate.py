"""``type: climate``: what climate nodes tell a broker."""

import time
from collections import OrderedDict
from typing import Any, ClassVar

from pydantic import Field, field_validator

from edgeflow.climate.intake import Intake, Taken
from edgeflow.comms.mqtt.messages import Incoming
from edgeflow.errors import ProtocolError
from edgeflow.pipelines.connectors.base import ConnectorOptions, RouteOptions
from edgeflow.pipelines.connectors.mqtt import MqttConnector, MqttConnectorOptions, MqttRoute
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.protocols.climate_topics import check_device, sensor_topic

__all__ = ["ClimateConnector", "ClimateConnectorOptions"]

MAX_DEVICES, MAX_KINDS = 4096, 64
VALUE_NAMES = {"audio": "sound_volume"}


class ClimateConnectorOptions(MqttConnectorOptions):
    """Keys of a connector of type ``climate``.

    Attributes:
        devices: whose readings; ``+`` for everybody's.
        keep_s: how long a value is told again with those of other kinds.
    """

    devices: list[str] = Field(default=["+"], min_length=1, max_length=256)
    keep_s: float = Field(default=120.0, gt=0, le=86400)

    @field_validator("devices")
    @classmethod
    def _named(cls, devices: list[str]) -> list[str]:
        for device in devices:
            if device != "+":
                try:
                    check_device(device)
                except ProtocolError as error:
                    raise ValueError(str(error)) from error
        return devices


class ClimateConnector(MqttConnector):
    """Receives the readings of climate nodes; each message holds all that a node said of late.

    The payload: ``device``, ``kind`` and ``value`` of the reading that came, and by kind the newest
    values that are not older than ``keep_s``: ``temperature``, ``humidity``, ``sound_volume``
    (dBFS, measured from audio), ``window_position``... The sensor is ``climate:`` and the device.
    Readings that came before, are out of range or none are acknowledged and counted in
    ``intake``, not passed on.

    Attributes:
        intake: reads them.
    """

    Options: ClassVar[type[ConnectorOptions]] = ClimateConnectorOptions
    uses_topics: ClassVar[bool] = False

    def __init__(self, name: str, options: Any, routes: tuple[RouteOptions, ...] = ()) -> None:
        del routes
        own = tuple(
            MqttRoute(filter=sensor_topic(device, "+"), pipeline=options.pipeline or [])
            for device in options.devices
        )
        super().__init__(name, options, own)
        self.intake = Intake()
        self._known: OrderedDict[str, dict[str, tuple[float, float]]] = OrderedDict()

    def _made_of(self, incoming: Incoming) -> list[EdgeMessage]:
        """Return the message of a reading; none of what is no new reading."""
        now = time.time() - max(0.0, time.monotonic() - incoming.received)
        taken = self.intake.take(incoming.topic, incoming.payload, now)
        if taken is None or not taken.accepted:
            if taken is not None:
                self.log.debug("reading_refused", topic=incoming.topic, why=taken.row["reason"])
            self._client.acknowledge(incoming)
            return []
        return [self._reading(taken, incoming)]

    def _reading(self, taken: Taken, incoming: Incoming) -> EdgeMessage:
        at = float(taken.row["timestamp"])
        name = VALUE_NAMES.get(taken.kind, taken.kind)
        return EdgeMessage(
            sensor_id=self.options.sensor_id or f"climate:{taken.device}",
            payload={
                **self._latest(taken.device, name, taken.value, at),
                "device": taken.device,
                "kind": taken.kind,
                "value": taken.value,
            },
            timestamp=at,
            received=incoming.received,
            metadata={"topic": incoming.topic, "retained": incoming.retain},
            receipt=self._receipt(incoming),
        )

    def _latest(self, device: str, name: str, value: float, at: float) -> dict[str, float]:
        """Remember a value; return the newest ones of this device."""
        known = self._known.setdefault(device, {})
        self._known.move_to_end(device)
        if len(self._known) > MAX_DEVICES:
            self._known.popitem(last=False)
        before = known.get(name)
        if (before is None and len(known) < MAX_KINDS) or (before and before[0] <= at):
            known[name] = (at, value)
        oldest = at - self.options.keep_s
        return {kind: held for kind, (since, held) in known.items() if since >= oldest}
