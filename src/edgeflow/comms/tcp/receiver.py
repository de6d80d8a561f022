"""The receiving end: accepts connections, reads frames from each, answers pings."""

import collections
import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import structlog

from edgeflow.comms.brokers.base import Delivery, LinkCounters, Subscriber, Subscription
from edgeflow.comms.tcp.messages import LENGTH, PING, PONG, SILENCE_SECONDS
from edgeflow.config import settings
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from edgeflow.errors import ConfigError, FrameDecodeError, FrameTooLargeError
from edgeflow.protocols.frames import EncodedFrame, parse

__all__ = ["TcpSubscriber"]

MAX_PEERS = 64
RECEIVE_BYTES = 1 << 20
REPORT_SECONDS = 1.0

log = structlog.get_logger(__name__)


class _Peer:
    """What has arrived of the current message of one connection."""

    def __init__(self, connection: socket.socket, address: Any) -> None:
        self.connection = connection
        self.address = address
        self.heard = time.monotonic()
        self.pings = False
        self._header = bytearray(LENGTH.size)
        self._target = memoryview(self._header)
        self._body: bytearray | None = None
        self._filled = 0

    def read(self, limit: int) -> bytearray | None:
        """Take what is there; return a message when one is complete.

        Raises:
            ConnectionError: the peer has gone.
            FrameTooLargeError: it announced more than ``limit`` bytes.
        """
        count = self.connection.recv_into(self._target[self._filled :])
        if not count:
            raise ConnectionError("closed by the peer")
        self._filled += count
        self.heard = time.monotonic()
        if self._filled < len(self._target):
            return None
        self._filled = 0
        if self._body is None:
            length = LENGTH.unpack(self._header)[0]
            if length > limit:
                raise FrameTooLargeError(
                    f"{self.address} announced {length} bytes; the limit is {limit}"
                )
            if length:
                self._body = bytearray(length)
                self._target = memoryview(self._body)
            return None
        message, self._body = self._body, None
        self._target = memoryview(self._header)
        return message


class TcpSubscriber(Subscriber):
    """Accepts connections and keeps, per topic, what its subscription allows.

    Frames wait as they came. A thread of its own reads them, looks at header and meta and drops
    what is superseded; ``receive`` decodes what is left, on the thread that calls it. Their bytes
    are copied once, from the kernel into a buffer per message: raw arrays are views of it, a
    codec's pictures are decoded from it, ``bytes`` payloads are copied out of it.

    Args:
        address: to listen on.
        subscriptions: of one group; other topics that arrive are taken as REALTIME.
        closed: called with ``self.address``, where others reach it, when it is closed.
    """

    def __init__(
        self,
        address: tuple[str, int],
        subscriptions: Sequence[Subscription],
        *,
        closed: Callable[[tuple[str, int]], None] | None = None,
    ) -> None:
        self.address = address
        self._closed = closed
        self.links = {wish.topic: LinkCounters() for wish in subscriptions}
        self._wishes = {wish.topic: wish for wish in subscriptions}
        self._streams = {_topic_of(wish.topic): wish.topic for wish in subscriptions}
        first = subscriptions[0] if subscriptions else Subscription("", "")
        self._strange = Subscription("", first.group, images=first.images)
        self._waiting: dict[str, collections.deque[EncodedFrame]] = {}
        self._order: collections.deque[str] = collections.deque()
        self._changed = threading.Condition()
        self._woken = False
        self._last_report = float("-inf")
        self._closing = False
        self._server = _listen(address)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._server, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, name="edgeflow-tcp-receive", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Port it listens on."""
        return int(self._server.getsockname()[1])

    def receive(self, timeout: float) -> Delivery | None:
        """Return the next frame of any topic, decoded here; see the base class."""
        deadline = time.monotonic() + timeout
        while (taken := self._next(deadline)) is not None:
            topic, encoded = taken
            delivery = self._decoded(topic, encoded)
            if delivery is not None or time.monotonic() >= deadline:
                return delivery
        return None

    def _next(self, deadline: float) -> tuple[str, EncodedFrame] | None:
        with self._changed:
            if not self._order:
                left = max(0.0, deadline - time.monotonic())
                self._changed.wait_for(lambda: self._order or self._woken, left)
            self._woken = False
            if not self._order:
                return None
            topic = self._order.popleft()
            return topic, self._waiting[topic].popleft()

    def _decoded(self, topic: str, encoded: EncodedFrame) -> Delivery | None:
        """Return the delivery; None for a payload that is none, which is dropped and told."""
        counters, wish = self.links[topic], self._wishes[topic]
        try:
            frame = encoded.decode(images=wish.images)
        except FrameDecodeError as error:
            counters.dropped += 1
            self._given_up(topic, str(error))
            return None
        counters.received += 1
        counters.bytes += getattr(frame.data, "nbytes", encoded.size)
        return Delivery(frame if frame.topic else _named(frame, encoded.topic), wish)

    def _given_up(self, topic: str, reason: str) -> None:
        now = time.monotonic()
        if now - self._last_report > REPORT_SECONDS:
            self._last_report = now
            log.error("frame_given_up", topic=topic, group=self._strange.group, reason=reason)

    def ack(self, delivery: Delivery) -> None:
        """Do nothing: this transport keeps no account."""

    def nack(self, delivery: Delivery) -> None:
        """Do nothing: this transport delivers once."""

    def refresh(self) -> None:
        """Count what waits."""
        for topic, waiting in list(self._waiting.items()):
            self.links[topic].depth = len(waiting)

    def wake(self) -> None:
        """End a ``receive`` in progress, or the next one."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        """Hang up on all peers and stop listening. Idempotent."""
        if self._closing:
            return
        self._closing = True
        if self._closed is not None:
            self._closed(self.address)
        self._thread.join(timeout=1.0)
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]  # only sockets are registered
        self._selector.close()

    def _run(self) -> None:
        while not self._closing:
            ready = self._selector.select(0.25)
            now = time.monotonic()
            for key, _ in ready:
                if key.data is None:
                    self._accept()
                else:
                    self._serve(key.data)
            self._drop_silent(now)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            connection, address = self._server.accept()
            if len(self._selector.get_map()) > MAX_PEERS:
                log.warning("peer_refused", address=address, limit=MAX_PEERS)
                connection.close()
                return
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            self._selector.register(connection, selectors.EVENT_READ, _Peer(connection, address))

    def _serve(self, peer: _Peer) -> None:
        try:
            for _ in range(64):
                message = peer.read(settings.MAX_FRAME_BYTES)
                if message is not None:
                    self._take(peer, message)
        except BlockingIOError:
            return
        except (OSError, FrameTooLargeError, FrameDecodeError) as error:
            self._drop(peer, str(error))

    def _take(self, peer: _Peer, message: bytearray) -> None:
        if len(message) == PING.size and message[0] == ord("P"):
            peer.pings = True
            sent_ns = PING.unpack(message)[1]
            answer = LENGTH.pack(PONG.size) + PONG.pack(b"Q", sent_ns, time.monotonic_ns())
            peer.connection.send(answer)
            return
        frame = parse(message)
        self._keep(self._streams.get(frame.topic, frame.topic), frame)

    def _keep(self, topic: str, frame: EncodedFrame) -> None:
        with self._changed:
            wish = self._wishes.get(topic)
            if wish is None:
                if len(self._wishes) >= MAX_PEERS:
                    return
                wish = self._wishes[topic] = replace(self._strange, topic=topic)
                self.links[topic] = LinkCounters()
            waiting = self._waiting.setdefault(topic, collections.deque())
            capacity = 1 if wish.qos is QoS.REALTIME else wish.capacity
            if len(waiting) >= capacity:
                waiting.popleft()
                self.links[topic].dropped += 1
            else:
                self._order.append(topic)
            waiting.append(frame)
            self._changed.notify()

    def _drop(self, peer: _Peer, reason: str) -> None:
        level = log.info if reason.startswith("closed") else log.warning
        level("peer_gone", address=peer.address, reason=reason)
        self._selector.unregister(peer.connection)
        peer.connection.close()

    def _drop_silent(self, now: float) -> None:
        # As of before the round: who was read early in a long one has not been silent since.
        oldest = now - SILENCE_SECONDS
        for key in list(self._selector.get_map().values()):
            peer = key.data
            if peer is not None and peer.pings and peer.heard < oldest:
                self._drop(peer, f"silent for {SILENCE_SECONDS} s")


def _topic_of(stream: str) -> str:
    """Return what frames of a stream say they are: one with a codec is ``TOPIC@CODEC``."""
    return stream.partition("@")[0]


def _named(frame: Frame, topic: str) -> Frame:
    """Return a version-1 frame under the topic its sender put into the meta."""
    return frame.replace(topic=topic, source=frame.source or topic)


def _listen(address: tuple[str, int]) -> socket.socket:
    try:
        server = socket.create_server(address, reuse_port=False, backlog=16)
    except OSError as error:
        raise ConfigError(
            f"cannot listen for frames on {address[0]}:{address[1]}: {error}",
            hint="set GATEWAY_TCP_PORT (and EDGEFLOW_BIND) to a free one",
        ) from error
    server.setblocking(False)
    return server
