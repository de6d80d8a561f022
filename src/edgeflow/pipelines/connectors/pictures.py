"""Where a camera's pictures come from: generators that run in the connector's thread."""

import re
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from edgeflow.errors import MissingExtraError, PipelineError, UnreachableError
from edgeflow.nodes.sources.camera import CameraProducer
from edgeflow.nodes.sources.decoding import decoded, open_video
from edgeflow.nodes.sources.video import VideoFileProducer
from edgeflow.pipelines.connectors.public_url import public

if TYPE_CHECKING:
    from edgeflow.pipelines.connectors.camera import CameraOptions

__all__ = [
    "Picture",
    "Pictures",
    "Sampler",
    "StreamClock",
    "file_pictures",
    "local_pictures",
    "scaled",
    "stream_pictures",
]

MAX_PIXELS = 64_000_000
"""Largest picture of a stream that is converted."""

CLOCKED = frozenset({"rtsp", "rtp", "sdp", "mpegts", "flv"})
"""Containers whose timestamps are those of the encoder and not made up by the reader."""

PROTOCOLS = "crypto,http,https,rtmp,rtp,rtsp,rtsps,srt,srtp,tcp,tls,udp"
"""What a stream may lead FFmpeg to: never to files of this machine."""

CREDENTIALS = re.compile(r"//[^/@\s]*@")


class Picture(msgspec.Struct, frozen=True, eq=False):
    """One picture.

    Attributes:
        image: uint8 (height, width, 3), BGR.
        timestamp: seconds since the Unix epoch at which it was taken; None for now.
        metadata: JSON-like notes.
    """

    image: Any
    timestamp: float | None = None
    metadata: dict[str, Any] = {}


Pictures = Generator[Picture | None, None, None]
"""Yields pictures, and None now and then while there is none."""


class Sampler:
    """Chooses which pictures of a faster camera are taken, without drift.

    Args:
        interval: least seconds between two, on average; 0 for all.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next: float | None = None

    def due(self, at: float) -> bool:
        """Return whether the picture of the time ``at`` is taken. Time may begin anew."""
        if self._next is not None and self._next - self._interval <= at < self._next:
            return False
        late = self._next is None or abs(at - self._next) > self._interval
        self._next = (at if late or self._next is None else self._next) + self._interval
        return True


class StreamClock:
    """Places a stream's own timestamps on this machine's clock.

    The picture that came fastest so far tells the offset, so that what waited in the network is
    seen to be old. The offset gives way by 1 ms per second, which covers clocks that drift.
    """

    RELAX = 0.001
    JUMP = 10.0

    def __init__(self) -> None:
        self._offset: float | None = None
        self._seen = 0.0

    def place(self, stamp: float, now: float) -> float:
        """Return the time of capture.

        Args:
            stamp: seconds of the stream's clock.
            now: seconds since the Unix epoch at which the picture came.
        """
        offset = now - stamp
        if self._offset is None or abs(offset - self._offset) > self.JUMP:
            self._offset = offset
        else:
            relaxed = self._offset + self.RELAX * max(0.0, now - self._seen)
            self._offset = min(relaxed, offset)
        self._seen = now
        return stamp + self._offset


def local_pictures(
    options: "CameraOptions", sampler: Sampler, connected: Callable[[], None]
) -> Pictures:
    """Read a camera of this machine; raise NodeError when it is not, or no longer, there."""
    import cv2

    cv2.utils.logging.setLogLevel(
        cv2.utils.logging.LOG_LEVEL_ERROR
    )  # what fails is told by the connector's own log
    source = str(options.source)
    camera = CameraProducer(
        name="camera",
        camera=int(source) if source.isdigit() else source,
        width=options.width,
        height=options.height,
        patience=0.0,
    )
    camera.configure()
    try:
        connected()
        while True:
            image = camera.produce()
            taken = image is not None and sampler.due(time.monotonic())
            yield Picture(image, time.time()) if taken else None
    finally:
        camera.teardown()


class _Host:
    """Hears that a file has ended: what the runtime is to a node."""

    next_id = 0

    def __init__(self) -> None:
        self.ended = False

    def stop(self) -> None:
        self.ended = True

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def allocate(self, shape: tuple[int, ...], dtype: Any) -> Any:
        import numpy as np

        return np.empty(shape, dtype)


def file_pictures(
    options: "CameraOptions", sampler: Sampler, connected: Callable[[], None]
) -> Pictures:
    """Play a video file."""
    if not Path(str(options.source)).is_file():
        raise PipelineError(
            f"there is no video file {options.source!r}",
            hint="it is played as soon as it appears; or change 'source'",
        )
    host = _Host()
    video = VideoFileProducer(
        name="camera",
        path=str(options.source),
        paced=options.paced,
        loop=options.loop,
        width=options.width,
        hwaccel=options.hwaccel,
    )
    video.attach(host)
    video.configure()
    try:
        connected()
        while not host.ended:
            produced = video.produce()
            if produced is not None and sampler.due(produced[1]["position"]):
                yield Picture(produced[0], time.time(), produced[1])
            else:
                yield None
    finally:
        video.teardown()


def stream_pictures(
    options: "CameraOptions", sampler: Sampler, connected: Callable[[], None]
) -> Pictures:
    """Read a network stream through FFmpeg; raise UnreachableError when it is lost."""
    try:
        import av
    except ModuleNotFoundError:
        raise MissingExtraError("av", "video") from None
    url, timeout = str(options.source), options.timeout_s
    log = structlog.get_logger("edgeflow.connector").bind(source=public(url))
    try:
        with open_video(
            url,
            options.hwaccel,
            log,
            options=_ffmpeg_options(options),
            timeout=(timeout, timeout),
        ) as container:
            if not container.streams.video:
                raise PipelineError(f"{public(url)} holds no video")
            connected()
            yield from _decoded(container, options, sampler, log)
    except (av.FFmpegError, OSError) as error:
        reason = CREDENTIALS.sub("//", getattr(error, "strerror", None) or str(error))
        raise UnreachableError(f"{public(url)}: {reason}") from None
    raise UnreachableError(f"{public(url)} has ended")


def _decoded(container: Any, options: "CameraOptions", sampler: Sampler, log: Any) -> Pictures:
    stream = container.streams.video[0]
    stream.thread_type = "SLICE"  # threads per frame would hold frames back
    stream.codec_context.thread_count = 1
    clock = StreamClock() if _is_clocked(container, options) else None
    for frame in decoded(container, stream, log):
        now = time.time()
        captured = now if clock is None or frame.time is None else clock.place(frame.time, now)
        taken = sampler.due(time.monotonic())
        yield Picture(scaled(frame, options.width), captured) if taken else None


def _is_clocked(container: Any, options: "CameraOptions") -> bool:
    names = set(container.format.name.split(","))
    return options.timestamps == "stream" and not names.isdisjoint(CLOCKED)


def _ffmpeg_options(options: "CameraOptions") -> dict[str, str]:
    chosen = {"protocol_whitelist": PROTOCOLS}
    if str(options.source).startswith("rtsp"):
        chosen["rtsp_transport"] = options.transport
    if options.latency == "low":
        chosen |= {"fflags": "nobuffer", "flags": "low_delay", "analyzeduration": "500000"}
    return chosen | options.ffmpeg


def scaled(frame: Any, width: int | None) -> Any:
    """Return a decoded frame as BGR, scaled to ``width`` if that is given.

    Raises:
        PipelineError: it is larger than ``MAX_PIXELS``.
    """
    if frame.width * frame.height > MAX_PIXELS:
        raise PipelineError(
            f"a picture of {frame.width}x{frame.height} is too large",
            hint=f"at most {MAX_PIXELS} pixels are taken",
        )
    if width is None or width == frame.width:
        return frame.to_ndarray(format="bgr24")
    height = max(1, round(frame.height * width / frame.width))
    return frame.to_ndarray(format="bgr24", width=width, height=height)
