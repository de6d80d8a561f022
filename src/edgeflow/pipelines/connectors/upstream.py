"""Results of other edge nodes: their alerts and actions, or newest results, by HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import msgspec
from pydantic import Field, field_validator

from edgeflow.core.status import Activity
from edgeflow.errors import MissingExtraError, PipelineError, UnreachableError
from edgeflow.pipelines.connectors.base import ConnectorOptions, RouteOptions
from edgeflow.pipelines.connectors.public_url import public
from edgeflow.pipelines.connectors.session import SessionConnector
from edgeflow.pipelines.message import EdgeMessage

__all__ = ["UpstreamConnector", "UpstreamOptions"]

MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_ENTRIES = 1000
"""Entries of the activity that are asked for at once."""

TAP_SECONDS = 5.0
"""What a tap may take: it waits for the next frame."""


class UpstreamOptions(ConnectorOptions):
    """Keys of a connector of type ``inference``.

    Attributes:
        url: of the other node's dashboard (``http://edge2:8000``).
        token: that it demands.
        interval: seconds between two questions.
        timeout_s: what an answer may take.
        kinds: of activity that become messages, where there are no ``topics``.
        replay: begin with what happened before; false for what happens from now on.
    """

    url: str
    token: str | None = None
    interval: float = Field(1.0, ge=0.05, le=3600)
    timeout_s: float = Field(5.0, gt=0, le=60)
    kinds: list[Literal["alert", "action", "throttle", "breaker", "dropped", "reload", "model"]] = [
        "alert"
    ]
    replay: bool = False

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ValueError("write http://HOST:PORT; the token has a key of its own")
        return url.rstrip("/")


class _Frame(msgspec.Struct):
    """What ``/api/tap`` tells of a frame."""

    preview: Any
    kind: str
    id: int = 0
    sequence: int = 0
    timestamp: float = 0.0
    source: str = ""
    meta: dict[str, Any] = {}


class UpstreamConnector(SessionConnector):
    """Asks another EdgeFlow what happened (``/api/activity``), or for topics (``/api/tap``)."""

    Options = UpstreamOptions
    uses_topics = True
    options: UpstreamOptions

    def __init__(self, name: str, options: Any, routes: tuple[RouteOptions, ...] = ()) -> None:
        super().__init__(name, options, routes)
        self._place = public(options.url)
        self._after: int | None = None
        self._seen: dict[str, tuple[int, int, float]] = {}
        self._cut: set[str] = set()

    async def start(self) -> None:
        """Check that httpx is there.

        Raises:
            MissingExtraError: it is not.
        """
        try:
            import httpx  # noqa: F401 - sessions need it
        except ModuleNotFoundError:
            raise MissingExtraError("httpx", "pipelines") from None

    async def session(self) -> AsyncIterator[EdgeMessage]:
        """Ask again and again."""
        import httpx

        options = self.options
        headers = {"authorization": f"Bearer {options.token}"} if options.token else {}
        waits = max(options.timeout_s, TAP_SECONDS)
        try:
            async with httpx.AsyncClient(headers=headers, timeout=waits) as client:
                await self._begin(client)
                self.connected()
                while True:
                    asked = time.monotonic()
                    for message in await self._news(client):
                        yield message
                    left = options.interval - (time.monotonic() - asked)
                    await asyncio.sleep(max(0.0, left))
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(f"{self._place}: {reason}") from None

    async def _begin(self, client: Any) -> None:
        """Find where to begin; a node that was started anew counts from 1 again."""
        newest = await self._activity(client, 0, 1)
        number = newest[-1].number if newest else 0
        if self._after is None:
            self._after = 0 if self.options.replay else number
        elif number < self._after:
            self._after = 0

    async def _news(self, client: Any) -> list[EdgeMessage]:
        if self.routes:
            topics = list(dict.fromkeys(route.filter for route in self.routes))
            found = await asyncio.gather(*(self._tap(client, topic) for topic in topics))
            return [message for message in found if message is not None]
        entries = await self._activity(client, self._after or 0, MAX_ENTRIES)
        if entries:
            self.dropped += max(0, entries[0].number - (self._after or 0) - 1)
            self._after = entries[-1].number
        return [self._happened(entry) for entry in entries if entry.kind in self.options.kinds]

    async def _activity(self, client: Any, after: int, limit: int) -> list[Activity]:
        body = await self._get(client, f"/api/activity?after={after}&limit={limit}")
        entries: list[Activity] = self._decoded(body, list[Activity])
        return entries

    async def _tap(self, client: Any, topic: str) -> EdgeMessage | None:
        """Return the newest result of a topic, unless there is no new one."""
        body = await self._get(client, f"/api/tap/{quote(topic, safe='')}", quiet=(504,))
        if body is None:
            return None
        frame: _Frame = self._decoded(body, _Frame)
        identity = (frame.id, frame.sequence, frame.timestamp)
        if self._seen.get(topic) == identity:
            return None
        self._seen[topic] = identity
        if frame.kind not in ("dict", "list") or isinstance(frame.preview, str):
            self._complain(topic, frame)
            return None
        return self._result(topic, frame)

    async def _get(self, client: Any, path: str, quiet: tuple[int, ...] = ()) -> bytes | None:
        async with client.stream("GET", self.options.url + path) as response:
            if response.status_code in quiet:
                return None
            if response.status_code != 200:
                raise UnreachableError(
                    f"{self._place}{path.partition('?')[0]}: {response.status_code}"
                )
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise PipelineError(f"{self._place} answers more than {MAX_ANSWER_BYTES} bytes")
        return bytes(body)

    def _decoded(self, body: bytes | None, shape: Any) -> Any:
        try:
            return msgspec.json.decode(body or b"", type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PipelineError(f"{self._place} gives no answer of EdgeFlow: {error}") from None

    def _happened(self, entry: Activity) -> EdgeMessage:
        fields = {**entry.detail, **msgspec.to_builtins(entry)}
        del fields["detail"]
        who = entry.sensor or entry.agent or entry.pipeline
        return EdgeMessage(
            sensor_id=self.options.sensor_id or f"{self.name}/{who}",
            payload=fields,
            timestamp=entry.time,
            metadata={"upstream": self._place, "number": entry.number},
        )

    def _result(self, topic: str, frame: _Frame) -> EdgeMessage:
        routes = [route for route in self.routes if route.filter == topic]
        names = [
            name
            for route in routes
            for name in ([route.pipeline] if isinstance(route.pipeline, str) else route.pipeline)
        ]
        chosen = next((route.sensor_id for route in routes if route.sensor_id), None)
        return EdgeMessage(
            sensor_id=chosen or self.options.sensor_id or f"{self.name}/{topic}",
            payload=frame.preview,
            timestamp=frame.timestamp or time.time(),
            metadata={**frame.meta, "upstream": self._place, "topic": topic},
            pipeline_override=tuple(dict.fromkeys(names)),
        )

    def _complain(self, topic: str, frame: _Frame) -> None:
        """Count a result that did not come whole; say so once."""
        self.dropped += 1
        if topic not in self._cut:
            self._cut.add(topic)
            self.log.warning("result_not_whole", topic=topic, kind=frame.kind)
