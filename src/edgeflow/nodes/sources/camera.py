"""Cameras as a source."""

import time
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from edgeflow.errors import NodeError
from edgeflow.nodes.producer import ProducerNode

__all__ = ["CameraProducer"]

LONGEST_WAIT = 0.1
"""Seconds that one call of ``produce`` may wait for the next attempt."""

FIRST_BACKOFF, LAST_BACKOFF = 0.25, 5.0
"""Seconds between attempts to open a lost camera, doubling."""

NETWORK_TIMEOUT_MS = 2000
"""What a stream may take to open or to give a picture; bounds how long stopping takes."""


class CameraProducer(ProducerNode):
    """Reads a camera: BGR uint8 [height, width, 3].

    A camera that goes away is opened again, with growing pauses; after ``patience`` seconds
    without a picture the node fails, so that it is seen.

    Attributes:
        camera: number of a local camera, a URL (``rtsp://``, ``http://``), path of a device, or a
            GStreamer pipeline that ends in ``appsink``.
        fps: pictures per second; None for the camera's own pace.
        width: asked of a local camera, in pixels; it may give another.
        height: asked of a local camera, in pixels; it may give another.
        patience: seconds without a picture before the node fails.
    """

    camera: int | str = 0
    fps: float | None = None
    width: int | None = None
    height: int | None = None
    patience: float = 15.0

    _capture: Any = None
    _lost_at: float | None = None
    _retry_at: float = 0.0
    _backoff: float = FIRST_BACKOFF
    _grabbed: bool = False

    def configure(self) -> None:
        """Open the camera.

        Raises:
            NodeError: it is not there.
        """
        self._capture = self._open()
        if self._capture is None:
            raise NodeError(
                f"node {self.name!r}: {self._label} cannot be opened",
                hint="check that it is plugged in, that this user may read it, and that no "
                "other program holds it",
            )
        self._forget_failure()

    def produce(self) -> Any:
        """Return a picture, or None while the camera is away."""
        if self._capture is None and not self._reopen():
            return None
        if not self._grabbed and self._capture.grab():
            self._grabbed = True
            if self.fps is None:
                return None  # the wait for the camera is not part of the call with the picture
        done, image = self._capture.retrieve() if self._grabbed else (False, None)
        self._grabbed = False
        if done:
            if self._lost_at is not None:
                self.log.info("camera_found", camera=self._label)
            self._forget_failure()
            return image
        self._release()
        if self._lost_at is None:
            self._lost_at = time.monotonic()
            self.log.warning("camera_lost", camera=self._label)
        self._retry_at = time.monotonic() + self._backoff
        self._backoff = min(2 * self._backoff, LAST_BACKOFF)
        return None

    def teardown(self) -> None:
        """Close the camera."""
        self._release()

    @property
    def _label(self) -> str:
        """The camera's name without credentials."""
        if isinstance(self.camera, int):
            return f"camera {self.camera}"
        if " ! " in self.camera:
            return f"pipeline {self.camera.partition(' ! ')[0]!r}"
        parts = urlsplit(self.camera)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))

    def _forget_failure(self) -> None:
        self._lost_at = None
        self._retry_at = 0.0
        self._backoff = FIRST_BACKOFF

    def _reopen(self) -> bool:
        """Try to open a lost camera when its pause is over; wait a little when it is not."""
        now = time.monotonic()
        if self._lost_at is not None and now - self._lost_at > self.patience:
            raise NodeError(
                f"node {self.name!r}: {self._label} has given no picture for {self.patience:g} s",
                hint="check its cable, power and address",
            )
        if now < self._retry_at:
            time.sleep(min(self._retry_at - now, LONGEST_WAIT))
            return False
        self._capture = self._open()
        if self._capture is None:
            self._retry_at = time.monotonic() + self._backoff
            self._backoff = min(2 * self._backoff, LAST_BACKOFF)
        return self._capture is not None

    def _open(self) -> Any:
        import cv2

        if isinstance(self.camera, int):
            capture = cv2.VideoCapture(self.camera)
            for wish, value in (
                (cv2.CAP_PROP_FRAME_WIDTH, self.width),
                (cv2.CAP_PROP_FRAME_HEIGHT, self.height),
                (cv2.CAP_PROP_BUFFERSIZE, 1),
            ):
                if value is not None:
                    capture.set(wish, value)
        elif " ! " in self.camera:
            capture = cv2.VideoCapture(self.camera, cv2.CAP_GSTREAMER)
        elif "://" not in self.camera:
            capture = cv2.VideoCapture(self.camera)
        else:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, NETWORK_TIMEOUT_MS]
            limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, NETWORK_TIMEOUT_MS]
            capture = cv2.VideoCapture(self.camera, cv2.CAP_FFMPEG, limits)
        return capture if capture.isOpened() else None

    def _release(self) -> None:
        capture, self._capture, self._grabbed = self._capture, None, False
        if capture is not None:
            capture.release()
