"""``ShmPublisher``: puts frames into shared memory and tells the readers where they are.

Two threads work under one lock. The publishing thread reads what the readers have said before
every frame and answers it, so it needs no help while frames follow each other quickly; the I/O
thread answers in the pauses. While the flow is **fast** (frames less than ``_FAST_NS`` apart) the
sockets are taken off the I/O thread's watch and it merely looks every ``_FAST_TICK`` seconds
whether the flow still is; so it is not woken for every frame and does not compete for the
interpreter.
"""

import contextlib
import mmap
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from edgeflow.comms.brokers.base import LinkCounters, Publisher, Subscription
from edgeflow.comms.shm import packets, places
from edgeflow.comms.shm.groups import Content, Group
from edgeflow.comms.shm.peers import Peer
from edgeflow.comms.shm.segments import HEADROOM, SlotArray, SlotPool, sealed_memory
from edgeflow.config import settings
from edgeflow.core.qos import QoS
from edgeflow.errors import CommsError, FrameDecodeError, FrameTooLargeError, PayloadError
from edgeflow.protocols.frames import encode

if TYPE_CHECKING:
    from edgeflow.core.frame import Frame

__all__ = ["ShmPublisher"]

log = structlog.get_logger(__name__)

MAX_PEERS = 1024
LINGER = 1.0
"""Seconds that ``close`` waits for frames which readers have no room for yet."""

_FAST_NS = 2_000_000
_FAST_STREAK = 16
_FAST_TICK = 0.002
_BACKLOG = 128
_READS_AT_ONCE = 64
_PEER_CREDENTIALS = struct.Struct("3i")

_WATCH = select.EPOLLIN | select.EPOLLRDHUP
_WATCH_DEATH = select.EPOLLRDHUP


class ShmPublisher(Publisher):
    """Publishes one topic to readers on this host.

    Args:
        folder: where its socket goes.
        topic: name of the stream.
        groups: groups that hold frames from now on, members or not.
        codec: how arrays are encoded; ``raw`` keeps them as they are.
        budget: bytes of shared memory it may use (at least four frames are always possible).

    Raises:
        ConfigError, CommsError: the socket cannot be created.
    """

    def __init__(
        self,
        folder: Path,
        topic: str,
        groups: Sequence[Subscription],
        codec: str,
        budget: int,
    ) -> None:
        self.topic = topic
        self.links: dict[str, LinkCounters] = {}
        self._codec = codec
        self._limit = settings.MAX_FRAME_BYTES
        self._lock = threading.Lock()
        self._pool = SlotPool(budget)
        self._groups: dict[str, Group] = {}
        self._peers: dict[int, Peer] = {}
        self._sequence = 0
        self._buffer = bytearray(packets.WRITER_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._fast = self._waiting = self._closed = self._stopping = False
        self._streak = self._last_ns = 0
        for wish in groups:
            self._add_group(wish.group, wish.qos, wish.capacity, declared=True)
        self._page, page = sealed_memory(mmap.PAGESIZE)
        self._newest = memoryview(page).cast("I")
        self._server, self._path = places.listen(folder, topic, _BACKLOG)
        self._watch = select.epoll()
        self._inbox = select.epoll()
        self._alarm = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._progress = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._watch.register(self._alarm, select.EPOLLIN)
        self._inbox.register(self._progress, select.EPOLLIN)
        for epoll in (self._watch, self._inbox):
            epoll.register(self._server.fileno(), select.EPOLLIN)
        self._thread = threading.Thread(target=self._serve, name=f"shm {topic}", daemon=True)
        self._thread.start()

    def publish(self, frame: "Frame", timeout: float = 0.0) -> bool:
        """Hand the frame to every group; see ``Publisher.publish``.

        Raises:
            CommsError: the publisher is closed.
        """
        if self._closed:
            raise CommsError(f"the publisher of topic {self.topic!r} is closed")
        with self._lock:
            self._drain()
            wanted = bool(self._groups)
        header, payload = encode(frame, self._codec if wanted else "raw")
        body = _as_bytes(payload)
        size = body.nbytes
        if len(header) + size > self._limit:
            raise FrameTooLargeError(
                f"a frame of {len(header) + size} bytes on topic {self.topic!r} exceeds the limit "
                f"of {self._limit}",
                hint="raise EDGEFLOW_MAX_FRAME_BYTES",
            )
        if not wanted:
            accepted = True
        elif len(header) + size <= packets.INLINE_BYTES:
            accepted = self._publish_inline(Content(size, header + bytes(body)), timeout)
        else:
            accepted = self._publish_slot(frame.data, header, body, timeout)
        self._keep_pace()
        return accepted

    def allocate(self, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> "np.ndarray[Any, Any]":
        """Return a writable array in a free slot, or in ordinary memory when there is none.

        Publishing the whole of it copies nothing; it becomes read-only then and must not be
        written through older views either.
        """
        dtype = np.dtype(dtype)
        count = 1
        for length in shape:
            count *= length
        size = count * dtype.itemsize
        if dtype.kind not in "biufc" or size + HEADROOM > self._limit or size <= 0 or self._closed:
            return np.empty(shape, dtype)
        with self._lock:
            slot = self._pool.take(HEADROOM + size)
        if slot is None:
            return np.empty(shape, dtype)
        return np.asarray(SlotArray(slot, tuple(shape), dtype, self._pool.returned))

    def refresh(self) -> None:
        """Bring ``depth`` of each link up to date."""
        with self._lock:
            for group in self._groups.values():
                group.counters.depth = group.depth

    @property
    def readers(self) -> int:
        """How many readers are connected."""
        return len(self._peers)

    def close(self) -> None:
        """Send what was accepted, then leave. Takes up to ``LINGER`` seconds."""
        if self._closed:
            return
        self._closed = True
        self._linger(time.monotonic() + LINGER)
        self._stopping = True
        os.eventfd_write(self._alarm, 1)
        self._thread.join()
        with contextlib.suppress(OSError):
            self._path.unlink()
            self._path.parent.rmdir()
        with self._lock:
            self._server.close()
            for peer in list(self._peers.values()):
                peer.close()
            self._peers.clear()
            self._watch.close()
            self._inbox.close()
            self._pool.close()
            self._newest.release()
            for descriptor in (self._alarm, self._progress, self._page):
                os.close(descriptor)

    # publishing

    def _publish_inline(self, content: Content, timeout: float) -> bool:
        with self._lock:
            if not self._wait_for_room(lambda: True, timeout):
                return False
            self._dispatch(content)
        return True

    def _publish_slot(
        self, data: Any, header: bytes, body: "np.ndarray[Any, Any]", timeout: float
    ) -> bool:
        owner = self._owner_of(data, body) if len(header) <= HEADROOM else None
        size = body.nbytes
        start = HEADROOM if len(header) <= HEADROOM else -(-len(header) // 64) * 64
        content = Content(size, b"")
        content.length = len(header) + size

        def reserve() -> bool:
            content.slot = self._pool.take(start + size)
            return content.slot is not None

        with self._lock:
            if owner is not None:
                content.slot = owner.slot
            if not self._wait_for_room(reserve if owner is None else lambda: True, timeout):
                return False
            if content.slot is None:
                return self._drop_newest(size)
            if owner is not None:
                owner.slot.holders += 1
        slot = content.slot
        if owner is None:
            np.copyto(slot.memory[start : start + size], body)
        else:
            owner.published = True
            data.flags.writeable = False
        slot.memory[start - len(header) : start] = np.frombuffer(header, np.uint8)
        content.offset = slot.offset + start - len(header)
        with self._lock:
            self._drain()
            self._dispatch(content)
            self._pool.drop(slot)
        return True

    def _owner_of(self, data: Any, body: "np.ndarray[Any, Any]") -> SlotArray | None:
        """Return the owner when ``data`` is the whole of an array of ``allocate``, unpublished.

        A contiguous view with as many bytes as the slot's array can only be all of it.
        """
        base = getattr(data, "base", None)
        if isinstance(base, np.ndarray):
            base = base.base
        if type(base) is not SlotArray or self._codec != "raw" or not data.flags.c_contiguous:
            return None
        whole = base.nbytes == body.nbytes and not base.published
        return base if whole and base.belongs_to(self._pool) else None

    def _dispatch(self, content: Content) -> None:
        self._sequence += 1
        content.sequence = self._sequence
        for group in self._groups.values():
            group.offer(content)
        self._newest[0] = self._sequence & 0xFFFFFFFF

    def _drop_newest(self, size: int) -> bool:
        """All memory is held by readers and nobody may be waited for: count a drop."""
        for group in self._groups.values():
            group.counters.sent += 1
            group.counters.bytes += size
            group.counters.dropped += 1
        return True

    def _wait_for_room(self, reserve: Callable[[], bool], timeout: float) -> bool:
        """Wait until no DURABLE group is full and ``reserve`` succeeds. The lock is held.

        True also when nothing was reserved because no DURABLE group is there to wait for.
        """
        deadline = 0.0
        while True:
            groups = self._groups.values()
            if not any(group.is_full for group in groups):
                while not reserve():
                    if not sum(group.drop_oldest() for group in groups):
                        break
                else:
                    return True
                if not any(group.durable for group in groups):
                    return True
            now = time.monotonic()
            deadline = deadline or now + timeout
            if now >= deadline:
                return False
            self._wait(deadline - now)

    def _wait(self, seconds: float) -> None:
        """Let readers and the I/O thread work; return when something has changed."""
        self._waiting = True
        self._lock.release()
        try:
            self._inbox.poll(min(seconds, 0.1))
        finally:
            self._lock.acquire()
            self._waiting = False
        self._last_ns = time.monotonic_ns()
        self._drain()

    def _keep_pace(self) -> None:
        """Decide who watches the sockets; see the module's docstring."""
        now = time.monotonic_ns()
        quick = now - self._last_ns < _FAST_NS
        self._last_ns = now
        self._streak = self._streak + 1 if quick else 0
        if self._streak >= _FAST_STREAK and not self._fast:
            with self._lock:
                self._set_fast(True)
            os.eventfd_write(self._alarm, 1)

    def _set_fast(self, fast: bool) -> None:
        self._fast = fast
        for descriptor in self._peers:
            self._watch.modify(descriptor, _WATCH_DEATH if fast else _WATCH)

    # readers

    def _drain(self) -> None:
        """Take in everything that readers have said. The lock is held."""
        for _ in range(_READS_AT_ONCE):
            events = self._inbox.poll(0)
            if not events:
                break
            for descriptor, _ in events:
                self._handle(descriptor)
        if self._pool.retired:
            for peer in self._peers.values():
                for segment in self._pool.retired:
                    peer.retire(segment)
            self._pool.retired.clear()

    def _handle(self, descriptor: int) -> None:
        peer = self._peers.get(descriptor)
        if peer is not None:
            self._read(peer)
        elif descriptor == self._server.fileno():
            self._accept()
        elif descriptor in (self._progress, self._alarm):
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(descriptor)

    def _accept(self) -> None:
        try:
            sock, _ = self._server.accept()
        except OSError as error:
            if not isinstance(error, BlockingIOError):
                log.warning("accept_failed", topic=self.topic, error=str(error))
            return
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
        _, user, _ = _PEER_CREDENTIALS.unpack(credentials)
        if len(self._peers) >= MAX_PEERS or user not in (os.getuid(), 0):
            log.warning("reader_refused", topic=self.topic, user=user, readers=len(self._peers))
            sock.close()
            return
        peer = Peer(sock, self._pool.drop)
        self._peers[peer.descriptor] = peer
        self._watch.register(peer.descriptor, _WATCH_DEATH if self._fast else _WATCH)
        self._inbox.register(peer.descriptor, _WATCH)
        self._read(peer)

    def _read(self, peer: Peer) -> None:
        try:
            size = peer.sock.recv_into(self._buffer)
        except (BlockingIOError, ConnectionResetError):
            return  # after a reset, what it said before is still to come
        except OSError as error:
            self._remove(peer, str(error))
            return
        if not size:
            self._remove(peer)
            return
        try:
            self._understand(peer, self._view[:size])
        except FrameDecodeError as error:
            self._remove(peer, str(error))

    def _understand(self, peer: Peer, packet: memoryview) -> None:
        if peer.greeted:
            group = peer.group
            peer.apply(packets.parse_update(packet))
            if group is not None and peer.group is None:
                self._forget_if_empty(group)
            return
        self._welcome(peer, packet)

    def _welcome(self, peer: Peer, packet: memoryview) -> None:
        hello = packets.parse_hello(packet)
        peer.greeted = True
        group = self._groups.get(hello.group)
        if group is None:
            if len(self._groups) >= MAX_PEERS:
                raise FrameDecodeError("there are too many groups")
            group = self._add_group(hello.group, hello.qos, hello.capacity, declared=False)
        peer.group = group
        group.members.append(peer)
        if not peer.welcome(self._page):
            raise FrameDecodeError("the reader left before it was welcomed")
        group.pump()
        log.debug("reader_joined", topic=self.topic, group=hello.group, member=hello.member)

    def _remove(self, peer: Peer, reason: str = "") -> None:
        if reason:
            log.warning("reader_dropped", topic=self.topic, reason=reason)
        self._peers.pop(peer.descriptor, None)
        self._watch.unregister(peer.descriptor)
        self._inbox.unregister(peer.descriptor)
        group = peer.group
        peer.close()
        if group is not None:
            group.pump()
            self._forget_if_empty(group)

    def _add_group(self, name: str, qos: QoS, capacity: int, *, declared: bool) -> Group:
        group = Group(name, qos, capacity, declared, self._pool.drop)
        self._groups = {**self._groups, name: group}
        self.links = {**self.links, name: group.counters}
        return group

    def _forget_if_empty(self, group: Group) -> None:
        if group.members or group.declared:
            return
        group.clear()
        self._groups = {name: g for name, g in self._groups.items() if g is not group}
        self.links = {name: g.counters for name, g in self._groups.items()}

    # the I/O thread

    def _serve(self) -> None:
        while not self._stopping:
            events = self._watch.poll(_FAST_TICK if self._fast else None)
            with self._lock:
                for descriptor, _ in events:
                    self._handle(descriptor)
                idle = time.monotonic_ns() - self._last_ns > 2 * _FAST_NS
                if self._fast and idle and not self._waiting:
                    self._set_fast(False)
                if events and self._waiting:
                    os.eventfd_write(self._progress, 1)

    def _linger(self, deadline: float) -> None:
        """Hand every queued frame to its readers, credit or not; wait for room and members."""
        with self._lock:
            while True:
                self._drain()
                left = [
                    group
                    for group in self._groups.values()
                    if not group.push_all() and (group.durable or group.members)
                ]
                now = time.monotonic()
                if not left or now >= deadline:
                    return
                self._wait(min(deadline - now, 0.02))


def _as_bytes(payload: "bytes | bytearray | memoryview") -> "np.ndarray[Any, Any]":
    try:
        return np.frombuffer(payload, np.uint8) if len(payload) else np.empty(0, np.uint8)
    except (BufferError, ValueError) as error:
        raise PayloadError(
            f"the buffer cannot travel: {error}", hint="make it contiguous, for example bytes(...)"
        ) from error
