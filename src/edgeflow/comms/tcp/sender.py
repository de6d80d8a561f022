"""The sending end: one connection per process, which all its publishers share."""

import collections
import contextlib
import socket
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

import structlog

from edgeflow.comms.brokers.base import LinkCounters, Publisher, Subscription
from edgeflow.comms.tcp.messages import LENGTH, PING, PONG, SILENCE_SECONDS
from edgeflow.config import settings
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from edgeflow.errors import FrameTooLargeError
from edgeflow.protocols.frames import encode

__all__ = ["TcpPublisher", "TcpSender"]

PING_SECONDS = 0.5
CONNECT_SECONDS = 1.0
SEND_SECONDS = 2.0
MAX_BACKOFF_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Message(NamedTuple):
    """An encoded frame; ``payload`` is the memory of the frame itself."""

    publisher: "TcpPublisher"
    head: bytes
    payload: bytes | bytearray | memoryview


class TcpSender:
    """One connection, fed by a thread from bounded slots, so that a node never waits for it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.offset_ns: int | None = None
        self._best_round_trip = 1 << 62
        self._address = address
        self._waiting: collections.deque[Message] = collections.deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="edgeflow-tcp-send", daemon=True)
        self._thread.start()

    def put(self, message: Message, capacity: int) -> bool:
        """Queue a message; return whether an older one of the same publisher gave way."""
        with self._changed:
            own = [item for item in self._waiting if item.publisher is message.publisher]
            displaced = len(own) >= capacity
            if displaced:
                self._waiting.remove(own[0])
            self._waiting.append(message)
            self._changed.notify()
        return displaced

    def close(self) -> None:
        """Send what is queued, if that is quick, and end the thread."""
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
                peer.sendall(item.head)
                peer.sendall(item.payload)
            if time.monotonic() >= ping_at:
                ping_at = time.monotonic() + PING_SECONDS
                peer.sendall(LENGTH.pack(PING.size) + PING.pack(b"P", time.monotonic_ns()))
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
        size = LENGTH.size + PONG.size
        while len(buffer) >= size:
            _, sent_ns, there_ns = PONG.unpack_from(buffer, LENGTH.size)
            del buffer[:size]
            arrived = True
            now = time.monotonic_ns()
            if now - sent_ns <= self._best_round_trip:
                self._best_round_trip = now - sent_ns
                self.offset_ns = there_ns - (sent_ns + now) // 2
        self._best_round_trip += self._best_round_trip // 64
        return arrived


class TcpPublisher(Publisher):
    """Hands the frames of one topic to the connection that all share."""

    def __init__(
        self, sender: TcpSender, topic: str, groups: Sequence[Subscription], codec: str
    ) -> None:
        self.topic = topic
        self.links = {group.group: LinkCounters() for group in groups}
        realtime = all(group.qos is QoS.REALTIME for group in groups)
        self._capacity = 1 if realtime else max(group.capacity for group in groups)
        self._sender = sender
        self._codec = codec

    def publish(self, frame: Frame, timeout: float = 0.0) -> bool:
        """Queue the frame, which is encoded here; see the base class. Never waits."""
        header, payload = encode(frame, self._codec)
        size = len(header) + len(payload)
        if size > settings.MAX_FRAME_BYTES:
            raise FrameTooLargeError(
                f"{frame!r} takes {size} bytes; the limit is {settings.MAX_FRAME_BYTES}",
                hint="raise EDGEFLOW_MAX_FRAME_BYTES on both sides",
            )
        message = Message(self, LENGTH.pack(size) + header, payload)
        displaced = self._sender.put(message, self._capacity)
        for counters in self.links.values():
            counters.sent += 1
            counters.dropped += displaced
            counters.bytes += len(payload)
        return True

    def close(self) -> None:
        """Do nothing: what is queued is still sent."""
