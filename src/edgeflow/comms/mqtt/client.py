"""The one MQTT client interface: keeps itself connected, loses nothing it has taken."""

import asyncio
import random
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from typing import Any

import structlog

from edgeflow.comms.mqtt.messages import Entry, Inbox, Incoming, MqttCounters
from edgeflow.comms.mqtt.options import MqttOptions
from edgeflow.comms.mqtt.sender import Sender, check_qos, checked
from edgeflow.comms.mqtt.session import Session
from edgeflow.comms.mqtt.subscriptions import Subscriptions
from edgeflow.comms.mqtt.tls import client_context
from edgeflow.comms.mqtt.topics import check_filter
from edgeflow.errors import ConfigError, EdgeFlowError, UnreachableError

__all__ = ["MqttClient"]

_STABLE = 2.0  # seconds a connection lives before the next pause is the shortest again


class MqttClient:
    """A client of one broker. All of it runs on one event loop.

    It connects and reconnects by itself, with exponential back-off and jitter, and subscribes anew
    on every connection. A full inbox is left in the socket: the broker waits, and so do
    confirmations of what this client publishes; give a slow reader a client of its own.

    Args:
        options: broker, credentials, bounds.
        name: of this client in logs.

    Attributes:
        state: ``connecting``, ``connected``, ``waiting`` (to try again) or ``stopped``.
        last_error: why it is not connected, or deaf for a topic.
        session_present: the broker still knew the session at the last connection.
        counters: what it has done.
    """

    def __init__(self, options: MqttOptions, *, name: str = "") -> None:
        self.options = options
        self.client_id = options.client_id or f"edgeflow-{secrets.token_hex(6)}"
        self.state = "stopped"
        self.last_error: str | None = None
        self.session_present = False
        self.counters = MqttCounters()
        self._log: Any = structlog.get_logger("edgeflow.mqtt").bind(client=name or self.client_id)
        self._inbox = Inbox(options.inbox, options.inbox_bytes, self._read_on)
        self._sender = Sender(options, self.counters, lambda: self.is_connected, self._log)
        self._subscriptions = Subscriptions(self._log)
        self._since = 0.0
        self._connected = asyncio.Event()
        self._session = Session(options, self.client_id, self)
        self._context: ssl.SSLContext | None = None
        self._task: asyncio.Task[None] | None = None
        self._lease: Any = None

    # Beginning and end

    async def start(self) -> None:
        """Begin to connect; do not wait for a broker that is away.

        Raises:
            ConfigError: a TLS file cannot be read, or the embedded broker cannot run so.
            MissingExtraError: paho-mqtt, or for ``embedded`` nats-server, is not installed.
        """
        options = self.options
        self._context = client_context(options.tls) if options.tls else None
        if options.is_embedded:
            from edgeflow.comms.mqtt.embedded import BrokerSettings, acquire

            wanted = BrokerSettings.read(options.embedded, options.username, options.password)
            self._lease = await asyncio.to_thread(acquire, wanted)
        self.state = "connecting"
        self._task = asyncio.create_task(self._keep_connected(), name=f"mqtt {self.client_id}")

    async def stop(self, drain: float = 1.0) -> None:
        """Say goodbye and close, after up to ``drain`` seconds for the outbox. Idempotent."""
        if self._task is None:
            return
        if self.is_connected:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._sender.outbox.empty.wait(), drain)
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        await self._session.leave()
        self._disconnected()
        self.state = "stopped"
        if left := self._sender.outbox.give_up():
            self._log.warning("mqtt_outbox_abandoned", messages=left)
        if self._lease is not None:
            await asyncio.to_thread(self._lease.release)
            self._lease = None

    async def __aenter__(self) -> "MqttClient":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def is_connected(self) -> bool:
        """True between a broker's welcome and the end of that connection."""
        return self._connected.is_set()

    @property
    def unheard(self) -> list[str]:
        """Filters that the broker has not granted: nothing comes of them now."""
        return self._subscriptions.unheard

    @property
    def outbox(self) -> int:
        """Messages at QoS 1 and 2 that are not confirmed yet."""
        return len(self._sender.outbox)

    @property
    def inbox(self) -> int:
        """Messages that wait for their reader."""
        return len(self._inbox)

    async def wait_connected(self, timeout: float = 10.0) -> None:
        """Wait for a connection.

        Raises:
            UnreachableError: there is none after ``timeout`` seconds; says why.
        """
        try:
            await asyncio.wait_for(self._connected.wait(), timeout)
        except TimeoutError:
            raise UnreachableError(
                f"no connection to the MQTT broker {self.options.address} within {timeout:g} s"
                + (f": {self.last_error}" if self.last_error else "")
            ) from None

    # Receiving

    async def subscribe(self, pattern: str, qos: int = 0, timeout: float = 10.0) -> None:
        """Subscribe, now and on every later connection; waits for the broker if it is connected.

        Raises:
            ConfigError: the filter or the QoS is wrong.
            ProtocolError: the broker refused; it is asked again now and then.
            UnreachableError: the connection broke meanwhile; the next one asks again.
        """
        answer = self._want(pattern, qos)
        if answer is not None:
            try:
                await asyncio.wait_for(answer, timeout)
            except TimeoutError:
                raise UnreachableError(
                    f"the MQTT broker did not answer the subscription to {pattern!r}"
                ) from None

    def want(self, patterns: Iterable[str], qos: int = 0) -> None:
        """Subscribe without waiting: each is ``unheard`` until the broker grants it."""
        for pattern in patterns:
            self._want(pattern, qos)

    def _want(self, pattern: str, qos: int) -> "asyncio.Future[None] | None":
        check_filter(pattern)
        check_qos(qos)
        if pattern.startswith("$share/") and self.options.is_embedded:
            raise ConfigError(
                f"the embedded MQTT broker knows no shared subscriptions: {pattern!r}",
                hint="connect to a broker that does, such as mosquitto",
            )
        self._subscriptions.wanted[pattern] = qos
        return self._subscriptions.ask(self._session, pattern, qos) if self.is_connected else None

    def unsubscribe(self, pattern: str) -> None:
        """Give a subscription up."""
        if self._subscriptions.wanted.pop(pattern, None) is not None and self.is_connected:
            self._session.unsubscribe(pattern)

    async def messages(self) -> AsyncIterator[Incoming]:
        """Yield messages for ever. Unless ``manual_ack``, each is acknowledged when the next one
        is asked for.
        """
        while True:
            message = await self._inbox.get()
            yield message
            if not self.options.manual_ack:
                self.acknowledge(message)

    async def batch(self, limit: int = 1000) -> list[Incoming]:
        """Wait for a message, and return what came by then, up to ``limit`` and in order.

        They are acknowledged by ``acknowledge`` only, whatever ``manual_ack`` says.
        """
        return await self._inbox.get_many(limit)

    def acknowledge(self, *messages: Incoming) -> None:
        """Everything that follows from messages is done: the broker may forget them."""
        asked = [message for message in messages if message.mid]
        done = self._session.ack(asked)
        self.counters.acknowledged += done
        self.counters.stale += len(asked) - done

    # Sending

    async def publish(
        self,
        topic: str,
        payload: bytes | str = b"",
        *,
        qos: int = 0,
        retain: bool = False,
        timeout: float = 10.0,
        user: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Publish, and at QoS 1 and 2 wait until the broker has confirmed.

        Args:
            topic: without wildcards.
            payload: text is sent as UTF-8.
            qos: 0, 1 or 2.
            retain: the broker keeps it for those who subscribe later.
            timeout: seconds to wait.
            user: user properties; they travel with MQTT 5 only.

        Raises:
            ConfigError: the topic or QoS is wrong.
            FrameTooLargeError: the broker has said that it takes no message of this size.
            UnreachableError: there is no connection (QoS 0), or no confirmation within
                ``timeout`` seconds (QoS 1 and 2: the message stays in the outbox).
            ProtocolError: the broker refused the message.
            CommsError: the outbox is full.
        """
        check_qos(qos)
        data = checked(topic, payload, self._session.max_packet)
        try:
            async with asyncio.timeout(timeout):
                if qos == 0:
                    await self._sender.send_now(
                        self._session,
                        topic,
                        data,
                        retain=retain,
                        user=tuple(user),
                        why_not=lambda: self.last_error,
                    )
                else:
                    entry = self._admit(topic, data, qos, retain, tuple(user))
                    await asyncio.shield(entry.outcome)
        except TimeoutError:
            later = "it stays in the outbox" if qos else "it was not sent"
            raise UnreachableError(
                f"the MQTT broker {self.options.address} did not take a message to {topic!r} "
                f"within {timeout:g} s; {later}"
            ) from None

    def post(
        self, topic: str, payload: bytes | str = b"", *, qos: int = 1, retain: bool = False
    ) -> None:
        """Publish at QoS 1 or 2 without waiting: the outbox keeps it until it is confirmed.

        Raises:
            ConfigError: the topic or QoS is wrong.
            FrameTooLargeError: the broker has said that it takes no message of this size.
            CommsError: the outbox is full.
        """
        if qos not in (1, 2):
            raise ConfigError(f"MQTT QoS {qos!r} has no outbox", hint="1 or 2")
        data = checked(topic, payload, self._session.max_packet)
        self._admit(topic, data, qos, retain, ())

    def _admit(self, topic: str, data: bytes, qos: int, retain: bool, user: Any) -> Entry:
        if self._task is None:
            raise UnreachableError("this MQTT client was not started")
        outcome: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = Entry(topic, data, qos, retain, user, outcome)
        self._sender.admit(self._session, entry, self.last_error)
        return entry

    # Connections

    async def _keep_connected(self) -> None:
        bound = self.options.backoff
        while True:
            self.state = "connecting"
            try:
                await self._one_connection()
            except EdgeFlowError as error:
                self.last_error = str(error)
            except Exception as error:  # noqa: BLE001 - whatever it was, the next attempt may work
                self.last_error = repr(error)
            lived = time.monotonic() - self._since
            if lived > _STABLE and self.is_connected:
                bound = self.options.backoff
            was_connected = self.is_connected
            self._disconnected()
            if was_connected:
                self._sender.lost(self._session, lived)
            self.state = "waiting"
            pause = bound * (0.5 + 0.5 * random.random())  # noqa: S311 - spreads clients out
            self._log.warning("mqtt_disconnected", error=self.last_error, retry_s=round(pause, 2))
            await asyncio.sleep(pause)
            bound = min(2 * bound, self.options.backoff_cap)

    async def _one_connection(self) -> None:
        host, port = self.options.host, self.options.port
        if self._lease is not None:
            host, port = self._lease.host, self._lease.port
        self.session_present = await self._session.connect(host, port, self._context)
        self._since = time.monotonic()
        self.counters.connects += 1
        self.state, self.last_error = "connected", None
        self._connected.set()
        self._log.info("mqtt_connected", broker=self.options.address)
        self._subscriptions.ask_all(self._session)
        self._sender.connected(self._session)
        try:
            await self._session.until_lost()
        except EdgeFlowError:
            self._session.drop()
            raise

    def _disconnected(self) -> None:
        self._connected.clear()
        self._subscriptions.lost()

    def _read_on(self) -> None:
        self._session.resume()

    # What the session tells

    def messages_came(self, messages: Sequence[Incoming]) -> None:
        """Take messages in; a full inbox stops the reading."""
        counters = self.counters
        counters.received += len(messages)
        counters.received_bytes += sum(len(message.payload) for message in messages)
        counters.duplicates += sum(message.duplicate for message in messages)
        if self._inbox.put(messages):
            self._session.pause()

    def malformed_came(self, mid: int, qos: int) -> None:
        """Pass over a message without a valid topic."""
        self.counters.malformed += 1
        if qos:
            self._session.refuse(mid, qos)

    def oversized_came(self, topic: bytes, size: int) -> None:
        """Count a message that was too long to hold; it was acknowledged as malformed."""
        self.counters.oversized += 1
        self.counters.malformed -= 1
        self._log.warning(
            "mqtt_message_oversized",
            topic=topic[:200].decode(errors="replace"),
            bytes=size,
            limit=self.options.max_packet,
        )

    def published(self, mid: int, problem: str | None) -> None:
        """Settle a message that the broker confirmed or refused."""
        self._sender.published(self._session, mid, problem)

    def subscribed(self, mid: int, problem: str | None) -> None:
        """Settle a subscription."""
        refusal = self._subscriptions.answered(mid, problem)
        if refusal is not None:
            self._subscriptions.ask_later(self._session)
            self.last_error = refusal
        elif not self.unheard:
            self.last_error = None
