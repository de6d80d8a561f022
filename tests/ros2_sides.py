"""What the tests of ROS 2 share: a domain of their own, and a peer in another process."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

__all__ = ["DOMAIN", "Peer", "eventually", "peer_process", "some_topic"]

DOMAIN = 1 + os.getpid() % 100
"""Domains above 100 have ports that the kernel gives to others."""


def some_topic() -> str:
    """Return a name that nobody else uses."""
    return f"/test/t{uuid4().hex}"


def eventually(true: Callable[[], Any], timeout: float = 30.0) -> Any:
    """Wait until a condition holds; return what it gave."""
    until = time.monotonic() + timeout
    while not (found := true()):
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.01)
    return found


class Peer:
    """Commands a ``ros2_peer`` process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __getattr__(self, do: str) -> Callable[..., Any]:
        def command(topic: str, *kind: str, **options: Any) -> Any:
            named = {"kind": kind[0]} if kind else {}
            whole = {"do": do, "topic": "rt" + topic, **named, **options}
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(whole) + "\n")
            self._process.stdin.flush()
            return self.answer()

        return command

    def answer(self) -> Any:
        """Return the next answer."""
        assert self._process.stdout is not None
        found = json.loads(self._process.stdout.readline() or '{"error": "the peer has ended"}')
        assert not isinstance(found, dict) or "error" not in found, found
        return found


@contextmanager
def peer_process(domain: int = DOMAIN) -> Iterator[Peer]:
    """Run a peer."""
    program = Path(__file__).with_name("ros2_peer.py")
    process = subprocess.Popen(
        [sys.executable, "-I", str(program), str(domain)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        peer = Peer(process)
        assert peer.answer() == "ready"
        yield peer
    finally:
        process.kill()
        process.communicate()
