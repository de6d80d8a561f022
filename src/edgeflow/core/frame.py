"""The envelope that travels along every link."""

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Frame", "Hop", "Payload"]

Payload: TypeAlias = "np.ndarray[Any, Any] | bytes | str | dict[str, Any] | list[Any]"


class Hop(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One node's stay of a frame.

    Attributes:
        node: name of the node.
        host: host whose monotonic clock the two stamps were read from.
        entered_ns: when the node took the frame (a producer: when ``produce`` was called).
        left_ns: when the result was handed to the links.
    """

    node: str
    host: str
    entered_ns: int
    left_ns: int


class Frame(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """An immutable envelope: identity, capture time, meta and payload.

    The payload is never decoded or converted implicitly: an array keeps its dtype, shape and
    every bit through every broker. Arrays are read-only once they travel; a node that writes
    takes ``frame.data.copy()`` first.

    Attributes:
        data: ndarray, bytes, str or JSON-like dict or list.
        id: number of the frame at its source; kept by every node that passes it on.
        timestamp: capture time at the source, seconds since the Unix epoch.
        source: name of the node that captured it.
        topic: stream it was published on.
        sequence: number within (topic, epoch); gaps show what was skipped.
        epoch: identity of the publisher's run; a restarted publisher has a new one.
        meta: JSON-like annotations, kept along the way. Treat as read-only.
        trace: the hops so far.
        redelivered: True when this frame, or one it was made from, may have been seen before a
            crash.
    """

    data: Any
    id: int = 0
    timestamp: float = 0.0
    source: str = ""
    topic: str = ""
    sequence: int = 0
    epoch: int = 0
    meta: dict[str, Any] = {}
    trace: tuple[Hop, ...] = ()
    redelivered: bool = False

    def replace(self, **changes: Any) -> "Frame":
        """Return a copy with some fields changed."""
        return msgspec.structs.replace(self, **changes)

    def __repr__(self) -> str:
        shape = getattr(self.data, "shape", None)
        what = f"{self.data.dtype}{list(shape)}" if shape is not None else type(self.data).__name__
        return f"<Frame {self.source or '?'}#{self.id} on {self.topic or '?'}: {what}>"
