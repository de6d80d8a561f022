"""MJPEG with ``http.server`` and OpenCV, as tutorials write it: a thread per viewer.

``python -m benchmarks.peers.mjpeg_plain each`` encodes for every viewer; ``once`` encodes every
picture once for all of them.
"""

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2

from benchmarks.pictures import QUALITY, Scene
from benchmarks.stamps import Control, Setup
from benchmarks.transport import pace

WAIT_SECONDS = 1.0
OPTIONS = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]


class Latest:
    """The newest picture, and a number that grows with each."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._number = 0
        self._picture: Any = None

    def put(self, picture: Any) -> None:
        with self._changed:
            self._picture = picture
            self._number += 1
            self._changed.notify_all()

    def beyond(self, number: int) -> tuple[int, Any]:
        """Wait for a picture after ``number``."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > number, WAIT_SECONDS)
            return self._number, self._picture


def film(setup: Setup, latest: Latest, *, once: bool) -> None:
    scene, control, due = Scene(setup.shape), Control(setup.folder), time.monotonic()
    while not control.stopped:
        picture = scene.next()
        latest.put(_jpeg(picture) if once else picture)
        due = pace(due, setup.fps)


def _jpeg(picture: Any) -> bytes:
    return bytes(cv2.imencode(".jpg", picture, OPTIONS)[1].data)


def handler(latest: Latest, *, once: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            number = 0
            while True:
                newest, picture = latest.beyond(number)
                if newest == number:
                    continue
                number = newest
                jpeg = picture if once else _jpeg(picture)
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                try:
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
                except OSError:
                    return

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


class Server(ThreadingHTTPServer):
    request_queue_size = 64
    daemon_threads = True
    block_on_close = False


def main() -> None:
    setup, once, latest = Setup.from_environment(), sys.argv[1] == "once", Latest()
    server = Server(("127.0.0.1", int(setup.url.rpartition(":")[2])), handler(latest, once=once))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    film(setup, latest, once=once)
    server.shutdown()


if __name__ == "__main__":
    main()
