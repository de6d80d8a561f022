"""Cameras: local ones, video files, network streams and WebRTC."""

import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from edgeflow.core.qos import QoS
from edgeflow.errors import ConfigError
from edgeflow.nodes.sources.decoding import HardwareDecoding
from edgeflow.pipelines.connectors.base import ConnectorOptions
from edgeflow.pipelines.connectors.pictures import (
    Picture,
    Sampler,
    file_pictures,
    local_pictures,
    stream_pictures,
)
from edgeflow.pipelines.connectors.session import Outlet, ThreadedConnector
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.paths import beside

__all__ = ["CameraConnector", "CameraOptions"]

STREAMS = ("rtsp", "rtsps", "http", "https", "tcp", "udp", "rtp", "rtmp", "srt")
WHEP = ("whep+http", "whep+https")
PIPELINE = re.compile(r"\s!\s")


class CameraOptions(ConnectorOptions):
    """Keys of a connector of type ``camera``.

    Attributes:
        source: number of a local camera, ``/dev/...``, a GStreamer pipeline that ends in
            ``appsink`` (CSI cameras), a video file, a stream's URL (``rtsp://``, ``http://``...),
            or ``whep+http://`` for WebRTC.
        interval: least seconds between two pictures; 0 for every one.
        encoding: ``bgr`` for arrays, ``jpeg`` for bytes.
        width: asked of a local camera; files and streams are scaled to it.
        height: asked of a local camera.
        loop: begin a file again at its end.
        paced: play a file in its own time; false for as fast as the pipeline takes the pictures.
        transport: of RTSP.
        latency: ``low`` lets FFmpeg neither probe long nor buffer.
        timeout_s: what a stream may take to open or to give its next picture.
        timestamps: ``stream`` for the stream's own time, ``arrival`` for ours.
        ffmpeg: further options for FFmpeg.
        hwaccel: where files and streams are decoded: ``auto`` on a CUDA GPU if there is one,
            ``cuda`` the same with a warning if there is none, ``none`` on the CPU.
        token: bearer token of a WHEP server.
        quality: of ``jpeg``.
    """

    source: int | str = 0
    interval: float = Field(0.1, ge=0, le=86400)
    encoding: Literal["bgr", "jpeg"] = "bgr"
    width: int | None = Field(None, ge=1, le=16384)
    height: int | None = Field(None, ge=1, le=16384)
    loop: bool = True
    paced: bool = True
    transport: Literal["tcp", "udp"] = "tcp"
    latency: Literal["low", "normal"] = "low"
    timeout_s: float = Field(2.0, gt=0, le=60)
    timestamps: Literal["stream", "arrival"] = "stream"
    ffmpeg: dict[str, str] = {}
    hwaccel: HardwareDecoding = "auto"
    token: str | None = None
    quality: int = Field(90, ge=1, le=100)

    @field_validator("source")
    @classmethod
    def _located(cls, source: int | str) -> int | str:
        """Let the path of a file start at the folder of the YAML."""
        try:
            kind = _kind(source)
        except ConfigError:
            return source  # the start says what is wrong with it
        return str(beside(Path(str(source)))) if kind == "file" else source


class CameraConnector(ThreadedConnector):
    """Reads a camera in a thread of its own; the newest picture replaces one that waits."""

    delivery = QoS.REALTIME
    device_kind = "camera"
    Options = CameraOptions
    options: CameraOptions

    async def start(self) -> None:
        """Check that the source can be one.

        Raises:
            ConfigError: it cannot.
        """
        self._kind = _kind(self.options.source)
        self.sensor_id = self.options.sensor_id or (
            f"camera:{self.options.source}"
            if self._kind == "local" and str(self.options.source).isdigit()
            else f"camera:{self.name}"
        )

    async def session(self) -> AsyncIterator[EdgeMessage]:
        """Yield pictures until the source is lost."""
        if self._kind == "whep":
            from edgeflow.pipelines.connectors.whep import whep_pictures

            async for picture in whep_pictures(self.options, self.connected, self._count_drop):
                yield self._message(picture)
        else:
            async for message in super().session():
                yield message

    def work(self, outlet: Outlet) -> None:
        """Read pictures in the connector's thread."""
        patient = self._kind == "file" and not self.options.paced
        sampler = Sampler(self.options.interval)
        pictures = {
            "local": local_pictures,
            "file": file_pictures,
            "stream": stream_pictures,
        }[self._kind](self.options, sampler, self.connected)
        try:
            for picture in pictures:
                if outlet.stopping.is_set():
                    return
                if picture is not None:
                    outlet.put(self._message(picture), patient=patient)
        finally:
            pictures.close()

    def _message(self, picture: Picture) -> EdgeMessage:
        payload, encoding = picture.image, ""
        metadata = {"shape": list(picture.image.shape), "encoding": "bgr", **picture.metadata}
        if self.options.encoding == "jpeg":
            payload, encoding = _jpeg(picture.image, self.options.quality), "jpeg"
            metadata["encoding"] = "jpeg"
        return EdgeMessage(
            sensor_id=self.sensor_id,
            payload=payload,
            encoding=encoding,
            timestamp=time.time() if picture.timestamp is None else picture.timestamp,
            metadata=metadata,
        )


def _jpeg(image: Any, quality: int) -> bytes:
    import cv2

    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(encoded)


def _kind(source: int | str) -> str:
    """Return what a source is: ``local``, ``file``, ``stream`` or ``whep``."""
    text = str(source)
    if text.isdigit() or text.startswith("/dev/"):
        return "local"
    if PIPELINE.search(text):
        _check_gstreamer(text)
        return "local"
    if "://" not in text:
        return "file"
    scheme = urlsplit(text).scheme
    if scheme == "file":
        raise ConfigError(f"source {text!r} is a file", hint=f"write {Path(text[7:])}")
    if scheme in WHEP:
        return "whep"
    if scheme not in STREAMS:
        raise ConfigError(
            f"a camera cannot be read from {scheme}://",
            hint=f"known: {', '.join((*STREAMS, *WHEP))}",
        )
    return "stream"


def _check_gstreamer(pipeline: str) -> None:
    import cv2

    if "GStreamer:" not in (built := cv2.getBuildInformation()) or not re.search(
        r"GStreamer:\s+YES", built
    ):
        raise ConfigError(
            f"source {pipeline!r} is a GStreamer pipeline, and this OpenCV is built without it",
            hint="install the system's OpenCV (apt install python3-opencv), or read the camera "
            "through a /dev/video device",
        )
