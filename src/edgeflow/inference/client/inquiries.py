"""Questions about models to gateways: descriptions, state, loading."""

import asyncio
import time

import msgspec

from edgeflow.core.status import ModelStatus
from edgeflow.errors import EdgeFlowError, EngineError, UnknownModelError, UnreachableError
from edgeflow.inference.client.routing import AsyncTensorClient
from edgeflow.inference.client.standing import Standing
from edgeflow.inference.descriptions import read_info, read_statuses
from edgeflow.inference.engines.base import EngineSpec
from edgeflow.inference.service import ModelInfo
from edgeflow.protocols.tensor.v2 import Kind

__all__ = ["Inquiries"]

_KEPT_SECONDS = 5.0
_MAX_KEPT = 256


class Inquiries:
    """Asks in the client's loop.

    Args:
        client: whose gateways are asked.
        declared: the tensors of models that version-1 gateways serve.
    """

    def __init__(self, client: AsyncTensorClient, declared: dict[str, EngineSpec]) -> None:
        self._client = client
        self._declared = declared
        self._kept: dict[tuple[str, str | None], tuple[float, ModelInfo]] = {}

    async def info(self, model: str, version: str | None) -> ModelInfo:
        """Return a model's description; one that is 5 s old at most."""
        kept = self._kept.get((model, version))
        if kept is not None and time.monotonic() - kept[0] < _KEPT_SECONDS:
            return kept[1]
        info = await self._ask_info(model, version)
        if len(self._kept) >= _MAX_KEPT:
            self._kept.clear()
        self._kept[model, version] = (time.monotonic(), info)
        return info

    async def status(self) -> list[ModelStatus]:
        """Return the models of every gateway, asked at the same time."""
        gateways = list(self._client.affinity.gateways)
        found = await asyncio.gather(*(self._status_of(name) for name in gateways))
        return [status for statuses in found for status in statuses]

    async def load(self, model: str, version: str | None) -> None:
        """Load a model on each of its gateways."""
        await self._control(Kind.LOAD, model, version)

    async def unload(self, model: str) -> None:
        """Unload a model on each of its gateways."""
        await self._control(Kind.UNLOAD, model, None)

    async def is_ready(self, model: str | None) -> bool:
        """Return whether the model, or every gateway, is ready."""
        if model is not None:
            return await self._is_model_ready(self._client.affinity.order(model), model)
        for gateway in self._client.affinity.gateways:
            statuses = await self._list(gateway) or []
            if any(status.pinned and status.state != "ready" for status in statuses):
                return False
        return True

    async def _is_model_ready(self, gateways: list[str], model: str) -> bool:
        for gateway in gateways:
            try:
                statuses = await self._list(gateway)
            except EdgeFlowError:
                continue
            if statuses is None:
                return True
            return any(each.name == model and each.state == "ready" for each in statuses)
        return False

    async def _ask_info(self, model: str, version: str | None) -> ModelInfo:
        problem: EdgeFlowError = UnreachableError(f"no gateway serves {model}")
        for gateway in self._client.affinity.order(model):
            try:
                text = await self._client.inquire(gateway, Kind.DESCRIBE, model, version)
            except UnknownModelError:
                raise
            except EdgeFlowError as error:
                problem = error
                continue
            return read_info(text) if text is not None else self._from_declared(gateway, model)
        raise problem

    def _from_declared(self, gateway: str, model: str) -> ModelInfo:
        spec = self._declared.get(model)
        if spec is None:
            raise EngineError(
                f"{gateway} speaks version 1 of the tensor protocol, which does not describe "
                f"models; the tensors of {model!r} are not known",
                hint="declare them in the configuration, or use a gateway that speaks version 2",
            )
        return ModelInfo(model, "", (), "tensor_v1", spec)

    async def _list(self, gateway: str) -> list[ModelStatus] | None:
        text = await self._client.inquire(gateway, Kind.LIST)
        return None if text is None else read_statuses(text)

    async def _control(self, kind: Kind, model: str, version: str | None) -> None:
        self._kept.clear()
        for gateway in self._client.affinity.order(model):
            if await self._client.inquire(gateway, kind, model, version) is None:
                raise EngineError(f"{gateway} speaks version 1, which cannot load models")

    async def _status_of(self, gateway: str) -> list[ModelStatus]:
        used = {each.model: each for each in self._client.standings if each.gateway == gateway}
        try:
            listed = await self._list(gateway)
        except EdgeFlowError as error:
            return [_own(each, "unreachable", str(error)) for each in used.values()]
        if listed is None:
            return [_own(each, "ready", each.last_error) for each in used.values()]
        return [
            msgspec.structs.replace(
                status,
                engine="remote",
                device=gateway,
                breaker=str(used[status.name].breaker.state) if status.name in used else "closed",
            )
            for status in listed
        ]


def _own(standing: Standing, state: str, error: str | None) -> ModelStatus:
    """Return what the client itself knows of a model."""
    p50, p99 = standing.times.quantile_ms(0.5), standing.times.quantile_ms(0.99)
    return ModelStatus(
        name=standing.model,
        state=state,
        device=standing.gateway,
        engine="remote",
        requests=standing.requests,
        errors=standing.errors,
        p50_ms=p50,
        p99_ms=p99,
        breaker=str(standing.breaker.state),
        last_error=error,
    )
