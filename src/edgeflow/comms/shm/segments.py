"""The writer's memory: slots of equal size in sealed, pre-faulted memfd segments.

A slot is in use while anybody holds it: a queue, a reader's lease, or an array of the producer.
Holders are counted by ``Slot.holders``; everything here is called under the writer's lock, except
the finalizer of an array, which only appends to a deque.
"""

import fcntl
import mmap
import os
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import structlog

__all__ = [
    "HEADROOM",
    "Segment",
    "Slot",
    "SlotArray",
    "SlotPool",
    "sealed_memory",
    "slot_class",
]

log = structlog.get_logger(__name__)

HEADROOM = 4096
"""Bytes before the payload, where the frame header goes; keeps payloads aligned to pages."""

MIN_SLOTS = 4
LEASE_LIMIT = 4
"""Frames one reader may look at in place before it should copy."""

_SMALLEST = 1 << 16
_HUGE = 16 << 20
_F_SEAL_FUTURE_WRITE = 0x10  # linux/fcntl.h; only the mapping that exists may write
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | _F_SEAL_FUTURE_WRITE | fcntl.F_SEAL_SEAL

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


def slot_class(size: int) -> int:
    """Return the slot size for ``size`` bytes: four steps per power of two, whole pages."""
    if size <= _SMALLEST:
        return _SMALLEST
    step = max(mmap.PAGESIZE, 1 << (size - 1).bit_length() - 3)
    return -(-size // step) * step


def sealed_memory(size: int) -> tuple[int, mmap.mmap]:
    """Return a descriptor to send, which can only be read, and the one mapping that can write.

    Raises:
        OSError: there is not enough memory or there are too many open files.
    """
    descriptor = os.memfd_create("edgeflow", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        memory = mmap.mmap(descriptor, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, memory


class Slot:
    """A place for one message.

    Attributes:
        offset: of the slot in its segment.
        memory: the slot's bytes, writable; ``view`` is the same for short writes.
        address: of the first byte in this process.
        holders: who still needs the content; 0 while it is free.
    """

    __slots__ = ("address", "holders", "memory", "offset", "segment", "view")

    def __init__(self, segment: "Segment", offset: int, memory: Bytes) -> None:
        self.segment = segment
        self.offset = offset
        self.memory = memory
        self.view = memory.data
        self.address: int = memory.__array_interface__["data"][0]
        self.holders = 0


class Segment:
    """One memfd. The mapping goes when the last array over it does.

    Attributes:
        number: id, from 1, never used twice by one writer.
        lease_limit: slots one reader may look at before it should copy.
        descriptor: what readers are sent; sealed, so nobody can shrink or write it from outside.
    """

    def __init__(self, number: int, slot_size: int, count: int, lease_limit: int) -> None:
        self.number = number
        self.slot_size = slot_size
        self.size = slot_size * count
        self.lease_limit = lease_limit
        self.descriptor, memory = sealed_memory(self.size)
        whole = np.frombuffer(memory, np.uint8)
        self.slots = [
            Slot(self, offset, whole[offset : offset + slot_size])
            for offset in range(0, self.size, slot_size)
        ]

    def is_free(self) -> bool:
        """True when nobody holds any of its slots."""
        return not any(slot.holders for slot in self.slots)

    def close(self) -> None:
        """Close the descriptor and let go of the memory."""
        os.close(self.descriptor)
        self.slots = []


class SlotArray:
    """The owner behind an array that lies in a slot; holds the slot for as long as views live."""

    __slots__ = ("__array_interface__", "_returned", "nbytes", "published", "slot")

    def __init__(
        self, slot: Slot, shape: tuple[int, ...], dtype: "np.dtype[Any]", returned: deque[Slot]
    ) -> None:
        self.slot = slot
        self.nbytes = dtype.itemsize
        for size in shape:
            self.nbytes *= size
        self.published = False
        self._returned = returned
        self.__array_interface__ = {
            "data": (slot.address + HEADROOM, False),
            "shape": shape,
            "typestr": dtype.str,
            "version": 3,
        }

    def belongs_to(self, pool: "SlotPool") -> bool:
        """True when the slot is one of ``pool``."""
        return self._returned is pool.returned

    def __del__(self) -> None:
        self._returned.append(self.slot)


class SlotPool:
    """Slots by size, grown when they are short, within a budget.

    Args:
        budget: bytes of shared memory; four slots of a size are possible whatever it says.

    Attributes:
        retired: ids of segments given back since the writer last told its readers.
        returned: slots whose producer-side array is gone; drained by ``collect``.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._free: dict[int, list[Slot]] = {}
        self._segments: list[Segment] = []
        self._next_number = 1
        self._last_size = self._last_class = 0
        self.retired: list[int] = []
        self.returned: deque[Slot] = deque()

    def take(self, size: int) -> Slot | None:
        """Return a slot of at least ``size`` bytes with one holder, or None when there is none."""
        if size != self._last_size:
            self._last_size, self._last_class = size, slot_class(size)
        wanted = self._last_class
        if self.returned:
            self.collect()
        free = self._free.get(wanted)
        if not free and not (self._grow(wanted) and (free := self._free.get(wanted))):
            return None
        slot = free.pop()  # last in, first out: its lines are still in the cache
        slot.holders = 1
        return slot

    def drop(self, slot: Slot) -> None:
        """One holder less; the last one frees the slot."""
        slot.holders -= 1
        if not slot.holders:
            free = self._free.get(slot.segment.slot_size)
            if free is not None:
                free.append(slot)

    def collect(self) -> None:
        """Take back the slots of arrays that the producer has let go of."""
        while self.returned:
            self.drop(self.returned.popleft())

    def sizes(self) -> Iterator[int]:
        """Yield the size of each segment in bytes."""
        return (segment.size for segment in self._segments)

    def close(self) -> None:
        """Let go of all memory; arrays and readers that still look at it keep theirs."""
        self.collect()
        for segment in self._segments:
            segment.close()
        self._segments = []
        self._free = {}

    def _grow(self, slot_size: int) -> bool:
        count = self._growth(slot_size)
        if count <= 0:
            return False
        try:
            segment = Segment(self._next_number, slot_size, count, self._lease_limit(slot_size))
        except OSError as error:
            log.warning("segment_failed", size=slot_size * count, error=str(error))
            return False
        self._next_number += 1
        self._segments.append(segment)
        self._free.setdefault(slot_size, []).extend(reversed(segment.slots))
        log.debug("segment_added", id=segment.number, slot_size=slot_size, slots=count)
        return True

    def _growth(self, slot_size: int) -> int:
        """Return how many slots to add: as many as there are, within reason and budget."""
        have = sum(len(s.slots) for s in self._segments if s.slot_size == slot_size)
        wanted = MIN_SLOTS if slot_size <= _HUGE else 2
        if have:
            wanted = min(max(wanted, have), max(1, 4 * _HUGE // slot_size))
        room = self._room(slot_size, wanted) // slot_size
        return min(wanted, max(room, MIN_SLOTS - have))

    def _room(self, slot_size: int, count: int) -> int:
        """Return the bytes left in the budget, giving back idle segments of other sizes."""
        used = sum(self.sizes())
        for segment in list(self._segments):
            if used + count * slot_size <= self._budget:
                break
            if segment.slot_size != slot_size and segment.is_free():
                self._retire(segment)
                used -= segment.size
        return self._budget - used

    def _lease_limit(self, slot_size: int) -> int:
        return max(1, min(LEASE_LIMIT, self._budget // slot_size // MIN_SLOTS))

    def _retire(self, segment: Segment) -> None:
        rest = [s for s in self._free[segment.slot_size] if s.segment is not segment]
        self._free[segment.slot_size] = rest
        self._segments.remove(segment)
        self.retired.append(segment.number)
        segment.close()
