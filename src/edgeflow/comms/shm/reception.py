"""The writer's side of all sockets: lets readers in, takes in what they say, sees them leave.

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
from pathlib import Path

import structlog

from edgeflow.comms.shm import packets, places
from edgeflow.comms.shm.groups import Groups
from edgeflow.comms.shm.peers import Peer
from edgeflow.comms.shm.segments import SlotPool, sealed_memory
from edgeflow.errors import FrameDecodeError

__all__ = ["MAX_PEERS", "Reception"]

log = structlog.get_logger(__name__)

MAX_PEERS = 1024
"""Readers of one publisher, and groups of one topic."""

_FAST_NS = 2_000_000
_FAST_STREAK = 16
_FAST_TICK = 0.002
_BACKLOG = 128
_READS_AT_ONCE = 64
_PEER_CREDENTIALS = struct.Struct("3i")

_WATCH = select.EPOLLIN | select.EPOLLRDHUP
_WATCH_DEATH = select.EPOLLRDHUP


class Reception:
    """Readers of one topic, from their HELLO to the end of their sockets.

    Args:
        folder: where the socket goes.
        topic: name of the stream.
        groups: what readers join.
        pool: the memory whose slots they hold.

    Attributes:
        lock: held by whoever touches groups, peers or slots.

    Raises:
        ConfigError, CommsError: the socket cannot be created.
    """

    def __init__(self, folder: Path, topic: str, groups: Groups, pool: SlotPool) -> None:
        self.lock = threading.Lock()
        self._topic = topic
        self._groups = groups
        self._pool = pool
        self._peers: dict[int, Peer] = {}
        self._buffer = bytearray(packets.WRITER_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._fast = self._waiting = self._stopping = False
        self._streak = self._last_ns = 0
        with contextlib.ExitStack() as stack:
            self._open(stack, folder)
            self._resources = stack.pop_all()
        self._thread = threading.Thread(target=self._serve, name=f"shm {topic}", daemon=True)
        self._thread.start()

    def _open(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self._server, self._path = places.listen(folder, self._topic, _BACKLOG)
        stack.callback(places.leave, self._server, self._path)
        self._page, page = sealed_memory(mmap.PAGESIZE)
        stack.callback(os.close, self._page)
        self._newest = stack.enter_context(memoryview(page).cast("I"))
        self._spare = _Spare()
        stack.callback(self._spare.close)
        self._watch = stack.enter_context(select.epoll())
        self._inbox = stack.enter_context(select.epoll())
        self._alarm, self._progress = (_event(stack) for _ in range(2))
        self._watch.register(self._alarm, select.EPOLLIN)
        self._inbox.register(self._progress, select.EPOLLIN)
        for epoll in (self._watch, self._inbox):
            epoll.register(self._server.fileno(), select.EPOLLIN)

    @property
    def count(self) -> int:
        """How many readers are connected."""
        return len(self._peers)

    def show_newest(self, sequence: int) -> None:
        """Write the sequence number of the newest frame where readers see it."""
        self._newest[0] = sequence & packets.WRAP

    def drain(self) -> None:
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

    def wait(self, seconds: float) -> None:
        """Let readers and the I/O thread work; return when something has changed.

        The lock is held, and let go of meanwhile.
        """
        self._waiting = True
        self.lock.release()
        try:
            self._inbox.poll(min(seconds, 0.1))
        finally:
            self.lock.acquire()
            self._waiting = False
        self._last_ns = time.monotonic_ns()
        self.drain()

    def keep_pace(self) -> None:
        """Decide, after a frame, which thread watches the sockets."""
        now = time.monotonic_ns()
        quick = now - self._last_ns < _FAST_NS
        self._last_ns = now
        self._streak = self._streak + 1 if quick else 0
        if self._streak >= _FAST_STREAK and not self._fast:
            with self.lock:
                self._set_fast(True)
            os.eventfd_write(self._alarm, 1)

    def close(self) -> None:
        """Stop the I/O thread and close every socket. Call once."""
        self._stopping = True
        os.eventfd_write(self._alarm, 1)
        self._thread.join()
        with self.lock:
            for peer in self._peers.values():
                peer.close()
            self._peers.clear()
            self._resources.close()

    # one event

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
        except BlockingIOError:
            return
        except OSError as error:
            self._turn_away(str(error))
            return
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
        _, user, _ = _PEER_CREDENTIALS.unpack(credentials)
        if len(self._peers) >= MAX_PEERS or user not in (os.getuid(), 0):
            log.warning("reader_refused", topic=self._topic, user=user, readers=len(self._peers))
            sock.close()
            return
        peer = Peer(sock, self._pool.drop)
        self._peers[peer.descriptor] = peer
        self._watch.register(peer.descriptor, _WATCH_DEATH if self._fast else _WATCH)
        self._inbox.register(peer.descriptor, _WATCH)
        self._read(peer)

    def _turn_away(self, reason: str) -> None:
        """Close the next connection, which cannot be accepted while all files are in use.

        Left alone it would wake both threads without end.
        """
        log.warning("reader_refused", topic=self._topic, reason=reason, readers=len(self._peers))
        self._spare.close()
        with contextlib.suppress(OSError):
            self._server.accept()[0].close()
        self._spare.open()

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
        if not peer.greeted:
            self._welcome(peer, packets.parse_hello(packet))
            return
        group = peer.group
        peer.apply(packets.parse_update(packet))
        if group is not None and peer.group is None:
            self._groups.forget_if_empty(group)

    def _welcome(self, peer: Peer, hello: packets.Hello) -> None:
        peer.greeted = True
        group = self._groups.find(hello.group)
        if group is None:
            if len(self._groups) >= MAX_PEERS:
                raise FrameDecodeError("there are too many groups")
            group = self._groups.add(hello.group, hello.qos, hello.capacity)
        peer.group = group
        group.members.append(peer)
        if not peer.welcome(self._page):
            raise FrameDecodeError("the reader left before it was welcomed")
        group.pump()
        log.debug("reader_joined", topic=self._topic, group=hello.group, member=hello.member)

    def _remove(self, peer: Peer, reason: str = "") -> None:
        if reason:
            log.warning("reader_dropped", topic=self._topic, reason=reason)
        del self._peers[peer.descriptor]
        self._watch.unregister(peer.descriptor)
        self._inbox.unregister(peer.descriptor)
        group = peer.group
        peer.close()
        if group is not None:
            group.pump()
            self._groups.forget_if_empty(group)

    # the I/O thread

    def _serve(self) -> None:
        while not self._stopping:
            events = self._watch.poll(_FAST_TICK if self._fast else None)
            with self.lock:
                for descriptor, _ in events:
                    self._handle(descriptor)
                idle = time.monotonic_ns() - self._last_ns > 2 * _FAST_NS
                if self._fast and idle and not self._waiting:
                    self._set_fast(False)
                if events and self._waiting:
                    os.eventfd_write(self._progress, 1)

    def _set_fast(self, fast: bool) -> None:
        self._fast = fast
        for descriptor in self._peers:
            self._watch.modify(descriptor, _WATCH_DEATH if fast else _WATCH)


class _Spare:
    """An open file that can be given up when a descriptor is needed and there is none left."""

    def __init__(self) -> None:
        self._descriptor = -1
        self.open()

    def open(self) -> None:
        with contextlib.suppress(OSError):
            self._descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1


def _event(stack: contextlib.ExitStack) -> int:
    descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    stack.callback(os.close, descriptor)
    return descriptor
