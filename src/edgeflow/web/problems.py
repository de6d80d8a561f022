"""Answers of the HTTP API: what is JSON, and the one form of all errors."""

from http.client import responses
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from edgeflow.errors import EdgeFlowError

__all__ = ["Problem", "json_response", "on_problem", "problem_response", "to_json"]

MAX_LISTED = 1000
"""Numbers of an array that are listed one by one."""


class Problem(EdgeFlowError):  # noqa: N818 - the field's word (RFC 9457)
    """A request that cannot be answered as wished."""

    def __init__(self, status: int, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint, code=f"EF-HTTP-{status}")
        self.status = status


def to_json(value: Any) -> bytes:
    """Return structs, dicts, lists and whatever users put into them as JSON.

    Numbers of numpy are numbers, small arrays lists; what JSON has no word for is its ``repr``.
    """
    try:
        return msgspec.json.encode(value, enc_hook=_plain)
    except UnicodeEncodeError:  # text made of bytes that are no UTF-8, such as a file name
        builtins = msgspec.to_builtins(value, enc_hook=_plain)
        return msgspec.json.encode(_replaced(builtins), enc_hook=_plain)


def _replaced(value: Any) -> Any:
    """Return builtins with a question mark for each character that is none."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, list | tuple):
        return [_replaced(item) for item in value]
    if isinstance(value, dict):
        return {
            _replaced(key) if isinstance(key, str) else key: _replaced(item)
            for key, item in value.items()
        }
    return value


def _plain(value: Any) -> Any:
    shape = getattr(value, "shape", None)
    if shape == ():
        return value.item()
    if shape is not None and getattr(value, "size", MAX_LISTED + 1) <= MAX_LISTED:
        return value.tolist()
    return repr(value)


def json_response(value: Any, status: int = 200) -> Response:
    """Return ``value`` as the answer."""
    return Response(
        to_json(value), status, media_type="application/json", headers={"cache-control": "no-store"}
    )


def problem_response(status: int, message: str, hint: str = "", code: str = "") -> Response:
    """Return an error in the form all errors have: problem details (RFC 9457), code and hint."""
    problem = {
        "type": "about:blank",
        "title": responses.get(status, "Error"),
        "status": status,
        "detail": message,
        "code": code or f"EF-HTTP-{status}",
        "hint": hint,
    }
    response = json_response(problem, status)
    response.headers["content-type"] = "application/problem+json"
    return response


async def on_problem(_request: Request, error: Exception) -> Response:
    """Answer a ``Problem`` or another EdgeFlow error."""
    status = error.status if isinstance(error, Problem) else 500
    assert isinstance(error, EdgeFlowError)  # noqa: S101 - registered for these only
    return problem_response(status, error.message, error.hint, error.code)
