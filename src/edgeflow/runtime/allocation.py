"""How this process gets memory from the system."""

import ctypes
import sys

__all__ = ["keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 64 << 20
_LARGE_BYTES = 16 << 20


def keep_freed_memory() -> bool:
    """Keep freed blocks up to 16 MiB for the next tensors, 64 MiB at the end of a heap at most.

    Otherwise every tensor above 128 KiB costs fresh pages, which takes longer than receiving it.
    The whole process is concerned, so only programs call this, not libraries.

    Returns:
        False where the C library is not glibc: nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        tune = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(tune(_M_MMAP_THRESHOLD, _LARGE_BYTES)) and bool(
        tune(_M_TRIM_THRESHOLD, _KEPT_BYTES)
    )
