"""The samples of one HTTP request on their way to a board.

A sample's answer lets the next one be queued at once, in the thread that brought it; the event loop
hears of the first samples and of the end, so that it is free for other requests meanwhile.
"""

import asyncio
import threading
import time
from concurrent.futures import Future
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from edgeflow.devices.boards.base import Board, Forecast
from edgeflow.errors import OverloadedError

__all__ = ["Batch"]

RETRY_SECONDS = 0.05
"""How long to wait for a place in the queue of a busy board."""
AT_ONCE = 4
"""Samples that are queued before the event loop has another turn."""


class Batch:
    """Runs samples in order, ``in_flight`` of them at once. Made and run on an event loop.

    Args:
        samples: float32 (N, T, F).
        model: model id; ``horizon`` is its H.
        sample_s: for each sample, to be queued and then to be answered.
    """

    def __init__(
        self,
        board: Board,
        samples: npt.NDArray[np.float32],
        *,
        model: int,
        horizon: int,
        in_flight: int,
        sample_s: float,
    ) -> None:
        self.rows: npt.NDArray[np.float32] = np.empty((len(samples), horizon), np.float32)
        self._board, self._samples, self._model = board, samples, model
        self._in_flight, self._sample_s = in_flight, sample_s
        self._lock = threading.Lock()
        self._next = 0
        self._left = len(samples)
        self._stopped = False
        self._open: dict[int, Future[Forecast]] = {}
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()

    async def run(self) -> npt.NDArray[np.float32]:
        """Return the predictions, float32 (N, H); what is under way is dropped when cancelled.

        Raises:
            EdgeFlowError: what the first sample that failed says.
        """
        try:
            for number in range(min(self._in_flight, len(self._samples))):
                self._advance()
                if number % AT_ONCE == AT_ONCE - 1:
                    await asyncio.sleep(0)
            if self._left:
                await self._over
        finally:
            self._stop()
        return self.rows

    def _advance(self) -> None:
        """Queue the next sample, if there is one. Any thread."""
        with self._lock:
            number = self._next
            if self._stopped or number >= len(self._samples):
                return
            self._next += 1
        self._queue(number, time.monotonic() + self._sample_s)

    def _queue(self, number: int, patience: float) -> None:
        if self._stopped:
            return
        try:
            future = self._board.submit(
                self._samples[number], model=self._model, timeout=self._sample_s
            )
        except OverloadedError as error:
            self._again(number, patience, error)
            return
        except Exception as error:  # noqa: BLE001 - it belongs to the request
            self._end(error)
            return
        with self._lock:
            self._open[number] = future
            stopped = self._stopped
        if stopped:
            future.cancel()
        future.add_done_callback(lambda done: self._answered(number, patience, done))

    def _again(self, number: int, patience: float, error: OverloadedError) -> None:
        if time.monotonic() > patience:
            self._end(error)
        else:
            self._tell(self._loop.call_later, RETRY_SECONDS, self._queue, number, patience)

    def _answered(self, number: int, patience: float, done: "Future[Forecast]") -> None:
        if done.cancelled():
            return
        error = done.exception()
        if isinstance(error, OverloadedError):
            self._again(number, patience, error)
            return
        if error is not None:
            self._end(error)
            return
        self.rows[number] = done.result().values
        with self._lock:
            self._open.pop(number, None)
            self._left -= 1
            over = not self._left
        if over:
            self._end(None)
        else:
            self._advance()

    def _end(self, error: BaseException | None) -> None:
        self._tell(self._settle, error)

    def _settle(self, error: BaseException | None) -> None:
        if self._over.done():
            return
        if error is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(error)

    def _tell(self, function: object, *arguments: object) -> None:
        with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            self._loop.call_soon_threadsafe(function, *arguments)  # type: ignore[arg-type]

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            open_futures = list(self._open.values())
            self._open.clear()
        for future in open_futures:
            future.cancel()
        if not self._over.done():
            self._over.cancel()
        elif not self._over.cancelled():
            self._over.exception()
