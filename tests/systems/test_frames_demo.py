"""The demo as a user meets it: a process, a page, moving pictures, Ctrl+C."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from edgeflow.assets import pull
from edgeflow.comms.listening import free_port
from edgeflow.config import settings
from edgeflow.errors import ConfigError, MissingExtraError
from edgeflow.nodes.vision import FaceDetector
from edgeflow.systems.frames import build, prepare, welcome

EXAMPLE = Path(__file__).parents[2] / "examples/frames/main.py"
DEMO = "from edgeflow.systems.frames import build; build(port={port}, blur={blur}).run()"


@pytest.fixture(scope="module", autouse=True)
def _assets() -> None:
    prepare()


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(*command: str, port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    env = os.environ | {"GATEWAY_HTTP_PORT": str(port)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *command], env=env, stdout=out, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(10)


def first_pictures(port: int, channel: str, count: int, seconds: float = 60) -> list[np.ndarray]:
    """Return the first JPEGs of a channel, waiting for the server to come up."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with httpx.stream(
                "GET", f"http://127.0.0.1:{port}/video/{channel}", timeout=10
            ) as answer:
                if answer.status_code == 200:
                    return _split(answer.iter_raw(), count)
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, f"no picture of {channel!r} within {seconds} s"
        time.sleep(0.05)


def _split(chunks: Iterator[bytes], count: int) -> list[np.ndarray]:
    images: list[np.ndarray] = []
    buffer = b""
    for chunk in chunks:
        buffer += chunk
        while (start := buffer.find(b"\xff\xd8")) >= 0 and (
            end := buffer.find(b"\xff\xd9\r\n", start)
        ) >= 0:
            jpeg = np.frombuffer(buffer[start : end + 2], np.uint8)
            images.append(cv2.imdecode(jpeg, cv2.IMREAD_COLOR))
            buffer = buffer[end + 2 :]
            if len(images) == count:
                return images
    raise AssertionError(f"the stream ended after {len(images)} pictures")


def faces_in(images: list[np.ndarray]) -> list[int]:
    detector = FaceDetector(name="test")
    detector.configure()
    try:
        return [len(detector.detect(image).scores) for image in images]
    finally:
        detector.teardown()


def interrupt(process: subprocess.Popen[bytes]) -> float:
    """Press Ctrl+C and return how long the end took."""
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait(10)
    return time.monotonic() - started


def test_the_first_picture_moves_hides_the_face_and_stops(port: int, tmp_path: Path) -> None:
    started = time.monotonic()
    log = tmp_path / "log"
    with running("-c", DEMO.format(port=port, blur=True), port=port, log=log) as process:
        hidden = first_pictures(port, "privacy", 3)
        assert time.monotonic() - started < 60, "the first moving picture took too long"
        raw = first_pictures(port, "camera", 3)
        status = httpx.get(f"http://127.0.0.1:{port}/api/status").json()
        seconds = interrupt(process)
    assert {image.shape for image in hidden + raw} == {(432, 528, 3)}
    assert any((hidden[0] != image).any() for image in hidden[1:]), "the picture does not move"
    assert faces_in(raw) == [1, 1, 1]
    assert faces_in(hidden) == [0, 0, 0]
    assert len(status["privacy"]["faces"]) == 1
    assert seconds < 6, log.read_text()


def test_outlined_faces_stay_visible(port: int, tmp_path: Path) -> None:
    program = DEMO.format(port=port, blur=False)
    with running("-c", program, port=port, log=tmp_path / "log"):
        assert faces_in(first_pictures(port, "privacy", 1)) == [1]


def test_the_example_runs_as_it_is(port: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(str(EXAMPLE), port=port, log=log) as process:
        assert faces_in(first_pictures(port, "raw", 1)) == [1]
        assert faces_in(first_pictures(port, "privacy", 1)) == [0]
        interrupt(process)
    assert "faces_counted" in log.read_text()


def test_a_clip_of_the_users_own(port: int, tmp_path: Path) -> None:
    program = (
        "from edgeflow.systems.frames import build; "
        f"build(clip={str(pull('bigbuckbunny'))!r}, port={port}).run()"
    )
    with running("-c", program, port=port, log=tmp_path / "log"):
        assert first_pictures(port, "privacy", 1)[0].shape == (720, 1280, 3)


def test_the_next_free_port_is_taken_and_said(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_HTTP_PORT", str(port))
    assert "in use" not in "\n".join(welcome(build()))
    assert "in use" not in "\n".join(welcome(build(port=0)))
    with socket.socket() as other:
        other.bind((settings.BIND_HOST, port))
        other.listen()
        assert free_port(settings.BIND_HOST, port) > port
        text = "\n".join(welcome(build()))
        assert welcome(build(port=port))[1].startswith(f"Port {port} is in use")
    assert f"Port {port} is in use" in text
    assert "/dashboard" in text
    assert "Ctrl+C" in text


def test_a_bind_address_of_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEFLOW_BIND", "192.0.2.1")
    with pytest.raises(ConfigError, match="EDGEFLOW_BIND"):
        build()


def test_a_camera_is_shown_instead_of_the_clip(port: int) -> None:
    app = build(camera="2", port=port, blur=False)
    assert welcome(app)[0] == "Showing camera 2: faces are found by CenterFace and outlined."
    camera = next(node for node in app.graph().nodes if node.name == "camera")
    assert camera.options["camera"] == 2


def test_a_camera_and_a_clip_are_too_much(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="choose one"):
        build(camera=0, clip=tmp_path / "x.mp4")
    with pytest.raises(ConfigError, match=r"no video file '.*x\.mp4'"):
        build(clip=tmp_path / "x.mp4")


def test_a_missing_package_is_told_before_anything_starts(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="onnxruntime") as caught:
        prepare()
    assert "edgeflow[demo]" in caught.value.hint
