"""HTTP push: sensors send their messages as requests."""

import asyncio
import contextlib
import hmac
import math
import re
import socket
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

import msgspec
import uvicorn
from pydantic import Field, field_validator
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, compile_path

from edgeflow.config import settings
from edgeflow.errors import ConfigError
from edgeflow.inference.servers.http_connection import connection_class
from edgeflow.pipelines.connectors.base import BaseConnector, ConnectorOptions, RouteOptions
from edgeflow.pipelines.connectors.pace import Pace
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.stages.serializers import MAX_DOCUMENT
from edgeflow.web.access import is_loopback

__all__ = ["HttpConnector", "HttpOptions", "HttpRoute"]

ENCODINGS = {
    "application/json": "json",
    "image/jpeg": "jpeg",
    "application/msgpack": "msgpack",
    "application/x-msgpack": "msgpack",
    "application/x-npy": "npy",
    "application/x-npz": "npz",
}
MAX_AHEAD_SECONDS = 60.0
"""How far ahead of ours a sensor's clock may be."""
STOP_SECONDS = 1.3
BODY_SECONDS = 30.0
"""What a body may take to come."""


class HttpRoute(RouteOptions):
    """One entry under ``topics:`` of a connector of type ``http``.

    Attributes:
        filter: path such as ``/sensors/{sensor}/env``; ``{sensor}`` names the sensor, else the
            path does; other braces go to the metadata.
        serializer: how the body is decoded; ``auto`` goes by its Content-Type.
    """

    serializer: str = "auto"

    @field_validator("filter")
    @classmethod
    def _is_path(cls, path: str) -> str:
        if not path.startswith("/"):
            raise ValueError("a path begins with /")
        return path


class HttpOptions(ConnectorOptions):
    """Keys of a connector of type ``http``.

    Attributes:
        host: where to listen; wider than loopback only with a token.
        port: where to listen; 0 for a free one.
        path: of all messages where there are no ``topics``.
        token: what clients present as ``Authorization: Bearer TOKEN``.
        max_bytes: largest body; of JSON, 4 MiB at most.
        pending: messages that may wait for the pipeline; beyond it the answer is 503.
        max_held_bytes: of bodies that come in or wait, all together; beyond it the answer is 503.
        answer: ``received`` (202 at once) or ``processed`` (200 when all that follows is done).
        answer_timeout_s: what ``processed`` may take; the answer is 504 then.
        max_connections: open at once; more are answered 503.
    """

    host: str = "127.0.0.1"
    port: int = Field(8088, ge=0, le=65535)
    path: str = "/messages"
    token: str | None = Field(None, min_length=8)
    max_bytes: int = Field(8 * 1024 * 1024, ge=1, le=1024 * 1024 * 1024)
    pending: int = Field(64, ge=1, le=100_000)
    max_held_bytes: int = Field(128 * 1024 * 1024, ge=1)
    answer: Literal["received", "processed"] = "received"
    answer_timeout_s: float = Field(10.0, gt=0, le=600)
    max_connections: int = Field(256, ge=1, le=10_000)


class HttpConnector(BaseConnector):
    """A small HTTP server whose POSTs (and PUTs) are messages.

    Answers: 202 or 200 taken, 400 not what it says it is, 401 wrong token, 403 from another site,
    404 no such path, 408 the body did not come, 413 too large, 429 sent too often
    (``Retry-After``), 503 the pipeline is behind (``Retry-After``), 504 not processed in time.
    A connection that brings no request within 20 s is closed.
    """

    Options = HttpOptions
    Route = HttpRoute
    uses_topics = True
    options: HttpOptions

    def __init__(self, name: str, options: Any, routes: tuple[RouteOptions, ...] = ()) -> None:
        super().__init__(name, options, routes)
        self.port = 0
        self._socket: socket.socket | None = None
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._queue: asyncio.Queue[tuple[EdgeMessage, int]] = asyncio.Queue(options.pending)
        self._held = 0
        self._pace = Pace()
        self._waiting: set[asyncio.Future[bool]] = set()
        self._paths: list[tuple[RouteOptions | None, re.Pattern[str]]] = [
            (route, compile_path(route.filter)[0]) for route in routes
        ] or [(None, compile_path(options.path)[0])]

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: it cannot, or is open to others without a token.
        """
        options = self.options
        if not is_loopback(options.host) and options.token is None and not settings.INSECURE:
            raise ConfigError(
                f"connector {self.name!r} would let everybody send from {options.host}",
                hint="set token:, or host: 127.0.0.1",
            )
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        try:
            self._socket = socket.create_server((options.host, options.port), family=family)
        except OSError as error:
            raise ConfigError(
                f"connector {self.name!r} cannot listen on {options.host}:{options.port}: "
                f"{error.strerror or error}"
            ) from None
        self.port = int(self._socket.getsockname()[1])
        self._server = _Server(
            uvicorn.Config(
                Starlette(routes=[Route("/{path:path}", self._take, methods=["POST", "PUT"])]),
                log_config=None,
                access_log=False,
                lifespan="off",
                http=connection_class(),
                ws="none",
                limit_concurrency=options.max_connections,
                timeout_graceful_shutdown=1,
                server_header=False,
            )
        )
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        self.state = "connected"
        self.log.info("connector_listening", host=options.host, port=self.port)

    async def stop(self) -> None:
        """Stop listening; who waits for an answer gets 503."""
        self.state = "ended"
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(False)
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            _, late = await asyncio.wait({self._serving}, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
        if self._socket is not None:
            self._socket.close()

    async def iter_messages(self) -> AsyncIterator[EdgeMessage]:
        """Yield what is sent, until the connector is stopped."""
        while self.state != "ended":
            message, size = await self._queue.get()
            self._held -= size
            yield message

    async def acknowledge(self, message: EdgeMessage) -> None:
        """Answer who waits for the end of the processing."""
        if message.receipt is not None and not message.receipt.done():
            message.receipt.set_result(True)

    async def throttle(self, sensor_id: str, interval_s: float) -> bool:
        """Answer 429 to what ``sensor_id`` sends sooner."""
        self._pace.limit(sensor_id, interval_s)
        return True

    async def _take(self, request: Request) -> Response:
        try:
            self._admit(request)
            found = self._matching(request.url.path)
            sensor = self._sensor(found[0], request)
            if (wait := self._pace.wait(sensor, time.monotonic())) > 0:
                raise _RefusedError(429, "sent too often", wait)
            if self._queue.full():
                raise _RefusedError(503, "the pipeline is behind", 1)
            body = await self._body(request)
            message = self._message(request, body, found, sensor)
            self._enqueue(message, len(body))
            return await self._answer(message)
        except _RefusedError as refused:
            return refused.response()

    def _enqueue(self, message: EdgeMessage, size: int) -> None:
        if self.state == "ended":
            raise _RefusedError(503, "the connector ends", 1)
        try:
            self._queue.put_nowait((message, size))
        except asyncio.QueueFull:
            raise _RefusedError(503, "the pipeline is behind", 1) from None
        self._held += size
        self._pace.passed(message.sensor_id, time.monotonic())

    async def _answer(self, message: EdgeMessage) -> Response:
        if message.receipt is None:
            return JSONResponse({"status": "received"}, 202)
        self._waiting.add(message.receipt)
        try:
            async with asyncio.timeout(self.options.answer_timeout_s):
                done = await message.receipt
        except TimeoutError:
            limit = self.options.answer_timeout_s
            raise _RefusedError(504, f"not processed within {limit:g} s") from None
        finally:
            self._waiting.discard(message.receipt)
        if not done:
            raise _RefusedError(503, "the connector ends", 1)
        return JSONResponse({"status": "processed"})

    def _admit(self, request: Request) -> None:
        given = request.headers.get("authorization", "").partition(" ")[2].strip()
        token = self.options.token
        if token is not None and not hmac.compare_digest(given.encode(), token.encode()):
            raise _RefusedError(401, "a token is needed: Authorization: Bearer TOKEN")
        if "origin" in request.headers and token is None:
            raise _RefusedError(403, "pages of websites may not send here")

    def _matching(self, path: str) -> list[tuple[RouteOptions | None, dict[str, str]]]:
        """Return the routes of a path, each with the variables in it."""
        matches = [(route, pattern.match(path)) for route, pattern in self._paths]
        found = [(route, match.groupdict("")) for route, match in matches if match is not None]
        if not found:
            raise _RefusedError(404, "no route has this path")
        return found

    def _sensor(self, found: tuple[RouteOptions | None, dict[str, str]], request: Request) -> str:
        route, variables = found
        chosen = (route.sensor_id if route is not None else None) or self.options.sensor_id
        return chosen or variables.get("sensor") or request.url.path.strip("/")

    async def _body(self, request: Request) -> bytes:
        limit = self.options.max_bytes
        too_large = _RefusedError(413, f"at most {limit} bytes are taken")
        announced = request.headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > limit:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for chunk in request.stream():
                    body += chunk
                    self._held += len(chunk)
                    if len(body) > limit:
                        raise too_large
                    if self._held > self.options.max_held_bytes:
                        raise _RefusedError(503, "too much waits already", 1)
        except (ClientDisconnect, TimeoutError):
            raise _RefusedError(408, "the body did not come to its end") from None
        finally:
            self._held -= len(body)
        return bytes(body)

    def _message(
        self,
        request: Request,
        body: bytes,
        found: list[tuple[RouteOptions | None, dict[str, str]]],
        sensor: str,
    ) -> EdgeMessage:
        route, variables = found[0]
        encoding = self.options.serializer or "auto" if route is None else route.serializer
        if encoding == "auto":
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            encoding = ENCODINGS.get(kind, "raw")
        if encoding == "json":
            _check_json(body)
        pipelines = [name for route, _ in found if route for name in _names(route.pipeline)]
        waits = self.options.answer == "processed"
        return EdgeMessage(
            sensor_id=sensor,
            payload=body,
            encoding=encoding,
            timestamp=_timestamp(request.headers.get("x-timestamp")),
            metadata={"path": request.url.path, **variables},
            pipeline_override=tuple(dict.fromkeys(pipelines)),
            receipt=asyncio.get_running_loop().create_future() if waits else None,
        )


class _RefusedError(Exception):
    """A request that is not taken: status, why, and seconds until it may come again."""

    def __init__(self, status: int, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self._status = status
        self._detail = detail
        wait = None if retry_after is None else str(max(1, math.ceil(retry_after)))
        self._headers = {} if wait is None else {"retry-after": wait}

    def response(self) -> Response:
        """Return the answer."""
        return JSONResponse(
            {"status": self._status, "detail": self._detail},
            self._status,
            self._headers,
            media_type="application/problem+json",
        )


class _Server(uvicorn.Server):
    """Leaves signals to whom they belong."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _names(pipeline: str | list[str]) -> list[str]:
    return [pipeline] if isinstance(pipeline, str) else pipeline


def _check_json(body: bytes) -> None:
    """Refuse what is no JSON. It waits as bytes: decoded it can be thirty times as large."""
    if len(body) > MAX_DOCUMENT:
        raise _RefusedError(413, f"at most {MAX_DOCUMENT} bytes of JSON are taken")
    try:
        body.decode()
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _RefusedError(400, f"the body is no JSON: {error}") from None


def _timestamp(given: str | None) -> float:
    now = time.time()
    if given is None:
        return now
    try:
        stamp = float(given)
    except ValueError:
        stamp = math.nan
    if not 0 <= stamp <= now + MAX_AHEAD_SECONDS:
        raise _RefusedError(400, "X-Timestamp is not a time in seconds since the Unix epoch")
    return stamp
