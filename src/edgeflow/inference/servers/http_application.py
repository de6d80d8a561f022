"""Open Inference Protocol v2, probes and metrics as an ASGI application."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from urllib.parse import parse_qs

import structlog

from edgeflow.errors import CancelledError, EdgeFlowError
from edgeflow.inference.servers.http_documents import Documents
from edgeflow.inference.servers.http_exchange import (
    ClientGoneError,
    Exchange,
    HttpError,
    Limits,
    Memory,
    Message,
)
from edgeflow.inference.servers.http_infer import Inference
from edgeflow.inference.servers.statistics import CountedService
from edgeflow.protocols.oip import MAX_NAME
from edgeflow.security.access import AccessRules, bearer

__all__ = ["Application"]

Handler: TypeAlias = Callable[[Exchange, str, str], Awaitable[None]]
"""Answers an exchange about a model and a version, both perhaps empty."""

_OPEN = frozenset({"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"})

log = structlog.get_logger(__name__)


class Application:
    """Answers HTTP requests out of a service. It lives on one event loop.

    Args:
        service: what runs the models.
        rules: who may ask.
        limits: bounds of a request.
        metrics: returns the page of ``/metrics``; runs in a thread.
    """

    def __init__(
        self,
        service: CountedService,
        rules: AccessRules,
        limits: Limits,
        metrics: Callable[[], bytes],
    ) -> None:
        self._rules = rules
        self._limits = limits
        self._memory = Memory(limits.memory)
        self._documents = Documents(service, metrics)
        self._inference = Inference(service, limits)
        self._routes = _routes(self._documents, self._inference)

    def close(self) -> None:
        """Let go of its threads."""
        self._documents.close()
        self._inference.close()

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        exchange = Exchange(scope, receive, send, self._limits, self._memory)
        try:
            self._admit(exchange)
            handler, names = self._find(scope["method"], scope["path"])
            await handler(exchange, *names)
        except ClientGoneError:
            pass
        except EdgeFlowError as error:
            await _refuse(exchange, error)
        except asyncio.CancelledError:  # raising it on would only fill the log
            await _refuse(exchange, CancelledError("the server ends"))
        except Exception as error:  # one request must not end the connections of others
            log.exception("request_failed", path=scope["path"])
            await _refuse(exchange, HttpError(500, f"failed with {type(error).__name__}"))
        finally:
            exchange.release()

    def _admit(self, exchange: Exchange) -> None:
        scope = exchange.scope
        tokens = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        refusal = self._rules.refusal(
            exchange.header(b"host") or "",
            exchange.header(b"origin"),
            (bearer(exchange.header(b"authorization") or ""), *tokens[:1]),
            changes=scope["method"] not in ("GET", "HEAD"),
            is_open=scope["path"] in _OPEN,
        )
        if refusal is not None:
            raise HttpError(refusal[0], refusal[1], hint=refusal[2])

    def _find(self, method: str, path: str) -> tuple[Handler, tuple[str, str]]:
        pattern, names = _pattern(path.strip("/").split("/"))
        found = self._routes.get(pattern)
        if found is None or max(map(len, names)) > MAX_NAME:
            raise HttpError(404, f"there is nothing at {path[:200]!r}")
        wanted, handler = found
        if method != wanted and (method, wanted) != ("HEAD", "GET"):
            raise HttpError(405, f"{path[:200]} takes {wanted}, not {method}")
        return handler, names


def _routes(documents: Documents, inference: Inference) -> dict[str, tuple[str, Handler]]:
    about_models: dict[str, tuple[str, Handler]] = {
        "": ("GET", documents.metadata),
        "/ready": ("GET", documents.model_ready),
        "/config": ("GET", documents.config),
        "/stats": ("GET", documents.statistics),
        "/infer": ("POST", inference.infer),
    }
    return {
        "": ("GET", documents.entrance),
        "healthz": ("GET", documents.live),
        "readyz": ("GET", documents.ready),
        "metrics": ("GET", documents.metrics),
        "v2": ("GET", documents.server),
        "v2/health/live": ("GET", documents.live),
        "v2/health/ready": ("GET", documents.ready),
        "v2/models/stats": ("GET", documents.statistics),
        "v2/repository/index": ("POST", documents.index),
        "v2/repository/models/*/load": ("POST", documents.load),
        "v2/repository/models/*/unload": ("POST", documents.unload),
        **{f"v2/models/*{rest}": route for rest, route in about_models.items()},
        **{f"v2/models/*/versions/*{rest}": route for rest, route in about_models.items()},
    }


def _pattern(parts: list[str]) -> tuple[str, tuple[str, str]]:
    """Return a path with stars for the names in it, and the names."""
    model = version = ""
    if parts[:2] == ["v2", "models"] and parts[2:] not in ([], ["stats"]):
        model, parts[2] = parts[2], "*"
        if parts[3:4] == ["versions"] and len(parts) > 4:
            version, parts[4] = parts[4], "*"
    elif parts[:3] == ["v2", "repository", "models"] and len(parts) > 3:
        model, parts[3] = parts[3], "*"
    return "/".join(parts), (model, version)


async def _refuse(exchange: Exchange, error: EdgeFlowError) -> None:
    if not exchange.answered:
        await exchange.answer_error(error)
