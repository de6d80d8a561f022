"""Programs that we did not write play our video."""

import av
import cv2
import httpx
import pytest
from web_doors import client_of, gateway_app, until

from edgeflow.nodes.gateway.interfaces.web import WebInterface

FRAMES = 10


@pytest.fixture(scope="module")
def address():
    web = WebInterface(port=0)
    with gateway_app(web).running(), client_of(web) as client:
        until(lambda: client.get("/api/fps").json().get("camera"))
        yield str(client.base_url)


def test_opencv_plays_the_video(address: str):
    capture = cv2.VideoCapture(f"{address}/video/camera", cv2.CAP_FFMPEG)
    try:
        assert capture.isOpened()
        levels = []
        for _ in range(FRAMES):
            done, image = capture.read()
            assert done
            assert image.shape == (24, 32, 3)
            levels.append(round(float(image.mean())))
    finally:
        capture.release()
    assert len(set(levels)) == FRAMES


def test_ffmpeg_plays_the_first_stream_with_pictures(address: str):
    with av.open(f"{address}/video", format="mpjpeg", timeout=20) as container:
        (stream,) = container.streams
        shapes = []
        for picture in container.decode(stream):
            shapes.append((picture.height, picture.width))
            if len(shapes) == FRAMES:
                break
    assert shapes == [(24, 32)] * FRAMES


def test_viewers_that_leave_are_forgotten(address: str):
    with httpx.Client(base_url=address, trust_env=False) as client:
        for _ in range(10):
            with client.stream("GET", "/video/camera") as answer:
                assert next(answer.iter_raw())
        until(lambda: client.get("/api/streams").json()[0]["viewers"] == 0)
