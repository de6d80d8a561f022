"""``ShmPublisher``: puts frames into shared memory and tells the readers where they are."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeflow.comms.brokers.base import LinkCounters, Publisher, Subscription
from edgeflow.comms.shm import packets
from edgeflow.comms.shm.groups import Content, Groups
from edgeflow.comms.shm.reception import Reception
from edgeflow.comms.shm.segments import HEADROOM, Slot, SlotArray, SlotPool
from edgeflow.config import settings
from edgeflow.errors import CommsError, FrameTooLargeError, PayloadError
from edgeflow.protocols.frames import encode

if TYPE_CHECKING:
    from edgeflow.core.frame import Frame

__all__ = ["ShmPublisher"]

LINGER = 1.0
"""Seconds that ``close`` waits for frames which readers have no room for yet."""


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
        self._codec = codec
        self._limit = settings.MAX_FRAME_BYTES
        self._sequence = 0
        self._closed = False
        self._pool = SlotPool(budget)
        self._groups = Groups(self._pool.drop)
        for wish in groups:
            self._groups.add(wish.group, wish.qos, wish.capacity, declared=True)
        self._reception = Reception(folder, topic, self._groups, self._pool)
        self._lock = self._reception.lock

    @property
    def links(self) -> dict[str, LinkCounters]:  # type: ignore[override]  # never assigned
        """Counters per group."""
        return self._groups.links

    def publish(self, frame: "Frame", timeout: float = 0.0) -> bool:
        """Hand the frame to every group; see ``Publisher.publish``.

        Raises:
            CommsError: the publisher is closed.
        """
        if self._closed:
            raise CommsError(f"the publisher of topic {self.topic!r} is closed")
        with self._lock:
            self._reception.drain()
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
        self._reception.keep_pace()
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
            for group in self._groups:
                group.counters.depth = group.depth

    @property
    def readers(self) -> int:
        """How many readers are connected."""
        return self._reception.count

    def close(self) -> None:
        """Send what was accepted, then leave. Takes up to ``LINGER`` seconds."""
        if self._closed:
            return
        self._closed = True
        self._linger(time.monotonic() + LINGER)
        self._reception.close()
        self._pool.close()

    # publishing

    def _publish_inline(self, content: Content, timeout: float) -> bool:
        with self._lock:
            accepted, _ = self._wait_for_room(0, timeout)
            if accepted:
                self._dispatch(content)
        return accepted

    def _publish_slot(
        self, data: Any, header: bytes, body: "np.ndarray[Any, Any]", timeout: float
    ) -> bool:
        size, start = body.nbytes, _payload_start(header)
        owner = self._owner_of(data, body) if start == HEADROOM else None
        with self._lock:
            accepted, slot = self._wait_for_room(start + size if owner is None else 0, timeout)
            if not accepted:
                return False
            if owner is not None:
                slot = owner.slot
                slot.holders += 1
            if slot is None:
                self._drop_newest(size)
                return True
        if owner is None:
            np.copyto(slot.memory[start : start + size], body)
        else:
            owner.published = True
            data.flags.writeable = False
        slot.view[start - len(header) : start] = header
        content = Content(size, slot=slot, place=(start - len(header), len(header) + size))
        with self._lock:
            self._reception.drain()
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
        for group in self._groups:
            group.offer(content)
        self._reception.show_newest(self._sequence)

    def _drop_newest(self, size: int) -> None:
        """Count a drop: all memory is held by readers and nobody may be waited for."""
        for group in self._groups:
            group.counters.sent += 1
            group.counters.bytes += size
            group.counters.dropped += 1

    def _wait_for_room(self, need: int, timeout: float) -> tuple[bool, Slot | None]:
        """Wait until no DURABLE group is full and there are ``need`` bytes. The lock is held.

        Returns:
            Whether the frame is accepted, and a slot with one holder. It is None when ``need`` is
            0, or when there is no memory and no DURABLE group that could be waited for.
        """
        deadline = time.monotonic() + timeout
        while True:
            if not self._groups.is_full:
                slot = self._reserve(need) if need else None
                if slot or not need or not self._groups.is_durable:
                    return True, slot
            seconds = deadline - time.monotonic()
            if seconds <= 0:
                return False, None
            self._reception.wait(seconds)

    def _reserve(self, need: int) -> Slot | None:
        """Take a slot, if need be at the cost of queued frames that may be dropped."""
        while (slot := self._pool.take(need)) is None:
            if not sum(group.drop_oldest() for group in self._groups):
                return None
        return slot

    def _linger(self, deadline: float) -> None:
        """Hand every queued frame to its readers, credit or not; wait for room and members."""
        with self._lock:
            while True:
                self._reception.drain()
                left = [
                    group
                    for group in self._groups
                    if not group.push_all() and (group.durable or group.members)
                ]
                now = time.monotonic()
                if not left or now >= deadline:
                    return
                self._reception.wait(min(deadline - now, 0.02))


def _payload_start(header: bytes) -> int:
    """Return where in a slot the payload begins; the header ends there."""
    return HEADROOM if len(header) <= HEADROOM else -(-len(header) // 64) * 64


def _as_bytes(payload: "bytes | bytearray | memoryview") -> "np.ndarray[Any, Any]":
    try:
        return np.frombuffer(payload, np.uint8) if len(payload) else np.empty(0, np.uint8)
    except (BufferError, ValueError) as error:
        raise PayloadError(
            f"the buffer cannot travel: {error}", hint="make it contiguous, for example bytes(...)"
        ) from error
