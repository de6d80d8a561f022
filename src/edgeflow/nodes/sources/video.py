"""Video files as a source."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from edgeflow.errors import ConfigError, MissingExtraError, NodeError
from edgeflow.nodes.producer import ProducerNode
from edgeflow.nodes.sources.decoding import HardwareDecoding, decoded, open_video

__all__ = ["VideoFileProducer"]

LONGEST_WAIT = 0.1
"""Seconds that one call of ``produce`` may wait, so that the node stops promptly."""

IDLE = 0.001
"""Seconds left for the runtime's own wait after a call that produced nothing."""

LATEST = 1.0
"""Seconds behind the file's own time from which catching up is given up."""


class Picture(NamedTuple):
    """One decoded image and its seconds since the node began, all rounds counted."""

    image: Any
    due: float
    position: float
    round: int


class VideoFileProducer(ProducerNode):
    """Plays a video file: BGR uint8 [height, width, 3], at the pace of the file's timestamps.

    ``meta`` holds ``position``, seconds into the file, and ``round``, how often it began again.

    Attributes:
        path: the file, anything that FFmpeg reads.
        fps: images per second instead of the file's own pace; None for that.
        paced: False for as fast as the links accept (without ``fps``).
        loop: begin again at the end; otherwise the node ends there.
        width: scale to so many pixels; the height follows.
        hwaccel: where to decode: ``none`` on the CPU, ``auto`` on a CUDA GPU if there is one,
            ``cuda`` the same with a warning if there is none.
    """

    path: Path | str = ""
    fps: float | None = None
    paced: bool = True
    loop: bool = True
    width: int | None = None
    hwaccel: HardwareDecoding = "none"

    def configure(self) -> None:
        """Open the file.

        Raises:
            ConfigError: it is not there, or holds no video.
        """
        if not Path(self.path).is_file():
            raise ConfigError(
                f"node {self.name!r}: there is no video file {str(self.path)!r}",
                hint="set path= to a file on this machine",
            )
        self._pictures = self._play()
        self._next: Picture | None = next(self._pictures, None)
        self._started: float | None = None

    def produce(self) -> Any:
        """Return the image that is due, or None when it is not yet."""
        picture = self._next
        if picture is None:
            self.stop()
            return None
        if self.fps is None and self.paced and not self._is_due(picture):
            return None
        self._next = next(self._pictures, None)
        return picture.image, {"position": round(picture.position, 4), "round": picture.round}

    def teardown(self) -> None:
        """Close the file."""
        if pictures := getattr(self, "_pictures", None):
            pictures.close()

    def _is_due(self, picture: Picture) -> bool:
        """True when the picture's time has come; else wait for it, as long as one call may.

        The call that returns the picture has not waited, so its capture time and duration hold.
        """
        now = time.monotonic()
        if self._started is None or now - self._started - picture.due > LATEST:
            self._started = now - picture.due
        wait = self._started + picture.due - now
        if wait > IDLE:
            time.sleep(min(wait - IDLE, LONGEST_WAIT))
        return wait <= 0

    def _play(self) -> Iterator[Picture]:
        """Yield the pictures of all rounds."""
        offset, rounds = 0.0, 0
        while True:
            end = offset
            told = rounds and self.hwaccel == "cuda"
            for image, position, length in self._decode("auto" if told else self.hwaccel):
                yield Picture(image, offset + position, position, rounds)
                end = offset + position + length
            if end == offset:
                raise NodeError(f"node {self.name!r}: {self.path} holds no image")
            if not self.loop:
                return
            offset, rounds = end, rounds + 1

    def _decode(self, decoding: HardwareDecoding) -> Iterator[tuple[Any, float, float]]:
        """Yield (image, seconds since the first, seconds it lasts) of one pass over the file."""
        try:
            import av
        except ModuleNotFoundError:
            raise MissingExtraError("av", "video") from None
        try:
            log = structlog.get_logger("edgeflow.node").bind(node=self.name)
            with open_video(str(self.path), decoding, log) as container:
                if not container.streams.video:
                    raise ConfigError(f"node {self.name!r}: {self.path} holds no video")
                stream = container.streams.video[0]
                stream.codec_context.thread_count = 1
                rate = float(stream.average_rate or 0) or 25.0
                first: float | None = None
                for number, frame in enumerate(decoded(container, stream, log)):
                    at = number / rate if frame.time is None else frame.time
                    first = at if first is None else first
                    yield self._convert(frame), at - first, 1 / rate
        except av.FFmpegError as error:
            raise NodeError(
                f"node {self.name!r}: {self.path} cannot be decoded: {error.strerror or error}",
                hint="check that the file is a complete video",
            ) from None

    def _convert(self, frame: Any) -> Any:
        if self.width is None or self.width == frame.width:
            return frame.to_ndarray(format="bgr24")
        height = max(1, round(frame.height * self.width / frame.width))
        return frame.to_ndarray(format="bgr24", width=self.width, height=height)
