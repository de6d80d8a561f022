"""A camera that is only software: pictures over HTTP (MJPEG), as network cameras send them."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Picture", "VirtualCamera", "clip_pictures", "covered_pictures", "empty_pictures"]

Picture: TypeAlias = bytes
"""A JPEG."""
WIDTH, HEIGHT = 352, 288
MAX_VIEWERS, MAX_PICTURES, MAX_REQUEST = 8, 200, 8192
WRITE_SECONDS, READ_SECONDS = 2.0, 5.0
BOUNDARY = b"picture"
GONE = (
    OSError,
    TimeoutError,
    RuntimeError,  # of uvloop, for a transport that is closed
    asyncio.IncompleteReadError,
    asyncio.LimitOverrunError,
)
HEAD = (
    b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nConnection: close\r\n"
    b"Content-Type: multipart/x-mixed-replace; boundary=" + BOUNDARY + b"\r\n\r\n"
)


class VirtualCamera:
    """Sends whatever picture is the current one, a few times a second.

    Args:
        port: on loopback. picture: the current one. fps: how often.
    """

    def __init__(self, port: int, picture: Callable[[], Picture], fps: float) -> None:
        self._port, self._picture, self._pause = port, picture, 1.0 / fps
        self._viewers: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            OSError: the port is taken.
        """
        server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=MAX_REQUEST)
        try:
            async with server:
                await asyncio.Event().wait()
        finally:
            for task in self._viewers:
                task.cancel()
            await asyncio.gather(*self._viewers, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - servers call this in a task
        if len(self._viewers) >= MAX_VIEWERS:
            writer.close()
            return
        self._viewers.add(task)
        try:
            async with asyncio.timeout(READ_SECONDS):
                await reader.readuntil(b"\r\n\r\n")
            await self._send(writer, HEAD)
            while not writer.is_closing():
                data = self._picture()
                part = b"--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n"
                await self._send(writer, part % (BOUNDARY, len(data), data))
                await asyncio.sleep(self._pause)
        except GONE:
            return
        except asyncio.CancelledError:
            return  # the server of asyncio would tell of a task that was cancelled
        finally:
            self._viewers.discard(task)
            with contextlib.suppress(OSError):
                writer.close()

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        async with asyncio.timeout(WRITE_SECONDS):
            await writer.drain()


def clip_pictures(clip: Path, every: int = 4) -> list[Picture]:
    """Return each so many-th picture of a clip, at most 200.

    Raises:
        OSError: the clip cannot be read.
    """
    import av

    found: list[Picture] = []
    with av.open(str(clip)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % every == 0:
                image = frame.to_ndarray(format="bgr24", width=WIDTH, height=HEIGHT)
                found.append(_jpeg(image))
            if len(found) >= MAX_PICTURES:
                break
    return found


def empty_pictures() -> list[Picture]:
    """Return pictures of a room with an empty chair, with the noise of a camera."""
    return [_jpeg(image) for image in _noisy(_room(), 3.0)]


def covered_pictures() -> list[Picture]:
    """Return what a camera sees behind a cover."""
    return [_jpeg(image) for image in _noisy(np.full((HEIGHT, WIDTH, 3), 14, np.float32), 4.0)]


def _room() -> npt.NDArray[np.float32]:
    import cv2

    image = np.empty((HEIGHT, WIDTH, 3), np.float32)
    image[:] = np.linspace((196, 204, 206), (158, 170, 176), WIDTH)[None]
    cv2.rectangle(image, (0, 228), (WIDTH, HEIGHT), (96, 118, 142), -1)
    cv2.rectangle(image, (36, 40), (140, 150), (236, 232, 226), -1)
    for left in (42, 91):
        cv2.rectangle(image, (left, 46), (left + 43, 144), (222, 190, 150), -1)
    cv2.rectangle(image, (228, 60), (316, 112), (70, 84, 110), 4)
    cv2.rectangle(image, (168, 128), (236, 206), (72, 78, 92), -1)
    cv2.rectangle(image, (158, 200), (248, 222), (60, 66, 80), -1)
    for left in (164, 236):
        cv2.line(image, (left, 222), (left - 4, 274), (48, 52, 62), 6)
    blurred = cv2.GaussianBlur(image, (5, 5), 0)
    return np.asarray(blurred, np.float32)


def _noisy(image: npt.NDArray[np.float32], deviation: float) -> Iterator[npt.NDArray[Any]]:
    rng = np.random.default_rng(1)
    for _ in range(8):
        drawn = image + rng.normal(0.0, deviation, image.shape)
        yield np.clip(drawn, 0, 255).astype(np.uint8)


def _jpeg(image: npt.NDArray[Any]) -> Picture:
    import cv2

    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return bytes(encoded)
