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
from typing import Any

import msgspec

from edgeflow.core.frame import Frame, Hop
from edgeflow.errors import FrameDecodeError, FrameTooLargeError, PayloadError
from edgeflow.protocols.payloads import Buffer, WireInfo, decode_payload, encode_payload, plain

__all__ = ["MAX_META_BYTES", "EncodedFrame", "aligned", "decode", "encode", "encode_bytes", "parse"]

_HEADER = struct.Struct("!IdI")
MAX_META_BYTES = 1 << 20
MAX_HOPS = 256
_ALIGN = 64
_META_LENGTH = struct.Struct("!I")


class _EnvelopeV2(msgspec.Struct):
    info: WireInfo = msgspec.field(name="_ef")


_json = msgspec.json.Encoder()
_meta_decoder = msgspec.json.Decoder(dict[str, Any])
_envelope_decoder = msgspec.json.Decoder(_EnvelopeV2)


def encode(frame: Frame, codec: str = "raw") -> tuple[bytes, Buffer]:
    """Return header and payload of a frame; the payload is a view, not a copy, where possible.

    Args:
        frame: what to send.
        codec: ``raw``; ``jpeg:QUALITY`` for uint8 images of 1 or 3 channels (others stay raw);
            ``lz4`` for arrays (those that it saves less than an eighth of stay raw).

    Raises:
        MissingExtraError: the package of the codec is not installed.
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
    payload = encode_payload(frame.data, info, codec)
    try:
        meta = _json.encode({**frame.meta, "_ef": info} if frame.meta else {"_ef": info})
    except (TypeError, ValueError, OverflowError) as error:
        meta = _json.encode({**plain(frame.meta, "meta", 0), "_ef": info})
        if not meta:
            raise PayloadError(f"meta of {frame!r} cannot be written as JSON") from error
    if len(meta) > MAX_META_BYTES:
        raise FrameTooLargeError(
            f"meta of {frame!r} takes {len(meta)} bytes; the limit is {MAX_META_BYTES}",
            hint="put large values into the payload",
        )
    return _HEADER.pack(frame.id & 0xFFFFFFFF, frame.timestamp, len(meta)) + meta, payload


def aligned(header: bytes) -> bytes:
    """Lengthen the meta JSON by blanks so that the payload starts at a multiple of 64 bytes."""
    blanks = -len(header) % _ALIGN
    length = _META_LENGTH.unpack_from(header, 12)[0] + blanks
    if length > MAX_META_BYTES:
        return header
    return b"".join((header[:12], _META_LENGTH.pack(length), header[16:], b" " * blanks))


def encode_bytes(frame: Frame, codec: str = "raw") -> bytes:
    """Return the whole message as one bytes object (one copy of the payload)."""
    header, payload = encode(frame, codec)
    return b"".join((header, payload))


class EncodedFrame:
    """A frame whose header and meta have been read, and whose payload has not.

    Attributes:
        topic: it was published on; of version 1, what its meta says, or ``default``.
        size: bytes of the payload as it came.
    """

    __slots__ = ("_body", "_head", "_info", "_meta", "topic")

    def __init__(
        self,
        head: tuple[int, float, int],
        meta: dict[str, Any],
        info: WireInfo | None,
        body: memoryview,
    ) -> None:
        self._head, self._meta, self._info, self._body = head, meta, info, body
        self.topic = (info.topic if info is not None else "") or str(meta.get("topic", "default"))

    @property
    def size(self) -> int:
        """Bytes of the payload as it came."""
        return len(self._body)

    def decode(self, *, images: bool = True, copy: bool = False) -> Frame:
        """Return the frame; see the function of the same name."""
        meta, info = self._meta, self._info
        number, timestamp, meta_length = self._head
        if info is None:
            return Frame(data=bytes(self._body), id=number, timestamp=timestamp, meta=meta)
        data = decode_payload(self._body, info, _HEADER.size + meta_length, images)
        if info.codec == "jpeg" and not images:
            meta = {**meta, "content_type": "image/jpeg"}
        if copy and info.k == "a" and info.codec == "raw":
            data = data.copy()
            data.flags.writeable = False
        return Frame(
            data=data,
            id=info.id or number,
            timestamp=timestamp,
            source=info.src,
            topic=info.topic,
            sequence=info.seq,
            epoch=info.epoch,
            meta=meta,
            trace=tuple([Hop(*hop) for hop in info.trace]),
            redelivered=info.re,
        )


def decode(message: Buffer, *, images: bool = True, copy: bool = False) -> Frame:
    """Return the frame in ``message``.

    Args:
        message: exactly one message.
        images: decode a picture that a link's codec encoded; False leaves it as JPEG bytes, with
            ``meta["content_type"]`` set.
        copy: copy arrays out of ``message``; otherwise they are read-only views of it.

    Raises:
        FrameDecodeError: the bytes are not a frame; the message names the byte offset.
    """
    return parse(message).decode(images=images, copy=copy)


def parse(message: Buffer) -> EncodedFrame:
    """Return the frame in ``message`` with its payload left as it is: a view, whatever its size.

    Raises:
        FrameDecodeError: header or meta are not a frame's; the message names the byte offset.
    """
    view = memoryview(message).toreadonly()
    if view.ndim != 1 or view.itemsize != 1:
        view = view.cast("B")
    if len(view) < _HEADER.size:
        raise FrameDecodeError(f"{len(view)} bytes are no frame: the header takes {_HEADER.size}")
    head = _HEADER.unpack_from(view)
    meta_length = head[2]
    end = _HEADER.size + meta_length
    if meta_length > MAX_META_BYTES or end > len(view):
        raise FrameDecodeError(
            f"offset 12: meta length {meta_length} exceeds the message ({len(view)} bytes) "
            f"or the limit ({MAX_META_BYTES})"
        )
    meta, info = _decode_meta(view[_HEADER.size : end])
    if info is not None and len(info.trace) > MAX_HOPS:
        raise FrameDecodeError(f"trace holds {len(info.trace)} hops; the limit is {MAX_HOPS}")
    return EncodedFrame(head, meta, info, view[end:])


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
