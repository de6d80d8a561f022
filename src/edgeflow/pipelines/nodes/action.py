"""A dispatcher as a sink: carries commands out and tells how that went."""

import asyncio
import contextlib
import threading
import time

import structlog

from edgeflow.core.frame import Frame
from edgeflow.errors import PipelineError
from edgeflow.nodes.sink import SinkNode
from edgeflow.pipelines.declaration import ActionPlan
from edgeflow.pipelines.envelopes import ActionFrame
from edgeflow.pipelines.message import ActionResult
from edgeflow.pipelines.session import Session
from edgeflow.runtime.emitter import StoppedError

__all__ = ["ActionNode"]

START_SECONDS = 30.0
DISPATCH_SECONDS = 120.0
STOP_SECONDS = 0.5
WAIT_SECONDS = 0.2
LONGEST_LINGER = 2.0
UNDER_WAY = 64


class ActionNode(SinkNode):
    """Carries actions out, begun in their order; a slow one does not hold up the others.

    Attributes:
        plan: the action.
        session: what the flow shares.
        limit: actions under way at once; more wait in the links.
    """

    plan: ActionPlan
    session: Session
    limit: int = UNDER_WAY

    def configure(self) -> None:
        """Start the dispatcher."""
        session, plan = self.session, self.plan
        self._dispatcher = plan.kind(plan.name, plan.options)
        metrics = session.metrics
        self._outcomes = {
            ok: metrics.actions.labels(plan.name, "ok" if ok else "failed") for ok in (True, False)
        }
        self._seconds = metrics.action_seconds.labels(plan.name)
        self._latency = metrics.action_latency.labels(plan.name)
        self._audit = structlog.get_logger("edgeflow.audit").bind(dispatcher=plan.name)
        self._room = threading.Semaphore(self.limit)
        self._under_way: set[asyncio.Task[None]] = set()
        self._loop = session.loop.loop
        session.loop.run(self._dispatcher.start(), START_SECONDS)

    def write(self, frame: Frame) -> None:
        """Begin the action of a frame; wait first while too many are under way."""
        assert isinstance(frame, ActionFrame)  # noqa: S101 - only agents lead here
        while not self._room.acquire(timeout=WAIT_SECONDS):
            if not self.session.live:
                raise StoppedError
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

    # --- on the event loop -----------------------------------------------------------------

    def _begin(self, frame: ActionFrame) -> None:
        task = self._loop.create_task(self._carry_out(frame))
        self._under_way.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
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
        latency_ms = self.session.age(frame.message) * 1e3
        self._latency.observe(latency_ms)
        self._outcomes[result.ok].inc()
        self._tell(frame, result, latency_ms)
        if frame.receipt is not None:
            frame.receipt.done()

    async def _result(self, frame: ActionFrame) -> ActionResult:
        try:
            async with asyncio.timeout(DISPATCH_SECONDS):
                result = await self._dispatcher.dispatch(
                    frame.action, agent=frame.agent, pipeline=frame.pipeline
                )
        except Exception as error:  # noqa: BLE001 - a result like any other
            target = frame.action.target or ""
            return ActionResult(ok=False, detail=f"{type(error).__name__}: {error}", target=target)
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
