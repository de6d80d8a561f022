"""Topics of the climate system, by name and by device.

``sensor/{device}/{kind}``, ``ml/inference/request/{device}``, ``window/{device}/control`` and
``window/{device}/override``, ``device/{device}/status``, ``device/{device}/config`` and
``device/{device}/config/ack`` and ``device/{device}/alert``.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from edgeflow.errors import ProtocolError

__all__ = [
    "DEVICE",
    "KIND",
    "Topic",
    "alert_topic",
    "check_device",
    "config_ack_topic",
    "config_topic",
    "control_topic",
    "override_topic",
    "parse_topic",
    "request_topic",
    "sensor_topic",
    "status_topic",
]

DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
"""What a device may be called."""
KIND = re.compile(r"[a-z][a-z0-9_]{0,31}")
"""What a kind of sensor may be called: ``temperature``, ``humidity``, ``audio``, or another."""

_SHAPES = {
    ("sensor", "*", "*"): "sensor",
    ("ml", "inference", "request", "*"): "request",
    ("window", "*", "control"): "control",
    ("window", "*", "override"): "override",
    ("device", "*", "status"): "status",
    ("device", "*", "config"): "config",
    ("device", "*", "config", "ack"): "config_ack",
    ("device", "*", "alert"): "alert",
}


class Topic(NamedTuple):
    """What a topic is about: role (``sensor``, ``control``...), device, and of sensors the kind."""

    role: str
    device: str
    kind: str = ""


def check_device(device: str) -> str:
    """Return the id of a device as it is.

    Raises:
        ProtocolError: it has characters, or a length, that no device may have.
    """
    if DEVICE.fullmatch(device) is None:
        raise ProtocolError(
            f"device id {device[:80]!r} is not allowed",
            hint="1 to 64 letters, digits and _ . : -, the first a letter or digit",
        )
    return device


@lru_cache(maxsize=1 << 15)
def parse_topic(topic: str) -> Topic:
    """Tell what a topic is about.

    Raises:
        ProtocolError: it is none of the climate system's, or names no possible device or kind.
    """
    parts = tuple(topic.split("/", 5))
    for shape, role in _SHAPES.items():
        if len(shape) == len(parts) and all(
            want in ("*", have) for want, have in zip(shape, parts, strict=True)
        ):
            names = [have for want, have in zip(shape, parts, strict=True) if want == "*"]
            if len(names) == 2 and KIND.fullmatch(names[1]) is None:
                raise ProtocolError(
                    f"{topic[:200]}: kind {names[1][:40]!r} is not allowed",
                    hint="1 to 32 small letters, digits and _",
                )
            return Topic(role, check_device(names[0]), *names[1:])
    raise ProtocolError(
        f"{topic[:200]!r} is no topic of the climate system", hint="sensor/{device}/{kind}"
    )


def sensor_topic(device: str, kind: str) -> str:
    """Where a device publishes a kind of reading; ``+`` stands for all."""
    return f"sensor/{device}/{kind}"


def request_topic(device: str) -> str:
    """Where a decision is asked for."""
    return f"ml/inference/request/{device}"


def control_topic(device: str) -> str:
    """Where the window of a device is told its position."""
    return f"window/{device}/control"


def override_topic(device: str) -> str:
    """Where a person says where the window should be."""
    return f"window/{device}/override"


def status_topic(device: str) -> str:
    """Where a device says that it is online, and its last will that it is not (retained)."""
    return f"device/{device}/status"


def config_topic(device: str) -> str:
    """Where a device is told its configuration (retained)."""
    return f"device/{device}/config"


def config_ack_topic(device: str) -> str:
    """Where a device says which configuration it has taken."""
    return f"device/{device}/config/ack"


def alert_topic(device: str) -> str:
    """Where is told that a device is away, silent or failing, and when that is over."""
    return f"device/{device}/alert"
