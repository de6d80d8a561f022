"""Find messages in what comes from a board, whatever stands between them."""

import re
from binascii import crc32, crc_hqx
from struct import unpack_from

import numpy as np

from edgeflow.protocols.uart.messages import (
    HEADER,
    HEADER_BYTES,
    MAGIC,
    MAX_INPUTS,
    MAX_PAYLOAD,
    OVERHEAD,
    Event,
    Info,
    Message,
    Prediction,
    Text,
)

__all__ = ["Receiver"]

_MAGICS = re.compile(rb"EFX1|INFO|PRED")
_STARTS = frozenset(magic[:count] for magic in (b"EFX1", b"INFO", b"PRED") for count in (1, 2, 3))
_MAX_CHUNK = 65536


class Receiver:
    """Cuts bytes into events. Holds at most one message beside what is being fed.

    Messages of the reference protocol have no checksum, so they are taken only while they are
    expected, and with the length that is expected; everything else is ``Text``.

    Args:
        max_payload: larger messages of the extended protocol are none.

    Attributes:
        take_info: an ``INFO`` is expected.
        horizon: values of the ``PRED`` that is expected (an empty one is taken too); None for none.
        damaged: headers and messages whose checksum was wrong.
        skipped: bytes that were no message.
    """

    def __init__(self, max_payload: int = MAX_PAYLOAD) -> None:
        self.take_info = False
        self.horizon: int | None = None
        self.damaged = 0
        self.skipped = 0
        self._max_payload = max_payload
        self._held = bytearray()
        self._wanted = 1

    @property
    def partial(self) -> int:
        """Bytes of a message that has begun."""
        return len(self._held)

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes; return what they complete, in order."""
        events: list[Event] = []
        for start in range(0, len(data), _MAX_CHUNK):
            self._held += data if len(data) <= _MAX_CHUNK else data[start : start + _MAX_CHUNK]
            if len(self._held) >= self._wanted:
                self._cut(events)
        return events

    def give_up(self) -> list[Event]:
        """Forget the message that has begun and never ended; return what follows."""
        events: list[Event] = []
        if self._held:
            kept = 4 if _MAGICS.match(self._held) else len(self._held)
            self._say(bytes(self._held[:kept]), events)
            del self._held[:kept]
            self._cut(events)
        return events

    def reset(self) -> None:
        """Forget everything held."""
        self._held.clear()
        self._wanted = 1

    def _cut(self, events: list[Event]) -> None:
        held, at, quiet = self._held, 0, 0
        self._wanted = 1
        while True:
            found = _MAGICS.search(held, at)
            if found is None:
                at = len(held) - _start_of_magic(held, at)
                break
            at = found.start()
            event, length = self._message(at)
            if event is None and length:
                self._wanted = length
                break
            if event is None:
                at += 4
                continue
            self._say(bytes(held[quiet:at]), events)
            events.append(event)
            at = quiet = at + length
        self._say(bytes(held[quiet:at]), events)
        del held[:at]

    def _say(self, text: bytes, events: list[Event]) -> None:
        if text:
            self.skipped += len(text)
            events.append(Text(text))

    def _message(self, at: int) -> tuple[Event | None, int]:
        """Return a message and its length; None and the bytes it needs, or 0 when it is none."""
        first = self._held[at]
        if first == MAGIC[0]:
            return self._extended(at)
        if first == ord("I"):
            return self._info(at) if self.take_info else (None, 0)
        return self._prediction(at) if self.horizon is not None else (None, 0)

    def _extended(self, at: int) -> tuple[Event | None, int]:
        held = self._held
        if len(held) - at < HEADER_BYTES:
            return None, HEADER_BYTES
        _, kind, status, request, model, _, length, check = HEADER.unpack_from(held, at)
        if crc_hqx(held[at + 4 : at + 14], 0xFFFF) != check or length > self._max_payload:
            self.damaged += 1
            return None, 0
        if len(held) - at < OVERHEAD + length:
            return None, OVERHEAD + length
        end = at + HEADER_BYTES + length
        body = bytes(held[at + 4 : end])
        if crc32(body).to_bytes(4, "little") != held[end : end + 4]:
            self.damaged += 1
            return None, 0
        return Message(kind, status, request, model, body[12:]), OVERHEAD + length

    def _info(self, at: int) -> tuple[Event | None, int]:
        if len(self._held) - at < 12:
            return None, 12
        info = Info(*unpack_from("<4H", self._held, at + 4))
        dimensions = (info.steps, info.features, info.horizon, info.hidden)
        if any(dimensions) and not (all(dimensions) and info.steps * info.features <= MAX_INPUTS):
            return None, 0
        return info, 12

    def _prediction(self, at: int) -> tuple[Event | None, int]:
        if len(self._held) - at < 8:
            return None, 8
        (count,) = unpack_from("<I", self._held, at + 4)
        if count not in (0, self.horizon):
            return None, 0
        length = 8 + 4 * count
        if len(self._held) - at < length:
            return None, length
        values = np.frombuffer(bytes(self._held[at + 8 : at + length]), "<f4")
        return Prediction(values.astype(np.float32, copy=False)), length


def _start_of_magic(held: bytearray, at: int) -> int:
    """Return how many bytes at the end may be the start of a magic."""
    for count in (3, 2, 1):
        if len(held) - at >= count and bytes(held[-count:]) in _STARTS:
            return count
    return 0
