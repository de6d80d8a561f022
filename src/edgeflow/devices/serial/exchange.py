"""Requests and replies of the extended protocol: window, losses, time limits. Sans I/O."""

from collections import deque

from edgeflow.devices.serial.requests import MAX_TRIES, Request
from edgeflow.errors import DeadlineError, EdgeFlowError
from edgeflow.protocols.uart import Event, Message, Receiver, Status, Type, encode

__all__ = ["Exchange", "ExtendedExchange"]

MAX_SILENCES = 3
"""Time limits in a row after which a board counts as gone."""

PROBE_SECONDS = 0.35
"""What a lone request may take before the host looks whether the board still has it."""

_FIRST_COMPUTE = 0.5
_LONGEST_COMPUTE = 5.0
_SLACK = 0.25
_REPLY_BYTES = 256
_CROWD = 512


class Exchange:
    """What both protocols share.

    Args:
        receiver: where events come from.
        baud: of the line, for time limits.

    Attributes:
        silent: the board answers nothing any more.
        rebooted: the board said that it has started anew.
    """

    def __init__(self, receiver: Receiver, baud: int) -> None:
        self.silent = self.rebooted = False
        self._receiver = receiver
        self._byte_seconds = 10.0 / baud
        self._waiting: deque[Request] = deque()
        self._crowded = _CROWD
        self._slowest: float | None = None
        self._silences = 0

    def add(self, request: Request) -> None:
        """Queue a request."""
        if len(self._waiting) >= self._crowded:
            # Whoever gives up and asks again would fill the queue behind a request that takes long.
            self._waiting = deque(each for each in self._waiting if not each.done)
            self._crowded = 2 * len(self._waiting) + _CROWD
        self._waiting.append(request)

    def take(self, now: float) -> bytes:
        """Return what is to be sent now."""
        raise NotImplementedError

    def event(self, event: Event, now: float) -> None:
        """Take what came."""
        raise NotImplementedError

    def due(self) -> float | None:
        """Return when ``expire`` wants to be called."""
        raise NotImplementedError

    def expire(self, now: float) -> None:
        """Handle what should have come by now."""
        raise NotImplementedError

    def fail(self, error: EdgeFlowError) -> None:
        """Fail everything that waits or is under way."""
        for request in (*self._under_way(), *self._waiting):
            request.fail(error)
        self._waiting.clear()

    def hand_over(self) -> list[Request]:
        """Give up every request for another exchange; those that cannot be repeated fail."""
        requests = []
        for request in (*self._under_way(), *self._waiting):
            if request.tries and not request.repeat:
                request.fail(DeadlineError("no answer came: the board has started anew"))
            elif not request.done:
                requests.append(request)
        self._waiting.clear()
        return requests

    def _under_way(self) -> list[Request]:
        raise NotImplementedError

    def _next(self) -> Request | None:
        """Return the first request that somebody still waits for; it stays in the queue."""
        waiting = self._waiting
        while waiting and waiting[0].done:
            waiting.popleft()
        return waiting[0] if waiting else None

    def _learn(self, request: Request, now: float) -> None:
        """Remember how long inference takes, to notice sooner when an answer is missing."""
        self._silences = 0
        if request.kind in (Type.INFER, Type.STREAM_STEP):
            took = now - request.sent
            known = took if self._slowest is None else 0.98 * self._slowest
            self._slowest = min(_LONGEST_COMPUTE, max(took, known))

    def _patience(self, request: Request, outstanding: int) -> float:
        """Return how long a reply may take after the one before it."""
        line = 2.0 * self._byte_seconds * (outstanding + _REPLY_BYTES)
        work = max(request.allowance, _SLACK)
        if request.kind in (Type.INFER, Type.STREAM_STEP):
            slowest = _FIRST_COMPUTE if self._slowest is None else self._slowest
            work = _SLACK + 3.0 * slowest
        return line + work * (1 << min(self._silences, 4))

    def _again(self, request: Request, *, damaged: bool = False) -> bool:
        """Tell whether a request that was lost is to be sent again; if not, it fails."""
        if request.done:
            return False
        if request.repeat and request.tries < MAX_TRIES:
            return True
        why = "the line damages every request" if damaged else "no answer came"
        request.fail(DeadlineError(f"{why} ({request.tries} tries)", hint="is the line noisy?"))
        return False


class ExtendedExchange(Exchange):
    """Keeps the board's window full.

    Replies come in the order of requests, so one that is passed over is lost at once; only the
    oldest has a time limit, which starts anew with each reply.
    """

    def __init__(self, receiver: Receiver, baud: int, window: int, window_bytes: int) -> None:
        super().__init__(receiver, baud)
        self._window, self._window_bytes = window, window_bytes
        self._open: dict[int, Request] = {}
        self._bytes = 0
        self._progress = 0.0
        self._id = 0

    def take(self, now: float) -> bytes:
        """Return as many requests as the window lets through."""
        parts = []
        while len(self._open) < self._window:
            request = self._next()
            if request is None:
                break
            if self._open and self._bytes + request.size > self._window_bytes:
                break
            self._waiting.popleft()
            parts.append(self._send(request, now))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def event(self, event: Event, now: float) -> None:
        """Match a reply with its request."""
        if not isinstance(event, Message):
            return
        if event.type == Type.BOOTED:
            self.rebooted = True
            return
        damaged = event.type == Type.DAMAGED or _is_transient(event)
        request = self._open.get(event.id)
        if request is None or not (damaged or event.type == request.kind | 0x80):
            return
        self._progress = now
        lost = self._drop_until(event.id)
        if damaged:
            lost.append(request)
        else:
            self._learn(request, now)
        self._requeue(lost, damaged=damaged)
        if not damaged:
            request.resolve(event, now)

    def due(self) -> float | None:
        """Return when the oldest reply should be there, or it is time to ask for it."""
        due = self._overdue()
        if due is not None and self._may_probe():
            (request,) = self._open.values()
            probe = request.sent + PROBE_SECONDS + 2.0 * self._byte_seconds * request.size
            return min(due, probe)
        return due

    def expire(self, now: float) -> None:
        """Send everything that is under way again when the oldest reply is overdue."""
        due = self._overdue()
        if due is None:
            return
        if now < due:
            self._probe(now)
            return
        for event in self._receiver.give_up():
            self.event(event, now)
        due = self._overdue()
        if due is None or now < due:
            return
        self._silences += 1
        self.silent = self._silences >= MAX_SILENCES
        lost = list(self._open.values())
        self._open.clear()
        self._bytes = 0
        self._requeue(lost)

    def _overdue(self) -> float | None:
        for request in self._open.values():
            return max(request.sent, self._progress) + self._patience(request, self._bytes)
        return None

    def _may_probe(self) -> bool:
        return len(self._open) == 1 and self._window > 1 and not self._waiting

    def _probe(self, now: float) -> None:
        """Ask for an echo behind a lone request that takes long: its answer shows a loss early."""
        if self._may_probe():
            echo = Request(
                Type.ECHO, b"", lambda *_: None, submitted=now, deadline=now, repeat=False
            )
            self._waiting.append(echo)

    def _under_way(self) -> list[Request]:
        requests = list(self._open.values())
        self._open.clear()
        self._bytes = 0
        return requests

    def _send(self, request: Request, now: float) -> bytes:
        self._id = (self._id + 1) & 0xFFFF
        request.id = self._id
        request.tries += 1
        if not self._open:
            self._progress = now
        request.sent = now
        self._open[request.id] = request
        self._bytes += request.size
        return encode(request.kind, request.id, request.payload, model=request.model)

    def _drop_until(self, last: int) -> list[Request]:
        """Take the requests up to an id out of the window; return those before it."""
        passed = []
        for number in list(self._open):
            request = self._open.pop(number)
            self._bytes -= request.size
            if number == last:
                break
            passed.append(request)
        return passed

    def _requeue(self, lost: list[Request], *, damaged: bool = False) -> None:
        again = [each for each in lost if self._again(each, damaged=damaged)]
        self._waiting.extendleft(reversed(again))


def _is_transient(reply: Message) -> bool:
    """True where requests that were sent again have overfilled the window for a moment."""
    return reply.status == Status.BUSY and reply.type == Type.INFER | 0x80
