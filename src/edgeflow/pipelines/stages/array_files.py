"""NumPy's npy and npz files from outside: numbers only, bounded, nothing is unpickled."""

import ast
import io
import math
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeflow.errors import PipelineError
from edgeflow.inference.requests import Array

__all__ = ["MAX_ARRAYS", "MAX_EXPANDED", "decode_npy", "decode_npz", "encode_npy", "encode_npz"]

MAX_EXPANDED = 256 << 20
"""Bytes that all arrays of one npz may take."""

MAX_ARRAYS = 64
MAX_HEADER = 4096
MAX_AXES = 32

_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
_NUMBER = re.compile(r"[<>|=]?[biufc][0-9]{1,2}")


def decode_npy(data: bytes | memoryview) -> Array:
    """Return the array of an npy file: booleans, integers, floats or complex numbers.

    Returns:
        A read-only view of ``data``, as it is stored.

    Raises:
        PipelineError: it is no such file, has other things in it, or its size is a lie.
    """
    header, start = _header(data)
    dtype, shape = _dtype(header.get("descr")), _shape(header.get("shape"))
    if len(data) - start != math.prod(shape) * dtype.itemsize:
        raise PipelineError(
            f"the npy file announces {dtype}{list(shape)} and has {len(data) - start} bytes"
        )
    flat = np.frombuffer(data, dtype, offset=start)
    flat.flags.writeable = False
    try:
        return flat.reshape(shape, order="F" if header.get("fortran_order") else "C")
    except ValueError as error:  # no bytes at all, and axes that NumPy cannot count
        raise PipelineError(f"an npy file of shape {str(shape)[:40]}: {error}") from None


def decode_npz(data: bytes | memoryview) -> dict[str, Array]:
    """Return the arrays of an npz file by name.

    Raises:
        PipelineError: it is no such file, or has more or larger arrays than allowed.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return dict(_member(archive, info) for info in _members(archive))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise PipelineError(f"a damaged npz file: {error}") from None
    except (NotImplementedError, RuntimeError) as error:  # exotic or encrypted members
        raise PipelineError(f"the npz file cannot be read: {error}") from None


def encode_npy(array: Array) -> bytes:
    """Return an array as an npy file.

    Raises:
        PipelineError: it holds other things than numbers.
    """
    if array.dtype.kind not in "biufc":
        raise PipelineError(f"an array of {array.dtype} has no npy form here: numbers only")
    target = io.BytesIO()
    np.lib.format.write_array(target, array, version=(1, 0), allow_pickle=False)
    return target.getvalue()


def encode_npz(arrays: Mapping[str, Array]) -> bytes:
    """Return arrays as an npz file, not compressed.

    Raises:
        PipelineError: as ``encode_npy``.
    """
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy", encode_npy(array))
    return target.getvalue()


def _members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = archive.infolist()
    if len(members) > MAX_ARRAYS:
        raise PipelineError(f"an npz file of {len(members)} arrays; at most {MAX_ARRAYS} are read")
    expanded = sum(info.file_size for info in members)
    if expanded > MAX_EXPANDED:
        raise PipelineError(
            f"an npz file that grows to {expanded} bytes; at most {MAX_EXPANDED} are read"
        )
    for info in members:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise PipelineError(f"{info.filename!r} of the npz file is compressed in another way")
    return members


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[str, Array]:
    with archive.open(info) as file:
        data = file.read(info.file_size)
        if len(data) != info.file_size or file.read(1):
            raise PipelineError(f"{info.filename!r} of the npz file has a wrong size")
    return info.filename.removesuffix(".npy"), decode_npy(data)


def _header(data: bytes | memoryview) -> tuple[dict[str, Any], int]:
    width = _LENGTH_BYTES.get(data[6] if len(data) > 6 else 0)
    if bytes(data[:6]) != _MAGIC or width is None:
        raise PipelineError(f"{len(data)} bytes that are no npy file")
    length = int.from_bytes(data[8 : 8 + width], "little")
    start = 8 + width + length
    if length > MAX_HEADER or start > len(data):
        raise PipelineError("an npy file whose header is cut off or too long")
    try:
        header = ast.literal_eval(bytes(data[8 + width : start]).decode("utf-8").strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        header = None
    if not isinstance(header, dict):
        raise PipelineError("an npy file with a damaged header")
    return header, start


def _dtype(text: Any) -> np.dtype[Any]:
    try:
        if isinstance(text, str) and _NUMBER.fullmatch(text):
            return np.dtype(text)
    except TypeError:
        pass
    raise PipelineError(f"an npy file of type {str(text)[:40]!r}; numbers only are read")


def _shape(value: Any) -> tuple[int, ...]:
    fits = isinstance(value, tuple) and len(value) <= MAX_AXES
    if not fits or not all(type(size) is int and 0 <= size <= MAX_EXPANDED for size in value):
        raise PipelineError(f"an npy file of shape {str(value)[:40]}")
    return tuple(value)
