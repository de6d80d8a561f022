"""Models on gateways as an ``InferenceService``: what pipelines call when models are elsewhere."""

import asyncio
import concurrent.futures
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from edgeflow.core.status import ModelStatus
from edgeflow.errors import (
    CancelledError,
    DeadlineError,
    EdgeFlowError,
    EngineError,
    OverloadedError,
)
from edgeflow.inference.client.backoff import Retry
from edgeflow.inference.client.direct import DirectPath
from edgeflow.inference.client.fallbacks import as_fallback
from edgeflow.inference.client.gateways import Gateway
from edgeflow.inference.client.inquiries import Inquiries
from edgeflow.inference.client.routing import AsyncTensorClient
from edgeflow.inference.client.standing import Standings
from edgeflow.inference.engines.base import Engine, EngineSpec
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.inference.service import (
    Check,
    Done,
    InferenceService,
    ModelInfo,
    Ticket,
    no_check,
    wait_for,
)

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["RemoteService"]

log = structlog.get_logger(__name__)

_ASK_SECONDS = 10.0
_LOAD_SECONDS = 120.0
_STOP_SECONDS = 3.0
_T = TypeVar("_T")


class RemoteService(InferenceService):
    """Runs models on gateways, from a loop in a thread of its own that starts at the first call.

    ``infer`` goes a shorter way if it can: half the connections to a gateway are its own. ``done``
    is told from the thread of the loop; asking ``info`` and the like from inside it is an error.

    Args:
        gateways: whom to ask; one with its defaults if none is given.
        affinity: pattern of model names to names of gateways.
        fallbacks: by model name, what answers when the model cannot: the name of another model, an
            engine, or a service (neither is closed by this).
        declared: by model name, its tensors: version 1 of the protocol does not tell them.
        retry: how often and after which waits.
        standings: breakers and figures.
        max_waiting: requests without an answer, at most; one more is "overloaded".

    Raises:
        ConfigError: the affinity names a gateway that is not there.
    """

    def __init__(
        self,
        gateways: Sequence[Gateway] = (),
        *,
        affinity: Mapping[str, str | Sequence[str]] | None = None,
        fallbacks: Mapping[str, str | Engine | InferenceService] | None = None,
        declared: Mapping[str, EngineSpec] | None = None,
        retry: Retry | None = None,
        standings: Standings | None = None,
        max_waiting: int = 4096,
    ) -> None:
        self._max_waiting = max_waiting
        self._executor = concurrent.futures.ThreadPoolExecutor(
            1, thread_name_prefix="edgeflow-fallback"
        )
        gateways = gateways or (Gateway(),)
        own = {each.label: 0 if each.protocol == 1 else each.pool_size // 2 for each in gateways}
        self._client = AsyncTensorClient(
            [replace(each, pool_size=each.pool_size - own[each.label]) for each in gateways],
            affinity=affinity,
            fallbacks={
                model: instead
                if isinstance(instead, str)
                else as_fallback(model, instead, self._executor)
                for model, instead in (fallbacks or {}).items()
            },
            declared=declared,
            retry=retry,
            standings=standings,
        )
        self._direct = DirectPath(self._client, own)
        self._inquiries = Inquiries(self._client, dict(declared or {}))
        self._lock = threading.Lock()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._waiting: deque[_Job] = deque()
        self._jobs: set[_Job] = set()
        self._woken = False

    def submit(self, request: InferRequest, done: Done) -> Ticket:
        """Send a request; see the base class. ``UnreachableError`` is one of its errors too."""
        return self._enqueue(_Job(request, done))

    def infer(
        self, request: InferRequest, timeout: float = 30.0, check: Check = no_check
    ) -> InferResponse:
        """Run one request and wait; see the base class. ``UnreachableError`` is an error too."""
        request = self._client.within_limit(request)
        outcome = self._direct.attempt(request, timeout, check)
        if isinstance(outcome, InferResponse):
            return outcome
        return wait_for(
            lambda done: self._enqueue(_Job(request, done, outcome)), request, timeout, check
        )

    def _enqueue(self, job: "_Job") -> "_Job":
        if len(self._jobs) + len(self._waiting) >= self._max_waiting:
            job.finish(OverloadedError(f"{self._max_waiting} requests wait for gateways already"))
            return job
        self._waiting.append(job)
        if not self._woken:
            self._woken = True
            if not self._call(self._begin):
                self._refuse_waiting()
        return job

    def info(self, model: str, version: str | None = None) -> ModelInfo:
        """Describe a model, as its gateway does.

        Raises:
            UnknownModelError: the gateway does not have it.
            EngineError: the gateway speaks version 1, which tells nothing, and the model is not
                declared here.
            UnreachableError, DeadlineError: no gateway answers.
        """
        return self._ask(self._inquiries.info(model, version))

    def status(self) -> list[ModelStatus]:
        """Return the models of all gateways, and those asked for; never raises.

        Models on gateways that do not answer are ``unreachable``; of a version-1 gateway only
        those that have been asked for are known.
        """
        try:
            return self._ask(self._inquiries.status())
        except EdgeFlowError as error:
            log.warning("status_failed", error=str(error))
            return []

    def load(self, model: str, version: str | None = None) -> None:
        """Load a model on each of its gateways, if they allow it; see the base class."""
        self._ask(self._inquiries.load(model, version), _LOAD_SECONDS)

    def unload(self, model: str) -> None:
        """Unload a model on each of its gateways, if they allow it; see the base class."""
        self._ask(self._inquiries.unload(model), _LOAD_SECONDS)

    def is_ready(self, model: str | None = None) -> bool:
        """Return whether the model's gateway answers and has it loaded; without a name: if all do.

        A version-1 gateway is ready when it accepts a connection.
        """
        try:
            return self._ask(self._inquiries.is_ready(model))
        except EdgeFlowError:
            return False

    def collect(self) -> Iterator["Metric"]:
        """Yield the metrics, for a Prometheus collector."""
        from edgeflow.inference.client.metrics import collect

        yield from collect(self._client, self._direct)

    def close(self) -> None:
        """Answer what is under way with ``CancelledError``, hang up, join the thread."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
        self._direct.close()
        if loop is not None and thread is not None and thread.is_alive():
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_STOP_SECONDS)
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _refuse_waiting(self) -> None:
        self._woken = False
        while self._waiting:
            self._waiting.popleft().finish(CancelledError("the client is closed"))

    # --- the thread

    def _call(self, function: Callable[[], object]) -> bool:
        """Run a function in the loop; False when it is closed."""
        with self._lock:
            if self._closed:
                return False
            if self._loop is None:
                self._loop = _new_loop()
                self._thread = threading.Thread(
                    target=self._run, args=(self._loop,), name="edgeflow-gateways", daemon=True
                )
                self._thread.start()
            self._loop.call_soon_threadsafe(function)
            return True

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            loop.run_until_complete(self._end())
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    async def _end(self) -> None:
        await self._client.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=1.0)
        for job in tuple(self._jobs):
            job.finish(CancelledError("the client is closed"))
        self._refuse_waiting()

    def _ask(self, question: Coroutine[Any, Any, _T], seconds: float = _ASK_SECONDS) -> _T:
        answer: concurrent.futures.Future[_T] = concurrent.futures.Future()
        if threading.current_thread() is self._thread:
            question.close()
            raise EngineError("gateways cannot be asked from inside a done callback")

        async def ask() -> None:
            try:
                answer.set_result(await question)
            except asyncio.CancelledError:
                answer.set_exception(CancelledError("the client is closed"))
            except Exception as error:  # noqa: BLE001 - handed to the caller
                answer.set_exception(error)

        tasks: list[asyncio.Task[None]] = []
        if not self._call(lambda: tasks.append(asyncio.get_running_loop().create_task(ask()))):
            question.close()
            raise CancelledError("the client is closed")
        try:
            return answer.result(seconds)
        except TimeoutError:
            raise DeadlineError(f"the gateways gave no answer within {seconds:g} s") from None

    def _begin(self) -> None:
        self._woken = False
        loop = asyncio.get_running_loop()
        while self._waiting:
            job = self._waiting.popleft()
            self._jobs.add(job)
            job.loop = loop
            job.task = loop.create_task(self._work(job))
            job.task.add_done_callback(partial(self._over, job))
            if job.cancelled:
                job.task.cancel()

    async def _work(self, job: "_Job") -> None:
        try:
            job.finish(await self._client.infer(job.request, job.failed))
        except EdgeFlowError as error:
            job.finish(error)
        except Exception as error:
            log.exception("request_failed", model=job.request.model)
            job.finish(EngineError(f"{job.request.model}: {error}"))

    def _over(self, job: "_Job", _: object) -> None:
        self._jobs.discard(job)
        job.finish(CancelledError(f"{job.request.model}: nobody waits any more"))


class _Job:
    """A request under way: a ``Ticket``."""

    __slots__ = ("_done", "cancelled", "failed", "loop", "request", "task")

    def __init__(
        self, request: InferRequest, done: Done, failed: EdgeFlowError | None = None
    ) -> None:
        self.request = request
        self.failed = failed
        self.task: asyncio.Task[None] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.cancelled = False
        self._done: Done | None = done

    def cancel(self) -> None:
        """Withdraw it."""
        self.cancelled = True
        task, loop = self.task, self.loop
        if task is not None and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(task.cancel)

    def finish(self, outcome: InferResponse | EdgeFlowError) -> None:
        """Tell the outcome, the first time."""
        done, self._done = self._done, None
        if done is not None:
            done(outcome)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
