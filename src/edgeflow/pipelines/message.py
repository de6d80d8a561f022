"""What connectors yield, and what agents emit."""

import time
from typing import Any

import msgspec

__all__ = ["Action", "ActionResult", "EdgeMessage"]


class EdgeMessage(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One message of a sensor, not decoded yet.

    Attributes:
        sensor_id: who sent it (an MQTT topic, ``camera:0``).
        payload: its bytes; or, where the connector has them decoded already, an ndarray, dict,
            list or str.
        encoding: serializer that decodes the bytes (``json``, ``jpeg``...); ``""`` for a payload
            that is decoded already.
        timestamp: seconds since the Unix epoch: the sensor's own where it has one, else of
            reception.
        received: monotonic seconds of reception.
        metadata: JSON-like annotations (``shape``, ``topic``, ``retained``...).
        pipeline_override: pipelines to go to instead of those that the route names.
        receipt: what the connector needs to acknowledge it; opaque to everybody else.
    """

    sensor_id: str
    payload: Any
    encoding: str = ""
    timestamp: float = msgspec.field(default_factory=time.time)
    received: float = msgspec.field(default_factory=time.monotonic)
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    pipeline_override: tuple[str, ...] = ()
    receipt: Any = None


class Action(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A command that an agent wants to be carried out.

    Attributes:
        dispatcher: name under ``actions:`` of what carries it out.
        target: overrides the dispatcher's own target (topic, URL, path, command name).
        payload: JSON-like data, or bytes (a picture).
        metadata: JSON-like annotations; ``text`` is the line that people see.
        quiet: nobody is told unless it fails; for records, not for decisions.
    """

    dispatcher: str
    target: str | None = None
    payload: Any = msgspec.field(default_factory=dict)
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    quiet: bool = False


class ActionResult(msgspec.Struct, frozen=True, kw_only=True):
    """How an action went.

    Attributes:
        ok: it was carried out.
        detail: one line for people: what was done, or why not.
        attempts: how often it was tried.
        target: where it really went.
    """

    ok: bool
    detail: str = ""
    attempts: int = 1
    target: str = ""
