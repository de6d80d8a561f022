"""One request to a board, from the call to the answer."""

import struct
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any

from edgeflow.errors import EdgeFlowError, EngineError
from edgeflow.protocols.uart import OVERHEAD, Message

__all__ = ["ALLOWANCES", "Answer", "Request"]

ALLOWANCES = {0x10: 0.8, 0x11: 0.6, 0x12: 10.0, 0x13: 5.0, 0x14: 0.8, 0x15: 5.0, 0x17: 0.8}
"""Seconds that a board may work on a request of a type without a word; flash is slow."""

_SHORT = 0.4
MAX_TRIES = 12


class Request:
    """A request and who waits for it. Only the link's thread touches it once it was submitted.

    Args:
        kind: its type in the extended protocol.
        payload: its payload there; the reference protocol sends the values of INFER.
        model: model id.
        deadline: monotonic seconds.
        answer: makes a reply, with status 0 or not, into the future's result; what it raises is
            the future's error.
        repeat: it may be sent again when no answer comes.

    Attributes:
        future: who waits.
        submitted, sent, answered: monotonic seconds.
    """

    __slots__ = (
        "_answer",
        "allowance",
        "answered",
        "deadline",
        "future",
        "id",
        "kind",
        "model",
        "payload",
        "repeat",
        "sent",
        "size",
        "submitted",
        "tries",
    )

    def __init__(
        self,
        kind: int,
        payload: bytes,
        answer: "Answer",
        *,
        model: int = 0,
        submitted: float,
        deadline: float,
        repeat: bool = True,
    ) -> None:
        self.kind, self.payload, self.model, self.repeat = kind, payload, model, repeat
        self.submitted, self.deadline = submitted, deadline
        self.future: Future[Any] = Future()
        self.allowance = ALLOWANCES.get(kind, _SHORT)
        self.size = OVERHEAD + len(payload)
        self.id = self.tries = 0
        self.sent = self.answered = 0.0
        self._answer = answer

    @property
    def done(self) -> bool:
        """True when nobody waits any more."""
        return self.future.done()

    def resolve(self, message: Message, now: float) -> None:
        """Take the reply."""
        self.answered = now
        try:
            result = self._answer(message, self)
        except EdgeFlowError as error:
            self.fail(error)
            return
        except (ValueError, ArithmeticError, LookupError, struct.error) as error:
            self.fail(EngineError(f"the board's answer cannot be read: {error}"))
            return
        except Exception as error:  # a bug, for the link to tell
            self.fail(EngineError(f"{type(error).__name__}: {error}"))
            raise
        try:
            self.future.set_result(result)
        except InvalidStateError:
            return

    def fail(self, error: EdgeFlowError) -> None:
        """Tell that there will be no answer."""
        try:
            self.future.set_exception(error)
        except InvalidStateError:
            return


Answer = Callable[[Message, Request], Any]
