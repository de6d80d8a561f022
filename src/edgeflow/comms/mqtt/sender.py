"""How messages at QoS 1 and 2 leave: in order, a window at a time, kept until confirmed."""

import asyncio
from collections.abc import Callable

from edgeflow.comms.mqtt.messages import Entry, MqttCounters, Outbox
from edgeflow.comms.mqtt.options import MqttOptions
from edgeflow.comms.mqtt.session import Session
from edgeflow.errors import CommsError, FrameTooLargeError, ProtocolError

__all__ = ["Sender"]

_SUSPECT_BYTES = 64 << 10
_SUSPECT_ATTEMPTS = 5


class Sender:
    """Hands the outbox to the session.

    Args:
        options: bounds, and the address for messages of errors.
        counters: of the client.
        is_connected: tells whether messages can leave now.
    """

    def __init__(
        self, options: MqttOptions, counters: MqttCounters, is_connected: Callable[[], bool]
    ) -> None:
        self.outbox = Outbox(options.outbox, options.outbox_bytes)
        self._options = options
        self._counters = counters
        self._is_connected = is_connected
        self._progress = 0

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
        for entry in self.outbox.sent.values():
            entry.attempts += 1
        self.pump(session)

    def pump(self, session: Session) -> None:
        """Hand the session as many messages as may be under way."""
        if not self._is_connected():
            return
        window = min(self._options.inflight, session.receive_maximum)
        while len(self.outbox.sent) < window and (entry := self.outbox.next()):
            mid = session.publish(entry.topic, entry.payload, entry.qos, entry.retain, entry.user)
            entry.attempts += 1
            self.outbox.sent[mid] = entry
            self._counters.published += 1

    def published(self, session: Session, mid: int, problem: str | None) -> None:
        """Settle a message that the broker confirmed or refused."""
        entry = self.outbox.sent.pop(mid, None)
        if entry is None:
            return
        if problem is None:
            self._counters.confirmed += 1
            self.outbox.settle(entry)
        else:
            self._counters.refused += 1
            self.outbox.settle(
                entry,
                ProtocolError(f"the MQTT broker refused a message to {entry.topic!r}: {problem}"),
            )
        # Not at once: paho is inside its own handling of the confirmation.
        asyncio.get_running_loop().call_soon(self.pump, session)

    def lost(self, session: Session) -> None:
        """A connection ended: give up a message over which, it seems, the broker ends them all.

        A broker of version 3.1.1 cannot say that a message is too long for it.
        """
        if self._counters.confirmed != self._progress:
            return
        tried = [e for e in self.outbox.sent.values() if e.attempts >= _SUSPECT_ATTEMPTS]
        suspect = max(tried, key=lambda entry: entry.size, default=None)
        if suspect is None or suspect.size < _SUSPECT_BYTES:
            return
        attempts = suspect.attempts
        self.outbox.sent = {m: e for m, e in self.outbox.sent.items() if e is not suspect}
        session.forget()
        self.outbox.take_back()
        self._counters.refused += 1
        self.outbox.settle(
            suspect,
            FrameTooLargeError(
                f"the MQTT broker closed {attempts} connections over a message of "
                f"{len(suspect.payload)} bytes to {suspect.topic!r}; it was given up",
                hint="compare the broker's limit for messages",
            ),
        )
