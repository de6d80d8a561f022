"""Frames to a gateway node in another process or on another host: length-prefixed TCP.

Each frame follows its length, a big-endian uint32 (``protocols.frames``). Version-1 senders are
understood. Our own senders also ping twice a second (a message of 9 bytes, shorter than any frame);
the receiver answers with its clock, from which the sender's host learns the offset, and drops a
pinging peer that has been silent for 1.5 s.
"""

import collections
import contextlib
import selectors
import socket
import struct
import threading
import time
from collections.abc import Sequence
from typing import Any

import structlog

from edgeflow.comms.brokers.base import (
    Broker,
    Delivery,
    LinkCounters,
    Publisher,
    Subscriber,
    Subscription,
)
from edgeflow.config import settings
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from edgeflow.errors import ConfigError, FrameDecodeError, FrameTooLargeError
from edgeflow.protocols.frames import decode, encode

__all__ = ["TcpBroker"]

PING_SECONDS = 0.5
SILENCE_SECONDS = 1.5
CONNECT_SECONDS = 1.0
SEND_SECONDS = 2.0
MAX_BACKOFF_SECONDS = 1.0
MAX_PEERS = 64
RECEIVE_BYTES = 1 << 20

_LENGTH = struct.Struct("!I")
_PING = struct.Struct("!cq")
_PONG = struct.Struct("!cqq")

log = structlog.get_logger(__name__)


class TcpBroker(Broker):
    """Direct links to the one gateway node of an app.

    Args:
        host, port: where the gateway listens; default ``GATEWAY_HOST``, ``GATEWAY_TCP_PORT``.
        bind: address the gateway binds; default ``EDGEFLOW_BIND`` (loopback).
    """

    via = "tcp"

    def __init__(
        self, host: str | None = None, port: int | None = None, bind: str | None = None
    ) -> None:
        self._host = host
        self._port = port
        self._bind = bind
        self._lock = threading.Lock()
        self._sender: _Sender | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the gateway."""
        port = settings.GATEWAY_TCP_PORT if self._port is None else self._port
        return self._host or settings.GATEWAY_HOST, port

    def publisher(
        self, topic: str, groups: Sequence[Subscription] = (), *, codec: str = "raw"
    ) -> "_TcpPublisher":
        """Return a publisher; all of this process share one connection."""
        with self._lock:
            if self._sender is None:
                self._sender = _Sender(self.address)
        return _TcpPublisher(self._sender, topic, groups, codec)

    def subscriber(self, subscriptions: Sequence[Subscription]) -> "_TcpSubscriber":
        """Listen for frames; there can be one listener per port."""
        bind = self._bind or settings.BIND_HOST
        return _TcpSubscriber((bind, self.address[1]), subscriptions)

    def clock_offset_ns(self) -> int | None:
        """Return what to add to this host's monotonic clock to get the gateway's."""
        with self._lock:
            return self._sender.offset_ns if self._sender is not None else 0

    def close(self) -> None:
        """Close the connection."""
        if self._sender is not None:
            self._sender.close()


class _Sender:
    """One connection, fed by a thread from bounded slots, so that a node never waits for it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.offset_ns: int | None = None
        self._best_round_trip = 1 << 62
        self._address = address
        self._waiting: collections.deque[tuple[_TcpPublisher, Frame]] = collections.deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="edgeflow-tcp-send", daemon=True)
        self._thread.start()

    def put(self, publisher: "_TcpPublisher", frame: Frame, capacity: int) -> bool:
        """Queue a frame; return whether an older one of the same publisher gave way."""
        with self._changed:
            own = [item for item in self._waiting if item[0] is publisher]
            displaced = len(own) >= capacity
            if displaced:
                self._waiting.remove(own[0])
            self._waiting.append((publisher, frame))
            self._changed.notify()
        return displaced

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout=SEND_SECONDS + CONNECT_SECONDS)

    def _run(self) -> None:
        backoff, lost = 0.05, False
        while not self._closing:
            try:
                with socket.create_connection(self._address, CONNECT_SECONDS) as peer:
                    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    peer.settimeout(SEND_SECONDS)
                    if lost:
                        log.info("gateway_reached", address=self._address)
                    backoff, lost = 0.05, False
                    self._feed(peer)
            except OSError as error:
                if not lost:
                    log.warning("gateway_unreachable", address=self._address, error=str(error))
                lost = True
                with self._changed:
                    if not self._closing:
                        self._changed.wait_for(lambda: self._closing, backoff)
                backoff = min(MAX_BACKOFF_SECONDS, backoff * 2)

    def _feed(self, peer: socket.socket) -> None:
        ping_at, pinged = 0.0, time.monotonic()
        answers = bytearray()
        while True:
            with self._changed:
                if not self._waiting and not self._closing:
                    self._changed.wait(max(0.0, ping_at - time.monotonic()))
                item = self._waiting.popleft() if self._waiting else None
                if item is None and self._closing:
                    return
            if item is not None:
                item[0].send(peer, item[1])
            if time.monotonic() >= ping_at:
                ping_at = time.monotonic() + PING_SECONDS
                peer.sendall(_LENGTH.pack(_PING.size) + _PING.pack(b"P", time.monotonic_ns()))
                if self._read_answers(peer, answers):
                    pinged = time.monotonic()
                if time.monotonic() - pinged > 3 * SILENCE_SECONDS:
                    raise ConnectionError("the gateway does not answer")

    def _read_answers(self, peer: socket.socket, buffer: bytearray) -> bool:
        """Take the pongs that have arrived; the quickest tells the clock offset."""
        with contextlib.suppress(BlockingIOError):
            data = peer.recv(4096, socket.MSG_DONTWAIT)
            if not data:
                raise ConnectionError("the gateway has hung up")
            buffer += data
        arrived = False
        size = _LENGTH.size + _PONG.size
        while len(buffer) >= size:
            _, sent_ns, there_ns = _PONG.unpack_from(buffer, _LENGTH.size)
            del buffer[:size]
            arrived = True
            now = time.monotonic_ns()
            if now - sent_ns <= self._best_round_trip:
                self._best_round_trip = now - sent_ns
                self.offset_ns = there_ns - (sent_ns + now) // 2
        self._best_round_trip += self._best_round_trip // 64
        return arrived


class _TcpPublisher(Publisher):
    def __init__(
        self, sender: _Sender, topic: str, groups: Sequence[Subscription], codec: str
    ) -> None:
        self.topic = topic
        self.links = {group.group: LinkCounters() for group in groups}
        realtime = all(group.qos is QoS.REALTIME for group in groups)
        self._capacity = 1 if realtime else max(group.capacity for group in groups)
        self._sender = sender
        self._codec = codec

    def publish(self, frame: Frame, timeout: float = 0.0) -> bool:
        size = getattr(frame.data, "nbytes", 0)
        if size > settings.MAX_FRAME_BYTES:
            raise FrameTooLargeError(
                f"{frame!r} takes {size} bytes; the limit is {settings.MAX_FRAME_BYTES}",
                hint="raise EDGEFLOW_MAX_FRAME_BYTES on both sides",
            )
        displaced = self._sender.put(self, frame, self._capacity)
        for counters in self.links.values():
            counters.sent += 1
            counters.dropped += displaced
            counters.bytes += size
        return True

    def send(self, peer: socket.socket, frame: Frame) -> None:
        """Write one frame; the payload is not copied here, the kernel copies it once."""
        header, payload = encode(frame, self._codec)
        peer.sendall(_LENGTH.pack(len(header) + len(payload)) + header)
        peer.sendall(payload)

    def close(self) -> None:
        pass


class _Peer:
    """What has arrived of the current message of one connection."""

    def __init__(self, connection: socket.socket, address: Any) -> None:
        self.connection = connection
        self.address = address
        self.heard = time.monotonic()
        self.pings = False
        self._header = bytearray(_LENGTH.size)
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
            length = _LENGTH.unpack(self._header)[0]
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


class _TcpSubscriber(Subscriber):
    """Accepts connections and keeps, per topic, what its subscription allows."""

    def __init__(self, address: tuple[str, int], subscriptions: Sequence[Subscription]) -> None:
        self.links = {wish.topic: LinkCounters() for wish in subscriptions}
        self._wishes = {wish.topic: wish for wish in subscriptions}
        self._group = subscriptions[0].group if subscriptions else ""
        self._waiting: dict[str, collections.deque[Frame]] = {}
        self._order: collections.deque[str] = collections.deque()
        self._changed = threading.Condition()
        self._woken = False
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
        with self._changed:
            if not self._order:
                self._changed.wait_for(lambda: self._order or self._woken, timeout)
            self._woken = False
            if not self._order:
                return None
            topic = self._order.popleft()
            frame = self._waiting[topic].popleft()
        counters = self.links[topic]
        counters.received += 1
        counters.bytes += getattr(frame.data, "nbytes", 0)
        return Delivery(frame, self._wishes[topic])

    def ack(self, delivery: Delivery) -> None:
        pass

    def nack(self, delivery: Delivery) -> None:
        pass

    def refresh(self) -> None:
        for topic, waiting in list(self._waiting.items()):
            self.links[topic].depth = len(waiting)

    def wake(self) -> None:
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._thread.join(timeout=1.0)
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]  # only sockets are registered
        self._selector.close()

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select(0.25):
                if key.data is None:
                    self._accept()
                else:
                    self._serve(key.data)
            self._drop_silent()

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
        if len(message) == _PING.size and message[0] == ord("P"):
            peer.pings = True
            sent_ns = _PING.unpack(message)[1]
            answer = _LENGTH.pack(_PONG.size) + _PONG.pack(b"Q", sent_ns, time.monotonic_ns())
            peer.connection.send(answer)
            return
        frame = decode(message)
        topic = frame.topic or str(frame.meta.get("topic", "default"))
        self._keep(topic, frame if frame.topic else _named(frame, topic))

    def _keep(self, topic: str, frame: Frame) -> None:
        with self._changed:
            wish = self._wishes.get(topic)
            if wish is None:
                if len(self._wishes) >= MAX_PEERS:
                    return
                wish = self._wishes[topic] = Subscription(topic, self._group)
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

    def _drop_silent(self) -> None:
        oldest = time.monotonic() - SILENCE_SECONDS
        for key in list(self._selector.get_map().values()):
            peer = key.data
            if peer is not None and peer.pings and peer.heard < oldest:
                self._drop(peer, f"silent for {SILENCE_SECONDS} s")


def _named(frame: Frame, topic: str) -> Frame:
    """Return a version-1 frame under the topic its sender put into the meta."""
    return frame.replace(topic=topic, source=frame.source or topic)


def _listen(address: tuple[str, int]) -> socket.socket:
    try:
        server = socket.create_server(address, reuse_port=False, backlog=16)
    except OSError as error:
        raise ConfigError(
            f"the gateway cannot listen on {address[0]}:{address[1]}: {error}",
            hint="set GATEWAY_TCP_PORT (and EDGEFLOW_BIND) to a free one",
        ) from error
    server.setblocking(False)
    return server
