"""From a stream of bytes to whole MQTT packets, with a bound. Sans-I/O."""

from edgeflow.errors import ProtocolError

__all__ = ["OVERSIZED", "Cutter"]

OVERSIZED = b"\xff-oversized"
"""Topic of a PUBLISH that was too long to hold: not valid UTF-8, so no broker can send it."""

_PUBLISH = 3


class Cutter:
    """Cuts a stream into packets, so that a length is known before its bytes are held.

    A PUBLISH above the bound is passed over as it comes in. In its place stands one without
    payload whose topic is ``OVERSIZED`` and whose packet id is the same: it can be acknowledged,
    and so does not come for ever.

    Args:
        max_packet: longest packet to hold, in bytes.
        version_5: packets are those of MQTT 5.

    Attributes:
        oversized: topics and lengths of packets passed over; whoever reads them clears them.
    """

    def __init__(self, max_packet: int, *, version_5: bool) -> None:
        self.oversized: list[tuple[bytes, int]] = []
        self._max_packet = max_packet
        self._version_5 = version_5
        self._raw = bytearray()
        self._skip = 0

    def feed(self, data: bytes) -> bytearray:
        """Take bytes in and return the packets that are whole now, back to back.

        Raises:
            ProtocolError: the bytes cannot be MQTT, or a packet other than PUBLISH is too long.
        """
        self._raw += data
        whole = bytearray()
        start = 0
        while True:
            step = min(self._skip, len(self._raw) - start)
            start, self._skip = start + step, self._skip - step
            head = self._head(start)
            if head is None:
                break
            total = sum(head)
            if total > self._max_packet:
                stub = self._stub(start, head[0], total)
                if stub is None:
                    break
                whole += stub
                self._skip = total
            elif len(self._raw) - start < total:
                break
            else:
                whole += self._raw[start : start + total]
                start += total
        del self._raw[:start]
        return whole

    def _head(self, start: int) -> tuple[int, int] | None:
        """Return how long the fixed header and the rest of a packet are; None if unknown yet."""
        length = 0
        for count in range(1, 5):
            if start + count >= len(self._raw):
                return None
            byte = self._raw[start + count]
            length |= (byte & 0x7F) << 7 * (count - 1)
            if byte < 0x80:
                return count + 1, length
        raise ProtocolError("the MQTT broker sent a packet whose length has no end")

    def _stub(self, start: int, header: int, total: int) -> bytes | None:
        first = self._raw[start]
        if first >> 4 != _PUBLISH:
            raise ProtocolError(
                f"the MQTT broker sent a packet of type {first >> 4} and {total} bytes",
                hint=f"at most {self._max_packet} are held (max_packet)",
            )
        place = start + header
        if len(self._raw) < place + 2:
            return None
        size = int.from_bytes(self._raw[place : place + 2])
        with_id = 2 if first & 0x06 else 0
        if header + 2 + size + with_id > total:
            raise ProtocolError("the MQTT broker sent a topic longer than its packet")
        end = place + 2 + size
        if len(self._raw) < end + with_id:
            return None
        self.oversized.append((bytes(self._raw[place + 2 : end]), total))
        body = len(OVERSIZED).to_bytes(2) + OVERSIZED + self._raw[end : end + with_id]
        if self._version_5:
            body += b"\0"
        return bytes((first, len(body))) + body
