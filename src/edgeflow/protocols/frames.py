"""The wire form of a frame, version 2; a version-1 peer can read it.

::

    offset  size  field (big-endian)
    0       4     frame id, modulo 2**32
    4       8     capture time, seconds since the Unix epoch, float64
    12      4     length of the meta JSON in bytes
    16      n     meta: a JSON object, UTF-8; version 2 adds the key ``_ef``
    16+n    ...   payload, to the end of the message

``_ef`` says exactly what the payload is (kind, dtype, shape, codec) and carries the rest of the
envelope. A message without it is version 1: its payload is delivered as the bytes it is. On a
byte stream each message follows its length, a big-endian uint32.
"""

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from edgeflow.core.frame import Frame, Hop
from edgeflow.errors import FrameDecodeError, FrameTooLargeError, PayloadError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["MAX_META_BYTES", "WireInfo", "decode", "encode", "encode_bytes", "parse_codec"]

Buffer = bytes | bytearray | memoryview

_HEADER = struct.Struct("!IdI")
MAX_META_BYTES = 1 << 20
MAX_DIMENSIONS = 16
MAX_HOPS = 256
_DTYPE_KINDS = "biufc"


class WireInfo(msgspec.Struct, omit_defaults=True):
    """The ``_ef`` object. ``k`` is the payload kind: a(rray), b(ytes), s(tring) or j(son)."""

    v: int
    k: str = "b"
    dtype: str = ""
    shape: list[int] = []
    codec: str = "raw"
    id: int = 0
    src: str = ""
    topic: str = ""
    seq: int = 0
    epoch: int = 0
    re: bool = False
    trace: list[tuple[str, str, int, int]] = []


class _EnvelopeV2(msgspec.Struct):
    info: WireInfo = msgspec.field(name="_ef")


class _InfoProbe(msgspec.Struct):
    info: msgspec.Raw | None = msgspec.field(name="_ef", default=None)


_json = msgspec.json.Encoder()
_meta_decoder = msgspec.json.Decoder(dict[str, Any])
_info_decoder = msgspec.json.Decoder(WireInfo)
_probe_decoder = msgspec.json.Decoder(_InfoProbe)
_envelope_decoder = msgspec.json.Decoder(_EnvelopeV2)


def parse_codec(codec: str) -> tuple[str, int]:
    """Split ``raw`` or ``jpeg[:QUALITY]`` into name and quality (1-100; 0 for raw).

    Raises:
        PayloadError: unknown codec or quality out of range.
    """
    name, _, argument = codec.partition(":")
    if name == "raw" and not argument:
        return "raw", 0
    if name == "jpeg":
        quality = int(argument) if argument.isdigit() else (0 if argument else 85)
        if 1 <= quality <= 100:
            return "jpeg", quality
    raise PayloadError(f"unknown codec {codec!r}", hint="use 'raw' or 'jpeg:QUALITY' (1-100)")


def encode(frame: Frame, codec: str = "raw") -> tuple[bytes, Buffer]:
    """Return header and payload of a frame; the payload is a view, not a copy, where possible.

    Args:
        frame: what to send.
        codec: ``raw``, or ``jpeg:QUALITY`` for uint8 images of 1 or 3 channels (others stay raw).

    Raises:
        PayloadError: the payload or the meta cannot travel.
    """
    info = WireInfo(
        v=2,
        id=frame.id,
        src=frame.source,
        topic=frame.topic,
        seq=frame.sequence,
        epoch=frame.epoch,
        re=frame.redelivered,
        trace=[(hop.node, hop.host, hop.entered_ns, hop.left_ns) for hop in frame.trace],
    )
    payload = _encode_payload(frame.data, info, codec)
    try:
        meta = _json.encode({**frame.meta, "_ef": info} if frame.meta else {"_ef": info})
    except (TypeError, ValueError, OverflowError) as error:
        meta = _json.encode({**_plain(frame.meta, "meta", 0), "_ef": info})
        if not meta:
            raise PayloadError(f"meta of {frame!r} cannot be written as JSON") from error
    if len(meta) > MAX_META_BYTES:
        raise FrameTooLargeError(
            f"meta of {frame!r} takes {len(meta)} bytes; the limit is {MAX_META_BYTES}",
            hint="put large values into the payload",
        )
    return _HEADER.pack(frame.id & 0xFFFFFFFF, frame.timestamp, len(meta)) + meta, payload


def encode_bytes(frame: Frame, codec: str = "raw") -> bytes:
    """Return the whole message as one bytes object (one copy of the payload)."""
    header, payload = encode(frame, codec)
    return b"".join((header, payload))


def decode(message: Buffer, *, images: bool = True, copy: bool = False) -> Frame:
    """Return the frame in ``message``.

    Args:
        message: exactly one message.
        images: decode a payload that a link's codec encoded; False leaves it as bytes, with
            ``meta["content_type"]`` set.
        copy: copy arrays out of ``message``; otherwise they are read-only views of it.

    Raises:
        FrameDecodeError: the bytes are not a frame; the message names the byte offset.
    """
    view = memoryview(message).toreadonly()
    if view.ndim != 1 or view.itemsize != 1:
        view = view.cast("B")
    if len(view) < _HEADER.size:
        raise FrameDecodeError(f"{len(view)} bytes are no frame: the header takes {_HEADER.size}")
    frame_id, timestamp, meta_length = _HEADER.unpack_from(view)
    end = _HEADER.size + meta_length
    if meta_length > MAX_META_BYTES or end > len(view):
        raise FrameDecodeError(
            f"offset 12: meta length {meta_length} exceeds the message ({len(view)} bytes) "
            f"or the limit ({MAX_META_BYTES})"
        )
    meta, info = _decode_meta(view[_HEADER.size : end])
    body = view[end:]
    if info is None:
        return Frame(data=bytes(body), id=frame_id, timestamp=timestamp, meta=meta)
    if len(info.trace) > MAX_HOPS:
        raise FrameDecodeError(f"trace holds {len(info.trace)} hops; the limit is {MAX_HOPS}")
    data = _decode_payload(body, info, end, images)
    if info.codec != "raw" and not images:
        meta["content_type"] = "image/jpeg"
    if copy and info.k == "a" and info.codec == "raw":
        data = data.copy()
        data.flags.writeable = False
    return Frame(
        data=data,
        id=info.id,
        timestamp=timestamp,
        source=info.src,
        topic=info.topic,
        sequence=info.seq,
        epoch=info.epoch,
        meta=meta,
        trace=tuple([Hop(*hop) for hop in info.trace]),
        redelivered=info.re,
    )


def _decode_meta(raw: memoryview) -> tuple[dict[str, Any], WireInfo | None]:
    if not raw:
        return {}, None
    try:
        meta = _meta_decoder.decode(raw)
        if "_ef" not in meta:
            return meta, None
        del meta["_ef"]
        return meta, _envelope_decoder.decode(raw).info
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise FrameDecodeError(f"offset {_HEADER.size}: meta is not valid: {error}") from None


def _encode_payload(data: Any, info: WireInfo, codec: str) -> Buffer:
    if isinstance(data, bytes | bytearray | memoryview):
        return data
    if isinstance(data, str):
        info.k = "s"
        return data.encode()
    if isinstance(data, dict | list):
        info.k = "j"
        try:
            return _json.encode(data)
        except (TypeError, ValueError, OverflowError):
            return _json.encode(_plain(data, "payload", 0))
    if _is_array(data):
        return _encode_array(data, info, codec)
    raise PayloadError(
        f"a value of type {type(data).__name__} cannot travel",
        hint="send an ndarray, bytes, str, dict or list",
    )


def _is_array(data: Any) -> bool:
    import numpy as np

    return isinstance(data, np.ndarray)


def _encode_array(data: "np.ndarray[Any, Any]", info: WireInfo, codec: str) -> Buffer:
    import numpy as np

    if data.dtype.kind not in _DTYPE_KINDS:
        raise PayloadError(
            f"an array of dtype {data.dtype} cannot travel",
            hint="use a boolean, integer, float or complex dtype",
        )
    info.k = "a"
    info.dtype = data.dtype.str
    info.shape = list(data.shape)
    name, quality = parse_codec(codec)
    if name == "jpeg" and data.dtype == np.uint8 and _is_image(data.shape):
        import cv2

        done, encoded = cv2.imencode(".jpg", data, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not done:
            raise PayloadError(f"an image of shape {data.shape} cannot be encoded as JPEG")
        info.codec = "jpeg"
        return encoded.data.cast("B")
    contiguous = data if data.flags.c_contiguous else np.ascontiguousarray(data)
    return contiguous.reshape(-1).view(np.uint8).data if data.size else b""


def _is_image(shape: Sequence[int]) -> bool:
    return (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))) and min(shape) > 0


def _decode_payload(body: memoryview, info: WireInfo, offset: int, images: bool) -> Any:
    try:
        if info.k == "a":
            return _decode_array(body, info, images)
        if info.k == "s":
            return str(body, "utf-8")
        if info.k == "j":
            return msgspec.json.decode(body)
        if info.k == "b":
            return bytes(body)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise FrameDecodeError(f"offset {offset}: payload is not valid: {error}") from None
    raise FrameDecodeError(f"offset {offset}: unknown payload kind {info.k!r}")


def _decode_array(body: memoryview, info: WireInfo, images: bool) -> Any:
    import numpy as np

    dtype = np.dtype(info.dtype)
    if dtype.kind not in _DTYPE_KINDS or dtype.hasobject:
        raise ValueError(f"dtype {info.dtype!r} is not accepted")
    if len(info.shape) > MAX_DIMENSIONS or any(size < 0 for size in info.shape):
        raise ValueError(f"shape {info.shape} is not accepted")
    if info.codec == "jpeg":
        return _decode_jpeg(body, info) if images else bytes(body)
    if info.codec != "raw":
        raise ValueError(f"unknown codec {info.codec!r}")
    count = 1
    for size in info.shape:
        count *= size
    if count * dtype.itemsize != len(body):
        raise ValueError(
            f"dtype {dtype} and shape {info.shape} need {count * dtype.itemsize} bytes, "
            f"there are {len(body)}"
        )
    if not count:
        empty = np.empty(info.shape, dtype)
        empty.flags.writeable = False
        return empty
    return np.frombuffer(body, dtype).reshape(info.shape)


def _decode_jpeg(body: memoryview, info: WireInfo) -> Any:
    import cv2
    import numpy as np

    flag = cv2.IMREAD_GRAYSCALE if len(info.shape) == 2 or info.shape[2] == 1 else cv2.IMREAD_COLOR
    image = cv2.imdecode(np.frombuffer(body, np.uint8), flag) if len(body) else None
    if image is None:
        raise ValueError("the JPEG data cannot be decoded")
    image = image.reshape(info.shape)
    image.flags.writeable = False
    return image


def _plain(value: Any, where: str, depth: int) -> Any:
    """Return ``value`` with numpy scalars and arrays turned into plain numbers and lists."""
    import numpy as np

    if depth > 32:
        raise PayloadError(f"{where} is nested deeper than 32 levels")
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return _plain(value.tolist(), where, depth + 1)
    if isinstance(value, dict):
        return {str(k): _plain(v, f"{where}.{k}", depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
    raise PayloadError(
        f"{where} holds a value of type {type(value).__name__}, which has no JSON form",
        hint="convert it to a number, string, list or dict",
    )
