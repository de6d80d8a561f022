"""A pipeline as a consumer: from messages to results, within their time."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import structlog

from edgeflow.errors import (
    DeadlineError,
    EdgeFlowError,
    OverloadedError,
    TensorError,
    UnknownModelError,
    UnreachableError,
)
from edgeflow.inference.requests import InferResponse
from edgeflow.nodes.consumer import ConsumerNode
from edgeflow.pipelines.blame import place_in
from edgeflow.pipelines.declaration import ModelStep, PipelinePlan
from edgeflow.pipelines.envelopes import MessageFrame, ResultFrame, as_data
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.nodes.diagnosis import describe_misfit
from edgeflow.pipelines.nodes.inferring import (
    NothingYetError,
    Work,
    Worker,
    WrongInputError,
    unmodelled,
)
from edgeflow.pipelines.nodes.results import plain
from edgeflow.pipelines.schema.pipeline import OnDeadline
from edgeflow.pipelines.session import Session
from edgeflow.runtime.emitter import StoppedError

__all__ = ["PipelineNode"]

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0


class DroppedError(Exception):
    """The message is not finished; ``reason`` is a label of the metrics."""

    def __init__(self, reason: str, cause: BaseException | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.cause = cause


class PipelineNode(ConsumerNode):
    """Works on one message at a time; replicas share the queue.

    Attributes:
        plan: the pipeline.
        session: what the flow shares.
        takers: how many agents and pipelines get each result.
        zones: polygons shown with the results, as the dashboard draws them.
    """

    plan: PipelinePlan
    session: Session
    takers: int = 0
    zones: Sequence[dict[str, Any]] = ()

    def configure(self) -> None:
        """Prepare the numbers."""
        metrics, name = self.session.metrics, self.plan.name
        self._stages = {
            stage: metrics.stage.labels(name, stage)
            for stage in ("decode", "preprocess", "infer", "postprocess")
        }
        self._worker = Worker(
            self.plan,
            self.session.service,
            observe=self._observe,
            timeout=self.session.declaration.document.gateway.timeout_s,
            is_over=lambda: self.session.is_over,
        )
        self._latency = metrics.latency.labels(name)
        self._told: set[str] = set()
        self._debug = structlog.get_logger("edgeflow.pipeline").bind(pipeline=name)

    def process(self, data: Any) -> ResultFrame | None:
        """Work on the message of the current frame."""
        frame = self.frame
        assert isinstance(frame, MessageFrame)  # noqa: S101 - connectors and pipelines lead here
        message = frame.onward() if isinstance(frame, ResultFrame) else frame.message
        try:
            work = self._work(message)
        except DroppedError as drop:
            self._drop(message, drop)
            work = None
        if work is None:
            if frame.receipt is not None:
                frame.receipt.done()
            return None
        age_ms = self.session.age(work.message) * 1e3
        self._latency.observe(age_ms)
        self._debug.debug("result_made", sensor=work.message.sensor_id, latency_ms=age_ms)
        if frame.receipt is not None:
            frame.receipt.add(self.takers)
            frame.receipt.done()
        return self._result(frame, work, age_ms)

    # --- one message -----------------------------------------------------------------------

    def _work(self, message: EdgeMessage) -> Work | None:
        self._in_time(message)
        steps = self._steps(message)
        try:
            work = self._worker.prepare(message, steps)
        except NothingYetError:
            return None
        except Exception as error:
            raise DroppedError("exception", error) from error
        responses = self._responses(work, steps)
        self._in_time(message)
        try:
            return self._worker.finish(work, steps, responses)
        except NothingYetError:
            return None
        except Exception as error:
            raise DroppedError("exception", error) from error

    def _steps(self, message: EdgeMessage) -> Sequence[ModelStep]:
        options, cheaper = self.plan.options, self.plan.cheaper
        if options.on_deadline is OnDeadline.DOWNGRADE and cheaper is not None:
            limit = options.downgrade_after_ms or (options.deadline_ms or 0.0) / 2
            if self.session.age(message) * 1e3 > limit:
                self.session.metrics.downgraded.labels(self.plan.name).inc()
                return (cheaper,)
        return self.plan.steps

    def _responses(self, work: Work, steps: Sequence[ModelStep]) -> Sequence[InferResponse]:
        if not steps[0].model:
            return [unmodelled(work)]
        pause = FIRST_PAUSE_S
        held = False
        while True:
            left = self._in_time(work.message)
            deadline = None if left is None else time.monotonic() + left
            try:
                responses = self._worker.infer(work, steps, deadline)
            except (UnreachableError, OverloadedError, DeadlineError) as error:
                if not self.plan.durable:
                    late = isinstance(error, DeadlineError) and left is not None
                    raise DroppedError("deadline" if late else "gateway", error) from error
                held = self._hold(error, pause, held=held)
                pause = min(LONGEST_PAUSE_S, 2 * pause)
            except (TensorError, WrongInputError) as error:
                text = describe_misfit(self.plan, work, steps, self.session.service, error)
                raise DroppedError("shape", type(error)(text, hint=error.hint)) from error
            except UnknownModelError as error:
                raise DroppedError("model", error) from error
            except StoppedError:
                raise
            except Exception as error:
                raise DroppedError("inference", error) from error
            else:
                if held:
                    self._tell("breaker", "info", f"{self.plan.name}: the gateway answers again")
                return responses

    def _hold(self, error: EdgeFlowError, pause: float, *, held: bool) -> bool:
        """Wait for the gateway with a message that must not be lost."""
        if not held:
            self.log.warning("message_held", pipeline=self.plan.name, error=str(error))
            text = f"{self.plan.name}: the gateway is away, messages wait"
            self._tell("breaker", "warning", text, error)
        self.session.metrics.held.labels(self.plan.name).inc()
        if self.session.closing.wait(pause):
            raise StoppedError
        return True

    def _in_time(self, message: EdgeMessage) -> float | None:
        """Return the seconds left until the deadline, None without one."""
        limit = self.plan.options.deadline_ms
        if limit is None:
            return None
        left = limit / 1e3 - self.session.age(message)
        if left <= 0:
            raise DroppedError("deadline")
        return left

    def _observe(self, stage: str, seconds: float) -> None:
        self._stages[stage].observe(seconds)
        self._debug.debug("stage_done", stage=stage, ms=round(seconds * 1e3, 3))

    # --- what becomes of it ----------------------------------------------------------------

    def _drop(self, message: EdgeMessage, drop: DroppedError) -> None:
        self.session.metrics.drop(self.plan.name, drop.reason)
        self._debug.debug("message_dropped", sensor=message.sensor_id, reason=drop.reason)
        if drop.cause is None:
            return
        text = f"{type(drop.cause).__name__}: {drop.cause}"
        if text in self._told or len(self._told) > 100:
            return
        self._told.add(text)
        where = place_in(self.session.declaration.plugins.folder, drop.cause)
        self.log.error(
            "pipeline_failed", pipeline=self.plan.name, error=text, reason=drop.reason, where=where
        )
        self._tell("dropped", "error", f"{self.plan.name}: {drop.cause}", drop.cause)

    def _tell(self, kind: str, level: str, text: str, error: BaseException | None = None) -> None:
        detail = {"error": type(error).__name__} if error is not None else {}
        self.session.tell(kind, text, level=level, pipeline=self.plan.name, detail=detail)

    def _result(self, frame: MessageFrame, work: Work, age_ms: float) -> ResultFrame:
        message = work.message
        payload = message.payload
        seen = {**payload, **work.result} if isinstance(payload, dict) else work.result
        meta: dict[str, Any] = {
            "pipeline": self.plan.name,
            "sensor": message.sensor_id,
            "latency_ms": round(age_ms, 3),
            "result": plain(work.result),
        }
        detections = work.result.get("detections")
        if detections is not None:
            meta["detections"] = plain(detections)
        if self.zones:
            meta["zones"] = list(self.zones)
        return ResultFrame(
            data=self._shown(work),
            meta=meta,
            message=message,
            receipt=frame.receipt,
            pipeline=self.plan.name,
            result=seen,
        )

    def _shown(self, work: Work) -> Any:
        if work.image is not None:
            return np.asarray(work.image)
        return as_data(work.message.payload)
