"""Actions as HTTP requests: signed, retried, never lost in silence."""

import asyncio
import hashlib
import hmac
import time
import uuid
from base64 import b64decode, b64encode
from collections import OrderedDict, deque
from email.utils import parsedate_to_datetime
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field

from edgeflow.errors import ActionError, ConfigError, MissingExtraError
from edgeflow.pipelines.actions.base import LIMIT_SECONDS, Dispatcher, DispatcherOptions
from edgeflow.pipelines.actions.body import action_body
from edgeflow.pipelines.actions.dead_letters import DeadLetter, DeadLetters
from edgeflow.pipelines.connectors.backoff import Backoff
from edgeflow.pipelines.message import Action, ActionResult
from edgeflow.pipelines.paths import LocalPath

__all__ = ["WebhookDispatcher", "WebhookOptions", "signature"]

MAX_ANSWER_BYTES = 4096
"""What is read of an answer; only its status counts."""

MAX_OPEN = 48
"""Requests of one action that may be open, all endpoints together: 64 actions are carried out at
once, and endpoints that hang must leave room for the others."""

MAX_ENDPOINTS = 256
"""Endpoints whose load is kept apart."""


class WebhookOptions(DispatcherOptions):
    """Keys of an action of type ``webhook``.

    Attributes:
        url: where requests go; an action's target overrides it.
        method: of the requests.
        headers: added to each.
        timeout: seconds that one attempt may take, from connecting to the end of the answer.
        retries: attempts after the first, on 408, 425, 429, 5xx and when there is no answer.
        give_up_after: seconds that all attempts together may take.
        secret: key of the signature; none for unsigned requests.
        parallel: requests at once to one endpoint.
        pending: requests that may wait for one endpoint; more are given up at once, and so are
            those to a busy endpoint while 48 requests are open in all.
        follow_redirects: go where the endpoint points; the signature and headers go along.
        dead_letters: file that keeps what was given up.
        dead_letters_max_bytes: its largest size; the oldest go.
    """

    url: str | None = None
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: dict[str, str] = {}
    timeout: float = Field(5.0, gt=0, le=300)
    retries: int = Field(3, ge=0, le=20)
    give_up_after: float = Field(30.0, gt=0, le=3600)
    secret: str | None = None
    parallel: int = Field(4, ge=1, le=64)
    pending: int = Field(16, ge=0, le=10_000)
    follow_redirects: bool = False
    dead_letters: LocalPath | None = None
    dead_letters_max_bytes: int = Field(16 * 1024 * 1024, ge=1024)


def signature(secret: str, stamp: int, body: bytes) -> str:
    """Return ``t=STAMP,v1=HEX``: HMAC-SHA256 of ``STAMP.`` and the body, under the secret."""
    mac = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256)
    return f"t={stamp},v1={mac.hexdigest()}"


class _Delivery(NamedTuple):
    id: str
    url: str
    agent: str
    pipeline: str
    content_type: str
    body: bytes


class _Outcome(NamedTuple):
    """Of one attempt. ``wait`` is the endpoint's wish in seconds; ``again``: a retry may help."""

    ok: bool
    detail: str
    again: bool = False
    wait: float = 0.0


class _Endpoint:
    """Load of one endpoint, kept apart so that a slow one holds nobody else up."""

    def __init__(self, parallel: int) -> None:
        self.slots = asyncio.Semaphore(parallel)
        self.open = 0


class WebhookDispatcher(Dispatcher):
    """Sends each action to a URL."""

    Options = WebhookOptions
    options: WebhookOptions

    def __init__(self, name: str, options: Any) -> None:
        super().__init__(name, options)
        self.limit_s = max(LIMIT_SECONDS, 2 * options.give_up_after)
        self._endpoints: OrderedDict[str, _Endpoint] = OrderedDict()
        self._open = 0
        self._client: Any = None
        self._letters: DeadLetters | None = None
        if options.dead_letters is not None:
            self._letters = DeadLetters(options.dead_letters, options.dead_letters_max_bytes)

    async def start(self) -> None:
        """Open the pool of connections.

        Raises:
            ConfigError: the URL or a header cannot be one.
            MissingExtraError: httpx is not installed.
        """
        try:
            import httpx
        except ModuleNotFoundError:
            raise MissingExtraError("httpx", "pipelines") from None
        if self.options.url is not None and (problem := _problem(self.options.url)):
            raise ConfigError(f"action {self.name!r}: {problem}")
        try:
            headers = httpx.Headers(self.options.headers)
            headers.encoding = "ascii"
            httpx.Request("POST", "http://localhost", headers=headers)
        except (UnicodeError, ValueError) as error:
            raise ConfigError(f"action {self.name!r}: a header is not possible: {error}") from None
        self._client = httpx.AsyncClient(
            headers=headers,
            timeout=self.options.timeout,
            follow_redirects=self.options.follow_redirects,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
        )

    async def stop(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.aclose()

    async def dispatch(self, action: Action, *, agent: str, pipeline: str) -> ActionResult:
        """Send the request until it is taken or given up.

        Raises:
            ActionError: there is no usable URL, or the payload has no JSON form.
        """
        url = action.target or self.options.url
        if url is None:
            raise ActionError("the webhook has no url", hint="set url: or the agent's target:")
        if problem := _problem(url):
            raise ActionError(problem)
        body = action_body(action, agent=agent, pipeline=pipeline)
        delivery = _Delivery(uuid.uuid4().hex, url, agent, pipeline, body.content_type, body.data)
        try:
            result = await self._deliver(delivery)
        except asyncio.CancelledError:
            ended = "the flow ended, or its patience, before it was taken"
            self._bury(delivery, ActionResult(ok=False, detail=ended, target=_public(url)))
            raise
        if not result.ok:
            await self._give_up(delivery, result)
        return result

    async def replay(self) -> tuple[int, int]:
        """Send the dead letters again, oldest first; return (delivered, given up again).

        Those that were given up, or not tried when this was cancelled, are in the file again. A
        process that is killed meanwhile leaves all of them to the next replay.
        """
        if self._letters is None:
            return 0, 0
        left = deque(await asyncio.to_thread(self._letters.take))
        delivered = failed = 0
        try:
            while left:
                old = left[0]
                result = await self._deliver(_delivery(old))
                if result.ok:
                    delivered += 1
                else:
                    failed += 1
                    await self._give_up(_delivery(old), result)
                left.popleft()
        finally:
            for old in left:
                self._letters.add(old)
            self._letters.settle()
        return delivered, failed

    def dead_letters(self) -> list[DeadLetter]:
        """Return what was given up, oldest first."""
        return self._letters.read() if self._letters is not None else []

    async def _deliver(self, delivery: _Delivery) -> ActionResult:
        endpoint = self._endpoint(delivery.url)
        target = _public(delivery.url)
        is_full = endpoint.open >= self.options.parallel + self.options.pending
        if is_full or (endpoint.open and self._open >= MAX_OPEN):
            return ActionResult(
                ok=False, detail="too many requests wait for it", attempts=0, target=target
            )
        endpoint.open += 1
        self._open += 1
        attempts, outcome = 0, _Outcome(False, "no turn came in time")
        try:
            async with asyncio.timeout(self.options.give_up_after):
                async with endpoint.slots:
                    backoff = Backoff(0.25, 10.0)
                    while attempts <= self.options.retries:
                        attempts += 1
                        outcome = await self._attempt(delivery)
                        if not outcome.again or attempts > self.options.retries:
                            break
                        if outcome.wait > self.options.give_up_after:
                            break
                        await asyncio.sleep(max(backoff.next(), outcome.wait))
        except TimeoutError:
            outcome = _Outcome(False, f"{outcome.detail}; given up after give_up_after")
        finally:
            endpoint.open -= 1
            self._open -= 1
        return ActionResult(ok=outcome.ok, detail=outcome.detail, attempts=attempts, target=target)

    async def _attempt(self, delivery: _Delivery) -> _Outcome:
        import httpx

        headers = {
            "content-type": delivery.content_type,
            "x-agent": _ascii(delivery.agent),
            "x-pipeline": _ascii(delivery.pipeline),
            "x-delivery": delivery.id,
        }
        if self.options.secret is not None:
            stamp = int(time.time())
            headers["x-signature"] = signature(self.options.secret, stamp, delivery.body)
        try:
            async with (
                asyncio.timeout(self.options.timeout),
                self._client.stream(
                    self.options.method, delivery.url, content=delivery.body, headers=headers
                ) as response,
            ):
                await _drain(response)
                return _judge(response.status_code, response.headers.get("retry-after"))
        except TimeoutError:
            return _Outcome(False, f"no answer within {self.options.timeout:g} s", again=True)
        except httpx.TransportError as error:
            return _Outcome(False, str(error) or type(error).__name__, again=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return _Outcome(False, str(error) or type(error).__name__)

    def _endpoint(self, url: str) -> _Endpoint:
        parts = urlsplit(url)
        key = f"{parts.scheme}://{parts.netloc}"
        endpoint = self._endpoints.setdefault(key, _Endpoint(self.options.parallel))
        self._endpoints.move_to_end(key)
        if len(self._endpoints) > MAX_ENDPOINTS:
            idle = next((key for key, load in self._endpoints.items() if not load.open), None)
            if idle is not None and idle != key:
                del self._endpoints[idle]
        return endpoint

    async def _give_up(self, delivery: _Delivery, result: ActionResult) -> None:
        self.log.warning(
            "webhook_given_up", target=result.target, error=result.detail, attempts=result.attempts
        )
        if self._letters is not None:
            await asyncio.to_thread(self._bury, delivery, result)

    def _bury(self, delivery: _Delivery, result: ActionResult) -> None:
        if self._letters is None:
            return
        dead = DeadLetter(
            id=delivery.id,
            time=time.time(),
            url=delivery.url,
            agent=delivery.agent,
            pipeline=delivery.pipeline,
            content_type=delivery.content_type,
            body=b64encode(delivery.body).decode(),
            error=result.detail,
            attempts=result.attempts,
        )
        try:
            gone = self._letters.add(dead)
        except OSError as error:
            self.log.error("dead_letter_lost", path=str(self._letters.path), error=str(error))
            return
        if gone:
            self.log.warning("dead_letters_full", path=str(self._letters.path), removed=gone)


def _delivery(dead: DeadLetter) -> _Delivery:
    body = b64decode(dead.body)
    return _Delivery(dead.id, dead.url, dead.agent, dead.pipeline, dead.content_type, body)


async def _drain(response: Any) -> None:
    """Read a short answer, so that the connection can be used again; leave a long one."""
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            return


def _judge(status: int, retry_after: str | None) -> _Outcome:
    if 200 <= status < 300:
        return _Outcome(True, f"HTTP {status}")
    again = status in (408, 425, 429) or status >= 500
    return _Outcome(False, f"HTTP {status}", again, _seconds(retry_after, time.time()))


def _seconds(retry_after: str | None, now: float) -> float:
    """Return what ``Retry-After`` asks for: seconds, or a date; 0 for anything else."""
    if not retry_after:
        return 0.0
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now)
    except (ValueError, OverflowError):
        return 0.0


def _problem(url: str) -> str:
    """Return why ``url`` cannot be asked, or nothing."""
    try:
        parts = urlsplit(url)
        possible = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        possible = False
    if possible:
        return ""
    return f"{_public(url)!r} is not a URL that begins with http:// or https://"


def _public(url: str) -> str:
    """Return a URL without what may be secret in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "that"
    path = parts.path if parts.path.count("/") < 2 else "/..."  # chat services keep keys there
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"


def _ascii(name: str) -> str:
    return name.encode("ascii", "backslashreplace").decode().replace("\n", " ").replace("\r", " ")
