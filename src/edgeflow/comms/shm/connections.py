"""The reader's end of one publisher."""

import os
import select
import socket
import struct
from collections import deque
from typing import Any

import numpy as np

from edgeflow.comms.brokers.base import Subscription
from edgeflow.comms.shm import packets
from edgeflow.comms.shm.leases import Lease, MappedSegment, map_page
from edgeflow.core.qos import QoS
from edgeflow.errors import FrameDecodeError

__all__ = ["Connection", "Parcel"]

MAX_SEGMENTS = 1024
"""Segments of one publisher that may be mapped at a time."""

Message = bytes | memoryview

_META_LENGTH = slice(12, 16)
_NO_META = bytes(4)
_ANCILLARY = socket.CMSG_LEN(struct.calcsize("i"))
_ACKS_AT_ONCE = 8
_HALF = 1 << 31


class Parcel:
    """A frame packet that waits to be opened."""

    __slots__ = ("connection", "head", "message")

    def __init__(self, connection: "Connection", head: packets.FrameHead, message: bytes) -> None:
        self.connection = connection
        self.head = head
        self.message = message


class Connection:
    """One socket to one publisher. Closed for good when it and all its leases are let go of.

    Attributes:
        subscription: what it is for.
        durable, realtime: its QoS.
        asked: a frame was asked for and has not come yet (REALTIME and BALANCED).
        asked_in: the call of ``receive`` that asked.
        released: numbers of leases that have ended, appended by finalizers.
        alive: False once the publisher is gone.
    """

    def __init__(self, sock: socket.socket, name: str, subscription: Subscription) -> None:
        self.sock = sock
        self.descriptor = sock.fileno()
        self.name = name
        self.subscription = subscription
        self.durable = subscription.qos is QoS.DURABLE
        self.realtime = subscription.qos is QoS.REALTIME
        self.asked = False
        self.asked_in = 0
        self.released: deque[int] = deque()
        self.acks: list[int] = []
        self.alive = True
        self._refusals: list[int] = []
        self._returning = self._leaving = False
        self._acks_at_once = max(1, min(_ACKS_AT_ONCE, subscription.capacity // 4))
        self._leases = 0
        self._handed = 0
        self._generation = 0
        self._newest: memoryview | None = None
        self._segments: dict[int, MappedSegment] = {}
        hello = packets.Hello(
            packets.VERSION,
            subscription.group,
            subscription.member,
            subscription.qos,
            min(max(1, subscription.capacity), packets.MAX_CAPACITY),
        )
        self._tell_raw(packets.pack_hello(hello))

    @property
    def lease_count(self) -> int:
        """Frames of this publisher that somebody still looks at."""
        return self._leases - len(self.released)

    @property
    def hung_up(self) -> bool:
        """True when the publisher has left; what it sent before may still be read."""
        if not self.alive:
            return True
        poll = select.poll()
        poll.register(self.descriptor, 0)
        return bool(poll.poll(0))  # a hang-up is reported without being asked for

    def read(self, buffer: bytearray, view: memoryview) -> Parcel | None:
        """Return the next frame that is still wanted, or None when there is none to read yet.

        Raises:
            EOFError: the publisher is gone, and so is everything that it sent.
            FrameDecodeError: the publisher sent something that is not valid.
        """
        while True:
            try:
                size, ancillary, flags, _ = self.sock.recvmsg_into(
                    [buffer], _ANCILLARY, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return None
            except ConnectionResetError:  # it left our words unread; its last frames follow
                continue
            if not size:
                raise EOFError
            packet = view[:size]
            if packet[0] != packets.FRAME or ancillary:
                self._configure(packet, _descriptor_in(ancillary))
                continue
            if flags & socket.MSG_TRUNC:
                raise FrameDecodeError("a packet is too long")
            head, message = packets.parse_frame(packet)
            if head.generation == self._generation:
                self.asked = False
                return Parcel(self, head, message)

    def open(self, parcel: Parcel) -> tuple[Message, bool]:
        """Return the message of a frame, and whether its payload should be copied out.

        Raises:
            FrameDecodeError: the frame is not inside a segment that was announced, or has no meta.
        """
        head = parcel.head
        self._handed = max(self._handed, head.number)
        if head.segment == packets.ABSENT:
            return _written(parcel.message), False
        lease = self._lease(head)
        copy = self.lease_count > head.lease_limit
        return _written(np.asarray(lease).data), copy

    def is_stale(self, parcel: Parcel) -> bool:
        """True when a newer frame has been published since."""
        if self._newest is None:
            return False
        return 0 < (self._newest[0] - parcel.head.sequence) & packets.WRAP < _HALF

    def discard(self, parcel: Parcel) -> None:
        """Give a frame back unopened."""
        self._handed = max(self._handed, parcel.head.number)
        if parcel.head.segment != packets.ABSENT:
            self._leases += 1
            self.released.append(parcel.head.number)

    def ask(self, call: int) -> None:
        """Say that the next frame is welcome (REALTIME and BALANCED)."""
        self.asked = self._tell(ready=True)
        self.asked_in = call

    def withdraw(self) -> None:
        """Take the wish for a frame back; one that is on its way will not be looked at."""
        self.asked = False
        self._return()

    def acknowledge(self, number: int, *, later: bool) -> None:
        """Tell that a frame was processed; ``later``: it may wait a little for others."""
        self.acks.append(number)
        if not later or len(self.acks) >= self._acks_at_once:
            self._tell()

    def refuse(self, number: int) -> None:
        """Send a frame back, and with it all that was not handed out yet."""
        self._refusals.append(number)
        self._return()

    def flush(self) -> None:
        """Tell what has ended since."""
        if self.acks or self.released or self._returning:
            self._tell()

    def leave(self) -> None:
        """Leave the group; the socket stays open while anybody looks at a frame."""
        self._leaving = True
        self._return()
        self.alive = False
        if not self.lease_count:
            self.sock.close()

    def close(self) -> None:
        """The publisher is gone: nobody will write into the memory any more."""
        self.alive = False
        self.sock.close()

    def __del__(self) -> None:
        self.sock.close()

    def _lease(self, head: packets.FrameHead) -> Lease:
        segment = self._segments.get(head.segment)
        if segment is None or head.offset + head.length > segment.size or not head.length:
            raise FrameDecodeError(
                f"a frame of {head.length} bytes at {head.offset} is not in segment {head.segment}"
            )
        self._leases += 1
        return Lease(self, segment, head.number, head.offset, head.length)

    def _configure(self, packet: memoryview, descriptor: int | None) -> None:
        try:
            kind = packets.kind_of(packet)
            if kind == packets.RETIRE and descriptor is None:
                self._segments.pop(packets.parse_retire(packet), None)
            elif kind == packets.SEGMENT and descriptor is not None:
                number, size = packets.parse_segment(packet)
                if number in self._segments or len(self._segments) >= MAX_SEGMENTS:
                    raise FrameDecodeError(f"segment {number} comes twice, or is one too many")
                self._segments[number] = MappedSegment(descriptor, size)
            elif kind == packets.WELCOME and descriptor is not None:
                packets.parse_welcome(packet)
                self._newest = map_page(descriptor)
            else:
                raise FrameDecodeError(f"packet of kind {kind} is not expected")
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _return(self) -> None:
        self._generation = (self._generation + 1) & packets.WRAP
        self._returning = True
        self._tell()

    def _tell(self, *, ready: bool = False) -> bool:
        """Send everything there is to tell; False when the socket does not take it."""
        released, acks = self.released, self.acks
        more = True
        while more:
            releases = [released.popleft() for _ in range(min(len(released), packets.MAX_NUMBERS))]
            update = packets.Update(
                ready,
                self._returning,
                self._leaving,
                self._generation,
                self._handed,
                releases,
                acks[: packets.MAX_NUMBERS],
                self._refusals[: packets.MAX_NUMBERS],
            )
            if not self._tell_raw(packets.pack_update(update)):
                released.extendleft(reversed(releases))
                return False
            self._leases -= len(releases)
            del acks[: packets.MAX_NUMBERS], self._refusals[: packets.MAX_NUMBERS]
            ready = self._returning = False
            more = bool(acks or self._refusals)
        return True

    def _tell_raw(self, packet: bytes) -> bool:
        try:
            self.sock.send(packet)
        except OSError:  # full: told later; broken: there is nobody to tell
            return False
        return True


def _written(message: Message) -> Message:
    """Return ``message``; zeros that nobody has written would pass for a frame of version 1."""
    if message[_META_LENGTH] == _NO_META:
        raise FrameDecodeError("the frame has no meta, as in memory that was never written")
    return message


def _descriptor_in(ancillary: list[tuple[int, int, Any]]) -> int | None:
    """Return the one descriptor that came with a packet; there is room for no more."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS and len(data) >= 4:
            return int(struct.unpack_from("i", data)[0])
    return None
