"""From the bytes of a message to what stages and agents see."""

from typing import Any

import msgspec

from edgeflow.errors import PipelineError
from edgeflow.pipelines.message import EdgeMessage

__all__ = ["decode"]


def decode(message: EdgeMessage) -> Any:
    """Return the payload of a message as its serializer makes it.

    Raises:
        PipelineError: the bytes are not what the encoding says.
    """
    payload = message.payload
    if message.encoding != "json" or not isinstance(payload, bytes | bytearray | memoryview):
        return payload
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise PipelineError(f"the payload of {message.sensor_id!r} is no JSON: {error}") from None
