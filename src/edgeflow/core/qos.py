"""Quality of service: what a link does when its consumer is slower than its producer."""

from enum import StrEnum

from edgeflow.errors import ConfigError, did_you_mean

__all__ = ["DEFAULT_CAPACITY", "QoS", "parse_qos"]


class QoS(StrEnum):
    """Delivery policy of one link.

    * ``REALTIME``: the newest frame wins; a slow consumer skips, never blocks the producer and
      never sees a frame twice.
    * ``DURABLE``: every frame, in order, acknowledged after processing, redelivered after a
      crash; a full queue holds the producer back.
    * ``BALANCED``: a bounded queue in order; when it is full the oldest frame is dropped and
      counted.
    """

    REALTIME = "realtime"
    DURABLE = "durable"
    BALANCED = "balanced"


DEFAULT_CAPACITY = {QoS.REALTIME: 1, QoS.DURABLE: 64, QoS.BALANCED: 16}
"""Frames a link may hold when ``queue_size`` is not given."""


def parse_qos(value: "QoS | str") -> QoS:
    """Return the policy named by ``value`` (any case); raise ``ConfigError`` for anything else."""
    try:
        return QoS(str(value).lower())
    except ValueError:
        known = [policy.value for policy in QoS]
        raise ConfigError(
            f"{value!r} is not a QoS", hint=did_you_mean(str(value).lower(), known)
        ) from None
