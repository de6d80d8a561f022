"""The asynchronous client: picks the gateway, tries again, trips, and falls back."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from edgeflow.errors import (
    DeadlineError,
    EdgeFlowError,
    EngineError,
    OverloadedError,
    ProtocolError,
    TensorError,
    UnknownModelError,
    UnreachableError,
)
from edgeflow.inference.client.backoff import Retry
from edgeflow.inference.client.gateways import Affinity, Gateway
from edgeflow.inference.client.pool import TensorPool
from edgeflow.inference.client.standing import Standing, Standings
from edgeflow.inference.engines.base import EngineSpec
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.protocols.tensor import v2

__all__ = ["AsyncTensorClient", "BreakerOpenError", "Fallback"]

log = structlog.get_logger(__name__)

_LIST_SECONDS = 1.0
_LOAD_SECONDS = 120.0

Fallback = Callable[[InferRequest], Awaitable[InferResponse]]
"""Answers in place of a model that cannot; errors as ``InferenceService.infer``."""


class BreakerOpenError(OverloadedError):
    """The model failed repeatedly on every gateway that serves it, and is left alone for now."""


class AsyncTensorClient:
    """Runs models on one or more gateways. All methods run in one loop.

    A try that found no gateway, or lost it, is repeated on a fresh socket: first on the next
    gateway of the model, then after a wait, always within the deadline (without one: within the
    time limit of the model's first gateway). An answer, be it an error, is final, but
    "overloaded" lets the next gateway try. A model whose breakers are open is not asked for:
    its fallback answers at once; without one the request waits for its next turn.

    Args:
        gateways: whom to ask.
        affinity: pattern of model names to gateways; see ``Affinity``.
        fallbacks: by model name: the name of another model, or what answers instead.
        declared: by model name: its tensors, for gateways that only speak version 1.
        retry: how often and after which waits.
        standings: breakers and figures.

    Raises:
        ConfigError: the affinity names a gateway that is not there.
    """

    def __init__(
        self,
        gateways: Sequence[Gateway],
        *,
        affinity: Mapping[str, str | Sequence[str]] | None = None,
        fallbacks: Mapping[str, str | Fallback] | None = None,
        declared: Mapping[str, EngineSpec] | None = None,
        retry: Retry | None = None,
        standings: Standings | None = None,
    ) -> None:
        self.affinity = Affinity(gateways, affinity)
        self.standings = standings or Standings()
        self.pools: dict[str, TensorPool] = {}
        self._fallbacks = dict(fallbacks or {})
        self._declared = dict(declared or {})
        self._retry = retry or Retry()

    def within_limit(self, request: InferRequest) -> InferRequest:
        """Return the request with a deadline: its own, else the limit of its first gateway."""
        if request.deadline is not None:
            return request
        first = self.affinity.gateways[self.affinity.order(request.model)[0]]
        return replace(request, deadline=time.monotonic() + first.timeout_s)

    async def infer(
        self, request: InferRequest, failed: EdgeFlowError | None = None
    ) -> InferResponse:
        """Run one request within its deadline; the fallback has what is left of it.

        Args:
            request: what to run.
            failed: what the model's first gateway has said to it already, and was accounted for.

        Raises:
            UnknownModelError, TensorError, EngineError: what the gateway says went wrong.
            OverloadedError: every gateway is, or its breaker is open.
            DeadlineError: no answer in time.
            UnreachableError: no gateway can be reached.
        """
        try:
            return await self._infer(request, failed)
        except (UnknownModelError, TensorError):
            raise
        except (EngineError, UnreachableError, ProtocolError) as error:
            instead = self._fallbacks.get(request.model)
            if instead is None:
                raise
            log.info("model_fell_back", model=request.model, reason=str(error))
            self._first_standing(request.model).fallbacks += 1
            return await self._fall_back(request, instead)

    async def inquire(
        self, gateway: str, kind: v2.Kind, model: str = "", version: str | None = None
    ) -> str | None:
        """Ask one gateway about models; None if it only speaks version 1.

        Raises:
            EdgeFlowError: as ``infer``.
        """
        pool = self._pool(gateway)
        timeout = pool.gateway.timeout_s
        if kind is v2.Kind.LIST:
            timeout = min(timeout, _LIST_SECONDS)
        elif kind in (v2.Kind.LOAD, v2.Kind.UNLOAD):
            timeout = max(timeout, _LOAD_SECONDS)
        return await pool.inquire(kind, model, version, timeout)

    async def close(self) -> None:
        """Hang up everywhere. Requests under way fail."""
        for pool in self.pools.values():
            await pool.close()

    def _pool(self, gateway: str) -> TensorPool:
        pool = self.pools.get(gateway)
        if pool is None:
            pool = self.pools[gateway] = TensorPool(self.affinity.gateways[gateway])
        return pool

    def _first_standing(self, model: str) -> Standing:
        return self.standings.of(self.affinity.order(model)[0], model)

    async def _infer(
        self, request: InferRequest, failed: EdgeFlowError | None = None
    ) -> InferResponse:
        waits = self._retry.waits()
        request = self.within_limit(request)
        while True:
            try:
                return await self._round(request, failed)
            except (UnreachableError, BreakerOpenError) as error:
                wait = next(waits, None)
                if isinstance(error, BreakerOpenError) and request.model in self._fallbacks:
                    raise
                if wait is None or wait >= _left(request):
                    raise error
            failed = None
            self._first_standing(request.model).retries += 1
            await asyncio.sleep(wait)

    async def _round(
        self, request: InferRequest, failed: EdgeFlowError | None = None
    ) -> InferResponse:
        """Ask the gateways of the model in turn, until one answers; not one that has ``failed``."""
        if failed is not None and not isinstance(failed, (UnreachableError, OverloadedError)):
            raise failed
        problem = failed
        for name in self.affinity.order(request.model)[0 if failed is None else 1 :]:
            standing = self.standings.of(name, request.model)
            if not standing.breaker.allow():
                problem = problem or BreakerOpenError(
                    f"{request.model} on {name}: its circuit breaker is open",
                    hint="it failed repeatedly; it is tried again soon",
                )
                continue
            try:
                return await self._try(request, standing)
            except (UnreachableError, OverloadedError) as error:
                problem = error
        raise problem or UnreachableError(f"no gateway serves {request.model}")

    async def _try(self, request: InferRequest, standing: Standing) -> InferResponse:
        started = time.perf_counter_ns()
        try:
            response = await self._ask(request, standing.gateway)
        except BaseException as error:
            standing.failed(error)
            raise
        standing.answered(time.perf_counter_ns() - started)
        return response

    async def _ask(self, request: InferRequest, gateway: str) -> InferResponse:
        pool = self._pool(gateway)
        timeout = min(_left(request), pool.gateway.timeout_s)
        if timeout <= 0:
            raise DeadlineError(f"{request.model}: the deadline has passed before it was sent")
        return await pool.infer(request, timeout, self._declared.get(request.model))

    async def _fall_back(self, request: InferRequest, instead: str | Fallback) -> InferResponse:
        if not isinstance(instead, str):
            return await instead(request)
        return await self._infer(replace(request, model=instead, version=None))


def _left(request: InferRequest) -> float:
    return (request.deadline or 0.0) - time.monotonic()
