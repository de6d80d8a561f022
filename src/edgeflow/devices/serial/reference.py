"""Requests and replies of the reference protocol, one at a time; META finds the step. Sans I/O."""

from struct import pack

import numpy as np

from edgeflow.devices.serial.exchange import Exchange
from edgeflow.devices.serial.requests import Request
from edgeflow.errors import EdgeFlowError
from edgeflow.protocols.uart import (
    INFER_REPLY,
    Event,
    Info,
    Message,
    Prediction,
    Receiver,
    Status,
    Type,
    encode_meta,
)

__all__ = ["ReferenceExchange"]

_META_SECONDS = 0.15
_MAX_METAS = 64
_MAX_REFUSALS = 3


class ReferenceExchange(Exchange):
    """Sends one request and waits for its answer.

    Nothing in this protocol tells which request an answer belongs to. So when one is missing,
    META goes out until an INFO comes: the board takes messages in order, hence nothing of the
    request before can follow. The METAs become more, so that they also fill up a request that
    lost bytes on the way.

    Args:
        receiver: where events come from; it is told what to expect.
        baud: of the line.
        info: dimensions that the board told last.
        verify: ask for each sample until two answers in a row are the same, because nothing
            else shows flipped bytes.
    """

    def __init__(self, receiver: Receiver, baud: int, info: Info, *, verify: bool = False) -> None:
        super().__init__(receiver, baud)
        self._verify = verify
        self._first: tuple[Request, bytes] | None = None
        self.info = info
        self._open: Request | None = None
        self._metas = 0
        self._next_meta: float | None = None
        self._seen: Info | None = None
        self._give_up = 0.0
        receiver.take_info = True

    def take(self, now: float) -> bytes:
        """Return the next request, or METAs while out of step."""
        if self._next_meta is not None:
            return self._ask(now)
        if self._open is not None:
            return b""
        request = self._next()
        if request is None:
            return b""
        self._waiting.popleft()
        request.tries += 1
        request.sent = now
        self._open = request
        if request.kind == Type.MODEL_INFO:
            return encode_meta()
        self._receiver.horizon = self.info.horizon
        values = request.payload[4:]
        return b"INFR" + pack("<I", len(values) // 4) + values

    def event(self, event: Event, now: float) -> None:
        """Take an answer."""
        if isinstance(event, Message):
            self.rebooted = self.rebooted or event.type == Type.BOOTED
        elif isinstance(event, Info):
            self._informed(event, now)
        elif isinstance(event, Prediction) and self._next_meta is None:
            self._predicted(event, now)

    def due(self) -> float | None:
        """Return when the answer should be there, or the next META goes out."""
        if self._next_meta is not None:
            return self._next_meta
        if self._open is None:
            return None
        return self._open.sent + self._patience(self._open, self._open.size)

    def expire(self, now: float) -> None:
        """Fall out of step when the answer is overdue."""
        due = self.due()
        if due is None or now < due or self._next_meta is not None:
            return
        self._silences += 1
        self._lose(now)

    def fail(self, error: EdgeFlowError) -> None:
        """Fail everything."""
        super().fail(error)
        self._receiver.horizon = None

    def _under_way(self) -> list[Request]:
        found = [] if self._open is None else [self._open]
        self._open = None
        return found

    def _ask(self, now: float) -> bytes:
        if self._next_meta is None or now < self._next_meta:
            return b""
        if now > self._give_up:
            self.silent = True
            self._next_meta = None
            return b""
        self._metas = min(_MAX_METAS, max(1, self._metas * 2))
        # The answers to all of these must have come before the next ones go out.
        self._next_meta = now + _META_SECONDS + 40 * self._metas * self._byte_seconds
        return encode_meta() * self._metas

    def _informed(self, info: Info, now: float) -> None:
        seen, self._seen = self._seen, info
        # No checksum: other dimensions than before count once they were told twice.
        if info not in (self.info, seen):
            if self._next_meta is not None:
                self._next_meta = now
            elif self._open is not None and self._open.kind == Type.MODEL_INFO:
                self._lose(now)
            return
        self.info = info
        if self._next_meta is not None:
            self._next_meta = None
            self._metas = 0
        request = self._open
        if request is not None and request.kind == Type.MODEL_INFO:
            self._finish(request, Status.OK, pack("<4H", *_fields(info)), now)

    def _predicted(self, answer: Prediction, now: float) -> None:
        request = self._open
        if request is None or request.kind != Type.INFER:
            return
        if answer.values.size and np.isfinite(answer.values).all():
            self._learn(request, now)
            payload = INFER_REPLY.pack(0, 0) + answer.values.tobytes()
            if self._verify and self._first != (request, payload):
                self._first = (request, payload)
                self._open = None
                if self._again(request, damaged=True):
                    self._waiting.appendleft(request)
                return
            self._first = None
            self._finish(request, Status.OK, payload, now)
        elif request.tries < _MAX_REFUSALS:
            self._lose(now)
        else:
            self._finish(request, Status.DIMENSIONS, pack("<I", 0), now)
            self._start_asking(now)

    def _finish(self, request: Request, status: int, payload: bytes, now: float) -> None:
        self._open = None
        self._silences = 0
        self._receiver.horizon = None
        request.resolve(Message(request.kind | 0x80, status, 0, request.model, payload), now)

    def _lose(self, now: float) -> None:
        request, self._open = self._open, None
        if request is not None and self._again(request):
            self._waiting.appendleft(request)
        self._start_asking(now)

    def _start_asking(self, now: float) -> None:
        self._receiver.reset()
        self._receiver.horizon = None
        self._seen = None
        self._metas = 0
        self._next_meta = now
        self._give_up = now + 7.0


def _fields(info: Info) -> tuple[int, int, int, int]:
    return info.steps, info.features, info.horizon, info.hidden
