"""A node's end of a topic: encodes its frames once and hands them to the owner."""

from collections.abc import Sequence

from edgeflow.comms.brokers.base import LinkCounters, Publisher, Subscription
from edgeflow.comms.zenoh.owner import Owner
from edgeflow.config import settings
from edgeflow.core.frame import Frame
from edgeflow.errors import FrameTooLargeError
from edgeflow.protocols.frames import aligned, encode

__all__ = ["ZenohPublisher"]


class ZenohPublisher(Publisher):
    """What it has published stays with the broker until it is acknowledged."""

    def __init__(self, owner: Owner, groups: Sequence[Subscription], codec: str) -> None:
        self.topic = owner.topic
        self._owner, self._codec = owner, codec
        self._closed = False
        owner.start(groups)

    @property
    def links(self) -> dict[str, LinkCounters]:  # type: ignore[override]  # read-only here
        """Counters per group."""
        return self._owner.links

    def publish(self, frame: Frame, timeout: float = 0.0) -> bool:
        """Hand the frame to every group; see the base class."""
        if self._closed:
            return False
        header, payload = encode(frame, self._codec)
        size = len(header) + len(payload)
        if size > settings.MAX_FRAME_BYTES:
            raise FrameTooLargeError(
                f"{frame!r} takes {size} bytes; the limit is {settings.MAX_FRAME_BYTES}",
                hint="shrink it, send it as JPEG (codec='jpeg:85'), or raise "
                "EDGEFLOW_MAX_FRAME_BYTES",
            )
        message = b"".join((aligned(header) if len(payload) > 1024 else header, payload))
        return self._owner.publish(frame.id, message, len(payload), timeout)

    def next_id(self) -> int:
        """Return one above the id of the last frame in the log."""
        return self._owner.next_id

    def refresh(self) -> None:
        """Show how much is held."""
        self._owner.refresh()

    def close(self) -> None:
        """End publishing; the broker goes on delivering what was accepted."""
        self._closed = True
