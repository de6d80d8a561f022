"""Payloads as LZ4 frames (the LZ4 Frame Format), by the package ``lz4``: bytes in, bytes out."""

from types import ModuleType

from edgeflow.errors import MissingExtraError

__all__ = ["compress", "decompress", "package"]

Buffer = bytes | bytearray | memoryview

MOST_PER_BYTE = 255
"""A byte of an LZ4 block stands for no more than so many."""


def package() -> ModuleType:
    """Return the module ``lz4.frame``.

    Raises:
        MissingExtraError: the package ``lz4`` is not installed.
    """
    try:
        import lz4.frame
    except ImportError:
        raise MissingExtraError("lz4", "lz4") from None
    module: ModuleType = lz4.frame
    return module


def compress(data: Buffer) -> bytes:
    """Return ``data`` as one LZ4 frame, which says how large it is.

    Raises:
        MissingExtraError: the package ``lz4`` is not installed.
    """
    lz4 = package()
    frame: bytes = lz4.compress(data, block_size=lz4.BLOCKSIZE_MAX256KB, store_size=True)
    return frame


def decompress(frame: Buffer, size: int) -> bytes:
    """Return the ``size`` bytes in one LZ4 frame; no more is set aside for them.

    Raises:
        ValueError: it is no LZ4 frame of ``size`` bytes.
        MissingExtraError: the package ``lz4`` is not installed.
    """
    lz4 = package()
    if not 0 < size <= MOST_PER_BYTE * len(frame):
        raise ValueError(f"{len(frame)} bytes of LZ4 cannot stand for {size}")
    decompressor = lz4.LZ4FrameDecompressor()
    try:
        data: bytes = decompressor.decompress(frame, max_length=size + 1)
    except (RuntimeError, EOFError) as error:
        raise ValueError(f"the LZ4 data is damaged: {error}") from None
    if len(data) != size or not decompressor.eof or decompressor.unused_data:
        raise ValueError(f"the LZ4 data is no frame of {size} bytes")
    return data
