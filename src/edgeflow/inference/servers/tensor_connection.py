"""One client of the tensor server: receives, keeps the order, holds back, notices who leaves."""

import asyncio
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import structlog

from edgeflow.errors import FrameTooLargeError, OverloadedError, ProtocolError
from edgeflow.inference.requests import InferRequest
from edgeflow.inference.servers.tensor_calls import Call, infer_request_v1, infer_request_v2
from edgeflow.inference.servers.tensor_socket import descriptor_of, unread, write_now
from edgeflow.protocols.tensor import v1, v2
from edgeflow.protocols.tensor.receive import Cut, Receiver
from edgeflow.protocols.tensor.repeated import Decoder, Encoder
from edgeflow.protocols.tensor.wire import MAGIC, Buffer, version_of

if TYPE_CHECKING:
    from edgeflow.inference.servers.tensor_desk import Desk

__all__ = ["Connection"]

log = structlog.get_logger(__name__)

_IN_TURN: Final = 8
"""Requests after which a client is taken for one that waits for each answer."""
_LOOK: Final = 4
"""Of so many of its requests one is followed by a look whether it still does."""


class Connection(asyncio.BufferedProtocol):
    """Speaks both versions. All methods run in the server's loop.

    Version-1 answers leave in the order of their requests, version-2 answers as they come.
    """

    def __init__(self, desk: "Desk") -> None:
        self.address = ""
        self.host = ""
        self.share = ""
        self.refused = ""
        self.flight: set[Call] = set()
        self.crowded: Call | None = None
        self._desk = desk
        self._receiver = Receiver(desk.options.limits.frame_bytes, _data_offset, self._reserve)
        self._decoder = Decoder(desk.options.limits)
        self.encoder = Encoder()
        self._transport: Any = None
        self._descriptor = -1
        self._ordered: deque[Call] = deque()
        self._out: list[Buffer] = []
        self._held = 0
        self._in_turn = 0
        self._reading = True
        self._write_paused = False
        self._finishing = False
        self._frame_since = 0.0
        self._write_since = 0.0

    # --- called by the loop

    def connection_made(self, transport: Any) -> None:
        """Take a client in, or prepare to tell it why not."""
        self._transport = transport
        self._descriptor = descriptor_of(transport)
        peer = transport.get_extra_info("peername") or ("", 0)
        self.host, self.address = str(peer[0]), f"{peer[0]}:{peer[1]}"
        self.share = f"{peer[0]}/{peer[1]}"
        transport.set_write_buffer_limits(high=self._desk.options.write_buffer_bytes)
        self._desk.welcome(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go."""
        return self._receiver.space()

    def buffer_updated(self, nbytes: int) -> None:
        """Work on what has arrived."""
        self._desk.bytes_received += nbytes
        self._desk.hear(self)
        if self._receiver.received(nbytes):
            with self._desk.awake:
                self.advance()

    def eof_received(self) -> bool:
        """Take a client that sends no more for one that has left."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Withdraw what the client had asked for."""
        self._transport = None
        self._desk.release(self._held)
        self._held = 0
        self._ordered.clear()
        for call in tuple(self.flight):
            call.cancel()
        self._desk.farewell(self)

    def pause_writing(self) -> None:
        """Take no more requests from a client that does not read its answers."""
        self._write_paused = True
        self._write_since = time.monotonic()

    def resume_writing(self) -> None:
        """Go on with a client that reads again."""
        self._write_paused = False
        self._write_since = 0.0
        self.advance()

    # --- called by the desk

    @property
    def is_open(self) -> bool:
        """False once the client has gone."""
        return self._transport is not None

    def advance(self) -> None:
        """Take the requests that are complete, as many as the client may have under way."""
        while self._may_take():
            try:
                cut = self._receiver.next()
            except FrameTooLargeError as error:
                self._give_up(self._receiver.start, ProtocolError(error.message, hint=error.hint))
                break
            if cut is None:
                break
            self._frame_since = 0.0
            self._take(cut)
        self._watch()

    def answer_now(self, call: Call) -> None:
        """Send the outcome of a call that this thread has computed."""
        if self._transport is None or self._transport.is_closing():
            return
        try:
            if self._in_turn % _LOOK == 0 and unread(self._descriptor):
                self._in_turn = 0  # it did not wait for this answer
            self.answered(call)
            self._send()
        except Exception:
            log.exception("connection_failed", client=self.address)
            self.abort("its answers cannot be sent")

    def answered(self, call: Call) -> None:
        """Write the outcome of a call; it leaves with the next ``push``."""
        call.told = True
        if call not in self.flight:
            return
        self.flight.discard(call)
        if self._transport is None:
            return
        if call.protocol == 2:
            self._out += call.answer()
            return
        while self._ordered and self._ordered[0].outcome is not None:
            self._out += self._ordered.popleft().answer()

    def push(self) -> None:
        """Send what has been written, take what had to wait, close what is finished."""
        if self._transport is None or self._transport.is_closing():
            self._out = []
            return
        self._send()
        if self._finishing and not self.flight:
            self._transport.close()
            self._write_since = self._write_since or time.monotonic()
        elif not self._reading or self._receiver.waiting:
            self.advance()

    def finish(self) -> None:
        """Read no more, and close when the last answer has left."""
        self._finishing = True
        self._watch()
        self.push()

    def abort(self, reason: str) -> None:
        """Hang up now."""
        if self._transport is not None:
            log.warning("client_dropped", client=self.address, reason=reason)
            self._transport.abort()

    def check(self, now: float) -> None:
        """Hang up on a client that stopped inside a frame, or that does not take its answers."""
        options = self._desk.options
        if self._write_since:
            waiting = self._transport.get_write_buffer_size() if self._transport else 0
            grace = options.write_timeout_s + waiting / options.min_bytes_per_s
            if now - self._write_since > grace:
                self.abort(f"did not take its answers within {grace:.3g} s")
            return
        if not self._frame_since or self._finishing:
            return
        grace = options.read_timeout_s + self._receiver.waiting / options.min_bytes_per_s
        if now - self._frame_since > grace:
            text = f"a frame was not complete after {grace:.3g} s"
            self._give_up(self._receiver.start, ProtocolError(text))
            self._desk.flush()

    def make_room(self, now: float, patience: float) -> None:
        """Hang up on a client whose frame holds memory that others need, but hardly comes."""
        grace = patience + self._receiver.waiting / self._desk.options.min_bytes_per_s
        if self._held and self._frame_since and now - self._frame_since > grace:
            self._desk.release(self._held)
            self._held = 0
            self.abort(f"its frame was not complete after {grace:.3g} s, and memory is short")

    # --- requests

    def _may_take(self) -> bool:
        return (
            not self._finishing
            and not self._write_paused
            and len(self.flight) < self._desk.options.max_in_flight
            and self.crowded not in self.flight
        )

    def _watch(self) -> None:
        """Read while there is room; remember since when a frame has been incomplete."""
        if self._transport is None or self._transport.is_closing():
            return
        blocked = not self._may_take()
        wanted = not self._finishing and (not blocked or len(self._receiver.space()) > 0)
        if wanted != self._reading:
            self._reading = wanted
            (self._transport.resume_reading if wanted else self._transport.pause_reading)()
        if blocked or not self._receiver.waiting:
            self._frame_since = 0.0
        elif not self._frame_since:
            self._frame_since = time.monotonic()

    def _reserve(self, nbytes: int) -> bool:
        self._held = nbytes if self._desk.reserve(nbytes) else 0
        return self._held > 0

    def _take(self, cut: Cut) -> None:
        frame = cut.frame
        held, self._held = self._held, 0
        try:
            protocol = version_of(frame)
            if protocol not in (1, 2):
                raise ProtocolError(f"there is no version {protocol} of the protocol")
        except ProtocolError as error:
            self._give_up(frame, error, held)
            return
        call = self._begin(protocol, frame, held)
        if self.refused:
            call.done(OverloadedError(self.refused))
            self._finishing = True
        elif not cut.whole:
            call.done(OverloadedError("no memory left for requests of this size"))
        elif protocol == 1:
            self._take_v1(call, frame)
        else:
            self._take_v2(call, frame)

    def _begin(self, protocol: int, start: Buffer, nbytes: int) -> Call:
        number = v2.request_id_of(start) if protocol == 2 else 0
        call = Call(self, self._desk.post, protocol, nbytes, number)
        self.flight.add(call)
        if protocol == 1:
            self._ordered.append(call)
        return call

    def _take_v1(self, call: Call, frame: memoryview) -> None:
        try:
            request = v1.decode_request(frame, self._desk.options.limits)
        except ProtocolError as error:
            self._finishing = True
            call.done(error)
            return
        call.model = request.model
        if request.other is not None:
            self._desk.settle_layout(call, request)
        else:
            self._submit(call, infer_request_v1(request, self.share))

    def _take_v2(self, call: Call, frame: memoryview) -> None:
        try:
            request = self._decoder.decode(frame)
        except ProtocolError as error:
            call.done(error)
            return
        call.model, call.kind = request.model, request.kind
        if request.kind is v2.Kind.CANCEL:
            self._cancel(call)
            return
        if request.kind is not v2.Kind.INFER:
            self._desk.inquire(call, request)
            return
        share = f"{self.share}/{request.client}" if request.client else self.share
        self._submit(call, infer_request_v2(request, share))

    def _submit(self, call: Call, request: InferRequest) -> None:
        request.inline = self._waits_for_answers()
        call.home = threading.get_ident() if request.inline else 0
        self._desk.submit(call, request)

    def _waits_for_answers(self) -> bool:
        """True for the only client that is active, if it asks again only when it is answered."""
        if len(self.flight) > 1 or self._receiver.waiting:
            self._in_turn = 0
            return False
        self._in_turn += 1
        return self._in_turn > _IN_TURN and self._desk.hears_only(self)

    def _send(self) -> None:
        if self._out:
            parts, self._out = _joined(self._out), []
            self._desk.bytes_sent += sum(map(len, parts))
            if not self._transport.get_write_buffer_size():
                parts = write_now(self._descriptor, parts)
            for part in parts:
                self._transport.write(part)

    def _cancel(self, request: Call) -> None:
        self.flight.discard(request)
        self._desk.release(request.nbytes)
        for call in tuple(self.flight):
            if call.protocol == 2 and call.request_id == request.request_id:
                call.cancel()

    def _give_up(self, start: Buffer, error: ProtocolError, held: int = 0) -> None:
        """Answer what cannot be read in the version that it seems to be, then close."""
        protocol = 2 if bytes(start[:6]) == MAGIC + b"\x02\x00" else 1
        log.warning("frame_refused", client=self.address, error=str(error))
        self._finishing = True
        self._begin(protocol, start, held).done(error)
        self._watch()


def _data_offset(start: Buffer) -> int:
    return v1.data_offset(start) if bytes(start[4:6]) == b"\x01\x00" else 0


def _joined(parts: list[Buffer]) -> list[Buffer]:
    """Join neighbours that are small: one write for many short answers."""
    if len(parts) == 1:
        return parts
    joined: list[Buffer] = []
    small: list[Buffer] = []
    for part in parts:
        if len(part) < 1 << 14:
            small.append(part)
            continue
        if small:
            joined.append(b"".join(small))
            small = []
        joined.append(part)
    if small:
        joined.append(b"".join(small))
    return joined
