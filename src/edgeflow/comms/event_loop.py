"""An event loop in a thread of its own, and a bounded way into it."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from edgeflow.errors import PipelineError

__all__ = ["Call", "EventLoopThread"]

T = TypeVar("T")

CLOSE_SECONDS = 1.5

_ENDED = "the event loop of the flow has ended"


class EventLoopThread:
    """An event loop in a thread of its own, for everything async of one flow.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str = "edgeflow-loop") -> None:
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop; other threads use ``call_soon_threadsafe`` only."""
        return self._loop

    @property
    def is_current(self) -> bool:
        """True in the thread of the loop."""
        return threading.get_ident() == self._thread.ident

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def spawn(self, work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        """Run ``work`` on the loop; callable from any other thread.

        Raises:
            PipelineError: the loop has ended.
        """
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise PipelineError(_ENDED) from None

    def begin(self, work: Coroutine[Any, Any, T]) -> "Call[T]":
        """Run ``work`` on the loop; callable from any other thread.

        Raises:
            PipelineError: the loop has ended.
        """
        return Call(self._loop, work)

    def run(self, work: Coroutine[Any, Any, T], timeout: float) -> T:
        """Run ``work`` on the loop and wait; it is cancelled after ``timeout`` seconds.

        Raises:
            TimeoutError: it took too long.
            PipelineError: the loop has ended.
        """
        call = self.begin(work)
        if not call.wait(timeout):
            call.cancel()
            raise TimeoutError(f"no answer within {timeout:g} s")
        return call.result()

    def close(self) -> bool:
        """Cancel what still runs, end the thread; return whether it ended. Idempotent."""
        if self._thread.ident is None:  # never started
            self._loop.close()
            return True
        with contextlib.suppress(RuntimeError):  # closed already
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_SECONDS + 0.5)
        return not self._thread.is_alive()

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._end()

    def _end(self) -> None:
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        with contextlib.suppress(RuntimeError):
            if tasks:
                self._loop.run_until_complete(asyncio.wait(tasks, timeout=CLOSE_SECONDS))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


class Call(Generic[T]):
    """Work on the loop that one thread waits for; lighter than a future of two worlds.

    Args:
        loop: runs it.
        work: what is run.

    Raises:
        PipelineError: the loop has ended.
    """

    __slots__ = ("_error", "_loop", "_over", "_result", "_task", "_work")

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> None:
        self._loop = loop
        self._work = work
        self._task: asyncio.Task[None] | None = None
        self._error: BaseException | None = None
        self._over = threading.Lock()
        self._over.acquire()
        try:
            loop.call_soon_threadsafe(self._begin)
        except RuntimeError:
            work.close()
            raise PipelineError(_ENDED) from None

    def wait(self, timeout: float) -> bool:
        """Wait until it is over; return whether it is. For one thread, until it was True once."""
        return self._over.acquire(timeout=timeout)

    def result(self) -> T:
        """Return what the work returned, or raise what it raised; once ``wait`` was True."""
        if self._error is not None:
            raise self._error
        return self._result

    def cancel(self) -> None:
        """Cancel it; it is not waited for any more."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and cancelled it
            self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._main())
        self._task.add_done_callback(lambda _: self._work.close())  # if it was never begun

    async def _main(self) -> None:
        try:
            self._result = await self._work
        except asyncio.CancelledError:
            self._error = PipelineError(_ENDED)
            raise
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            self._error = error
        finally:
            self._over.release()


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
