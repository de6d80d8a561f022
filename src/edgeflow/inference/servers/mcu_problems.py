"""Errors of boards and uploads as HTTP answers: JSON with ``detail``, ``code`` and ``hint``."""

from collections.abc import Awaitable, Callable
from http.client import responses

from fastapi.exception_handlers import request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from edgeflow.errors import (
    CancelledError,
    ConfigError,
    DeadlineError,
    EdgeFlowError,
    EngineError,
    FrameTooLargeError,
    MissingExtraError,
    OverloadedError,
    ProtocolError,
    TensorError,
    UnknownModelError,
    UnreachableError,
)

__all__ = ["BoardRoute", "problem", "status_of"]

_BY_CODE = {"EF-DEVICE-404": 404, "EF-DEVICE-409": 409}
_BY_KIND: tuple[tuple[type[EdgeFlowError], int], ...] = (
    (ProtocolError, 400),
    (FrameTooLargeError, 413),
    (TensorError, 422),
    (UnknownModelError, 404),
    (OverloadedError, 503),
    (DeadlineError, 504),
    (CancelledError, 503),
    (EngineError, 409),
    (UnreachableError, 503),
    (MissingExtraError, 503),
    (ConfigError, 422),
)
RETRY_SECONDS = "1"


def status_of(error: EdgeFlowError) -> int:
    """Return the HTTP status of an error."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    return next((status for kind, status in _BY_KIND if isinstance(error, kind)), 500)


def problem(status: int, message: str, hint: str = "", code: str = "") -> Response:
    """Return an error as problem details (RFC 9457)."""
    body = {
        "ok": False,
        "title": responses.get(status, "Error"),
        "status": status,
        "detail": message,
        "code": code or f"EF-HTTP-{status}",
        "hint": hint,
    }
    headers = {"retry-after": RETRY_SECONDS} if status == 503 else None
    return JSONResponse(body, status, headers, media_type="application/problem+json")


class BoardRoute(APIRoute):
    """A route that answers its errors itself, in whatever application it is mounted."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]  # narrower
        """Return what answers a request."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as error:
                return await request_validation_exception_handler(request, error)
            except EdgeFlowError as error:
                return problem(status_of(error), error.message, error.hint, error.code)

        return answer
