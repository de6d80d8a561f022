"""What every broker does, in one place. ``tests/comms/semantics`` is this page as tests.

A **topic** has publishers and groups. A **group** is a consumer node: every group sees every
frame of the topic under its own QoS; the **members** of a group (replicas) share its frames.
Frames of one publisher reach a group in order. A publisher publishes once per topic, however many
groups there are.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeflow.core.clock_offset import ClockOffset
from edgeflow.core.frame import Frame
from edgeflow.core.histogram import Histogram
from edgeflow.core.qos import QoS

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "MAX_ATTEMPTS",
    "SHARED_CLOCK",
    "Broker",
    "Delivery",
    "LinkCounters",
    "Publisher",
    "StatusBoard",
    "Subscriber",
    "Subscription",
]

SHARED_CLOCK = ""
"""Stands for the clock of the server that all hosts use, among the names of hosts."""

MAX_ATTEMPTS = 5
"""Deliveries of one DURABLE frame after which it is given up: counted as dropped, and logged."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One group's wish to receive one topic.

    Attributes:
        topic: what to receive.
        group: the consumer node; its members share the frames.
        qos: delivery policy.
        capacity: frames the link may hold (REALTIME holds one whatever this says).
        member: identity within the group, the same after a restart of that replica.
        images: decode pictures that a link's codec encoded; False delivers them as JPEG bytes,
            with ``meta["content_type"]`` set.
    """

    topic: str
    group: str
    qos: QoS = QoS.REALTIME
    capacity: int = 1
    member: str = "0"
    images: bool = True


class LinkCounters:
    """Totals of one end of a link; plain integers written by one thread, read by any.

    At a publisher: ``sent`` (accepted by the broker), ``dropped``, ``depth``, ``bytes``.
    At a subscriber: ``received``, ``dropped``, ``redelivered``, ``depth``, ``bytes``, ``latency``.
    A drop is counted at exactly one end, the one that knows of it.
    """

    __slots__ = ("bytes", "depth", "dropped", "latency", "received", "redelivered", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0
        self.dropped = 0
        self.redelivered = 0
        self.depth = 0
        self.bytes = 0
        self.latency = Histogram()


class Delivery:
    """A received frame and what its broker needs to acknowledge it.

    Attributes:
        frame: the frame; an array payload may be a read-only view of the transport's memory,
            which stays valid for as long as the array lives.
        subscription: the subscription it came through.
        token: the broker's own.
        attempt: 1 for the first delivery.
    """

    __slots__ = ("attempt", "frame", "subscription", "token")

    def __init__(
        self, frame: Frame, subscription: Subscription, token: Any = None, attempt: int = 1
    ) -> None:
        self.frame = frame
        self.subscription = subscription
        self.token = token
        self.attempt = attempt


class Publisher(ABC):
    """Sends the frames of one node on one topic. Used by one thread at a time."""

    topic: str
    links: dict[str, LinkCounters]
    """Counters per group; ``sent`` and ``bytes`` of frames nobody wants are not counted."""

    @abstractmethod
    def publish(self, frame: Frame, timeout: float = 0.0) -> bool:
        """Hand the frame to every group.

        Returns:
            True when the broker has accepted it (REALTIME and BALANCED always are, perhaps with a
            counted drop). False when a DURABLE group is full, or the server is away, for
            ``timeout`` seconds: then nothing was accepted by anyone and the caller tries again.

        Raises:
            PayloadError: the payload cannot travel.
            FrameTooLargeError: it exceeds ``settings.MAX_FRAME_BYTES``.
        """

    def next_id(self) -> int:
        """Return the id that continues the topic: one above the last frame the broker remembers.

        0 for transports that remember nothing across a restart of the publisher.
        """
        return 0

    def allocate(self, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> "np.ndarray[Any, Any]":
        """Return a writable array that can be published without a copy where that is possible.

        Blocks no longer than it takes to find a free buffer; falls back to ordinary memory.
        """
        import numpy as np

        return np.empty(shape, dtype)

    def refresh(self) -> None:
        """Bring gauges (``depth``) of ``links`` up to date; called just before they are read."""

    @abstractmethod
    def close(self) -> None:
        """Release everything. Idempotent. What was accepted is still delivered if it can be."""


class Subscriber(ABC):
    """Receives the frames of several topics for one member of a group. Used by one thread."""

    links: dict[str, LinkCounters]
    """Counters per topic."""

    @abstractmethod
    def receive(self, timeout: float) -> Delivery | None:
        """Return the next delivery of any topic, or None after ``timeout`` seconds.

        Returns early with None after ``wake``. A server that is away is waited for, within
        ``timeout``; reconnecting is the broker's business and is logged once per outage.
        """

    @abstractmethod
    def ack(self, delivery: Delivery) -> None:
        """The frame has been processed. A no-op unless DURABLE. Idempotent, may be batched."""

    @abstractmethod
    def nack(self, delivery: Delivery) -> None:
        """Processing failed: deliver again (marked redelivered), up to ``MAX_ATTEMPTS`` times."""

    def refresh(self) -> None:
        """Bring gauges (``depth``) of ``links`` up to date; called just before they are read."""

    @abstractmethod
    def wake(self) -> None:
        """Make a blocked ``receive`` return soon. Callable from any thread, also after close."""

    @abstractmethod
    def close(self) -> None:
        """Leave the group. DURABLE frames not acknowledged go to the others or wait. Idempotent."""


class StatusBoard(ABC):
    """Where the members of a flow leave reports for each other; best effort, with expiry."""

    @abstractmethod
    def post(self, member: str, report: bytes) -> None:
        """Replace the report of one member; it expires after a few seconds unless renewed."""

    @abstractmethod
    def read(self, prefix: str = "") -> dict[str, bytes]:
        """Return the reports that have not expired, of members whose names begin so."""


class Broker(ABC):
    """Moves frames between nodes. Constructing one connects to nothing; methods connect lazily.

    Attributes:
        via: short name shown in the status of a link.
        remembers: True when accepted DURABLE frames survive the death of their publisher.
    """

    via: str = ""
    remembers: bool = False

    def open(self, app: str) -> None:
        """Set the name that all topics are kept under, so that apps can share a server."""
        self.app = app

    app: str = "edgeflow"

    @abstractmethod
    def publisher(
        self, topic: str, groups: Sequence[Subscription] = (), *, codec: str = "raw"
    ) -> Publisher:
        """Return a publisher. DURABLE ``groups`` hold frames from now on, members or not."""

    @abstractmethod
    def subscriber(self, subscriptions: Sequence[Subscription]) -> Subscriber:
        """Return a subscriber on several topics, all of the same group and member.

        A topic that nobody publishes yet is joined when it appears.
        """

    def board(self) -> StatusBoard | None:
        """Return where reports are left, or None when members share no such place."""
        return None

    def claim_member(self, group: str, expected: int, timeout: float) -> int | None:
        """Take a number among the live members of ``group``, until ``close``.

        Args:
            group: the consumer node.
            expected: members it should have; numbers below come first.
            timeout: seconds after which to give up when the server is away.

        Returns:
            The number, or None when the server did not answer in time.
        """
        return 0

    def clock_offsets(self) -> dict[str, ClockOffset]:
        """Return clocks minus this host's monotonic one: of other hosts, or ``SHARED_CLOCK``.

        Only what has been measured directly; two hosts that know the same clock can compare
        theirs.
        """
        return {}

    def clock_offset_ns(self) -> int | None:
        """Return what to add to this host's monotonic clock to get a clock all members share.

        None when there is none, or it has not been measured.
        """
        return None

    @abstractmethod
    def close(self) -> None:
        """Close what the broker itself holds. Idempotent."""
