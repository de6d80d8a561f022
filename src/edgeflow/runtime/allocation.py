"""How this process gets memory from the system, and how it looks for what nobody uses."""

import ctypes
import gc
import sys
import time
from collections.abc import Callable
from typing import Final

__all__ = ["Spared", "keep_freed_memory", "share_heaps"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_HEAPS = 2
_KEPT_BYTES = 64 << 20
_LARGE_BYTES = 16 << 20


def keep_freed_memory() -> bool:
    """Keep freed blocks up to 16 MiB for the next tensors, 64 MiB at the end of a heap at most.

    Otherwise every tensor above 128 KiB costs fresh pages, which takes longer than receiving it.
    The whole process is concerned, so only programs call this, not libraries.

    Returns:
        False where the C library is not glibc: nothing changes.
    """
    return _tuned(_M_MMAP_THRESHOLD, _LARGE_BYTES) and _tuned(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def share_heaps() -> bool:
    """Let all threads that begin from now on share two heaps, for a process that runs for weeks.

    Otherwise each may have its own, up to eight a core, and what is free in one serves no other.
    The whole process is concerned, so only programs call this, not libraries.

    Returns:
        False where the C library is not glibc: nothing changes.
    """
    return _tuned(_M_ARENA_MAX, _HEAPS)


def _tuned(what: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(what, value))
    except (OSError, AttributeError):
        return False


class Spared:
    """Spares Python's collector what lives as long as the process.

    A full collection stops all threads for 40 ms where large packages are loaded, again and again.
    Objects that exist when their packages have been loaded are exempt from it. The whole process
    is concerned, so only programs use this, not libraries.

    Args:
        now: monotonic seconds.
    """

    every_s: Final = 1.0

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._due = 0.0
        self._modules = 0

    def look(self) -> bool:
        """Exempt what is there if packages have been loaded meanwhile; to be called now and then.

        Returns:
            Whether that was done; it stops all threads once more.
        """
        if len(sys.modules) == self._modules or self._now() < self._due:
            return False
        self._modules, self._due = len(sys.modules), self._now() + self.every_s
        self.renew()
        return True

    def renew(self) -> None:
        """Exempt what is there, and collect what was exempt until now and has fallen out of use."""
        gc.unfreeze()
        gc.collect()
        gc.freeze()
