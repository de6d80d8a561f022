"""The work of a pipeline on one message: decode, preprocess, infer, postprocess."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from edgeflow.errors import DeadlineError, EdgeFlowError, PipelineError
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.inference.service import InferenceService
from edgeflow.pipelines.declaration import ModelStep, PipelinePlan, Stage
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.nodes.results import merged, raw_result
from edgeflow.pipelines.stages.base import Prepared
from edgeflow.pipelines.stages.serializers import decode
from edgeflow.runtime.emitter import StoppedError

__all__ = ["NothingYetError", "Work", "Worker", "WrongInputError", "unmodelled"]

Observe = Callable[[str, float], None]

SLICE_SECONDS = 0.2


class WrongInputError(PipelineError):
    """What goes into a model is nothing that a model takes."""


class NothingYetError(Exception):
    """A stage has given None: the message ends here, and that is no mistake."""


class Work(msgspec.Struct, eq=False):
    """A message while it is worked on.

    Attributes:
        message: with decoded payload and the notes of the stages.
        image: the decoded picture, if a stage made one.
        inputs: of each step, once they are prepared.
        result: of all steps.
    """

    message: EdgeMessage
    image: Any = None
    inputs: list[Any] = []
    result: dict[str, Any] = {}


class Worker:
    """Runs the stages and models of one pipeline.

    Args:
        plan: the pipeline.
        service: runs its models.
        observe: told the seconds of each stage.
        timeout: seconds a model may take.
        is_over: asked while a model is waited for: whether that is no use any more.
    """

    def __init__(
        self,
        plan: PipelinePlan,
        service: InferenceService,
        *,
        observe: Observe,
        timeout: float,
        is_over: Callable[[], bool],
    ) -> None:
        self._plan = plan
        self._service = service
        self._observe = observe
        self._timeout = timeout
        self._is_over = is_over

    def prepare(self, message: EdgeMessage, steps: Sequence[ModelStep]) -> Work:
        """Decode a message and make the inputs of ``steps``; raises what a stage raises."""
        with self._timed("decode"):
            payload = message.payload
            if message.encoding:
                payload = decode(message.encoding, payload, message.metadata)
            message = msgspec.structs.replace(
                message, payload=payload, metadata=dict(message.metadata)
            )
        work = Work(message)
        made: dict[int, Any] = {}
        for step in steps:
            key = id(step.preprocess)
            if key not in made:
                made[key] = self._preprocess(step.preprocess, work)
            work.inputs.append(made[key])
        return work

    def infer(
        self, work: Work, steps: Sequence[ModelStep], deadline: float | None
    ) -> list[InferResponse]:
        """Run the models of ``steps`` at once; raises the first error.

        Args:
            work: prepared.
            steps: those it was prepared for.
            deadline: monotonic seconds.

        Raises:
            StoppedError: the flow has ended meanwhile.
        """
        with self._timed("infer"):
            requests = [
                InferRequest(
                    model=step.model,
                    inputs=_as_inputs(inputs, step),
                    client=self._plan.name,
                    deadline=deadline,
                )
                for step, inputs in zip(steps, work.inputs, strict=True)
            ]
            if len(requests) == 1:
                return [self._service.infer(requests[0], self._timeout, self._check)]
            return self._ask(requests)

    def finish(
        self, work: Work, steps: Sequence[ModelStep], responses: Sequence[InferResponse]
    ) -> Work:
        """Turn outputs into the result; raises what a stage raises."""
        with self._timed("postprocess"):
            results = {
                step.model or "input": self._postprocess(step, response, work.message)
                for step, response in zip(steps, responses, strict=True)
            }
            if self._plan.aggregate is not None:
                made = self._plan.aggregate(results, work.message)
                work.result = _as_result(made, self._plan.aggregate)
            else:
                work.result = merged(results) if len(results) > 1 else next(iter(results.values()))
        return work

    # --- steps -----------------------------------------------------------------------------

    def _preprocess(self, stage: Stage | None, work: Work) -> Any:
        if stage is None:
            return work.message.payload
        with self._timed("preprocess"):
            made = stage(work.message, work.message.payload)
        if made is None:
            raise NothingYetError
        if isinstance(made, Prepared):
            if made.message is not None:
                work.message = msgspec.structs.replace(
                    made.message, metadata=dict(made.message.metadata)
                )
            work.message.metadata.update(made.metadata)
            if made.image is not None:
                work.image = made.image
            return made.inputs
        return made

    def _postprocess(
        self, step: ModelStep, response: InferResponse, message: EdgeMessage
    ) -> dict[str, Any]:
        if step.postprocess is not None:
            return _as_result(step.postprocess(response, message), step.postprocess)
        return raw_result(response) if step.model else {}

    def _ask(self, requests: Sequence[InferRequest]) -> list[InferResponse]:
        outcomes: dict[int, InferResponse | EdgeFlowError] = {}
        over = threading.Semaphore(0)

        def done(index: int, outcome: InferResponse | EdgeFlowError) -> None:
            outcomes[index] = outcome
            over.release()

        tickets = [
            self._service.submit(request, lambda outcome, i=index: done(i, outcome))  # type: ignore[misc]  # i is bound now
            for index, request in enumerate(requests)
        ]
        try:
            self._await(over, len(requests))
        except BaseException:
            for ticket in tickets:
                ticket.cancel()
            raise
        found = [outcomes[index] for index in range(len(requests))]
        for outcome in found:
            if isinstance(outcome, EdgeFlowError):
                raise outcome
        return [outcome for outcome in found if isinstance(outcome, InferResponse)]

    def _await(self, over: threading.Semaphore, count: int) -> None:
        due = time.monotonic() + self._timeout
        while count:
            left = due - time.monotonic()
            if over.acquire(timeout=min(SLICE_SECONDS, max(0.0, left))):
                count -= 1
                continue
            self._check()
            if left <= 0:
                raise DeadlineError(f"no answer within {self._timeout:g} s")

    def _check(self) -> None:
        if self._is_over():
            raise StoppedError

    def _timed(self, stage: str) -> "_Timer":
        return _Timer(stage, self._observe)


class _Timer:
    """Tells how long its block took; a generator as context would cost five times as much."""

    __slots__ = ("_observe", "_stage", "_started")

    def __init__(self, stage: str, observe: Observe) -> None:
        self._stage = stage
        self._observe = observe

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._observe(self._stage, time.perf_counter() - self._started)


def unmodelled(work: Work) -> InferResponse:
    """Return the inputs of a pipeline without model as if they were outputs."""
    inputs = work.inputs[0]
    if isinstance(inputs, np.ndarray):
        outputs = {"input": inputs}
    elif isinstance(inputs, Mapping):
        outputs = {k: v for k, v in inputs.items() if isinstance(v, np.ndarray)}
    else:
        outputs = {}
    return InferResponse(model="", version="", outputs=outputs)


def _as_inputs(value: Any, step: ModelStep) -> Mapping[str, Any] | Sequence[Any]:
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, Mapping) and all(isinstance(v, np.ndarray) for v in value.values()):
        return value
    if isinstance(value, list | tuple) and all(isinstance(v, np.ndarray) for v in value):
        return list(value)
    made = f"{step.preprocess.path} gave" if step.preprocess else "without a preprocess stage comes"
    raise WrongInputError(
        f"{made} {type(value).__name__}, and model {step.model!r} takes arrays",
        hint="return an array, a list of arrays, a dict of them, or Prepared",
    )


def _as_result(value: Any, stage: Stage) -> dict[str, Any]:
    if value is None:
        raise NothingYetError
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple):
        return {"results": list(value)}
    raise PipelineError(
        f"{stage.path} gave {type(value).__name__} and not a dict",
        hint="return a dict such as {'detections': [...]}",
    )
