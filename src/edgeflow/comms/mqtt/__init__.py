"""MQTT: one client interface, and a broker that needs no installation."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeflow.comms.mqtt.client import MqttClient
    from edgeflow.comms.mqtt.messages import Incoming, MqttCounters
    from edgeflow.comms.mqtt.options import MqttOptions, TlsOptions, Will
    from edgeflow.comms.mqtt.topics import check_filter, check_topic, matches

_HOMES = {
    "Incoming": "messages",
    "MqttClient": "client",
    "MqttCounters": "messages",
    "MqttOptions": "options",
    "TlsOptions": "options",
    "Will": "options",
    "check_filter": "topics",
    "check_topic": "topics",
    "matches": "topics",
}

__all__ = [
    "Incoming",
    "MqttClient",
    "MqttCounters",
    "MqttOptions",
    "TlsOptions",
    "Will",
    "check_filter",
    "check_topic",
    "matches",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
