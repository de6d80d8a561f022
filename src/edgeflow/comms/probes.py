"""The metrics port: ``/healthz``, ``/readyz`` and ``/metrics`` over plain HTTP.

Bound wider than loopback, ``/metrics`` wants the token; probes of an orchestrator carry none.
"""

import asyncio
import contextlib
import errno
import json
from collections.abc import Callable
from http import HTTPStatus

import structlog

from edgeflow.comms.event_loop import EventLoopThread
from edgeflow.config import settings
from edgeflow.errors import ConfigError
from edgeflow.observe.metrics import CONTENT_TYPE
from edgeflow.security.access import AccessRules, Refusal, bearer

__all__ = ["ProbeServer"]

MAX_HEAD = 8192
MAX_CLIENTS = 32
HEAD_SECONDS = 5.0
ANSWER_SECONDS = 10.0
START_SECONDS = 5.0

log = structlog.get_logger(__name__)

Answer = tuple[int, str, bytes]
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class ProbeServer:
    """Answers probes from an event loop of its own, so that a flow that hangs is seen.

    Args:
        port: 0 for a free one.
        health: what is wrong with the process; empty when nothing is.
        readiness: what keeps it from working; empty when nothing does.
        metrics: the page of ``/metrics``.
        host: address to bind; ``EDGEFLOW_BIND`` if not given.
        setting: what chooses the port, for errors.

    Attributes:
        port: where it listens once it is open.
    """

    def __init__(
        self,
        port: int,
        *,
        health: Callable[[], list[str]],
        readiness: Callable[[], list[str]],
        metrics: Callable[[], bytes],
        host: str | None = None,
        setting: str = "metrics_port",
    ) -> None:
        self.port = port
        self._setting = setting
        self.host = host or settings.BIND_HOST
        self._pages: dict[str, Callable[[], Answer]] = {
            "/healthz": lambda: _findings(health(), "ok"),
            "/readyz": lambda: _findings(readiness(), "ready"),
            "/metrics": lambda: (200, CONTENT_TYPE, metrics()),
        }
        self._loop = EventLoopThread("edgeflow-probes")
        self._rules = AccessRules(self.host, "metrics")
        self._clients = 0
        self._server: asyncio.Server | None = None

    def open(self) -> None:
        """Listen.

        Raises:
            ConfigError: the port cannot be bound.
        """
        self._loop.start()
        try:
            self._loop.run(self._listen(), START_SECONDS)
        except OSError as error:
            self._loop.close()
            in_use = error.errno == errno.EADDRINUSE
            raise ConfigError(
                f"{self._setting} {self.port} on {self.host} "
                f"{'is in use by another process' if in_use else f'cannot be bound: {error}'}",
                hint=f"end its owner, or set {self._setting} to another port, 0 for a free one, "
                "-1 for none",
            ) from None
        log.info("probes_open", host=self.host, port=self.port)

    def close(self) -> None:
        """Stop listening. Idempotent."""
        with contextlib.suppress(Exception):
            self._loop.run(self._stop(), 1.0)
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, self.host, self.port, limit=MAX_HEAD)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if self._clients <= MAX_CLIENTS:
                answer = await self._answer(reader)
                if answer is not None:
                    writer.write(_response(*answer))
                    await asyncio.wait_for(writer.drain(), ANSWER_SECONDS)
        except (OSError, TimeoutError):
            pass  # the client has left
        finally:
            self._clients -= 1
            writer.close()

    def _refusal(self, headers: dict[str, str], *, is_open: bool) -> Refusal | None:
        return self._rules.refusal(
            headers.get("host", "localhost"),
            None,
            [bearer(headers.get("authorization", ""))],
            changes=False,
            is_open=is_open,
        )

    async def _answer(self, reader: asyncio.StreamReader) -> Answer | None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_SECONDS)
        except asyncio.LimitOverrunError:
            return _text(431, "the request is too large")
        except (asyncio.IncompleteReadError, TimeoutError):
            return None
        return await self._page(head.decode("latin-1").split("\r\n"))

    async def _page(self, lines: list[str]) -> Answer:
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/"):
            return _text(400, "not HTTP")
        if words[0] not in ("GET", "HEAD"):
            return _text(405, "GET only")
        path = words[1].partition("?")[0]
        refused = self._refusal(_headers(lines[1:]), is_open=path != "/metrics")
        if refused is not None:
            return _text(refused[0], f"{refused[1]}; {refused[2]}")
        page = self._pages.get(path)
        if page is None:
            return _text(404, f"known: {', '.join(self._pages)}")
        answer = await _in_time(page)
        return answer if words[0] == "GET" else (answer[0], answer[1], b"")


async def _in_time(page: Callable[[], Answer]) -> Answer:
    try:
        return await asyncio.wait_for(asyncio.to_thread(page), ANSWER_SECONDS)
    except TimeoutError:
        return _text(503, "no answer in time")
    except Exception as error:  # noqa: BLE001 - a probe must not end the server
        log.error("probe_failed", error=f"{type(error).__name__}: {error}")
        return _text(500, "internal error")


def _headers(lines: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _findings(found: list[str], well: str) -> Answer:
    if not found:
        return _text(200, well)
    return 503, "application/json", json.dumps({"problems": found}).encode() + b"\n"


def _text(status: int, text: str) -> Answer:
    return status, "text/plain; charset=utf-8", text.encode() + b"\n"


def _response(status: int, kind: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
