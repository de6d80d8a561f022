"""Input tensors that clients upload as .npy files, and what they get for them."""

import io
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeflow.errors import ProtocolError, TensorError

__all__ = ["VALUES_AT_ONCE", "check_samples", "json_rows", "read_npy", "write_npy"]

_MAGIC = b"\x93NUMPY"
_ZIP = b"PK\x03\x04"
MAX_HEADER_BYTES = 10_000
MAX_SAMPLES = 100_000
VALUES_AT_ONCE = 4096
"""Values whose text is made without letting others run, about a millisecond."""


def read_npy(data: bytes) -> npt.NDArray[Any]:
    """Decode a .npy file.

    Raises:
        ProtocolError: it is none, is cut off, or holds objects.
    """
    if data.startswith(_ZIP):
        raise ProtocolError(
            "uploaded .npy did not decode into an ndarray",
            hint="this is an .npz archive; save one array with numpy.save",
        )
    if not data.startswith(_MAGIC):
        raise ProtocolError(
            f"failed to read .npy: byte 0: the file begins with {data[:6]!r}",
            hint="save the array with numpy.save",
        )
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False, max_header_size=MAX_HEADER_BYTES)
    except (ValueError, EOFError, OSError, MemoryError, SyntaxError, TypeError) as error:
        raise ProtocolError(f"failed to read .npy: {error}") from None
    if not isinstance(array, np.ndarray):
        raise ProtocolError("uploaded .npy did not decode into an ndarray")
    return array


def write_npy(array: npt.NDArray[Any]) -> bytes:
    """Return ``array`` as a .npy file, version 1.0."""
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=(1, 0), allow_pickle=False)
    return out.getvalue()


def json_rows(rows: npt.NDArray[np.float32]) -> bytes:
    """Return float32 (N, H) as a JSON array of arrays, piece by piece so that others may run."""
    each = max(1, VALUES_AT_ONCE // max(1, rows.shape[1]))
    pieces = (
        msgspec.json.encode(rows[at : at + each].tolist())[1:-1] for at in range(0, len(rows), each)
    )
    return b"[" + b",".join(pieces) + b"]"


def check_samples(array: npt.NDArray[Any], steps: int, features: int) -> npt.NDArray[np.float32]:
    """Return the input as float32 (N, T, F); (T, F) is one sample.

    Args:
        array: real numbers, (T, F) or (N, T, F).
        steps: T of the model.
        features: F of the model.

    Raises:
        TensorError: shape, dtype or values do not fit.
    """
    wanted = f"the model takes (T, F) = ({steps}, {features}) or (N, {steps}, {features})"
    if array.dtype.kind not in "fiu":
        raise TensorError(f"input_npy holds {array.dtype}, not real numbers", hint=wanted)
    if array.ndim == 2:
        array = array[np.newaxis]
    if array.ndim != 3 or array.shape[1:] != (steps, features):
        shape = array.shape[1:] if array.ndim == 3 and array.shape[0] == 1 else array.shape
        raise TensorError(f"input_npy has the shape {shape}", hint=wanted)
    if len(array) > MAX_SAMPLES:
        raise TensorError(
            f"input_npy has {len(array)} samples", hint=f"send at most {MAX_SAMPLES} at once"
        )
    with np.errstate(over="ignore"):
        samples = np.ascontiguousarray(array, np.float32)
    finite = np.isfinite(samples)
    if not finite.all():
        first = np.unravel_index(int(finite.argmin()), samples.shape)
        place = ", ".join(map(str, map(int, first)))
        raise TensorError(
            f"input_npy[{place}] is {array[first]}: not finite as float32",
            hint=f"{finite.size - int(finite.sum())} of {samples.size} values are not finite",
        )
    return samples
