"""WebRTC cameras: a WHEP client, which asks a media server for its stream."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from edgeflow.errors import MissingExtraError, UnreachableError
from edgeflow.pipelines.connectors.pictures import Picture, Sampler, StreamClock, scaled
from edgeflow.pipelines.connectors.public_url import public

if TYPE_CHECKING:
    from edgeflow.pipelines.connectors.camera import CameraOptions

__all__ = ["whep_pictures"]

MAX_ANSWER_BYTES = 256 * 1024
GOODBYE_SECONDS = 0.5


async def whep_pictures(
    options: "CameraOptions", connected: Callable[[], None], dropped: Callable[[], None]
) -> AsyncGenerator[Picture, None]:
    """Yield the newest picture each time it is asked for one.

    Args:
        options: of the connector; ``source`` is ``whep+http://...`` or ``whep+https://...``.
        connected: called when pictures begin.
        dropped: called for each picture that was replaced by a newer one.

    Raises:
        UnreachableError: the server refuses, or gives no picture for ``timeout_s``.
        MissingExtraError: aiortc is not installed.
    """
    async with _peer(options) as track:
        newest = _Newest(track, options, dropped)
        reading = asyncio.create_task(newest.read())
        try:
            first = True
            while True:
                frame, captured = await newest.take(reading)
                if first:
                    connected()
                first = False
                yield Picture(await asyncio.to_thread(scaled, frame, options.width), captured)
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError, UnreachableError):
                await reading


class _Newest:
    """Reads a track all the time, for its queue has no bound, and keeps the newest picture."""

    def __init__(self, track: Any, options: "CameraOptions", dropped: Callable[[], None]) -> None:
        self._track = track
        self._options = options
        self._dropped = dropped
        self._filled = asyncio.Event()
        self._frame: Any = None

    async def read(self) -> None:
        """Read until the track ends; raises UnreachableError then."""
        from aiortc.mediastreams import MediaStreamError

        clock, sampler = StreamClock(), Sampler(self._options.interval)
        loop = asyncio.get_running_loop()
        url = public(str(self._options.source))
        while True:
            try:
                async with asyncio.timeout(self._options.timeout_s):
                    frame = await self._track.recv()
            except TimeoutError:
                raise UnreachableError(f"{url} gives no picture") from None
            except MediaStreamError:
                raise UnreachableError(f"{url} has ended") from None
            now = time.time()
            captured = clock.place(frame.time, now) if frame.time is not None else now
            if not sampler.due(loop.time()):
                continue
            if self._frame is not None:
                self._dropped()
            self._frame = frame, captured if self._options.timestamps == "stream" else now
            self._filled.set()

    async def take(self, reading: "asyncio.Task[None]") -> Any:
        """Return (frame, time of capture) of the newest picture; raise what ended ``reading``."""
        filled = asyncio.create_task(self._filled.wait())
        try:
            await asyncio.wait({filled, reading}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            filled.cancel()
        if self._frame is None:
            reading.result()
        self._filled.clear()
        taken, self._frame = self._frame, None
        return taken


@asynccontextmanager
async def _peer(options: "CameraOptions") -> AsyncGenerator[Any, None]:
    """Connect; gives the video track."""
    try:
        import aiortc
    except ModuleNotFoundError:
        raise MissingExtraError("aiortc", "webrtc") from None
    try:
        import httpx
    except ModuleNotFoundError:
        raise MissingExtraError("httpx", "pipelines") from None
    url = str(options.source).removeprefix("whep+")
    headers = {"authorization": f"Bearer {options.token}"} if options.token else {}
    peer = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
    resource = None
    async with httpx.AsyncClient(timeout=options.timeout_s, headers=headers) as client:
        try:
            transceiver = peer.addTransceiver("video", direction="recvonly")
            await peer.setLocalDescription(await peer.createOffer())
            answer, resource = await _exchange(client, url, peer.localDescription.sdp)
            try:
                await peer.setRemoteDescription(
                    aiortc.RTCSessionDescription(sdp=answer, type="answer")
                )
            except Exception as error:  # noqa: BLE001 - its parser stumbles in many ways
                raise UnreachableError(f"{public(url)} answers no usable SDP: {error}") from None
            if transceiver.receiver.track is None:
                raise UnreachableError(f"{public(url)} offers no video")
            yield transceiver.receiver.track
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise UnreachableError(f"{public(url)}: {reason}") from None
        finally:
            if resource is not None:
                with suppress(httpx.HTTPError):
                    await client.delete(resource, timeout=GOODBYE_SECONDS)
            await peer.close()


async def _exchange(client: Any, url: str, offer: str) -> tuple[str, str | None]:
    """Send the offer; return the answer, and the resource to delete in the end."""
    kind = {"content-type": "application/sdp"}
    async with client.stream("POST", url, content=offer, headers=kind) as response:
        if response.status_code != 201:
            raise UnreachableError(f"{public(url)} answers {response.status_code}")
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise UnreachableError(f"{public(url)} answers more than {MAX_ANSWER_BYTES} bytes")
        location = response.headers.get("location")
    return body.decode(errors="replace"), urljoin(url, location) if location else None
