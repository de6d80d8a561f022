"""The hub: the newest frame of each topic, and who watches it.

Frames come in on the node's thread and cost microseconds; viewers wait on the server's event
loop. Nobody takes a frame away from anybody: each viewer compares the number of the newest frame
with the number it saw last, which makes it a latest-frame slot of its own.
"""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from edgeflow.core.clock import Clock, SystemClock
from edgeflow.core.frame import Frame
from edgeflow.errors import did_you_mean
from edgeflow.protocols.payloads import jpeg_size
from edgeflow.web.images import is_image, jpeg_bytes
from edgeflow.web.problems import Problem
from edgeflow.web.rates import RateMeter

__all__ = ["Hub", "Stream", "StreamStatus", "Viewer"]

MAX_TOPICS = 256
"""Topics kept at most; a remote node chooses the names it sends under."""
STALL_SECONDS = 2.0
"""A stream is stalled when nothing came for this long and for four times its usual interval."""

_log = structlog.get_logger(__name__)


class StreamStatus(msgspec.Struct, kw_only=True):
    """One topic as the viewers see it.

    Attributes:
        fps: frames per second that arrived over the last seconds.
        age_s: seconds since the newest frame, or None when there was none.
        viewers: open video responses.
        dropped: frames that viewers without an ``fps`` limit missed because they were slow.
        kind: ``image``, ``data``, or ``none`` before the first frame.
        shape: of the newest frame when it is an array; height and width of a JPEG.
        stalled: frames came, and stopped coming.
    """

    topic: str
    fps: float = 0.0
    age_s: float | None = None
    viewers: int = 0
    dropped: int = 0
    kind: str = "none"
    shape: list[int] | None = None
    stalled: bool = False


@dataclass(eq=False, slots=True)
class Viewer:
    """One open video response.

    Attributes:
        paced: it asked for fewer frames, so those in between are not dropped.
        last: number of the frame it took last; 0 before the first.
        dropped: frames it missed so far.
    """

    paced: bool = False
    last: int = 0
    dropped: int = 0

    def take(self, number: int) -> None:
        """Note that it goes on to frame ``number``."""
        self.dropped += self._skipped(number - 1)
        self.last = number

    def missed(self, count: int) -> int:
        """Return the frames missed once ``count`` frames have arrived."""
        return self.dropped + self._skipped(count - 1)

    def _skipped(self, upto: int) -> int:
        return 0 if self.paced or not self.last else max(0, upto - self.last)


class Stream:
    """One topic: its newest frame, its rate, its viewers."""

    def __init__(self, topic: str, clock: Clock) -> None:
        self.topic = topic
        self.count = 0
        self.closed = False
        self.viewers: set[Viewer] = set()
        self._clock = clock
        self._lock = threading.Lock()
        self._frame: Frame | None = None
        self._meter = RateMeter()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._waiting = 0
        self._waking = False
        self._dropped_before = 0

    def publish(self, frame: Frame) -> None:
        """Make ``frame`` the newest; called from any thread."""
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            if self.closed:
                return
            self._frame = frame
            self.count += 1
            self._meter.tick(now_ns)
        # The order matters: the count changes before the waiters are looked at, and a waiter
        # announces itself before it looks at the count, so no wake-up is lost.
        if self._waiting and not self._waking:
            self.wake()

    def wake(self) -> None:
        """Let every waiter look again; called from any thread."""
        if self._loop is not None:
            self._waking = True
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._set_changed)

    def _set_changed(self) -> None:
        self._waking = False
        self._changed.set()

    def newest(self) -> tuple[int, Frame | None]:
        """Return the newest frame and its number, counted from 1."""
        with self._lock:
            return self.count, self._frame

    async def wait_beyond(self, number: int, timeout: float | None) -> bool:
        """Wait for a frame after ``number``; False after ``timeout`` seconds or at the end."""
        self._loop = asyncio.get_running_loop()
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout):
                while self.count <= number and not self.closed:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return not self.closed

    def close(self) -> None:
        """Let go of the frame and of everybody who waits."""
        with self._lock:
            self.closed = True
            self._frame = None
        self.wake()

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer; what it missed stays counted."""
        self.viewers.discard(viewer)
        self._dropped_before += viewer.missed(self.count)

    def fps(self) -> float:
        """Return the frames per second that arrived lately."""
        with self._lock:
            return round(self._meter.rate(self._clock.monotonic_ns()), 2)

    def status(self) -> StreamStatus:
        """Return a description; changes nothing."""
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            frame, count = self._frame, self.count
            fps = self._meter.rate(now_ns)
            age_s = self._meter.age_s(now_ns)
            stall_s = max(STALL_SECONDS, 4 * self._meter.interval_s())
        viewers = tuple(self.viewers)
        return StreamStatus(
            topic=self.topic,
            fps=round(fps, 2),
            age_s=age_s,
            viewers=len(viewers),
            dropped=self._dropped_before + sum(viewer.missed(count) for viewer in viewers),
            kind=_kind(frame),
            shape=_shape(frame),
            stalled=age_s is not None and age_s > stall_s,
        )


class Hub:
    """All topics of one web interface.

    Args:
        channels: topics expected, in the order in which they are listed.
        max_viewers: open video responses over all topics.
    """

    def __init__(
        self, channels: Sequence[str] = (), *, max_viewers: int = 64, clock: Clock | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._streams = {name: Stream(name, self._clock) for name in channels}
        self._lock = threading.Lock()
        self._max_viewers = max_viewers
        self._exhausted = False

    def publish(self, frame: Frame) -> None:
        """Take a frame on any thread; returns at once, never raises."""
        stream = self._streams.get(frame.topic) or self._add(frame.topic)
        if stream is not None:
            stream.publish(frame)

    def _add(self, topic: str) -> Stream | None:
        with self._lock:
            if topic not in self._streams and len(self._streams) >= MAX_TOPICS:
                if not self._exhausted:
                    _log.warning("topics_exhausted", topic=topic, limit=MAX_TOPICS)
                self._exhausted = True
                return None
            # A copy, so that readers on other threads never see the dict change under them.
            stream = self._streams.get(topic) or Stream(topic, self._clock)
            self._streams = {**self._streams, topic: stream}
            return stream

    def streams(self) -> list[Stream]:
        """Return all topics, the declared ones first."""
        return list(self._streams.values())

    def find(self, topic: str) -> Stream | None:
        """Return the topic, or None when it is unknown."""
        return self._streams.get(topic)

    def require(self, topic: str) -> Stream:
        """Return the topic; raise a 404 ``Problem`` with a suggestion when it is unknown."""
        stream = self._streams.get(topic)
        if stream is None:
            hint = did_you_mean(topic, list(self._streams))
            raise Problem(404, f"there is no stream {topic!r}", hint=hint)
        return stream

    def default(self) -> Stream:
        """Return the first topic that shows images, else the first; 404 when there is none."""
        streams = self.streams()
        for stream in streams:
            if _kind(stream.newest()[1]) == "image":
                return stream
        if not streams:
            raise Problem(404, "there is no stream yet", hint="link a node to the gateway")
        return streams[0]

    @contextmanager
    def viewer(self, stream: Stream, *, paced: bool) -> Iterator[Viewer]:
        """Admit a viewer for the length of the block.

        Raises:
            Problem: 503, too many viewers.
        """
        if sum(len(other.viewers) for other in self.streams()) >= self._max_viewers:
            raise Problem(
                503,
                f"all {self._max_viewers} video viewers are taken",
                hint="close one, or raise WebInterface(max_viewers=...)",
            )
        viewer = Viewer(paced=paced)
        stream.viewers.add(viewer)
        try:
            yield viewer
        finally:
            stream.leave(viewer)

    def close(self) -> None:
        """End every wait and let go of every frame."""
        for stream in self.streams():
            stream.close()


def _kind(frame: Frame | None) -> str:
    if frame is None:
        return "none"
    return "image" if is_image(frame.data, frame.meta) else "data"


def meta_of(stream: Stream) -> dict[str, Any]:
    """Return the meta of the newest frame."""
    frame = stream.newest()[1]
    return frame.meta if frame is not None else {}


def _shape(frame: Frame | None) -> list[int] | None:
    if frame is None:
        return None
    jpeg = jpeg_bytes(frame.data, frame.meta)
    shape = getattr(frame.data, "shape", None) if jpeg is None else jpeg_size(jpeg)
    return [int(side) for side in shape] if shape is not None else None
