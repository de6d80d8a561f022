"""The interface of a bare transport, and the processes that run its two ends.

A transport is a module of ``benchmarks.peers`` with ``sender(setup)`` and ``receiver(setup)``.
``python -m benchmarks.transport ROLE MODULE`` runs one end, set up through the environment.
"""

import importlib
import os
import sys
import threading
import time
from typing import Any, Protocol

from benchmarks.stamps import Control, Recorder, Setup

__all__ = ["Receiver", "Sender", "pace", "run_receiver", "run_sender"]

STOP_SECONDS = 1.0


class Sender(Protocol):
    """The sending end."""

    def send(self, sequence: int) -> None:
        """Stamp a frame and hand it over; blocks, at most 0.2 s, while receivers are behind."""

    def close(self) -> None: ...


class Receiver(Protocol):
    """The receiving end."""

    def receive(self) -> Any:
        """Return the array of the next frame, valid until the next call; None after 0.2 s."""

    def close(self) -> None: ...


def pace(due: float, fps: float | None) -> float:
    """Sleep until the next tick of a fixed grid and return it."""
    if not fps:
        return due
    due += 1 / fps
    now = time.monotonic()
    if due > now:
        time.sleep(due - now)
    return max(due, now - 1 / fps)


def run_sender(sender: Sender, setup: Setup) -> None:
    """Send until the harness says stop."""
    control = Control(setup.folder)
    due, sequence = time.monotonic(), 0
    while not control.stopped:
        sender.send(sequence)
        sequence += 1
        due = pace(due, setup.fps)
    sender.close()


def run_receiver(receiver: Receiver, setup: Setup) -> None:
    """Record until the harness says stop; does not depend on ``receive`` to return then."""
    recorder = Recorder(setup, setup.index)
    threading.Thread(target=_give_up, args=(recorder,), daemon=True).start()
    while not recorder.stopped:
        frame = receiver.receive()
        if frame is not None:
            recorder.saw(frame)
        del frame
    recorder.save()
    receiver.close()


def _give_up(recorder: Recorder) -> None:
    while not recorder.stopped:
        time.sleep(0.1)
    time.sleep(STOP_SECONDS)
    recorder.save()
    os._exit(0)


def main() -> None:
    role, module = sys.argv[1:3]
    setup = Setup.from_environment()
    peer = importlib.import_module(f"benchmarks.peers.{module}")
    if role == "sender":
        run_sender(peer.sender(setup), setup)
    else:
        run_receiver(peer.receiver(setup), setup)


if __name__ == "__main__":
    main()
