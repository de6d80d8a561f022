"""The UDP socket of CSI nodes: one thread drains it, in the order and with the time of arrival.

The kernel stamps each datagram when it comes and counts those that it had to drop, so that waiting
in the queue changes neither the times nor the loss that is told.
"""

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

import structlog

from edgeflow.errors import ConfigError
from edgeflow.security.access import is_loopback
from edgeflow.sensing.allowing import AllowList
from edgeflow.sensing.captures import Datagram

__all__ = ["DEFAULT_PORT", "Receiver"]

DEFAULT_PORT = 5005
BUFFER_BYTES = 32 << 20
"""Of the kernel's queue, as far as it grants them."""
LARGEST = 2304
"""Bytes of a datagram; no packet is longer than a raw frame of 512 pairs or a fleet's events."""
BATCH = 512
"""Datagrams between two looks at time and end."""
WAIT_SECONDS = 0.1
OLDEST_US = 5_000_000
"""A stamp of the kernel that says older than this is a clock that was set."""

_RXQ_OVFL = getattr(socket, "SO_RXQ_OVFL", 40)
_TIMESTAMPNS = getattr(socket, "SO_TIMESTAMPNS", 35)
_BUFFER_FORCE = 33
_STAMP = struct.Struct("@ll")
_ANCILLARY_BYTES = socket.CMSG_SPACE(16) + socket.CMSG_SPACE(4)

log = structlog.get_logger(__name__)


class Receiver:
    """Listens from its construction until ``close``.

    Args:
        host, port: where; port 0 takes a free one.
        take: given each datagram, in the receiver's thread; times are microseconds of this
            machine's monotonic clock.
        tick: called there about ten times a second with that time.
        allow: networks (CIDR) whose nodes are heard besides this machine.

    Attributes:
        port: where it listens.
        buffer_bytes: what the kernel granted for its queue.
        received: datagrams taken; refused: those of addresses that are not allowed; dropped: those
            that the kernel dropped because its queue was full; cut: those too long for a packet.

    Raises:
        ConfigError: it cannot listen there, or a network is not one.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        take: Callable[[Datagram], None],
        tick: Callable[[int], None] = lambda _: None,
        allow: Sequence[str] = (),
    ) -> None:
        self.received = self.refused = self.dropped = self.cut = 0
        self._take, self._tick = take, tick
        self._allow = AllowList(allow)
        self._socket = _listening(host, port)
        self.port = int(self._socket.getsockname()[1])
        self.buffer_bytes = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2
        if not allow and not is_loopback(host):
            log.warning("nodes_restricted", host=host, hint="list networks to allow; now none is")
        self._wake, self._woken = socket.socketpair()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edgeflow-csi", daemon=True)
        self._thread.start()
        log.info("nodes_awaited", host=host, port=self.port, buffer_bytes=self.buffer_bytes)

    def close(self) -> None:
        """Stop within a second. Idempotent."""
        if self._stop.is_set():
            return
        self._stop.set()
        with contextlib.suppress(OSError):
            self._wake.send(b"x")
        self._thread.join(3.0)
        for each in (self._socket, self._wake, self._woken):
            each.close()

    @property
    def alive(self) -> bool:
        """Whether it still listens."""
        return self._thread.is_alive()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        ticked = 0.0
        while not self._stop.is_set():
            poll.poll(WAIT_SECONDS * 1000)
            self._drain_safely()
            if (now := time.monotonic()) - ticked >= WAIT_SECONDS:
                ticked = now
                self._tick(int(now * 1e6))
        self._drain_safely()  # what had come when the end was asked for

    def _drain_safely(self) -> None:
        try:
            self._drain()
        except Exception:  # the receiver outlives what one packet did to its taker
            log.exception("packet_failed")

    def _drain(self) -> None:
        """Take what lies in the queue, up to a batch."""
        receive, take, is_allowed = self._socket.recvmsg, self._take, self._allow.admits
        offset = time.monotonic_ns() - time.time_ns()
        earliest = time.monotonic_ns() // 1000 - OLDEST_US
        for _ in range(BATCH):
            try:
                data, ancillary, flags, sender = receive(LARGEST, _ANCILLARY_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            self.received += 1
            if not is_allowed(sender[0]):
                self.refused += 1
                continue
            if flags & socket.MSG_TRUNC:
                self.cut += 1
                continue
            stamp = self._read(ancillary, offset)
            if not earliest <= stamp:
                stamp = time.monotonic_ns() // 1000
            take(Datagram(stamp, data, sender[0], sender[1]))

    def _read(self, ancillary: list[tuple[int, int, bytes]], offset: int) -> int:
        """Return the time of arrival, and take note of the kernel's drops."""
        stamp = 0
        for level, kind, data in ancillary:
            if level != socket.SOL_SOCKET:
                continue
            if kind == _TIMESTAMPNS:
                seconds, nanoseconds = _STAMP.unpack_from(data)
                stamp = (seconds * 1_000_000_000 + nanoseconds + offset) // 1000
            elif kind == _RXQ_OVFL:
                self.dropped = int.from_bytes(data[:4], "little")
        return stamp


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_DGRAM)
    try:
        for option in (socket.SO_RCVBUF, _BUFFER_FORCE):
            with contextlib.suppress(OSError):  # the second one needs a privilege
                listener.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        for option in (_RXQ_OVFL, _TIMESTAMPNS):
            with contextlib.suppress(OSError):
                listener.setsockopt(socket.SOL_SOCKET, option, 1)
        listener.setblocking(False)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen for CSI nodes on {host}:{port}: {error.strerror or error}",
            hint="another program may have the port: name another with --port",
        ) from error
    return listener
