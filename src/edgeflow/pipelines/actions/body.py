"""An action as bytes: what dispatchers send and write."""

from typing import Any

import msgspec

from edgeflow.errors import ActionError
from edgeflow.pipelines.message import Action

__all__ = ["Body", "action_body", "encode_json", "printable"]

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n"
SHOWN_CHARACTERS = 500
SHOWN_IN_ALL = 2000
SHOWN_DEPTH = 8
NUMBER_CHARACTERS = 8


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
    """Return ``value`` for a log line of a few thousand characters; what is cut tells its size.

    Bytes and arrays become their size, long text its beginning, of long lists and dicts the first
    entries stay.
    """
    return _shown(value, [SHOWN_IN_ALL], 0)


def _shown(value: Any, left: list[int], depth: int) -> Any:
    """Take what ``value`` needs, in characters, from ``left``."""
    if isinstance(value, bytes | bytearray | memoryview):
        value = f"<{len(value)} bytes>"
    elif hasattr(value, "shape") and hasattr(value, "dtype"):
        value = f"<{value.dtype}{list(value.shape)}>"
    elif isinstance(value, dict | list | tuple):
        return _entries(value, left, depth)
    elif not isinstance(value, str | bool | int | float | None):
        value = repr(value)
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        value = f"{value[:SHOWN_CHARACTERS]}... ({len(value)} characters)"
    left[0] -= len(value) if isinstance(value, str) else NUMBER_CHARACTERS
    return value


def _entries(value: Any, left: list[int], depth: int) -> Any:
    left[0] -= NUMBER_CHARACTERS
    is_dict = isinstance(value, dict)
    if depth >= SHOWN_DEPTH:
        return f"<{type(value).__name__} of {len(value)}>"
    shown: list[tuple[str, Any]] = []
    for key, item in value.items() if is_dict else enumerate(value):
        if left[0] <= 0:
            shown.append(("...", f"... {len(value) - len(shown)} more of {len(value)}"))
            break
        name = str(_shown(str(key), left, depth)) if is_dict else ""
        shown.append((name, _shown(item, left, depth + 1)))
    return dict(shown) if is_dict else [item for _, item in shown]


def _content_type(data: bytes) -> str:
    if data.startswith(JPEG):
        return "image/jpeg"
    return "image/png" if data.startswith(PNG) else "application/octet-stream"


def _plain(value: Any) -> Any:
    """Return the JSON-like form of numpy's arrays and numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not JSON-like")
