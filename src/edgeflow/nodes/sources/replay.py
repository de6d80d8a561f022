"""Recorded frames, fed back as they came."""

import time
from collections.abc import Iterator

from edgeflow.core.frame import Frame
from edgeflow.errors import ConfigError
from edgeflow.nodes.producer import ProducerNode
from edgeflow.store.recording import Recording

__all__ = ["ReplayProducer"]


class ReplayProducer(ProducerNode):
    """Sends the frames of one topic of a recording: payload, meta, id and capture time.

    Attributes:
        path: of the recording.
        topic: recorded topic; default the node's own name.
        speed: 2.0 is twice as fast; 0 is as fast as the links accept.
        loop: start over at the end, for ever.
        epoch: capture time, in seconds, that counts as the start; nodes that share it keep the
            distance their frames had. Default: the first frame of the topic.
        keep_times: send the recorded capture times; False stamps frames anew.
    """

    path: str = ""
    topic: str = ""
    speed: float = 1.0
    loop: bool = False
    epoch: float | None = None
    keep_times: bool = True
    fps = None

    def configure(self) -> None:
        """Open the recording."""
        if not self.path or self.speed < 0:
            raise ConfigError(f"replay {self.name!r} needs path=... and a speed of 0 or more")
        self._recording = Recording(self.path)
        self._frames = self._read()
        self._waiting: Frame | None = None
        self._begun: float | None = None
        self._first = self.epoch

    def _read(self) -> Iterator[Frame]:
        return self._recording.frames([self.topic or self.name])

    def produce(self) -> Frame | None:
        """Return the next frame, or None, a moment later, when its time has not come."""
        frame, self._waiting = self._waiting or next(self._frames, None), None
        if frame is None:
            self._end()
            return None
        if not self._is_due(frame):
            self._waiting = frame
            return None
        return frame.replace(
            trace=(),
            source=self.name,
            timestamp=frame.timestamp if self.keep_times else time.time(),
        )

    def _is_due(self, frame: Frame) -> bool:
        """Tell whether a frame may go; wait for its time, but not within its stay in the node."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = now
        if self._first is None:
            self._first = frame.timestamp
        if not self.speed:
            return True
        delay = self._begun + (frame.timestamp - self._first) / self.speed - now
        if delay > 0 and self._host is not None:
            self._host.pause(delay)
        return delay <= 0

    def _end(self) -> None:
        if self._recording.truncated:
            self.log.warning("recording_truncated", path=self.path)
        if self.loop and self._first is not None:
            self._frames, self._begun = self._read(), None
        else:
            self.stop()
