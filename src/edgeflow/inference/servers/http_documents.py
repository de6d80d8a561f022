"""Everything that the HTTP server tells except inferences."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec

from edgeflow.core.status import ModelStatus
from edgeflow.errors import ProtocolError
from edgeflow.inference.servers import oip_documents
from edgeflow.inference.servers.http_exchange import Exchange, HttpError
from edgeflow.inference.servers.metrics import CONTENT_TYPE
from edgeflow.inference.servers.statistics import CountedService

__all__ = ["Documents"]

_T = TypeVar("_T")

_SMALL_BODY = 64 * 1024
_THREADS = 4
"""Descriptions and loads that run at once: they may wait for a model's file."""


class Documents:
    """Answers exchanges with what a service tells about itself and its models."""

    def __init__(self, service: CountedService, metrics: Callable[[], bytes]) -> None:
        self._service = service
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(_THREADS, "edgeflow-oip")

    def close(self) -> None:
        """Let go of the threads; calls under way finish in them."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def live(self, exchange: Exchange, _model: str, _version: str) -> None:
        """Say that the server runs."""
        await exchange.answer(200, [b"ok\n"], b"text/plain")

    async def ready(self, exchange: Exchange, _model: str, _version: str) -> None:
        """Say whether every pinned model can answer."""
        if self._service.is_ready():
            await exchange.answer(200, [b"ready\n"], b"text/plain")
        else:
            await exchange.answer(503, [b"pinned models are not loaded\n"], b"text/plain")

    async def metrics(self, exchange: Exchange, _model: str, _version: str) -> None:
        """Tell the numbers for Prometheus."""
        page = await self._threaded(self._metrics)
        await exchange.answer(200, [page], CONTENT_TYPE.encode())

    async def entrance(self, exchange: Exchange, _model: str, _version: str) -> None:
        """Say what this is, and where to go from here."""
        await exchange.answer_json(oip_documents.entrance())

    async def server(self, exchange: Exchange, _model: str, _version: str) -> None:
        """Describe the server."""
        await exchange.answer_json(oip_documents.server())

    async def metadata(self, exchange: Exchange, model: str, version: str) -> None:
        """Describe a model."""
        info = await self._threaded(self._service.info, model, version or None)
        await exchange.answer_json(oip_documents.metadata(info))

    async def config(self, exchange: Exchange, model: str, version: str) -> None:
        """Describe how a model is served."""
        info = await self._threaded(self._service.info, model, version or None)
        status = next((each for each in await self._statuses() if each.name == model), None)
        await exchange.answer_json(oip_documents.config(info, status))

    async def model_ready(self, exchange: Exchange, model: str, version: str) -> None:
        """Say whether a model can answer at once."""
        found = oip_documents.find(await self._statuses(), model, version)
        if not self._service.is_ready(model) or version not in ("", found.version):
            raise HttpError(503, f"model {model!r} is not ready: {found.last_error or found.state}")
        await exchange.answer(200)

    async def statistics(self, exchange: Exchange, model: str, version: str) -> None:
        """Tell what one version, all of a model, or all models did."""
        statuses = await self._statuses()
        sums = self._service.statistics.sums()
        found = oip_documents.statistics(statuses, sums, model, version)
        await exchange.answer_json({"model_stats": found})

    async def index(self, exchange: Exchange, _model: str, _version: str) -> None:
        """List models and versions with their states."""
        ready_only = (await _document(exchange)).get("ready", False)
        if not isinstance(ready_only, bool):
            raise ProtocolError("request: 'ready' is not true or false")
        found = oip_documents.index(await self._statuses(), ready_only=ready_only)
        await exchange.answer_json(found)

    async def load(self, exchange: Exchange, model: str, _version: str) -> None:
        """Load or reload a model."""
        parameters = (await _document(exchange)).get("parameters")
        if parameters:
            raise ProtocolError(
                "request: a model's configuration cannot be sent along",
                hint="change it in the repository, and load without parameters",
            )
        await self._threaded(self._service.load, model)
        await exchange.answer(200)

    async def unload(self, exchange: Exchange, model: str, _version: str) -> None:
        """Let go of a model."""
        await _document(exchange)
        await self._threaded(self._service.unload, model)
        await exchange.answer(200)

    async def _statuses(self) -> list[ModelStatus]:
        return await self._threaded(self._service.status)

    async def _threaded(self, call: Callable[..., _T], *arguments: Any) -> _T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, call, *arguments)


async def _document(exchange: Exchange) -> dict[str, Any]:
    """Return the body as an object; without a body, an empty one."""
    body = await exchange.body(limit=_SMALL_BODY)
    if not len(body):
        return {}
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"request: {error}") from None
