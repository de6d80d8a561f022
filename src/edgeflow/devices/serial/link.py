"""The thread that owns a port: it finds the board, keeps it busy, and finds it again."""

import select
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from edgeflow.devices.serial.console import Console
from edgeflow.devices.serial.conversation import Conversation
from edgeflow.devices.serial.desk import Desk
from edgeflow.devices.serial.exchange import Exchange, ExtendedExchange
from edgeflow.devices.serial.greeting import Found, Greeting
from edgeflow.devices.serial.ports import Port, open_port
from edgeflow.devices.serial.reference import ReferenceExchange
from edgeflow.devices.serial.requests import Request
from edgeflow.errors import EdgeFlowError, UnreachableError
from edgeflow.protocols.uart import BASE_BAUD, Info

__all__ = ["SerialLink", "Watcher"]

log = structlog.get_logger(__name__)

FIRST_BACKOFF = 0.1
MAX_BACKOFF = 1.0
GREETINGS_PER_OPENING = 3
LIKELY = (921600, 460800)
"""Rates that boards are switched to unless somebody says otherwise."""

_STEADY_SECONDS = 5.0
_LENT_SECONDS = 3600.0


class Watcher(Protocol):
    """Is told, in the link's thread, what becomes of the board; must not wait."""

    def found(self, found: Found) -> None:
        """The board answers, for the first time or again."""
        ...

    def lost(self, error: EdgeFlowError) -> None:
        """It does not answer any more, or cannot be reached."""
        ...


class SerialLink:
    """Requests in, answers out, whatever becomes of the port.

    Args:
        locate: returns the port's path or URL, or raises UnreachableError.
        watcher: who is told.
        name: for messages and the thread.
        baud: rate at which the board starts.
        faster: rates to switch to, best first.
        capacity: requests that may be unanswered.
        verify: ask boards without checksums for each sample twice.
        now: monotonic seconds.

    Attributes:
        console: what the board writes beside its answers.
    """

    def __init__(
        self,
        locate: Callable[[], str],
        watcher: Watcher,
        *,
        name: str,
        baud: int = BASE_BAUD,
        faster: Sequence[int] = (),
        capacity: int = 256,
        verify: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.console = Console()
        self._verify = verify
        self._locate, self._watcher, self._name, self._now = locate, watcher, name, now
        self._baud, self._faster = baud, tuple(faster)
        self._desk = Desk(name, capacity)
        self._desk.refuse(UnreachableError(f"{name}: the board has not been found yet"))
        self._known = threading.Event()
        self._stopping = self._lending = False
        self._lent = threading.Event()
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._work, name=f"board-{name}", daemon=True)

    @property
    def depth(self) -> int:
        """Requests that are unanswered."""
        return self._desk.depth

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wait_until_known(self, timeout: float) -> bool:
        """Wait until the board was found or could not be; False after ``timeout`` seconds."""
        return self._known.wait(timeout)

    def submit(self, request: Request) -> None:
        """Queue a request.

        Raises:
            UnreachableError: the board is lost, or the link closed.
            OverloadedError: the queue is full.
        """
        self._desk.submit(request)

    def lend(self, timeout: float = 3.0) -> None:
        """Close the port until ``take_back``, so that another program may have it.

        Raises:
            UnreachableError: the thread did not let go of it in time.
        """
        self._lent.clear()
        self._lending = True
        self._desk.call()
        if not self._lent.wait(timeout):
            self.take_back()
            raise UnreachableError(f"{self._name}: the port is still in use")

    def take_back(self) -> None:
        """Open the port again."""
        self._known.clear()
        self._lending = False
        self._desk.call()

    def close(self, timeout: float = 2.5) -> None:
        """Fail what waits, close the port, end the thread. Idempotent."""
        with self._closing:
            self._stopping = True
            self._desk.call()
            if self._thread.ident is not None and self._thread is not threading.current_thread():
                self._thread.join(timeout)
            if not self._thread.is_alive():
                self._desk.close(self._ended())

    @property
    def _interrupted(self) -> bool:
        return self._stopping or self._lending

    def _ended(self) -> UnreachableError:
        if self._lending and not self._stopping:
            return UnreachableError(f"{self._name}: its port is lent to another program")
        return UnreachableError(f"{self._name}: the board was closed")

    def _as_own(self, error: Exception) -> EdgeFlowError:
        if isinstance(error, EdgeFlowError):
            return error
        return UnreachableError(f"{self._name}: {type(error).__name__}: {error}")

    def _work(self) -> None:
        backoff = FIRST_BACKOFF
        while not self._stopping:
            if self._lending:
                self._lose(self._ended())
                self._lent.set()
                while self._lending and not self._stopping:
                    self._sleep(_LENT_SECONDS, lending=True)
                continue
            began = self._now()
            self._try()
            steady = self._now() - began > _STEADY_SECONDS
            backoff = FIRST_BACKOFF if steady else min(MAX_BACKOFF, 2 * backoff)
            if not self._interrupted:
                self._sleep(backoff, lending=False)
        self._desk.close(self._ended())

    def _try(self) -> None:
        try:
            port = open_port(self._locate(), self._baud)
            try:
                self._talk(port)
            finally:
                port.close()
        except EdgeFlowError as error:
            self._lose(error)
        except Exception as error:  # a bug here must leave no caller waiting
            log.exception("board_link_failed", board=self._name)
            self._lose(self._as_own(error))

    def _talk(self, port: Port) -> None:
        """Talk until the port is gone, nobody answers, or we are interrupted."""
        conversation = Conversation(port, self._desk, self.console, self._now)
        waiting: list[Request] = []
        failures = 0
        try:
            while failures < GREETINGS_PER_OPENING and not self._interrupted:
                found = self._greet(conversation, waiting, self._rates(port))
                if found is None:
                    failures += 1
                    self._give_up(port, waiting)
                    continue
                failures = 0
                waiting = self._serve(conversation, found, waiting)
        except Exception as error:
            _fail(waiting, self._as_own(error))
            raise
        _fail(waiting, self._ended())

    def _rates(self, port: Port) -> list[int]:
        """Return the rates to look for the board at: whoever had it last may have died there."""
        others = () if port.name.startswith("socket:") else (*self._faster, *LIKELY)
        return list(dict.fromkeys((self._baud, *others)))

    def _greet(
        self, conversation: Conversation, waiting: list[Request], rates: Sequence[int]
    ) -> Found | None:
        greeting = Greeting(conversation.receiver, rates, self._faster)
        baud = 0
        while not (greeting.found or greeting.failed or self._interrupted):
            if greeting.baud != baud:
                baud = greeting.baud
                conversation.set_baud(baud)
            waiting += conversation.turn(greeting)
        return greeting.found

    def _serve(
        self, conversation: Conversation, found: Found, waiting: list[Request]
    ) -> list[Request]:
        """Exchange requests until something happens; return those that wait for what is next."""
        exchange = self._exchange(conversation, found)
        for request in waiting:
            exchange.add(request)
        waiting.clear()
        self._watcher.found(found)
        self._desk.open()
        self._known.set()
        log.info("board_found", board=self._name, baud=found.baud, extended=found.hello is not None)
        try:
            while not (self._interrupted or exchange.silent or exchange.rebooted):
                for request in conversation.turn(exchange):
                    exchange.add(request)
        except Exception as error:
            exchange.fail(self._as_own(error))
            raise
        if exchange.rebooted:
            return exchange.hand_over()
        if self._interrupted:
            exchange.fail(self._ended())
            conversation.part(self._baud, found)
        else:
            silent = UnreachableError(f"{self._name}: the board does not answer any more")
            self._lose(silent)
            exchange.fail(silent)
        return []

    def _exchange(self, conversation: Conversation, found: Found) -> Exchange:
        receiver, hello = conversation.receiver, found.hello
        if hello is None:
            info = found.info or Info(0, 0, 0, 0)
            return ReferenceExchange(receiver, found.baud, info, verify=self._verify)
        receiver.take_info = False
        return ExtendedExchange(receiver, found.baud, hello.window, hello.window_bytes)

    def _give_up(self, port: Port, waiting: list[Request]) -> None:
        if self._interrupted:
            return
        error = UnreachableError(
            f"{self._name}: nobody answers on {port.name}",
            hint="is the rate right, and the firmware on it? "
            "the reference firmware is silent without a model",
        )
        self._lose(error)
        _fail(waiting, error)

    def _lose(self, error: EdgeFlowError) -> None:
        self._watcher.lost(error)
        self._desk.refuse(error)
        self._known.set()

    def _sleep(self, seconds: float, *, lending: bool) -> None:
        """Wait until the time is over, we stop, or lending is not as given any more."""
        poll = select.poll()
        poll.register(self._desk.wake, select.POLLIN)
        until = self._now() + seconds
        while (left := until - self._now()) > 0:
            if self._stopping or self._lending != lending:
                return
            if poll.poll(left * 1000):
                _fail(self._desk.collect(), self._ended())


def _fail(requests: list[Request], error: EdgeFlowError) -> None:
    for request in requests:
        request.fail(error)
    requests.clear()
