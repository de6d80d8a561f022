"""The sending end: one connection per process and receiver, which all its publishers share."""

import collections
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from edgeflow.comms.brokers.base import LinkCounters, Publisher, Subscription
from edgeflow.comms.tcp.messages import LENGTH, PING, PONG, SILENCE_SECONDS
from edgeflow.config import settings
from edgeflow.core.clock_offset import ClockOffset, Exchange, OffsetEstimator
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from edgeflow.errors import FrameTooLargeError
from edgeflow.protocols.frames import encode

__all__ = ["TcpPublisher", "TcpSender", "end_all"]

PING_SECONDS = 0.5
CONNECT_SECONDS = 1.0
SEND_SECONDS = 2.0
MAX_BACKOFF_SECONDS = 1.0
LAST_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Message(NamedTuple):
    """An encoded frame; ``payload`` is the memory of the frame itself."""

    publisher: "TcpPublisher"
    head: bytes
    payload: bytes | bytearray | memoryview


class TcpSender:
    """One connection, fed by a thread from bounded slots, so that a node never waits for it.

    Attributes:
        address: of the receiver.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        self.offset_ns: int | None = None
        self._clock = OffsetEstimator()
        self.address = address
        self._waiting: collections.deque[Message] = collections.deque()
        self._changed = threading.Condition()
        self._closing = self._lost = False
        self._peer: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="edgeflow-tcp-send", daemon=True)
        self._thread.start()

    def clock_offset(self) -> ClockOffset | None:
        """Return the receiver's clock minus ours."""
        return self._clock.estimate(time.monotonic_ns())

    def put(self, message: Message, capacity: int) -> bool:
        """Queue a message; return whether one of the same publisher gave way: an older one, or
        this one where the end has been told.
        """
        with self._changed:
            if self._closing:
                return True
            own = [item for item in self._waiting if item.publisher is message.publisher]
            displaced = len(own) >= capacity
            if displaced:
                self._waiting.remove(own[0])
            self._waiting.append(message)
            self._changed.notify()
        return displaced

    def waiting(self, publisher: "TcpPublisher") -> int:
        """Return how many messages of ``publisher`` wait."""
        with self._changed:
            return sum(item.publisher is publisher for item in self._waiting)

    @property
    def is_lost(self) -> bool:
        """True while the receiver does not answer."""
        return self._lost

    def end(self) -> None:
        """Tell it to send what is queued and end; ``join`` it then."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def cut(self) -> None:
        """End at once, whatever is queued; only a connection that is being made takes its time."""
        with self._changed:
            self._closing = True
            self._waiting.clear()
            self._changed.notify()
            if self._peer is not None:
                with contextlib.suppress(OSError):  # it has gone by itself
                    self._peer.shutdown(socket.SHUT_RDWR)

    def join(self, timeout: float) -> bool:
        """Wait for the thread; return whether it has ended."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        backoff, lost = 0.05, False
        while not self._closing:
            self._lost = lost
            try:
                with socket.create_connection(self.address, CONNECT_SECONDS) as peer:
                    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    peer.settimeout(SEND_SECONDS)
                    if lost:
                        log.info("receiver_reached", address=self.address)
                    backoff, lost = 0.05, False
                    self._lost = False
                    self._feed_while_open(peer)
            except OSError as error:
                if not lost and not self._closing:
                    log.warning("receiver_unreachable", address=self.address, error=str(error))
                lost = True
                with self._changed:
                    if not self._closing:
                        self._changed.wait_for(lambda: self._closing, backoff)
                backoff = min(MAX_BACKOFF_SECONDS, backoff * 2)

    def _feed_while_open(self, peer: socket.socket) -> None:
        with self._changed:
            self._peer = peer
        try:
            self._feed(peer)
        finally:
            with self._changed:
                self._peer = None

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
                    raise ConnectionError("the receiver does not answer")

    def _read_answers(self, peer: socket.socket, buffer: bytearray) -> bool:
        """Take the pongs that have arrived, which tell the clock offset."""
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
            self._clock.add(Exchange(sent_ns, there_ns, there_ns, now))
        found = self.clock_offset()
        self.offset_ns = found.offset_ns if found is not None else None
        return arrived


def end_all(senders: Sequence[TcpSender]) -> None:
    """Send what is queued, if that is quick, and end the threads, all within 2 s."""
    for sender in senders:
        sender.end()
    _join_all(senders, LAST_SECONDS)
    for sender in senders:
        sender.cut()
    _join_all(senders, CONNECT_SECONDS)


def _join_all(senders: Sequence[TcpSender], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for sender in senders:
        sender.join(max(0.0, deadline - time.monotonic()))


class TcpPublisher(Publisher):
    """Hands the frames of one topic to the connections of its receivers.

    Args:
        senders_of: returns the senders to the members of a group, as they are known now.
    """

    def __init__(
        self,
        senders_of: Callable[[str], Sequence[TcpSender]],
        topic: str,
        groups: Sequence[Subscription],
        codec: str,
    ) -> None:
        self.topic = topic
        self.links = {group.group: LinkCounters() for group in groups}
        self._capacities = {
            group.group: 1 if group.qos is QoS.REALTIME else group.capacity for group in groups
        }
        self._senders_of = senders_of
        self._codec = codec
        self._turn = 0
        for group in self.links:
            senders_of(group)  # so that they are looked for before the first frame

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
        shared: dict[TcpSender, bool] = {}  # one copy for groups behind the same connection
        for group, counters in self.links.items():
            sender = self._choose(self._senders_of(group))
            if sender is not None and sender not in shared:
                shared[sender] = sender.put(message, self._capacities[group])
            counters.sent += 1
            counters.dropped += sender is None or shared[sender]
            counters.bytes += len(payload)
        return True

    def _choose(self, senders: Sequence[TcpSender]) -> TcpSender | None:
        """Return the one with the least to do, of those that can be reached; they take turns."""
        if len(senders) < 2:
            return senders[0] if senders else None
        self._turn += 1
        first = self._turn % len(senders)
        turned = [*senders[first:], *senders[:first]]
        return min(turned, key=lambda sender: (sender.is_lost, sender.waiting(self)))

    def close(self) -> None:
        """Do nothing: what is queued is still sent."""
