"""NOR flash for the core, in memory of Python's, whose power can be cut at a write."""

from typing import Any

from edgeflow._native.library import ffi, lib

__all__ = ["CUTS", "SECTOR_BYTES", "HostFlash"]

SECTOR_BYTES = 4096
CUTS = {"before": 0, "half": 1, "garbage": 2}
"""How a cut leaves the write that it hits."""


class HostFlash:
    """One partition.

    Args:
        memory: writable, whole sectors of 4096 bytes; it stays while this is used.

    Attributes:
        port: what the core takes, an ``ef_flash *``.
    """

    def __init__(self, memory: memoryview) -> None:
        # cffi's own hold on a memoryview does not outlive a garbage collection of both.
        self._memory = memory
        with ffi.from_buffer("uint8_t[]", memory, require_writable=True) as view:
            start = ffi.cast("uint8_t *", view)
        self._power: Any = ffi.new("ef_host_power *", {"left": -1, "noise": 1})
        self._flash: Any = ffi.new("ef_host_flash *")
        lib.ef_host_flash_open(self._flash, start, len(memory), SECTOR_BYTES, ffi.NULL, self._power)
        self.port: Any = ffi.addressof(self._flash, "flash")

    def cut_power(self, after: int, manner: str = "half") -> None:
        """Let the power go at a write.

        Args:
            after: how many others come before it (words and erased sectors).
            manner: ``before`` it, or with it ``half`` done, or ``garbage``.
        """
        self._power.manner, self._power.left = CUTS[manner], after

    @property
    def power_lost(self) -> bool:
        """Since the cut nothing is written or read."""
        return bool(self._power.lost)
