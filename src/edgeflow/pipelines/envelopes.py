"""Frames between the nodes of a flow: what agents and actions need stays with them as it is.

On a link inside the process the whole object travels; ``data`` and ``meta`` are what the
dashboard, taps and recordings see of it.
"""

from typing import Any

import numpy as np
from msgspec import structs

from edgeflow.core.frame import Frame
from edgeflow.pipelines.message import Action, EdgeMessage
from edgeflow.pipelines.receipts import Receipt

__all__ = ["ActionFrame", "MessageFrame", "ResultFrame", "as_data"]


class MessageFrame(Frame, frozen=True, eq=False, kw_only=True):
    """A message on its way to a pipeline.

    Attributes:
        message: as the connector gave it.
        receipt: to be counted down when this frame is done with; None where nobody asks.
    """

    message: EdgeMessage
    receipt: Receipt | None = None


class ResultFrame(MessageFrame, frozen=True, eq=False, kw_only=True):
    """What a pipeline made of a message, on its way to agents.

    Attributes:
        message: decoded, with the notes of the stages in its metadata.
        pipeline: which one.
        result: the keys of the postprocessor over those of the decoded input.
    """

    pipeline: str
    result: dict[str, Any]

    def onward(self) -> EdgeMessage:
        """Return the message that another pipeline takes: the result, of this sensor and time."""
        return structs.replace(
            self.message,
            payload=self.result,
            encoding="",
            metadata={**self.message.metadata, "pipeline": self.pipeline},
        )


class ActionFrame(MessageFrame, frozen=True, eq=False, kw_only=True):
    """A command on its way to a dispatcher."""

    pipeline: str
    agent: str
    action: Action


def as_data(payload: Any) -> Any:
    """Return ``payload`` in a form that frames carry."""
    if isinstance(payload, bytes | str | dict | list | np.ndarray):
        return payload
    if isinstance(payload, bytearray | memoryview):
        return bytes(payload)
    if isinstance(payload, tuple):
        return list(payload)
    return {"value": payload if isinstance(payload, int | float | None) else repr(payload)}
