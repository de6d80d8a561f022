"""From the threads that compute to the event loop that answers, one wake-up for many results."""

import asyncio
import contextlib
from collections import deque
from typing import TypeAlias

from edgeflow.errors import EdgeFlowError
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.inference.service import InferenceService, Ticket

__all__ = ["Bridge", "Outcome"]

Outcome: TypeAlias = asyncio.Future[InferResponse]


class Bridge:
    """Submits requests from an event loop, where their outcomes arrive as futures.

    Args:
        service: who computes.
        loop: the only thread that may call ``submit``.
    """

    def __init__(self, service: InferenceService, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._loop = loop
        self._results: deque[tuple[Outcome, InferResponse | EdgeFlowError]] = deque()
        self._waking = False

    def submit(self, request: InferRequest) -> tuple[Outcome, Ticket]:
        """Queue a request; its future raises the ``EdgeFlowError`` it ends with."""
        outcome: Outcome = self._loop.create_future()

        def done(result: InferResponse | EdgeFlowError) -> None:
            self._results.append((outcome, result))
            if not self._waking:
                self._waking = True
                with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits
                    self._loop.call_soon_threadsafe(self._deliver)

        return outcome, self._service.submit(request, done)

    def _deliver(self) -> None:
        self._waking = False  # before the results are taken: what comes now wakes again
        while self._results:
            outcome, result = self._results.popleft()
            if outcome.done():
                continue
            if isinstance(result, EdgeFlowError):
                outcome.set_exception(result)
            else:
                outcome.set_result(result)
