"""A server leaves nothing behind in its process."""

import contextlib
import threading

import psutil
from web_doors import client_of, picture, serving, until
from websockets.sync.client import connect


def started_since(before: set[threading.Thread]) -> list[str]:
    ours = ("edgeflow-", "asyncio_", "AnyIO")
    return [t.name for t in set(threading.enumerate()) - before if t.name.startswith(ours)]


def test_no_thread_and_no_open_file_is_left_after_the_end():
    before, files = set(threading.enumerate()), psutil.Process().num_fds()
    for _ in range(3):
        with serving() as server, client_of(server) as client, contextlib.ExitStack() as held:
            server.publish(picture(1))
            assert client.get("/api/flow").status_code == 200
            assert client.get("/snapshot/camera").status_code == 200
            video = held.enter_context(client.stream("GET", "/video/camera"))
            assert next(video.iter_raw())
            address = f"ws://127.0.0.1:{server.port}/ws/stats"
            feed = held.enter_context(connect(address, proxy=None))
            assert feed.recv(timeout=20)
            assert "edgeflow-web" in started_since(before)
            server.close()
    until(lambda: not started_since(before))
    until(lambda: psutil.Process().num_fds() <= files + 1)
