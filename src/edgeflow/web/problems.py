"""Errors of the HTTP API; all have one JSON form."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from edgeflow.errors import EdgeFlowError

__all__ = ["Problem", "json_response", "problem_response"]


class Problem(EdgeFlowError):  # noqa: N818 - the field's word (RFC 9457)
    """A request that cannot be answered as wished."""

    def __init__(self, status: int, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint, code=f"EF-HTTP-{status}")
        self.status = status


def json_response(value: Any, status: int = 200) -> Response:
    """Return ``value`` (structs, dicts, lists) as JSON."""
    body = msgspec.json.encode(value, enc_hook=repr)
    return Response(
        body, status, media_type="application/json", headers={"cache-control": "no-store"}
    )


def problem_response(status: int, message: str, hint: str = "", code: str = "") -> Response:
    """Return an error in the form all errors have."""
    error = {"code": code or f"EF-HTTP-{status}", "message": message}
    return json_response({"error": error | {"hint": hint}}, status)


async def on_problem(_request: Request, error: Exception) -> Response:
    """Answer a ``Problem`` or another EdgeFlow error."""
    status = error.status if isinstance(error, Problem) else 500
    assert isinstance(error, EdgeFlowError)  # noqa: S101 - registered for these only
    return problem_response(status, error.message, error.hint, error.code)
