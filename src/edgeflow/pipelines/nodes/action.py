"""A dispatcher as a sink: carries commands out and tells how that went."""

import asyncio
import contextlib
import threading
import time

import structlog

from edgeflow.core.frame import Frame
from edgeflow.errors import PipelineError
from edgeflow.nodes.sink import SinkNode
from edgeflow.pipelines.blame import place_in
from edgeflow.pipelines.declaration import ActionPlan
from edgeflow.pipelines.envelopes import ActionFrame
from edgeflow.pipelines.message import ActionResult
from edgeflow.pipelines.session import Session
from edgeflow.runtime.emitter import StoppedError

__all__ = ["ActionNode"]

START_SECONDS = 30.0
STOP_SECONDS = 0.5
WAIT_SECONDS = 0.2
LONGEST_LINGER = 2.0
UNDER_WAY = 64
STUCK_SECONDS = 5.0


class ActionNode(SinkNode):
    """Carries actions out, begun in their order; a slow one does not hold up the others.

    While as many as may be are under way and none of them ends by itself for ``patience_s``, the
    dispatcher hangs: what comes then has failed at once, and the sensors are not held up.

    Attributes:
        plan: the action.
        session: what the flow shares.
        limit: actions under way at once; more wait in the links.
        patience_s: seconds.
    """

    plan: ActionPlan
    session: Session
    limit: int = UNDER_WAY
    patience_s: float = STUCK_SECONDS

    def configure(self) -> None:
        """Start the dispatcher."""
        session, plan = self.session, self.plan
        self._dispatcher = plan.kind(plan.name, plan.options)
        self._limit_s = getattr(plan.options, "timeout_s", None) or self._dispatcher.limit_s
        metrics = session.metrics
        self._outcomes = {
            ok: metrics.actions.labels(plan.name, "ok" if ok else "failed") for ok in (True, False)
        }
        self._seconds = metrics.action_seconds.labels(plan.name)
        self._latency = metrics.action_latency.labels(plan.name)
        self._audit = structlog.get_logger("edgeflow.audit").bind(dispatcher=plan.name)
        self._room = threading.Semaphore(self.limit)
        self._full_since: float | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._loop = session.loop.loop
        session.loop.run(self._dispatcher.start(), START_SECONDS)

    def write(self, frame: Frame) -> None:
        """Begin the action of a frame; wait first while too many are under way."""
        assert isinstance(frame, ActionFrame)  # noqa: S101 - only agents lead here
        if not self._find_room():
            detail = (
                f"overloaded: {self.limit} are under way, and for {self.patience_s:g} s none ended"
            )
            target = frame.action.target or ""
            self._close(frame, ActionResult(ok=False, detail=detail, attempts=0, target=target))
            return
        try:
            self._loop.call_soon_threadsafe(self._begin, frame)
        except RuntimeError:  # the loop has ended
            raise StoppedError from None

    def teardown(self) -> None:
        """Wait a moment for what is under way, then stop the dispatcher."""
        dispatcher = getattr(self, "_dispatcher", None)
        if dispatcher is None:
            return
        with contextlib.suppress(PipelineError, TimeoutError):
            self.session.loop.run(self._finish(self.session.linger()), LONGEST_LINGER)
            self.session.loop.run(dispatcher.stop(), STOP_SECONDS)

    def _find_room(self) -> bool:
        """Wait for a place among those under way; False when the dispatcher hangs."""
        if self._room.acquire(blocking=False):
            return True
        if self._full_since is None:
            self._full_since = self.session.clock()
        while not self._room.acquire(timeout=0.0 if self._is_stuck() else WAIT_SECONDS):
            if not self.session.live:
                raise StoppedError
            if self._is_stuck():
                return False
        return True

    def _is_stuck(self) -> bool:
        since = self._full_since
        return since is not None and self.session.clock() - since >= self.patience_s

    # --- on the event loop -----------------------------------------------------------------

    def _begin(self, frame: ActionFrame) -> None:
        task = self._loop.create_task(self._carry_out(frame))
        self._under_way.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        if not self._under_way:
            self._full_since = None
        self._room.release()

    async def _finish(self, seconds: float) -> None:
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=seconds)
            for task in late:
                task.cancel()

    async def _carry_out(self, frame: ActionFrame) -> None:
        started = time.perf_counter()
        result = await self._result(frame)
        self._seconds.observe(time.perf_counter() - started)
        self._close(frame, result)

    def _close(self, frame: ActionFrame, result: ActionResult) -> None:
        """Count and tell how an action went, and count its part of the message down."""
        latency_ms = self.session.age(frame.message) * 1e3
        self._latency.observe(latency_ms)
        self._outcomes[result.ok].inc()
        self._tell(frame, result, latency_ms)
        if frame.receipt is not None:
            frame.receipt.done()

    async def _result(self, frame: ActionFrame) -> ActionResult:
        target = frame.action.target or ""
        limit = asyncio.timeout(self._limit_s)
        try:
            async with limit:
                result = await self._dispatcher.dispatch(
                    frame.action, agent=frame.agent, pipeline=frame.pipeline
                )
        except Exception as error:  # noqa: BLE001 - a result like any other
            if limit.expired():
                detail = f"given up: not done within {self._limit_s:g} s"
                return ActionResult(ok=False, detail=detail, target=target)
            where = place_in(self.session.declaration.plugins.folder, error)
            if where:
                self._audit.warning("dispatcher_raised", error=type(error).__name__, where=where)
            result = ActionResult(
                ok=False, detail=f"{type(error).__name__}: {error}", target=target
            )
        self._full_since = None
        return result if isinstance(result, ActionResult) else ActionResult(ok=True)

    def _tell(self, frame: ActionFrame, result: ActionResult, latency_ms: float) -> None:
        said = result.detail or ("done" if result.ok else "failed")
        self._audit.log(
            10 if result.ok else 30,
            "action_done" if result.ok else "action_failed",
            agent=frame.agent,
            pipeline=frame.pipeline,
            target=result.target,
            attempts=result.attempts,
            detail=said,
        )
        if result.ok and frame.action.quiet:
            return
        self.session.tell(
            "action",
            f"{self.plan.name}: {said}",
            level="info" if result.ok else "error",
            pipeline=frame.pipeline,
            agent=frame.agent,
            dispatcher=self.plan.name,
            target=result.target or frame.action.target or "",
            sensor=frame.message.sensor_id,
            ok=result.ok,
            latency_ms=round(latency_ms, 3),
            detail={"attempts": result.attempts},
        )
