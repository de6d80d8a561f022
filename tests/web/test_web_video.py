"""Viewers of live pictures, each with a client that reads the multipart stream by itself."""

import contextlib
from collections.abc import Iterator

import cv2
import httpx
import numpy as np
import pytest
from web_doors import client_of, picture, serving, until

from edgeflow import Frame
from edgeflow.web.server import WebServer


@pytest.fixture
def server():
    with serving() as running:
        yield running


@contextlib.contextmanager
def watching(server: WebServer, path: str = "/video/camera") -> Iterator[Iterator[bytes]]:
    """Open a video and give an iterator over its JPEGs."""
    with client_of(server) as client, client.stream("GET", path) as answer:
        assert answer.headers["content-type"] == (
            "multipart/x-mixed-replace; boundary=frameboundary"
        )
        yield jpegs(answer)


def jpegs(answer: httpx.Response) -> Iterator[bytes]:
    pending = b""
    chunks = answer.iter_raw()
    while True:
        while b"\r\n\r\n" not in pending:
            if not (chunk := next(chunks, b"")):
                assert pending == b""
                return
            pending += chunk
        head, _, pending = pending.partition(b"\r\n\r\n")
        boundary, kind, length = head.split(b"\r\n")
        assert (boundary, kind) == (b"--frameboundary", b"Content-Type: image/jpeg")
        size = int(length.removeprefix(b"Content-Length: "))
        while len(pending) < size + 2:
            pending += next(chunks)
        assert pending[size : size + 2] == b"\r\n"
        yield pending[:size]
        pending = pending[size + 2 :]


def level(jpeg: bytes) -> int:
    return round(float(pixels(jpeg).mean()))


def pixels(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def test_two_viewers_get_the_same_frames_and_each_is_encoded_once(server: WebServer):
    with watching(server) as first, watching(server) as second:
        for number in range(1, 21):
            server.publish(picture(number * 10))
            one, other = next(first), next(second)
            assert one == other
            assert level(one) == number * 10
        (stream,) = server.hub.streams()
        assert (stream.status().viewers, stream.status().dropped) == (2, 0)
    assert server.encoder.encoded == 20
    until(lambda: stream.status().viewers == 0)


def test_a_late_viewer_gets_the_newest_frame_at_once(server: WebServer):
    for number in (10, 20, 30):
        server.publish(picture(number))
    with watching(server) as late:
        assert level(next(late)) == 30
    assert server.encoder.encoded == 1
    assert server.hub.streams()[0].status().dropped == 0


def test_quality_and_width_are_each_viewers_own(server: WebServer):
    noise = np.random.default_rng(1).integers(0, 255, (64, 128, 3), np.uint8)
    server.publish(Frame(data=noise, topic="camera"))
    with watching(server) as plain, watching(server, "/video/camera?quality=5&width=32") as small:
        large, little = next(plain), next(small)
    assert pixels(large).shape == (64, 128, 3)
    assert pixels(little).shape == (16, 32, 3)
    assert len(little) < len(large) / 5


def test_a_viewer_that_asks_for_few_frames_misses_none(server: WebServer):
    with watching(server, "/video/camera?fps=5") as calm:
        for number in range(1, 31):
            server.publish(picture(number))
        seen = [level(next(calm))]
        server.publish(picture(200))
        while seen[-1] != 200:
            seen.append(level(next(calm)))
    assert len(seen) <= 4
    assert server.hub.streams()[0].status().dropped == 0


def test_jpegs_are_passed_on_as_they_are_and_values_passed_over(server: WebServer):
    ready = cv2.imencode(".jpg", np.full((16, 16), 99, np.uint8))[1].tobytes()
    with watching(server) as viewer:
        server.publish(picture(50))
        assert level(next(viewer)) == 50
        server.publish(Frame(data={"no": "picture"}, topic="camera"))
        server.publish(Frame(data=ready, topic="camera"))
        assert next(viewer) == ready
    with client_of(server) as client:
        assert client.get("/snapshot/camera").content == ready


def test_jpegs_are_shrunk_for_who_wants_them_narrower(server: WebServer):
    ready = cv2.imencode(".jpg", np.full((200, 640, 3), 99, np.uint8))[1].tobytes()
    server.publish(Frame(data=ready, topic="camera"))
    assert server.hub.streams()[0].status().shape == [200, 640]
    with client_of(server) as client:
        for width, expected in ((100, (31, 100, 3)), (320, (100, 320, 3)), (500, (156, 500, 3))):
            shown = pixels(client.get("/snapshot/camera", params={"width": width}).content)
            assert shown.shape == expected
            assert abs(int(shown.mean()) - 99) <= 1
        for width in (640, 2000):
            assert client.get("/snapshot/camera", params={"width": width}).content == ready


def test_all_viewers_taken_is_503_until_one_leaves():
    with serving(max_viewers=1) as server, client_of(server) as client:
        server.publish(picture(1))
        with watching(server) as viewer:
            next(viewer)
            answer = client.get("/video/camera")
            assert answer.status_code == 503
            assert answer.json()["code"] == "EF-HTTP-503"
            assert "max_viewers" in answer.json()["hint"]
            assert client.get("/snapshot/camera").status_code == 200
        until(lambda: server.hub.streams()[0].status().viewers == 0)
        with watching(server) as viewer:
            assert next(viewer)
