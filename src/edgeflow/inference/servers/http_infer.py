"""One inference over HTTP: body to request, outcome to body; late or unwanted ones withdrawn."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from edgeflow.errors import DeadlineError, EdgeFlowError, ProtocolError
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.inference.servers.bridge import Bridge, Outcome
from edgeflow.inference.servers.http_exchange import ClientGoneError, Exchange, Limits
from edgeflow.inference.servers.oip_requests import service_request
from edgeflow.inference.servers.statistics import CountedService
from edgeflow.inference.service import Ticket
from edgeflow.protocols.oip import Buffer, OipRequest
from edgeflow.protocols.oip_json import decode_request, encode_response, header_length

__all__ = ["Inference"]

TIMEOUT_HEADER = b"request-timeout-ms"
"""Milliseconds that a client waits; the parameter ``timeout`` counts microseconds."""

_JSON_INLINE = 128 * 1024
_NUMBERS_INLINE = 10_000
"""Numbers that may be turned into JSON on the event loop."""
_WATCHED_AFTER = 0.02
"""Seconds after which it is worth to watch whether the client is still there."""


class Inference:
    """Runs the inferences that clients ask for."""

    def __init__(self, service: CountedService, limits: Limits) -> None:
        self._service = service
        self._limits = limits
        self._bridge: Bridge | None = None
        self._threads = ThreadPoolExecutor(1, "edgeflow-json")

    def close(self) -> None:
        """Let go of the thread."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def infer(self, exchange: Exchange, model: str, version: str) -> None:
        """Answer one inference."""
        arrived = time.monotonic()
        try:
            asked = await self._read(exchange)
            request = service_request(asked, model, version, arrived, _client(exchange))
        except ClientGoneError:
            raise
        except EdgeFlowError:
            self._service.refuse()
            raise
        response = await self._run(exchange, request)
        parts, length = await self._encoded(asked, response)
        exchange.release()
        if length is None:
            await exchange.answer(200, parts)
            return
        header = (b"inference-header-content-length", b"%d" % length)
        await exchange.answer(200, parts, b"application/octet-stream", [header])

    async def _read(self, exchange: Exchange) -> OipRequest:
        announced = exchange.header(b"inference-header-content-length")
        digits = announced or ""
        offset = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 9 else 0
        body = await exchange.body(offset)
        length = header_length(announced, len(body))
        if length <= _JSON_INLINE:
            asked = decode_request(body, length)
        else:
            asked = await self._threaded_decode(body, length)
        timeout = exchange.header(TIMEOUT_HEADER)
        if timeout is not None:
            asked.timeout_us = _milliseconds(timeout) * 1000
        return asked

    async def _threaded_decode(self, body: Buffer, length: int) -> OipRequest:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, decode_request, body, length)

    async def _encoded(
        self, asked: OipRequest, response: InferResponse
    ) -> tuple[list[Buffer], int | None]:
        arguments = (response.model, response.version, asked, response.outputs)
        numbers = sum(a.size for name, a in response.outputs.items() if not asked.in_binary(name))
        if numbers <= _NUMBERS_INLINE:
            return encode_response(*arguments)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, encode_response, *arguments)

    async def _run(self, exchange: Exchange, request: InferRequest) -> InferResponse:
        loop = asyncio.get_running_loop()
        if self._bridge is None:
            self._bridge = Bridge(self._service, loop)
        outcome, ticket = self._bridge.submit(request)
        wait = _Wait(exchange, outcome, ticket)
        seconds = self._limits.answer_seconds
        if request.deadline is not None:
            seconds = min(seconds, max(0.0, request.deadline - time.monotonic()))
        late = loop.call_later(seconds, wait.give_up, DeadlineError(_too_late(request, seconds)))
        watched = loop.call_later(_WATCHED_AFTER, wait.watch)
        try:
            return await outcome
        except asyncio.CancelledError:
            ticket.cancel()
            raise
        finally:
            late.cancel()
            watched.cancel()
            wait.end()


class _Wait:
    """What may end the waiting for an outcome early."""

    def __init__(self, exchange: Exchange, outcome: Outcome, ticket: Ticket) -> None:
        self._exchange = exchange
        self._outcome = outcome
        self._ticket = ticket
        self._watcher: asyncio.Task[None] | None = None

    def give_up(self, error: EdgeFlowError) -> None:
        """Withdraw the request, and end the waiting with an error."""
        if not self._outcome.done():
            self._outcome.set_exception(error)
            self._ticket.cancel()

    def watch(self) -> None:
        """Give up when the client leaves."""
        self._watcher = asyncio.create_task(self._until_gone())

    def end(self) -> None:
        """Watch no more."""
        if self._watcher is not None:
            self._watcher.cancel()

    async def _until_gone(self) -> None:
        while True:
            message = await self._exchange.receive()
            if message["type"] == "http.disconnect":
                self.give_up(ClientGoneError("the client left"))
                return


def _too_late(request: InferRequest, seconds: float) -> str:
    return f"model {request.model[:80]!r} gave no answer within {seconds:.3g} s"


def _client(exchange: Exchange) -> str:
    address = exchange.scope.get("client")
    return f"{address[0]}/http:{address[1]}" if address else "http"


def _milliseconds(text: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdecimal() and 0 < len(digits) < 10):
        raise ProtocolError(f"{TIMEOUT_HEADER.decode()}: {text[:40]!r} is no whole number")
    return int(digits)
