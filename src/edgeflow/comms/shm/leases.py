"""The reader's memory: mapped segments, and leases that end when the last array over them does."""

import fcntl
import mmap
import os
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from edgeflow.errors import FrameDecodeError

if TYPE_CHECKING:
    from edgeflow.comms.shm.connections import Connection

__all__ = ["Lease", "MappedSegment", "map_page"]

MAX_SEGMENT_BYTES = 1 << 40
_BLOCK = 512
"""Bytes in the unit of ``st_blocks``."""


class MappedSegment:
    """A segment of a writer, mapped for reading. Unmapped when nothing refers to it any more.

    Raises:
        FrameDecodeError: the descriptor is no sealed memory of that size.
    """

    __slots__ = ("_memory", "address", "size")

    def __init__(self, descriptor: int, size: int) -> None:
        self._memory = _map(descriptor, size)
        self.size = size
        self.address: int = np.frombuffer(self._memory, np.uint8).__array_interface__["data"][0]


class Lease:
    """The right to look at a range of a segment; numpy arrays over it keep it alive.

    Its finalizer may run in any thread at any point, so it only appends to a deque. It keeps the
    connection, because the writer takes a closed one for the end of all its leases.
    """

    __slots__ = ("__array_interface__", "_connection", "_number", "_released", "_segment")

    def __init__(
        self,
        connection: "Connection",
        segment: MappedSegment,
        number: int,
        offset: int,
        length: int,
    ) -> None:
        self._connection = connection
        self._segment = segment
        self._number = number
        self._released: deque[int] = connection.released
        self.__array_interface__ = {
            "data": (segment.address + offset, True),
            "shape": (length,),
            "typestr": "|u1",
            "version": 3,
        }

    def __del__(self) -> None:
        self._released.append(self._number)


def map_page(descriptor: int) -> memoryview:
    """Return the page of the newest sequence number as unsigned 32-bit integers."""
    return memoryview(_map(descriptor, mmap.PAGESIZE)).cast("I")


def _map(descriptor: int, size: int) -> mmap.mmap:
    try:
        seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
        if not seals & fcntl.F_SEAL_SHRINK:  # its owner could take the pages from under our eyes
            raise FrameDecodeError("the memory is not sealed against shrinking")
        status = os.fstat(descriptor)
        if size > MAX_SEGMENT_BYTES or status.st_size < size:
            raise FrameDecodeError(f"the memory is smaller than the {size} bytes announced")
        if status.st_blocks * _BLOCK < size:  # looking at a hole would make us pay for its pages
            raise FrameDecodeError(f"the {size} bytes announced are not all allocated")
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        return mmap.mmap(descriptor, size, flags=flags, prot=mmap.PROT_READ)
    except OSError as error:
        raise FrameDecodeError(f"the memory cannot be mapped: {error}") from error
