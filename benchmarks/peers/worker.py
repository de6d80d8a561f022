"""Runs one end of a peer: ``python -m benchmarks.peers.worker PEER produce|consume [INDEX]``."""

import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.case import END, Case, Meter, case_from_environment, stamp

_SILENCE_SECONDS = 5.0
_START_SECONDS = 15.0


def produce(sender: Any, case: Case) -> None:
    """Send stamped frames for the length of the case, then the end mark."""
    own = np.zeros(case.size, np.uint8)
    begun = time.monotonic()
    sequence = 0
    while time.monotonic() - begun < case.seconds:
        _send(sender, case, own, sequence)
        sequence += 1
        if case.fps is not None:
            time.sleep(max(0.0, begun + sequence / case.fps - time.monotonic()))
    for _ in range(3):
        _send(sender, case, own, END)
        time.sleep(0.05)


def _send(sender: Any, case: Case, own: np.ndarray, sequence: int) -> None:
    frame = sender.loan() if case.in_place else own
    stamp(frame, sequence)
    if case.in_place:
        sender.commit()
    else:
        sender.send(frame)


def consume(receiver: Any, meter: Meter) -> None:
    """Take frames until the end mark or a long silence."""
    while True:
        timeout = _SILENCE_SECONDS if meter.received else _START_SECONDS
        frame = receiver.receive(timeout)
        if frame is None or not meter.take(frame):
            return


def main() -> None:
    """Run the end that the command line names."""
    peer, role = sys.argv[1:3]
    module = import_module(f"benchmarks.peers.{peer}")
    case, folder = case_from_environment()
    if role == "consume":
        index = int(sys.argv[3])
        receiver = module.Receiver(case, folder, index)
        (folder / f"ready-{index}").touch()
        meter = Meter(case, folder, index)
        consume(receiver, meter)
        meter.save()
        receiver.close()
        return
    sender = module.Sender(case, folder)
    _await_consumers(folder, case.consumers)
    produce(sender, case)
    sender.close()


def _await_consumers(folder: Path, count: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while len(list(folder.glob("ready-*"))) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)


if __name__ == "__main__":
    main()
