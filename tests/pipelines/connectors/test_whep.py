import asyncio
import fractions
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import av
import numpy as np
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connecting import listening, made, until
from edgeflow.pipelines.connectors.camera import CameraConnector
from http_doors import http_door


class Grey(VideoStreamTrack):
    """Pictures of 320x240 with 30 per second."""

    async def recv(self) -> av.VideoFrame:
        pts, base = await self.next_timestamp()
        frame = av.VideoFrame.from_ndarray(np.full((240, 320, 3), 128, np.uint8), format="bgr24")
        frame.pts, frame.time_base = pts, fractions.Fraction(base)
        return frame


class Media:
    """A media server with one stream at /cam/whep."""

    def __init__(self, token: str | None = None) -> None:
        self.token = token
        self.peers: list[Any] = []
        self.deleted = 0
        self.app = Starlette(
            routes=[
                Route("/cam/whep", self.play, methods=["POST"]),
                Route("/cam/session/1", self.leave, methods=["DELETE"]),
            ]
        )

    async def play(self, request: Request) -> Response:
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return Response(status_code=401)
        peer = RTCPeerConnection()
        self.peers.append(peer)
        peer.addTrack(Grey())
        offer = (await request.body()).decode()
        await peer.setRemoteDescription(RTCSessionDescription(sdp=offer, type="offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        return Response(
            peer.localDescription.sdp,
            201,
            {"location": "/cam/session/1"},
            media_type="application/sdp",
        )

    async def leave(self, request: Request) -> Response:
        self.deleted += 1
        return Response(status_code=200)

    async def close(self) -> None:
        for peer in self.peers:
            await peer.close()


@asynccontextmanager
async def media(token: str | None = None) -> AsyncIterator[tuple[Media, str]]:
    server = Media(token)
    async with http_door(server.app) as url:
        try:
            yield server, f"whep+{url}/cam/whep"
        finally:
            await server.close()


def test_pictures_come_over_webrtc_and_again_after_a_hang_up() -> None:
    async def run() -> None:
        async with media(token="key") as (server, url):
            camera = made(CameraConnector, source=url, interval=0, token="key", timeout_s=5)
            async with listening(camera) as listener:
                messages = await listener.take(3)
                assert messages[0].payload.shape == (240, 320, 3)
                assert abs(int(messages[-1].payload.mean()) - 128) < 8
                assert 0 <= time.time() - messages[-1].timestamp < 10
                await server.close()
                await until(lambda: len(server.peers) == 2)
                seen = len(listener.messages)
                await until(lambda: len(listener.messages) > seen + 1)
                assert camera.state == "connected"
            assert server.deleted == 2

    asyncio.run(run())


def test_a_server_that_refuses_is_reported() -> None:
    async def run() -> None:
        async with media(token="key") as (server, url):
            camera = made(CameraConnector, source=url, token="wrong")
            async with listening(camera):
                await until(lambda: camera.state == "waiting")
                assert "401" in str(camera.last_error)
                assert not server.peers

    asyncio.run(run())


@pytest.mark.parametrize(
    "answer", ["", "v=0\r\nnonsense", "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"]
)
def test_an_answer_that_is_no_sdp_is_reported(answer: str) -> None:
    async def nonsense(request: Request) -> Response:
        return Response(answer, 201, media_type="application/sdp")

    async def run() -> None:
        app = Starlette(routes=[Route("/whep", nonsense, methods=["POST"])])
        async with http_door(app) as url:
            camera = made(CameraConnector, source=f"whep+{url}/whep")
            async with listening(camera):
                await until(lambda: camera.state == "waiting")
                assert camera.last_error

    asyncio.run(run())
