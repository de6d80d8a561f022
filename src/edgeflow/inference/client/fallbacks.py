"""What answers in place of a model that cannot: an engine or another service."""

import asyncio
import contextlib
from collections.abc import Mapping
from concurrent.futures import Executor

from edgeflow.errors import EdgeFlowError, TensorError
from edgeflow.inference.client.routing import Fallback
from edgeflow.inference.engines.base import Engine
from edgeflow.inference.requests import Array, InferRequest, InferResponse
from edgeflow.inference.service import InferenceService

__all__ = ["as_fallback"]


def as_fallback(model: str, instead: Engine | InferenceService, executor: Executor) -> Fallback:
    """Return a function that answers from an engine (run in ``executor``) or a service."""
    if isinstance(instead, InferenceService):
        return _from_service(instead)
    return _from_engine(model, instead, executor)


def _from_service(service: InferenceService) -> Fallback:
    async def answer(request: InferRequest) -> InferResponse:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[InferResponse] = loop.create_future()

        def settle(outcome: InferResponse | EdgeFlowError) -> None:
            if future.done():
                return
            if isinstance(outcome, EdgeFlowError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        def done(outcome: InferResponse | EdgeFlowError) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, outcome)

        ticket = service.submit(request, done)
        try:
            return await future
        except asyncio.CancelledError:
            ticket.cancel()
            raise

    return answer


def _from_engine(model: str, engine: Engine, executor: Executor) -> Fallback:
    async def answer(request: InferRequest) -> InferResponse:
        inputs = _named(request, engine)
        loop = asyncio.get_running_loop()
        outputs = await loop.run_in_executor(executor, engine.infer, inputs)
        if request.outputs:
            unknown = [name for name in request.outputs if name not in outputs]
            if unknown:
                raise TensorError(f"{engine.name}, the fallback of {model}, has no {unknown[0]!r}")
            outputs = {name: outputs[name] for name in request.outputs}
        return InferResponse(engine.name, "", outputs, request.request_id)

    return answer


def _named(request: InferRequest, engine: Engine) -> Mapping[str, Array]:
    if isinstance(request.inputs, Mapping):
        return request.inputs
    names = [tensor.name for tensor in engine.spec.inputs]
    if len(names) != len(request.inputs):
        raise TensorError(f"{engine.name} takes {len(names)} inputs, not {len(request.inputs)}")
    return dict(zip(names, request.inputs, strict=True))
