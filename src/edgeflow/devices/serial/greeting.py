"""Find out what a board speaks and what it has: HELLO, META, models, a faster line. Sans I/O."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from edgeflow.errors import ProtocolError
from edgeflow.protocols.uart import (
    Capability,
    Event,
    Hello,
    Info,
    Message,
    Model,
    Receiver,
    Type,
    decode_hello,
    decode_model,
    encode,
    encode_meta,
)

__all__ = ["Found", "Greeting"]

HELLO_SECONDS = 0.35
META_SECONDS = 0.8
FALLBACK_SECONDS = 2.3
MAX_MODELS = 16

_HELLOS = 3
_METAS = 2
_SETTLE_SECONDS = 0.05
"""A board that got SET_BAUD while its answer was still on the way needs a moment to switch."""


@dataclass(frozen=True, slots=True)
class Found:
    """What answered.

    Attributes:
        hello: of the extended protocol; None for a board of the reference protocol.
        models: by id; of the extended protocol.
        info: of the reference protocol.
        baud: of the line now.
    """

    baud: int
    hello: Hello | None = None
    models: tuple[Model, ...] = ()
    info: Info | None = None


def _never(_: Event) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class _Ask:
    """Send this, then wait for an event that is wanted, at most so long."""

    data: bytes
    seconds: float
    wants: Callable[[Event], bool] = _never
    baud: int | None = None


_Steps: TypeAlias = Generator[_Ask, Event | None, Found | None]


class Greeting:
    """Carries the conversation out; the caller sends, receives and looks at the clock.

    Args:
        receiver: where events come from.
        bauds: rates to look for the board at, first its rate at start.
        faster: rates to switch to, best first.

    Attributes:
        found: what answered; None while it is not known.
        failed: nobody answered.
        baud: the rate that the line must have now.
    """

    def __init__(self, receiver: Receiver, bauds: Sequence[int], faster: Sequence[int]) -> None:
        self.found: Found | None = None
        self.failed = False
        self.baud = bauds[0]
        self._receiver = receiver
        self._bauds, self._faster = bauds, faster
        self._id = 0xE000
        self._steps = self._run()
        self._ask: _Ask | None = None
        self._unsent = b""
        self._due: float | None = None
        receiver.horizon = None
        receiver.take_info = True
        receiver.reset()
        self._advance(None)

    def take(self, now: float) -> bytes:
        """Return what is to be sent now, at ``baud``."""
        data, self._unsent = self._unsent, b""
        if self._ask is not None and self._due is None:
            self._due = now + self._ask.seconds + 20.0 * len(data) / self.baud
        return data

    def event(self, event: Event, now: float) -> None:
        """Take what came."""
        if self._ask is not None and self._ask.wants(event):
            self._advance(event)

    def due(self) -> float | None:
        """Return when ``expire`` wants to be called."""
        return self._due

    def expire(self, now: float) -> None:
        """Go on without an answer when its time is over."""
        if self._due is not None and now >= self._due:
            self._receiver.reset()
            self._advance(None)

    def _advance(self, event: Event | None) -> None:
        self._due = None
        try:
            self._ask = self._steps.send(event)
        except StopIteration as end:
            self._ask = None
            self.found = end.value
            self.failed = end.value is None
            return
        self._unsent = self._ask.data
        self.baud = self._ask.baud or self.baud

    def _run(self) -> _Steps:
        for baud in self._bauds:
            self.baud = baud
            answer = yield from self._both()
            if answer is None and baud == self._bauds[0]:
                answer = yield from self._meta(baud)
            if isinstance(answer, Info):
                # Noise may have taken every HELLO of a board that knows it.
                info, answer = answer, (yield from self._hello(baud, 1))
                if answer is None:
                    return Found(baud, info=info)
            if answer is not None:
                return (yield from self._extended(answer, baud))
        return None

    def _both(self) -> Generator[_Ask, Event | None, Hello | Info | None]:
        """Ask HELLO and META at once: a board that knows HELLO answers it first."""
        before: Info | None = None
        for _ in range(_HELLOS):
            self._id = 0xE000 | (self._id + 1) & 0xFFF
            data = encode(Type.HELLO, self._id) + encode_meta()
            event = yield _Ask(data, HELLO_SECONDS, _either(self._id), self.baud)
            if isinstance(event, Message):
                return _hello_of(event)
            if isinstance(event, Info):
                if event == before:
                    return event
                before = event
        return None

    def _extended(self, hello: Hello, baud: int) -> _Steps:
        baud = yield from self._speed_up(hello, baud)
        models = []
        for model in range(min(hello.models, MAX_MODELS)):
            told = yield from self._model(model)
            if told is None:
                return None
            models.append(told)
        return Found(baud, hello, tuple(models))

    def _speed_up(self, hello: Hello, baud: int) -> Generator[_Ask, Event | None, int]:
        wanted = [each for each in self._faster if each > baud]
        if baud not in (self._bauds[0], *self._faster):
            wanted.append(self._bauds[0])
        for faster in wanted if Capability.BAUD in hello.capabilities else ():
            reply = yield from self._request(Type.SET_BAUD, faster.to_bytes(4, "little"), 1)
            if reply is None or reply.status:
                continue
            yield _Ask(b"", _SETTLE_SECONDS, baud=faster)
            if (yield from self._hello(faster, _HELLOS)) is not None:
                return faster
            yield _Ask(b"", FALLBACK_SECONDS, baud=baud)
            if (yield from self._hello(baud, _HELLOS)) is None:
                break
        return baud

    def _hello(self, baud: int, tries: int) -> Generator[_Ask, Event | None, Hello | None]:
        self.baud = baud
        reply = yield from self._request(Type.HELLO, b"", tries)
        return None if reply is None else _hello_of(reply)

    def _model(self, model: int) -> Generator[_Ask, Event | None, Model | None]:
        reply = yield from self._request(Type.MODEL_INFO, b"", _HELLOS, model)
        if reply is None or reply.status:
            return None
        try:
            return decode_model(reply.payload)
        except ProtocolError:
            return None

    def _meta(self, baud: int) -> Generator[_Ask, Event | None, Info | None]:
        """Ask until two answers in a row are the same: they have no checksum."""
        for _ in range(_METAS):
            event = yield _Ask(encode_meta(), META_SECONDS, _is_info, baud)
            if isinstance(event, Info):
                again = yield _Ask(encode_meta(), META_SECONDS, _is_info, baud)
                if again == event:
                    return event
        return None

    def _request(
        self, kind: int, payload: bytes, tries: int, model: int = 0
    ) -> Generator[_Ask, Event | None, Message | None]:
        for _ in range(tries):
            self._id = 0xE000 | (self._id + 1) & 0xFFF
            number = self._id
            event = yield _Ask(
                encode(kind, number, payload, model=model),
                HELLO_SECONDS,
                lambda each, number=number: (  # type: ignore[misc]
                    isinstance(each, Message) and each.id == number and each.type == kind | 0x80
                ),
                self.baud,
            )
            if isinstance(event, Message):
                return event
        return None


def _either(number: int) -> Callable[[Event], bool]:
    def wants(event: Event) -> bool:
        if isinstance(event, Message):
            return event.id == number and event.type == Type.HELLO | 0x80
        return isinstance(event, Info)

    return wants


def _hello_of(reply: Message) -> Hello | None:
    if reply.status:
        return None
    try:
        return decode_hello(reply.payload)
    except ProtocolError:
        return None


def _is_info(event: Event) -> bool:
    return isinstance(event, Info)
