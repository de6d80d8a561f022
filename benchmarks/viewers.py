"""Many viewers of MJPEG streams in one process: ``python -m benchmarks.viewers [TOPIC ...]``.

There are ``Setup.receivers`` of one stream, or one for each topic that is named. Each reads as fast
as pictures come; every so-manieth picture is decoded for the time in it.
"""

import selectors
import socket
import sys
import time

from benchmarks.pictures import made_at
from benchmarks.stamps import Recorder, Setup

__all__ = ["FIRST_COUNTER", "Viewer"]

TOPIC = "source"
FIRST_COUNTER = 256
"""Counter of the first viewer where topics are named; those before belong to somebody else."""
CONNECT_SECONDS = 20.0
DECODE_EVERY = 30
CHUNK = 1 << 20
BEGIN, END = b"\xff\xd8\xff", b"\xff\xd9\r\n"


class Viewer:
    """One connection and what it has seen."""

    def __init__(self, setup: Setup, index: int, topic: str = TOPIC) -> None:
        self._recorder = Recorder(setup, index)
        self._index = index
        self._buffer = bytearray()
        self._searched = 0
        self._pictures = 0
        self.socket = _connect(setup.url, topic)

    def read(self) -> bool:
        """Take what has come; False when the server has closed."""
        chunk = self.socket.recv(CHUNK)
        self._buffer += chunk
        while (end := self._buffer.find(END, self._searched)) >= 0:
            self._seen(bytes(self._buffer[: end + len(END)]))
            del self._buffer[: end + len(END)]
            self._searched = 0
        self._searched = max(0, len(self._buffer) - len(END))
        return bool(chunk)

    def _seen(self, part: bytes) -> None:
        now, sent = time.monotonic_ns(), 0
        if (self._pictures + self._index) % DECODE_EVERY == 0:
            sent = made_at(part[part.index(BEGIN) :])
        self._recorder.note(self._pictures, sent, now)
        self._pictures += 1

    @property
    def stopped(self) -> bool:
        return self._recorder.stopped

    def save(self) -> None:
        self._recorder.save()


def _connect(url: str, topic: str) -> socket.socket:
    host, _, port = url.rpartition(":")
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            connection = socket.create_connection((host, int(port)), 1)
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    connection.sendall(f"GET /video/{topic} HTTP/1.1\r\nHost: {url}\r\n\r\n".encode())
    connection.setblocking(False)
    return connection


def main() -> None:
    setup = Setup.from_environment()
    viewers = [
        Viewer(setup, FIRST_COUNTER + index, topic) for index, topic in enumerate(sys.argv[1:])
    ] or [Viewer(setup, index) for index in range(setup.receivers)]
    with selectors.DefaultSelector() as selector:
        for viewer in viewers:
            selector.register(viewer.socket, selectors.EVENT_READ, viewer)
        while not viewers[0].stopped:
            for key, _ in selector.select(0.1):
                if not key.data.read():
                    selector.unregister(key.fileobj)
    for viewer in viewers:
        viewer.save()


if __name__ == "__main__":
    main()
