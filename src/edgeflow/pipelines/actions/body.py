"""An action as bytes: what dispatchers send and write."""

from typing import Any

import msgspec

from edgeflow.errors import ActionError
from edgeflow.pipelines.message import Action

__all__ = ["Body", "action_body", "encode_json", "printable"]

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n"
SHOWN_CHARACTERS = 500


class Body(msgspec.Struct, frozen=True):
    """Bytes and what they are."""

    data: bytes
    content_type: str


def encode_json(value: Any) -> bytes:
    """Return JSON; bytes become base64, arrays lists, NaN null.

    Raises:
        ActionError: there is something in it that has no such form.
    """
    try:
        return msgspec.json.encode(value, enc_hook=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise ActionError(f"the action's payload has no JSON form: {error}") from None


def action_body(action: Action, *, agent: str, pipeline: str) -> Body:
    """Return what is sent for ``action``: bytes as they are, the rest as JSON with its origin.

    Raises:
        ActionError: the payload has no JSON form.
    """
    payload = action.payload
    if isinstance(payload, bytes | bytearray | memoryview):
        data = bytes(payload)
        return Body(data, _content_type(data))
    origin = {"agent": agent, "pipeline": pipeline}
    whole = payload if isinstance(payload, dict) else {"value": payload}
    return Body(encode_json({**origin, **whole}), "application/json")


def printable(value: Any) -> Any:
    """Return ``value`` for a log line: bytes as their size, long text cut."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, dict):
        return {str(key): printable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [printable(item) for item in value]
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"<{value.dtype}{list(value.shape)}>"
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        return value[:SHOWN_CHARACTERS] + "..."
    return value


def _content_type(data: bytes) -> str:
    if data.startswith(JPEG):
        return "image/jpeg"
    return "image/png" if data.startswith(PNG) else "application/octet-stream"


def _plain(value: Any) -> Any:
    """Return the JSON-like form of numpy's arrays and numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON-like")
