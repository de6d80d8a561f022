"""How messages leave: at QoS 0 now or never, else in order, a window at a time, until confirmed."""

import asyncio
from collections.abc import Callable
from typing import Any

from edgeflow.comms.mqtt.messages import Entry, MqttCounters, Outbox
from edgeflow.comms.mqtt.options import MqttOptions
from edgeflow.comms.mqtt.session import Session
from edgeflow.comms.mqtt.topics import check_topic
from edgeflow.errors import (
    CommsError,
    ConfigError,
    FrameTooLargeError,
    ProtocolError,
    UnreachableError,
)

__all__ = ["Sender", "check_qos", "checked"]

_ALONE_AFTER = 3
_GIVE_UP_AFTER = 6
_QUICK_SECONDS = 10.0
_HEADROOM = 32  # bytes of a PUBLISH besides topic and payload, at most


def check_qos(qos: int) -> None:
    """Look whether there is such a quality of service.

    Raises:
        ConfigError: there is not.
    """
    if qos not in (0, 1, 2):
        raise ConfigError(f"MQTT QoS {qos!r} is unknown", hint="0, 1 or 2")


def checked(topic: str, payload: bytes | str, limit: int) -> bytes:
    """A payload as it is sent, in a packet of at most so many bytes.

    Raises:
        ConfigError: the topic is wrong.
        FrameTooLargeError: the packet is too long.
    """
    check_topic(topic)
    data = payload.encode() if isinstance(payload, str) else bytes(payload)
    if len(topic) + len(data) + _HEADROOM > limit:
        raise FrameTooLargeError(
            f"a message of {len(data)} bytes to {topic!r} is more than the broker takes",
            hint=f"it takes packets of up to {limit} bytes",
        )
    return data


class Sender:
    """Hands the outbox to the session.

    Args:
        options: bounds, and the address for messages of errors.
        counters: of the client.
        is_connected: tells whether messages can leave now.
        log: told of messages that are given up; often nobody waits for them any more.
    """

    def __init__(
        self,
        options: MqttOptions,
        counters: MqttCounters,
        is_connected: Callable[[], bool],
        log: Any,
    ) -> None:
        self.outbox = Outbox(options.outbox, options.outbox_bytes)
        self._options = options
        self._counters = counters
        self._is_connected = is_connected
        self._log = log
        self._progress = 0
        self._fruitless = 0

    async def send_now(
        self,
        session: Session,
        topic: str,
        data: bytes,
        *,
        retain: bool,
        user: tuple[tuple[str, str], ...],
        why_not: Callable[[], str | None],
    ) -> None:
        """Send a message at QoS 0, once the connection takes bytes.

        Raises:
            UnreachableError: there is no connection, for the reason that ``why_not`` tells.
        """
        if self._is_connected():
            await session.writable()
        if not self._is_connected():
            self._counters.dropped += 1
            raise UnreachableError(
                f"no connection to the MQTT broker {self._options.address} for a message at QoS 0"
                + (f": {why}" if (why := why_not()) else ""),
                hint="messages at QoS 1 wait for the broker",
            )
        session.publish(topic, data, 0, retain, user)
        self._counters.published += 1

    def admit(self, session: Session, entry: Entry, why_waiting: str | None) -> None:
        """Take a message in, and send it as soon as may be.

        Raises:
            CommsError: the outbox is full.
        """
        if not self.outbox.has_room(entry.size):
            self._counters.dropped += 1
            raise CommsError(
                f"the outbox for the MQTT broker {self._options.address} is full: "
                f"{len(self.outbox)} messages wait",
                hint=why_waiting or "the broker confirms more slowly than messages come",
            )
        self.outbox.add(entry)
        self.pump(session)

    def connected(self, session: Session) -> None:
        """A connection begins: the session sends again what it had sent, then comes the rest."""
        self._progress = self._counters.confirmed
        self.pump(session)

    def pump(self, session: Session) -> None:
        """Hand the session as many messages as may be under way."""
        if not self._is_connected():
            return
        window = min(self._options.inflight, session.receive_maximum)
        if self._fruitless >= _ALONE_AFTER:
            window = 1
        while len(self.outbox.sent) < window and (entry := self.outbox.next()):
            mid = session.publish(entry.topic, entry.payload, entry.qos, entry.retain, entry.user)
            self.outbox.sent[mid] = entry
            self._counters.published += 1

    def published(self, session: Session, mid: int, problem: str | None) -> None:
        """Settle a message that the broker confirmed or refused."""
        entry = self.outbox.sent.pop(mid, None)
        if entry is None:
            return
        if problem is None:
            self._counters.confirmed += 1
            self._fruitless = 0
            self.outbox.settle(entry)
        else:
            self._give_up(
                entry,
                ProtocolError(f"the MQTT broker refused a message to {entry.topic!r}: {problem}"),
            )
        # Not at once: paho is inside its own handling of the confirmation.
        asyncio.get_running_loop().call_soon(self.pump, session)

    def lost(self, session: Session, lived: float) -> None:
        """A connection ended after ``lived`` seconds. Give up a message that ends them all.

        A broker of version 3.1.1 cannot say that it does not want a message: it closes the
        connection. After some that ended at once and confirmed nothing, messages are sent one at
        a time, and the one that ends as many again is given up.
        """
        sent = self.outbox.sent
        if not sent or self._counters.confirmed != self._progress or lived > _QUICK_SECONDS:
            self._fruitless = 0
            return
        self._fruitless += 1
        if self._fruitless == _ALONE_AFTER:
            session.forget()
            self.outbox.take_back()
        elif self._fruitless >= _GIVE_UP_AFTER and len(sent) == 1:
            self._fruitless = _ALONE_AFTER
            session.forget()
            _, entry = sent.popitem()
            self._give_up(
                entry,
                ProtocolError(
                    f"the MQTT broker closed {_GIVE_UP_AFTER} connections over a message of "
                    f"{len(entry.payload)} bytes to {entry.topic!r}; it was given up",
                    hint="compare the broker's limits for messages and topics, and its permissions",
                ),
            )

    def _give_up(self, entry: Entry, error: ProtocolError) -> None:
        self._counters.refused += 1
        self._log.error(
            "mqtt_message_given_up",
            topic=entry.topic[:200],
            bytes=len(entry.payload),
            error=str(error),
        )
        self.outbox.settle(entry, error)
