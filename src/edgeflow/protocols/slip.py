"""SLIP: frames between 0xC0 bytes, as the serial protocol of Espressif's loaders uses it.

Source: RFC 1055.
"""

from collections.abc import Iterator

__all__ = ["END", "SlipDecoder", "encode_slip"]

END = 0xC0


def encode_slip(payload: bytes) -> bytes:
    """Return one frame with its delimiters on both sides."""
    escaped = payload.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
    return b"\xc0" + escaped + b"\xc0"


class SlipDecoder:
    """Takes bytes as they come and yields the frames that they complete.

    Bytes before the first delimiter, frames with a wrong escape and frames above ``max_frame``
    decoded bytes are dropped; the decoder is in step again at the next delimiter.
    """

    def __init__(self, max_frame: int) -> None:
        self._max = max_frame
        self._raw: bytearray | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield each complete frame that is not empty."""
        first, *rest = data.split(b"\xc0")
        self._extend(first)
        for piece in rest:
            frame = self._finish()
            self._raw = bytearray()
            self._extend(piece)
            if frame:
                yield frame

    def _extend(self, piece: bytes) -> None:
        if self._raw is None:
            return
        self._raw += piece
        if len(self._raw) > 2 * self._max:
            self._raw = None

    def _finish(self) -> bytes:
        """Return the decoded frame so far, or nothing if it is none."""
        if not self._raw:
            return b""
        first, *rest = bytes(self._raw).split(b"\xdb")
        parts = [first]
        for piece in rest:
            if piece[:1] not in (b"\xdc", b"\xdd"):
                return b""
            parts += [b"\xc0" if piece[0] == 0xDC else b"\xdb", piece[1:]]
        frame = b"".join(parts)
        return frame if len(frame) <= self._max else b""
