"""Pictures into a video file."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from edgeflow.core.frame import Frame
from edgeflow.errors import ConfigError, MissingExtraError, PayloadError
from edgeflow.nodes.sink import SinkNode

__all__ = ["VideoSink"]

TIME_BASE = Fraction(1, 90_000)


class VideoSink(SinkNode):
    """Encodes 8-bit pictures (HxWx3 BGR or HxW grey) with their capture times.

    A picture of another size begins a new file (``name-2.mp4``...).

    Attributes:
        path: of the file; the suffix chooses the container (``.mp4``, ``.mkv``).
        codec: encoder of PyAV's FFmpeg.
        rate: frames per second told to the encoder for its rate control.
    """

    path: str = ""
    codec: str = "libx264"
    rate: int = 30

    def configure(self) -> None:
        """Check the options; the file is opened with the first picture."""
        if not self.path:
            raise ConfigError(f"sink {self.name!r} has no path", hint='pass path="out.mp4"')
        try:
            import av
        except ImportError:
            raise MissingExtraError("av", "video") from None
        self._av: Any = av
        self._container: Any = None
        self._stream: Any = None
        self._parts = 0
        self._size = (0, 0)
        self._start = 0.0
        self._last = -1

    def write(self, frame: Frame) -> None:
        """Encode a picture."""
        picture = _even(frame)
        size = (picture.shape[1], picture.shape[0])
        if size != self._size:
            self._finish()
            self._open(size, frame.timestamp)
        layout = "gray" if picture.ndim == 2 else "bgr24"
        image = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=layout)
        ticks = round((frame.timestamp - self._start) / TIME_BASE)
        image.pts = self._last = max(self._last + 1, ticks)
        image.time_base = TIME_BASE
        for packet in self._stream.encode(image):
            self._container.mux(packet)

    def _open(self, size: tuple[int, int], timestamp: float) -> None:
        self._parts += 1
        path = Path(self.path)
        if self._parts > 1:
            path = path.with_stem(f"{path.stem}-{self._parts}")
        try:
            self._container = self._av.open(str(path), "w")
            self._stream = self._container.add_stream(self.codec, rate=self.rate)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: {error}") from error
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = TIME_BASE
        self._size, self._start, self._last = size, timestamp, -1

    def _finish(self) -> None:
        if self._container is not None:
            for packet in self._stream.encode():
                self._container.mux(packet)
            self._container.close()
            self._container = None

    def teardown(self) -> None:
        """Finish the file."""
        if hasattr(self, "_container"):
            self._finish()


def _even(frame: Frame) -> Any:
    """Return the picture cut to even sides, as 4:2:0 video needs."""
    data = frame.data
    shape: tuple[int, ...] = getattr(data, "shape", ())
    fits = len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)
    if not fits or data.dtype != np.uint8 or min(shape[:2]) < 2:
        raise PayloadError(
            f"{frame!r} is not an 8-bit picture", hint="VideoSink takes HxWx3 BGR or HxW grey"
        )
    return data[: shape[0] // 2 * 2, : shape[1] // 2 * 2]
