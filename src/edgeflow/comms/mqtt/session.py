"""What paho does for us: packets, and the state of QoS 1 and 2 that outlives a connection.

It gets its bytes from a ``Pipe``; sockets, waiting and keeping alive are ours.
"""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, cast

from edgeflow.comms.mqtt.cutter import Cutter
from edgeflow.comms.mqtt.messages import Incoming
from edgeflow.comms.mqtt.options import MqttOptions
from edgeflow.comms.mqtt.pipe import Pipe
from edgeflow.errors import MissingExtraError, ProtocolError, UnreachableError

try:
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
except ImportError as error:
    raise MissingExtraError("paho-mqtt", "pipelines") from error

__all__ = ["Session", "SessionEvents"]

_REFUSALS = {
    "Unsupported protocol version": "this broker does not speak this version of MQTT",
    "Client identifier not valid": "give the client another client_id",
    "Bad user name or password": "check username and password",
    "Not authorized": "check username and password, and what this user may do",
}


_FAREWELL_SECONDS = 0.5


class SessionEvents(Protocol):
    """What a session tells its client, on the event loop."""

    def messages_came(self, messages: Sequence[Incoming]) -> None:
        """They are acknowledged by ``Session.ack`` only."""

    def malformed_came(self, mid: int, qos: int) -> None:
        """A message without a valid topic."""

    def oversized_came(self, topic: bytes, size: int) -> None:
        """A message was too long to hold; it is acknowledged already."""

    def published(self, mid: int, problem: str | None) -> None:
        """The broker confirmed a message at QoS 1 or 2, or refused it."""

    def subscribed(self, mid: int, problem: str | None) -> None:
        """The broker granted a subscription, or refused it."""


class _Paho(paho.Client):
    """Paho over a pipe."""

    pipe: Pipe | None = None

    def _create_socket(self) -> Any:
        return self.pipe


def _properties(packet: int) -> Any:
    return cast(Any, Properties)(packet)


class Session:
    """One MQTT session: many connections one after another, and what connects them.

    Args:
        options: of the broker and the client.
        client_id: never empty.
        events: told what happens.
    """

    def __init__(self, options: MqttOptions, client_id: str, events: SessionEvents) -> None:
        self._options = options
        self._events = events
        self._version_5 = options.version == "5"
        self._pipe: Pipe | None = None
        self._cutter = Cutter(options.max_packet, version_5=self._version_5)
        self._acks = bytearray()
        self._accepted: asyncio.Future[bool] | None = None
        self._over: asyncio.Future[Exception | None] | None = None
        self._flushing = False
        self.connection = 0
        self.receive_maximum = 65535
        self.max_packet = 256 << 20
        self._paho = self._new_paho(client_id)

    def _new_paho(self, client_id: str) -> _Paho:
        options = self._options
        client = _Paho(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if self._version_5 else options.clean_session,
            protocol=MQTTProtocolVersion.MQTTv5
            if self._version_5
            else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.max_inflight_messages_set(65535)
        if options.username is not None:
            client.username_pw_set(options.username, options.password)
        if options.will:
            will = options.will
            client.will_set(will.topic, will.payload, will.qos, will.retain)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_socket_register_write = self._on_want_write
        return client

    # Connections

    async def connect(self, host: str, port: int, context: ssl.SSLContext | None) -> bool:
        """Connect, and wait until the broker has accepted.

        Returns:
            True when the broker still knew this session.

        Raises:
            UnreachableError: there is no connection.
            ProtocolError: the broker refused.
        """
        loop = asyncio.get_running_loop()
        self._accepted, self._over = loop.create_future(), loop.create_future()
        self.connection += 1
        self._cutter = Cutter(
            self._options.max_packet, version_5=self._version_5, connection=self.connection
        )
        self._acks.clear()
        try:
            async with asyncio.timeout(self._options.connect_timeout):
                _, pipe = await loop.create_connection(
                    lambda: Pipe(self._cutter, self._turn, self._lost),
                    host,
                    port,
                    ssl=context,
                    server_hostname=host if context else None,
                )
                self._pipe = self._paho.pipe = pipe
                self._begin(host, port)
                return await self._accepted
        except TimeoutError:
            self.drop()
            raise UnreachableError(
                f"the MQTT broker {self._options.address} did not answer within "
                f"{self._options.connect_timeout:g} s"
            ) from None
        except ssl.SSLError as error:
            self.drop()
            raise UnreachableError(
                f"TLS with the MQTT broker {self._options.address} failed: {error}",
                hint="check the CA, the host name in the broker's certificate, and the scheme",
            ) from error
        except OSError as error:
            self.drop()
            raise UnreachableError(
                f"the MQTT broker {self._options.address} is not reachable: {error}"
            ) from error
        except BaseException:
            self.drop()
            raise

    def _begin(self, host: str, port: int) -> None:
        options = self._options
        properties, clean_start = None, paho.MQTT_CLEAN_START_FIRST_ONLY
        if self._version_5:
            properties = _properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = (
                0 if options.clean_session else options.session_expiry
            )
            properties.ReceiveMaximum = min(options.inbox, 65535)
            properties.MaximumPacketSize = options.max_packet
            clean_start = options.clean_session
        keepalive = max(1, round(options.keepalive))
        self._paho.connect_async(
            host, port, keepalive, clean_start=clean_start, properties=properties
        )
        self._paho.reconnect()
        self._flush()

    async def until_lost(self) -> None:
        """Wait for the end of the connection, asking for a sign of life when it is silent.

        Raises:
            UnreachableError: it broke, or the broker went silent.
        """
        while (over := self._over) is not None:
            done, _ = await asyncio.wait({over}, timeout=self._options.keepalive / 2)
            if done:
                error = over.result()
                raise UnreachableError(
                    f"the MQTT broker {self._options.address} closed the connection"
                    + (f": {error}" if error else "")
                )
            self._keep_alive()

    def _keep_alive(self) -> None:
        pipe = self._pipe
        if pipe is None or not pipe.is_open:
            return
        silent = asyncio.get_running_loop().time() - pipe.last_received
        if silent > 1.5 * self._options.keepalive and not pipe.is_paused:
            pipe.end(TimeoutError(f"silent for {silent:.0f} s"))
        elif pipe.writable.is_set():
            pipe.send(b"\xc0\x00")

    def drop(self) -> None:
        """Break the connection without a farewell."""
        if self._pipe is not None:
            self._pipe.end()

    async def leave(self) -> None:
        """Say goodbye and close: the broker does not publish the will."""
        if self._pipe is not None and self._pipe.is_open:
            self._paho.disconnect()
            self._flush()
            await self._pipe.finish(_FAREWELL_SECONDS)

    # Messages

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool, user: Any) -> int:
        """Send a message, or at QoS 1 and 2 keep it for the next connection; return its id."""
        properties = None
        if user and self._version_5:
            properties = _properties(PacketTypes.PUBLISH)
            properties.UserProperty = list(user)
        return self._paho.publish(topic, payload, qos, retain, properties).mid

    def forget(self) -> None:
        """Forget all messages at QoS 1 and 2 that are not confirmed."""
        self._paho.drop_out_messages()

    def subscribe(self, pattern: str, qos: int) -> int:
        """Ask for a subscription; return the id that ``subscribed`` will name."""
        _, mid = self._paho.subscribe(pattern, qos)
        return mid or 0

    def unsubscribe(self, pattern: str) -> None:
        """Give a subscription up."""
        self._paho.unsubscribe(pattern)

    def ack(self, messages: Iterable[Incoming]) -> int:
        """Confirm those messages that came on the connection that is open; return how many."""
        count = 0
        if self._pipe is None or not self._pipe.is_open:
            return count
        for message in messages:
            if message.connection != self.connection:
                continue
            if message.qos == 1:
                self._acks += b"\x40\x02" + message.mid.to_bytes(2)
            else:
                self._paho.ack(message.mid, message.qos)
            count += 1
        if self._acks:
            self._on_want_write()
        return count

    def refuse(self, mid: int, qos: int) -> None:
        """Confirm a message that is of no use, so that it does not come for ever."""
        self._paho.ack(mid, qos)

    def pause(self) -> None:
        """Let the broker wait."""
        if self._pipe is not None:
            self._pipe.pause()

    def resume(self) -> None:
        """Read again."""
        if self._pipe is not None:
            self._pipe.resume()

    async def writable(self) -> None:
        """Wait until the connection takes bytes, or is gone."""
        if self._pipe is not None:
            await self._pipe.writable.wait()

    # What the pipe tells

    def _turn(self) -> None:
        """Let paho read what is there and write what it has."""
        pipe = self._pipe
        if pipe is None:
            return
        try:
            pipe.cork()
            while (item := pipe.next()) is not None:
                if isinstance(item, list):
                    self._events.messages_came(item)
                elif problem := self._paho.loop_read():
                    pipe.end(ProtocolError(f"not understood: {paho.error_string(problem)}"))
            self._paho.loop_write()
            if self._acks and pipe.is_open and pipe.writable.is_set():
                pipe.send(self._acks)
                self._acks.clear()
        except Exception as error:  # noqa: BLE001 - bytes from outside can make paho raise anything
            pipe.end(ProtocolError(f"a packet could not be read: {error!r}"))
        finally:
            pipe.uncork()
        for topic, size in self._cutter.oversized:
            self._events.oversized_came(topic, size)
        self._cutter.oversized.clear()

    def _lost(self, error: Exception | None) -> None:
        problem = error or ConnectionError("closed by the broker")
        if self._accepted is not None and not self._accepted.done():
            self._accepted.set_exception(
                problem if isinstance(problem, OSError) else ConnectionError(str(problem))
            )
        if self._over is not None and not self._over.done():
            self._over.set_result(error)

    def _flush(self) -> None:
        self._flushing = False
        if self._pipe is not None and self._pipe.is_open:
            self._turn()

    # What paho tells

    def _on_want_write(self, *_: Any) -> None:
        if not self._flushing:
            self._flushing = True
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._flush)  # what follows in the next turn joins it

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, found: Any) -> None:
        if self._accepted is None or self._accepted.done():
            return
        if reason.is_failure:
            hint = _REFUSALS.get(str(reason), "")
            self._accepted.set_exception(
                ProtocolError(
                    f"the MQTT broker {self._options.address} refused: {reason}", hint=hint
                )
            )
            return
        self.receive_maximum = getattr(found, "ReceiveMaximum", 65535)
        self.max_packet = getattr(found, "MaximumPacketSize", 256 << 20)
        self._accepted.set_result(bool(flags.session_present))

    def _on_disconnect(self, _c: Any, _data: Any, flags: Any, reason: Any, _found: Any) -> None:
        if flags.is_disconnect_packet_from_server and self._pipe is not None:
            self._pipe.end(ConnectionError(str(reason)))

    def _on_subscribe(self, _c: Any, _data: Any, mid: int, reasons: Any, _found: Any) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        self._events.subscribed(mid, refused[0] if refused else None)

    def _on_publish(self, _c: Any, _data: Any, mid: int, reason: Any, _found: Any) -> None:
        self._events.published(mid, str(reason) if reason.is_failure else None)

    def _on_message(self, _c: Any, _data: Any, message: paho.MQTTMessage) -> None:
        """Of a message that the cutter left: at QoS 2, with properties, or with a bad topic."""
        try:
            topic = str(message.topic)
        except UnicodeDecodeError:
            self._events.malformed_came(message.mid, message.qos)
            return
        made = Incoming(
            topic=topic,
            payload=bytes(message.payload),
            qos=message.qos,
            retain=bool(message.retain),
            duplicate=bool(message.dup),
            user=tuple(getattr(message.properties, "UserProperty", ())),
            received=asyncio.get_running_loop().time(),
            connection=self.connection,
            mid=message.mid if message.qos else 0,
        )
        self._events.messages_came([made])
