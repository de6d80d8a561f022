"""Bodies of requests: bounded while they come, decoded into structs, described for ``/docs``."""

from typing import Any, TypeVar

import msgspec
from starlette.requests import Request

from edgeflow.web.problems import Problem

__all__ = ["body_of", "decoded", "received"]

Kind = TypeVar("Kind")


async def received(request: Request, most: int, what: str) -> bytes:
    """Return the body of a request, which is ``what``.

    Raises:
        Problem: it has more than ``most`` bytes.
    """
    taken = bytearray()
    async for chunk in request.stream():
        taken += chunk
        if len(taken) > most:
            raise Problem(413, f"{what}: more than {most} bytes")
    return bytes(taken)


def decoded(text: bytes, kind: type[Kind]) -> Kind:
    """Return a body of JSON as what it is.

    Raises:
        Problem: it is not that.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem(422, f"the body does not fit: {error}", hint="see /docs") from None


def body_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return what OpenAPI is to know of a body of this kind."""
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
