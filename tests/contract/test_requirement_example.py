"""The complete example of the requirements document, unchanged, in all three ways of running it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from servers import free_port, valkey

EXAMPLE = Path(__file__).parents[1] / "data" / "readme_example.py.txt"
STREAMS = ("fake_camera", "gpu_processor")


@contextmanager
def running(script: Path, environment: dict[str, str], *arguments: str) -> Iterator[list[str]]:
    """Run the script; yield the list that holds what it wrote once it has ended."""
    process = subprocess.Popen(
        [sys.executable, str(script), *arguments],
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    written: list[str] = []

    def read() -> None:
        with process.stderr as stream:
            written.extend(stream)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield written
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        assert process.wait(30) == 130
        assert time.monotonic() - begun < 12.0  # under 3 s on a machine that has nothing else to do
    finally:
        process.kill()
        process.wait()
        reader.join()


def get(port: str, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return answer.read()


def await_streams(port: str, written: list[str]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            rates = json.loads(get(port, "/api/fps"))
        except (urllib.error.URLError, OSError):
            rates = {}
        if all(rates.get(name, 0) > 10 for name in STREAMS):
            return
        time.sleep(0.1)
    pytest.fail(f"no streams: {rates}\n{''.join(written)}")


def assert_dashboard_shows_both(port: str) -> None:
    assert b"<html" in get(port, "/dashboard")
    for name in STREAMS:
        jpeg = np.frombuffer(get(port, f"/snapshot/{name}"), np.uint8)
        assert cv2.imdecode(jpeg, cv2.IMREAD_COLOR).shape == (480, 640, 3)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/video/fake_camera", timeout=3) as video:
        assert "multipart/x-mixed-replace; boundary=frameboundary" in video.headers["content-type"]
        assert video.read(16) == b"--frameboundary\r"
    # the box of the processed stream is red where the camera's picture is not
    pictures = [get(port, f"/snapshot/{name}") for name in STREAMS]
    raw, boxed = (cv2.imdecode(np.frombuffer(p, np.uint8), cv2.IMREAD_COLOR) for p in pictures)
    assert boxed[150:300, 150, 2].mean() > 200 > raw[150:300, 150, 2].mean()


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return Path(shutil.copy(EXAMPLE, tmp_path / "main.py"))


@pytest.mark.parametrize("arguments", [(), ("--processes",)], ids=["threads", "processes"])
def test_on_one_host_without_any_server(script, arguments):
    port = str(free_port())
    environment = {"GATEWAY_HTTP_PORT": port, "REDIS_PORT": str(free_port())}
    with running(script, environment, *arguments) as written:
        await_streams(port, written)
        assert_dashboard_shows_both(port)
    assert "test-distributed-system: ran" in "".join(written)


def test_as_three_processes_over_redis(script):
    port = str(free_port())
    with valkey() as server, ExitStack() as stack:
        environment = {
            "GATEWAY_HTTP_PORT": port,
            "GATEWAY_TCP_PORT": str(free_port()),
            "REDIS_HOST": server.host,
            "REDIS_PORT": str(server.port),
        }
        logs = [
            stack.enter_context(running(script, environment, "--node", node))
            for node in ("gateway", "gpu_processor", "fake_camera")
        ]
        await_streams(port, logs[0])
        assert_dashboard_shows_both(port)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            nodes = {node["name"]: node for node in json.loads(get(port, "/api/nodes"))}
            if all(node["alive"] for node in nodes.values()):
                break
            time.sleep(0.2)
        assert {name: node["alive"] > 0 for name, node in nodes.items()} == dict.fromkeys(
            ("fake_camera", "gpu_processor", "gateway"), True
        )
        paths = [tuple(p["path"]) for p in json.loads(get(port, "/api/trace"))["paths"]]
        assert ("fake_camera", "gpu_processor", "gateway") in paths
