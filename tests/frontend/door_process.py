"""Runs ``door.py`` in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

DOOR = Path(__file__).parent / "door.py"


class Flow:
    """``door.py`` in a process of its own; ``url`` stays the same over restarts."""

    def __init__(self, folder: Path, **environment: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until the server answers."""
        try:
            self._start()
        except BaseException:
            self.stop(signal.SIGKILL)
            raise

    def _start(self) -> None:
        environment = {
            **os.environ,
            "EDGEFLOW_RUN_DIR": str(self._folder),
            "GATEWAY_HTTP_PORT": str(self.port),
            **self._environment,
        }
        with (self._folder / "flow.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(DOOR)], env=environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            text = (self._folder / "flow.log").read_text()
            assert self._process.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/healthz", timeout=2):
                return True
        except (URLError, OSError):
            return False

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(timeout=10)
            raise
        finally:
            self._process = None
