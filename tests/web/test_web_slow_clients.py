"""Clients that stop reading: nobody else notices, and they are let go."""

import contextlib
import itertools
import logging
import socket
import threading
import time

import numpy as np
import psutil
import pytest
from web_doors import View, client_of, picture, serving, until
from websockets.sync.client import connect

from edgeflow import Frame
from edgeflow.core.status import LogLine
from edgeflow.web.server import WebServer

NOISE = np.random.default_rng(1).integers(0, 255, (4, 480, 640, 3), np.uint8)
"""Pictures that do not compress: about 400 kB each as JPEG."""
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Talkative(View):
    """Has a new log line of 300 kB each time it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count(1)

    def logs(self, after: int = 0, node: str | None = None, limit: int = 500) -> list[LogLine]:
        number = next(self.numbers)
        return [LogLine(time=0.0, level="info", node="", event="x" * 300_000, number=number)]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("edgeflow.comms.listening.UNREAD_SECONDS", 2.0)
    monkeypatch.setattr("edgeflow.web.stats.PERIOD_SECONDS", 0.02)


def silent_client(server: WebServer, path: str, headers: str = "") -> socket.socket:
    """Ask for something and never read the answer."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", server.port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
    return client


def connections(server: WebServer) -> int:
    """Return the connections that the server holds."""
    return sum(
        place.status == psutil.CONN_ESTABLISHED and place.laddr.port == server.port
        for place in psutil.Process().net_connections("tcp")
    )


@contextlib.contextmanager
def feeding(server: WebServer):
    """Publish noise at about 50 frames a second for the length of the block."""
    done = threading.Event()

    def feed() -> None:
        for number in itertools.count(1):
            server.publish(Frame(data=NOISE[number % 4], id=number, topic="camera"))
            if done.wait(0.02):
                return

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_a_viewer_that_never_reads_disturbs_nobody_and_is_cut_off(
    caplog: pytest.LogCaptureFixture,
):
    with serving() as server, client_of(server) as client, feeding(server):

        def stream() -> dict:
            return client.get("/api/streams").json()[0]

        until(lambda: stream()["fps"] > 0)
        with client.stream("GET", "/video/camera?fps=100") as video:
            chunks = video.iter_raw()
            resident = psutil.Process().memory_info().rss
            with silent_client(server, "/video/camera"):
                until(lambda: next(chunks) and stream()["viewers"] == 2)
                until(lambda: next(chunks) and stream()["dropped"] > 5)
                until(lambda: next(chunks) and stream()["viewers"] == 1)
                until(lambda: next(chunks) and connections(server) == 2)
            assert stream()["dropped"] > 5
            assert psutil.Process().memory_info().rss - resident < 100e6
        until(lambda: stream()["viewers"] == 0)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_dashboard_that_never_reads_disturbs_nobody_and_is_cut_off():
    with (
        serving(view=Talkative()) as server,
        connect(
            f"ws://127.0.0.1:{server.port}/ws/stats", max_size=None, close_timeout=0.5
        ) as other,
    ):
        assert other.recv(timeout=20)
        with silent_client(server, "/ws/stats", UPGRADE):
            until(lambda: connections(server) == 2)
            until(lambda: other.recv(timeout=20) and connections(server) == 1)
        assert other.recv(timeout=20)


def test_closing_waits_for_no_client():
    with serving(view=Talkative()) as server, feeding(server):
        clients = [silent_client(server, path) for path in ("/video", "/video/camera?fps=5", "/")]
        clients += [silent_client(server, "/ws/stats", UPGRADE), socket.socket()]
        clients[-1].connect(("127.0.0.1", server.port))
        until(lambda: connections(server) == 5)
        until(lambda: server.hub.require("camera").status().viewers == 2)
        begun = time.monotonic()
        server.close()
        assert time.monotonic() - begun < 6.0
        until(lambda: connections(server) == 0)
        server.publish(picture(1))
        server.close()
        for client in clients:
            client.close()
