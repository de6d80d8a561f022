"""Pictures for browsers: each frame is encoded once, however many look at it."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from edgeflow.core.frame import Frame
from edgeflow.protocols.payloads import jpeg_size
from edgeflow.web.images import encode_jpeg, is_image, jpeg_bytes
from edgeflow.web.overlay import has_overlay
from edgeflow.web.problems import Problem
from edgeflow.web.streams import Hub, Stream, Viewer

__all__ = ["BOUNDARY", "Encoder", "MjpegResponse", "Picture", "no_image"]

BOUNDARY = "frameboundary"
MAX_PICTURES = 256
"""Pictures kept at most; viewers choose quality and width freely."""


class Picture(NamedTuple):
    """How a viewer wants the pictures: JPEG quality, largest width, largest rate, with boxes."""

    quality: int = 80
    width: int | None = None
    fps: float | None = None
    overlay: bool = True


def no_image(topic: str) -> Problem:
    """Return the answer for a stream that cannot be shown."""
    return Problem(415, f"frames of {topic!r} are no images", hint=f"see /api/tap/{topic} instead")


class Encoder:
    """Turns frames into JPEGs on its own threads, once per frame, quality and width.

    Attributes:
        encoded: pictures made so far.
    """

    def __init__(self, threads: int = 2) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="edgeflow-jpeg")
        self._latest: dict[
            tuple[str, int, int | None, bool], tuple[object, asyncio.Future[bytes]]
        ] = {}
        self.encoded = 0

    async def jpeg(self, topic: str, version: object, frame: Frame, picture: Picture) -> bytes:
        """Return the frame as JPEG.

        Args:
            topic: what it is a frame of.
            version: what tells it from other frames of this topic.
            frame: the frame.
            picture: how it is wanted.

        Raises:
            Problem: 415, it is not an image.
        """
        overlay = frame.meta if picture.overlay and has_overlay(frame.meta) else None
        ready = jpeg_bytes(frame.data, frame.meta)
        if ready is not None and overlay is None and not _is_wider(ready, picture.width):
            return ready
        if not is_image(frame.data, frame.meta):
            raise no_image(topic)
        key = (topic, picture.quality, picture.width, overlay is not None)
        known = self._latest.get(key)
        if known is None or known[0] != version:
            self.encoded += 1
            source = frame.data if ready is None else ready
            job = asyncio.get_running_loop().run_in_executor(
                self._threads, encode_jpeg, source, picture.quality, picture.width, overlay
            )
            known = self._latest[key] = (version, job)
            if len(self._latest) > MAX_PICTURES:
                del self._latest[next(iter(self._latest))]
        return await asyncio.shield(known[1])

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._latest.clear()


def _is_wider(jpeg: bytes, width: int | None) -> bool:
    size = jpeg_size(jpeg) if width is not None else None
    return size is not None and size[1] > (width or 0)


class MjpegResponse(Response):
    """A multipart stream that always goes on with the newest frame.

    The kernel's and the server's buffers hold at most one picture more than the viewer has read:
    nothing is written before the last write has been taken.
    """

    media_type = f"multipart/x-mixed-replace; boundary={BOUNDARY}"

    def __init__(self, hub: Hub, stream: Stream, encoder: Encoder, picture: Picture) -> None:
        super().__init__()
        del self.headers["content-length"]
        self.headers["cache-control"] = "no-store"
        self._hub = hub
        self._stream = stream
        self._encoder = encoder
        self._picture = picture

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send pictures until the viewer leaves or is cut off, or the server ends."""
        with self._hub.viewer(self._stream, paced=self._picture.fps is not None) as viewer:
            feed = asyncio.ensure_future(self._feed(viewer, send))
            gone = asyncio.ensure_future(_disconnected(receive))
            try:
                await asyncio.wait({feed, gone}, return_when=asyncio.FIRST_COMPLETED)
                if feed.done():
                    feed.result()
            finally:
                for task in (feed, gone):
                    task.cancel()
                await asyncio.gather(feed, gone, return_exceptions=True)

    async def _feed(self, viewer: Viewer, send: Send) -> None:
        headers = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(headers)
        pause = 1.0 / self._picture.fps if self._picture.fps else 0.0
        while await self._stream.wait_beyond(viewer.last, None):
            number, frame = self._stream.newest()
            if frame is None:
                break
            begun = time.monotonic()
            viewer.take(number)
            try:
                jpeg = await self._encoder.jpeg(self._stream.topic, number, frame, self._picture)
            except Problem:
                continue  # this one frame is no image
            del frame
            head = (
                f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            )
            body = b"".join((head.encode(), jpeg, b"\r\n"))
            await send({"type": "http.response.body", "body": body, "more_body": True})
            if pause:
                await asyncio.sleep(max(0.0, pause - (time.monotonic() - begun)))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
