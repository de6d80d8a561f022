"""From a stream of bytes to messages and whole packets, with a bound. Sans-I/O."""

from edgeflow.comms.mqtt.messages import Incoming
from edgeflow.errors import ProtocolError

__all__ = ["OVERSIZED", "Cutter"]

OVERSIZED = b"\xff-oversized"
"""Topic of a PUBLISH that was too long to hold: not valid UTF-8, so no broker can send it."""

_PUBLISH = 3
_PLAIN = frozenset((0x30, 0x31, 0x32, 0x33, 0x3A, 0x3B))
"""First bytes of a PUBLISH at QoS 0 or 1: nothing of it has to be remembered."""


class Cutter:
    """Cuts a stream into packets, so that a length is known before its bytes are held.

    Messages at QoS 0 and 1 are read here, many at a time; all other packets, and messages that are
    unusual in any way, are left as they are.

    A PUBLISH above the bound is passed over as it comes in. In its place stands one without
    payload whose topic is ``OVERSIZED`` and whose packet id is the same: it can be acknowledged,
    and so does not come for ever.

    Args:
        max_packet: longest packet to hold, in bytes.
        version_5: packets are those of MQTT 5.
        connection: its number, for the messages.

    Attributes:
        oversized: topics and lengths of packets passed over; whoever reads them clears them.
    """

    def __init__(self, max_packet: int, *, version_5: bool, connection: int = 0) -> None:
        self.oversized: list[tuple[bytes, int]] = []
        self._max_packet = max_packet
        self._version_5 = version_5
        self._connection = connection
        self._raw = bytearray()
        self._wanted = 2
        self._skip = 0
        self._found: list[bytes | list[Incoming]] = []

    def feed(self, data: bytes, now: float = 0.0) -> list[bytes | list[Incoming]]:
        """Take bytes in that came at ``now`` (monotonic seconds).

        Returns:
            What is whole now, in order: messages together, and packets one by one.

        Raises:
            ProtocolError: the bytes cannot be MQTT, or a packet other than PUBLISH is too long.
        """
        if self._raw:
            self._raw += data
            if len(self._raw) < self._wanted:
                return []
            data = bytes(self._raw)
            self._raw.clear()
        self._found = []
        at = self._cut(data, now)
        self._raw += memoryview(data)[at:]
        return self._found

    def _cut(self, raw: bytes, now: float) -> int:
        """Find what is whole; return where the rest begins."""
        at = min(self._skip, len(raw))
        self._skip -= at
        end, limit = len(raw), self._max_packet
        while end - at > 1:
            length, body = raw[at + 1], at + 2
            if length > 127:
                head = _head(raw, at)
                if head is None:
                    self._wanted = end - at + 1
                    return at
                body, length = at + head[0], head[1]
            stop = body + length
            if stop - at > limit:
                if not self._pass_over(raw, at, body, stop):
                    return at
                at, self._skip = min(stop, end), max(0, stop - end)
            elif stop > end:
                self._wanted = stop - at
                return at
            else:
                self._take(raw, at, body, stop, now)
                at = stop
        self._wanted = 2
        return at

    def _take(self, raw: bytes, at: int, body: int, stop: int, now: float) -> None:
        """Add one whole packet to what was found."""
        first, found = raw[at], self._found
        message = self._message(raw, first, body, stop, now) if first in _PLAIN else None
        if message is None:
            found.append(raw[at:stop])
        elif found and isinstance(found[-1], list):
            found[-1].append(message)
        else:
            found.append([message])

    def _message(self, raw: bytes, first: int, body: int, stop: int, now: float) -> Incoming | None:
        """Read a message; None if it is unusual."""
        place = body + 2
        if place > stop:
            return None
        end = place + (raw[body] << 8 | raw[body + 1])
        qos, mid, after = first >> 1 & 1, 0, end
        if qos:
            after += 2
        if end == place or after + self._version_5 > stop:
            return None
        if qos:
            mid = raw[end] << 8 | raw[end + 1]
            if not mid:
                return None
        if self._version_5:
            if raw[after]:
                return None  # with properties
            after += 1
        try:
            topic = raw[place:end].decode()
        except UnicodeDecodeError:
            return None
        return Incoming(
            topic=topic,
            payload=raw[after:stop],
            qos=qos,
            retain=bool(first & 1),
            duplicate=bool(first & 8),
            received=now,
            connection=self._connection,
            mid=mid,
        )

    def _pass_over(self, raw: bytes, at: int, body: int, stop: int) -> bool:
        """Put a stub in a packet's place; False if what it needs has not come yet."""
        first = raw[at]
        if first >> 4 != _PUBLISH:
            raise ProtocolError(
                f"the MQTT broker sent a packet of type {first >> 4} and {stop - at} bytes",
                hint=f"at most {self._max_packet} are held (max_packet)",
            )
        self._wanted = body + 2 - at
        if len(raw) < body + 2:
            return False
        end = body + 2 + int.from_bytes(raw[body : body + 2])
        with_id = 2 if first & 0x06 else 0
        if end + with_id > stop:
            raise ProtocolError("the MQTT broker sent a topic longer than its packet")
        self._wanted = end + with_id - at
        if len(raw) < end + with_id:
            return False
        self.oversized.append((raw[body + 2 : end], stop - at))
        stub = len(OVERSIZED).to_bytes(2) + OVERSIZED + raw[end : end + with_id]
        if self._version_5:
            stub += b"\0"
        self._found.append(bytes((first, len(stub))) + stub)
        return True


def _head(raw: bytes, at: int) -> tuple[int, int] | None:
    """Return how long the fixed header and the rest of a packet are; None if unknown yet."""
    length = 0
    for count in range(1, 5):
        if at + count >= len(raw):
            return None
        byte = raw[at + count]
        length |= (byte & 0x7F) << 7 * (count - 1)
        if byte < 0x80:
            return count + 1, length
    raise ProtocolError("the MQTT broker sent a packet whose length has no end")
