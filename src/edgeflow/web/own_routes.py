"""Routes that users add with ``@web.route``."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import FastAPIError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgeflow.errors import ConfigError
from edgeflow.web.images import JPEG_MAGIC

__all__ = ["BodyLimit", "CustomRoute", "add_own_routes"]


@dataclass(frozen=True, slots=True)
class CustomRoute:
    """A path and what answers there."""

    path: str
    handler: Callable[..., Any]
    methods: tuple[str, ...]


def add_own_routes(app: FastAPI, routes: Sequence[CustomRoute]) -> None:
    """Add the user's routes behind those that ``app`` has.

    Raises:
        ConfigError: a path is taken, or FastAPI does not accept the route.
    """
    for route in routes:
        for method in map(str.upper, route.methods):
            if any(_answers(other, route.path, method) for other in app.routes):
                raise ConfigError(
                    f"route {method} {route.path!r} of {_name(route)} is taken already",
                    hint="choose another path; docs/reference/http-api.md lists the built-in ones",
                )
        try:
            app.add_api_route(
                route.path,
                _answering(route.handler),
                methods=list(route.methods),
                response_model=None,
                tags=["custom"],
            )
        except (AssertionError, FastAPIError, TypeError, ValueError) as error:
            raise ConfigError(
                f"route {route.path!r} of {_name(route)} cannot be served: {error}",
                hint="handlers are written as in FastAPI",
            ) from error


def _answers(route: BaseRoute, path: str, method: str) -> bool:
    """Tell whether ``route`` would be asked before one with the path template ``path``."""
    scope = {"type": "http", "path": path, "root_path": "", "method": method}
    return route.matches(scope)[0] is Match.FULL


def _name(route: CustomRoute) -> str:
    return getattr(route.handler, "__qualname__", repr(route.handler))


def _answering(handler: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(handler):

        @wraps(handler)
        async def answer_later(*args: Any, **kwargs: Any) -> Any:
            return _answer(await handler(*args, **kwargs))

        return answer_later

    @wraps(handler)
    def answer(*args: Any, **kwargs: Any) -> Any:
        return _answer(handler(*args, **kwargs))

    return answer


def _answer(result: Any) -> Any:
    """Return bytes as they are; FastAPI would take them for text."""
    if not isinstance(result, bytes):
        return result
    jpeg = result.startswith(JPEG_MAGIC)
    return Response(result, media_type="image/jpeg" if jpeg else "application/octet-stream")


class BodyLimit:
    """ASGI middleware that refuses bodies of more than ``limit`` bytes with a 413."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting what it uploads."""
        taken = 0

        async def receive_counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit:
                raise HTTPException(413, f"the body is larger than {self._limit} bytes")
            return message

        await self._app(scope, receive_counted if scope["type"] == "http" else receive, send)
