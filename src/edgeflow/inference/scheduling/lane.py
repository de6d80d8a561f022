"""The way of requests through one loaded version of a model: queue, instances, engine."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import structlog

from edgeflow.errors import (
    CancelledError,
    DeadlineError,
    EdgeFlowError,
    EngineError,
    OverloadedError,
)
from edgeflow.inference.engines.base import Engine
from edgeflow.inference.requests import Array, InferResponse
from edgeflow.inference.scheduling.batching import can_batch, join, split
from edgeflow.inference.scheduling.counters import Counters
from edgeflow.inference.scheduling.fair_queue import FairQueue
from edgeflow.inference.scheduling.job import Job
from edgeflow.inference.scheduling.pace import Pace
from edgeflow.inference.scheduling.workers import Crew, Turn

__all__ = ["Lane", "LaneOptions", "Policy", "bound_of"]

log = structlog.get_logger(__name__)

Policy = Literal["reject", "drop_oldest", "block"]

HELD = 4096
"""Requests that may wait above the capacity of a lane that blocks: more than servers hold that
read no more from whoever sent one of them."""


def bound_of(capacity: int, policy: Policy) -> int:
    """Return how many requests may wait, those of senders that are held back among them."""
    return capacity + (HELD if policy == "block" else 0)


@dataclass(frozen=True, slots=True)
class LaneOptions:
    """How requests of one model are scheduled.

    Attributes:
        instances: calls of the engine that may run at once.
        threads: cores that one call takes.
        capacity: requests that may wait.
        policy: who gives way when they are too many: the newest of the client that has most
            waiting (``reject``), its oldest (``drop_oldest``), or nobody: up to ``HELD`` more
            wait, and senders are told to read no more (``block``).
        max_batch: rows of the first axis computed in one call; 1 for no batching.
        max_delay_s: longest wait of a request for others to join it.
        inline: a thread that submits a request may compute it (see ``InferRequest.inline``).
    """

    instances: int = 1
    threads: int = 1
    capacity: int = 256
    policy: Policy = "reject"
    max_batch: int = 1
    max_delay_s: float = 0.0
    inline: bool = False


class Lane:
    """One loaded version of a model, and the requests on their way to it.

    Args:
        model: its name; ``version``: which one.
        engine: what computes.
        crew: who computes.
        options: how.
        counters: where outcomes are counted.
        now: monotonic seconds.
        finish: called when the lane has been retired and its last request is computed; closes
            the engine if not given.
    """

    def __init__(
        self,
        model: str,
        version: str,
        engine: Engine,
        crew: Crew,
        options: LaneOptions,
        *,
        counters: Counters,
        now: Callable[[], float] = time.monotonic,
        finish: Callable[[], None] | None = None,
    ) -> None:
        self.model = model
        self.version = version
        self.engine = engine
        self.options = options
        self.slots = min(options.threads, crew.slots)
        self.listed = False
        self.max_batch = options.max_batch if can_batch(engine.spec) else 1
        self.last_used = now()
        self._crew = crew
        self._counters = counters
        self._now = now
        self._finish = finish or engine.close
        self._queue: FairQueue[Job] = FairQueue(options.capacity)
        self._limit = bound_of(options.capacity, options.policy)
        self._running = 0
        self._batch_due = 0.0
        self._pace = Pace()
        self._swept = 0.0
        self._retired = False
        self._gone = False
        crew.start()

    def is_idle(self, seconds: float) -> bool:
        """True when nothing has been asked of it for so long."""
        with self._crew.lock:
            busy = bool(self._queue) or self._running > 0
        return not busy and self._now() - self.last_used >= seconds

    @property
    def depth(self) -> int:
        """Requests that wait."""
        return len(self._queue)

    @property
    def has_ended(self) -> bool:
        """True once it has been retired and its last request is computed."""
        return self._gone

    def submit(self, job: Job) -> bool:
        """Queue a job whose inputs have been checked; False when the lane has been retired.

        One that may be computed ``inline`` is perhaps answered already when this returns.
        """
        if job.request.inline and self._run_inline(job):
            return True
        wake, loser, late = None, None, []
        with self._crew.lock:
            if self._retired:
                return False
            if len(self._queue) >= self._limit:
                late = self._sweep(job.queued)
                loser = self._make_room(job) if len(self._queue) >= self._limit else None
            if loser is not job:
                if not self._queue:
                    self._batch_due = job.queued + self.options.max_delay_s
                job.holder = self
                self._queue.push(job)
                job.crowded = len(self._queue) > self.options.capacity
                wake = self._crew.offer(self)
        if wake is not None:
            wake.release()
        if late:
            self.tell_late(late)
        if loser is not None:
            self._counters.count_rejected()
            loser.tell(
                OverloadedError(
                    f"model {self.model!r}: {self._limit} requests wait already",
                    hint="send less, or raise the model's queue, or its instances",
                )
            )
        return True

    def withdraw(self, job: Job) -> bool:
        """Take a waiting job out and count it as cancelled; False when it waits no more."""
        with self._crew.lock:
            found = self._queue.remove(job)
            finish = self.drained() if found else None
        if found:
            self._counters.count_cancelled()
        if finish is not None:
            finish()
        return found

    def retire(self) -> None:
        """Take no more jobs; the engine is closed once those that are here have been answered."""
        with self._crew.lock:
            self._retired = True
            finish = self.drained()
        if finish is not None:
            finish()

    def abort(self) -> None:
        """Retire, and answer what waits with ``CancelledError``."""
        with self._crew.lock:
            self._retired = True
            waiting = list(self._queue)
            self._queue = FairQueue(self.options.capacity)
            finish = self.drained()
        for job in waiting:
            self._counters.count_cancelled()
            job.tell(CancelledError(f"model {self.model!r}: the server ends"))
        if finish is not None:
            finish()

    # What the crew calls.

    def due(self) -> float | None:
        """Return when there is work for a free instance: 0 for now, None while there is none."""
        if not self._queue or self._running >= self.options.instances:
            return None
        if self.max_batch > 1 and len(self._queue) < self.max_batch and not self._retired:
            return self._batch_due
        return 0.0

    def take(self, now: float) -> Turn:
        """Hand out the jobs whose turn it is, and those that are too late."""
        jobs: list[Job] = []
        late: list[Job] = []
        rows = 0
        while len(jobs) < self.max_batch:
            job = self._queue.pop(self._mate_of(jobs[0], rows) if jobs else None)
            if job is None:
                break
            if job.is_late(now):
                late.append(job)
                continue
            jobs.append(job)
            if self.max_batch > 1:
                rows += job.rows()
        if jobs:
            self._running += 1
            self.last_used = now
        return Turn(jobs, late)

    def free_instance(self) -> None:
        """An instance has finished."""
        self._running -= 1

    def drained(self) -> Callable[[], None] | None:
        """Return what to do when a retired lane is empty; once."""
        if not self._retired or self._gone or self._queue or self._running:
            return None
        self._gone = True
        return self._finish

    def run(self, jobs: list[Job]) -> Callable[[], None]:
        """Compute jobs, count them, and return what tells their outcomes."""
        if len(jobs) == 1:
            return self._run_one(jobs[0])
        return self._run_batch(jobs)

    def tell_late(self, jobs: list[Job]) -> None:
        """Answer jobs whose deadline has passed."""
        for job in jobs:
            self._counters.count_late()
            job.tell(
                DeadlineError(f"model {self.model!r}: the deadline passed while the request waited")
            )

    def _mate_of(self, first: Job, rows: int) -> Callable[[Job], bool]:
        signature, room = first.signature(), self.max_batch - rows
        return lambda job: job.rows() <= room and job.signature() == signature

    def _sweep(self, now: float) -> list[Job]:
        """Take out what is too late; not more often than a full queue can be looked through."""
        if now - self._swept < 0.005:
            return []
        self._swept = now
        return self._queue.discard(lambda job: job.is_late(now))

    def _make_room(self, newcomer: Job) -> Job:
        oldest = self.options.policy == "drop_oldest"
        loser = self._queue.victim(newcomer, oldest=oldest)
        if loser is not newcomer:
            self._queue.remove(loser)
        return loser

    def _run_inline(self, job: Job) -> bool:
        """Compute a job in the thread that brought it; False if that could hold somebody up."""
        alone = self.options.inline and self.max_batch == 1
        if not alone or not self._pace.is_quick(job.nbytes()):
            return False
        with self._crew.lock:
            busy = self._queue or self._running >= self.options.instances
            if busy or self._retired or job.is_late(job.queued) or not self._crew.lend(self):
                return False
            self._running += 1
            self.last_used = job.queued
        try:
            outcome, started, ended = self._compute(job)
            job.tell(outcome)  # first: whoever waits for the answer waits for nothing else
            self._count(job, outcome, started, ended)
        finally:  # a guest, unlike a worker, may be interrupted
            finish = self._crew.take_back(self)
        if finish is not None:
            finish()
        return True

    def _run_one(self, job: Job) -> Callable[[], None]:
        outcome, started, ended = self._compute(job)
        self._count(job, outcome, started, ended)
        return partial(job.tell, outcome)

    def _compute(self, job: Job) -> tuple[InferResponse | EdgeFlowError, float, float]:
        """Return the outcome of a job, when it was begun, and when it was over."""
        started = self._now()
        try:
            outputs = self.engine.infer(job.inputs)
            ended = self._now()
            return self._response(job, outputs, started, ended, 1), started, ended
        except Exception as error:  # noqa: BLE001 - whatever the runtime below the engine raises
            return self._as_error(error), started, self._now()

    def _count(
        self, job: Job, outcome: InferResponse | EdgeFlowError, started: float, ended: float
    ) -> None:
        failed = isinstance(outcome, EdgeFlowError)
        self._pace.note(job.nbytes(), ended - started, failed=failed)
        if failed:
            self._counters.count_error()
        else:
            self._counters.count_answer(ended - job.queued, ended - started, ended)

    def _run_batch(self, jobs: list[Job]) -> Callable[[], None]:
        started = self._now()
        try:
            parts = split(self.engine.infer(join(jobs)), jobs)
            ended = self._now()
            tells: list[Callable[[], None]] = [
                partial(job.tell, self._response(job, outputs, started, ended, len(jobs)))
                for job, outputs in zip(jobs, parts, strict=True)
            ]
        except Exception as error:  # noqa: BLE001 - one bad request must not take its companions with it
            log.warning("batch_failed", model=self.model, size=len(jobs), error=str(error))
            return _all([self._run_one(job) for job in jobs])
        self._counters.count_batch([ended - job.queued for job in jobs], ended - started, ended)
        return _all(tells)

    def _response(
        self, job: Job, outputs: dict[str, Array], started: float, ended: float, batch: int
    ) -> InferResponse:
        if job.outputs is not None:
            missing = [name for name in job.outputs if name not in outputs]
            if missing:
                raise EngineError(f"model {self.model!r} gave no output {missing[0]!r}")
            outputs = {name: outputs[name] for name in job.outputs}
        return InferResponse(
            self.model,
            self.version,
            outputs,
            job.request.request_id,
            started - job.queued,
            ended - started,
            batch,
        )

    def _as_error(self, error: Exception) -> EdgeFlowError:
        if isinstance(error, EdgeFlowError):
            return error
        return EngineError(f"model {self.model!r}: {type(error).__name__}: {error}")


def _all(tells: list[Callable[[], None]]) -> Callable[[], None]:
    def tell() -> None:
        for each in tells:
            each()

    return tell
