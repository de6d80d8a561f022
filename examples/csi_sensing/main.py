"""Who is in which room, from WiFi: tells what changes, and writes it to a file.

python main.py                    four simulated nodes in a home with three rooms
python main.py --port 5005        your own nodes, which send to this UDP port
"""

import argparse
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from edgeflow.core.vitals import SensingEvent, VitalsUpdate
from edgeflow.devices.virtual.csi_node import CsiFleet
from edgeflow.sensing.host import SensingHost
from edgeflow.sensing.simulate.home import empty_rooms, home_nodes
from edgeflow.sensing.tracking import TrackOptions

NODES = 4
BREATH_CHANGES = 1.5
"""Breaths per minute that a rate must differ by to be told again."""


class Teller:
    """Makes sentences of news: only of what changed since the last one about that node."""

    def __init__(self) -> None:
        self._breaths: dict[str, float | None] = {}

    def tell(self, said: VitalsUpdate | SensingEvent) -> str | None:
        """Return what there is to say, or None."""
        if isinstance(said, VitalsUpdate):
            return self._breath(said)
        words = {
            "presence": "somebody came" if said.presence else "the room is empty",
            "fall": "somebody fell",
            "apnea": "somebody stopped breathing",
            "silent": "fell silent",
            "back": "is back",
        }
        return words.get(said.kind, said.kind)

    def _breath(self, said: VitalsUpdate) -> str | None:
        before, now = self._breaths.get(said.name), said.breathing_bpm
        if now is None:
            self._breaths[said.name] = None
            return "no breath can be read any more" if before is not None else None
        if before is not None and abs(now - before) < BREATH_CHANGES:
            return None
        self._breaths[said.name] = now
        return f"breathes {now:.1f} times a minute ({said.breathing_confidence:.0%} sure)"


def news(sensing: SensingHost, over: threading.Event) -> Iterator[VitalsUpdate | SensingEvent]:
    """Yield updates and events as they come, until it is over."""
    fresh, last = threading.Event(), 0
    unsubscribe = sensing.subscribe(fresh.set)
    try:
        while not over.is_set():
            fresh.wait(0.2)
            fresh.clear()
            for said in sensing.news(last):
                last = said.number
                yield said
    finally:
        unsubscribe()


def run(arguments: argparse.Namespace, over: threading.Event) -> None:
    """Listen, tell and write until it is over."""
    simulated = arguments.port is None
    home = home_nodes(NODES) if simulated else []
    options = TrackOptions(calibration=empty_rooms(home))
    with ExitStack() as stack:
        file = stack.enter_context(arguments.out.open("ab"))
        sensing = stack.enter_context(SensingHost(port=arguments.port or 0, options=options))
        if simulated:
            sent = [node.packets() for node in home]
            target = ("127.0.0.1", sensing.port)
            stack.enter_context(CsiFleet(target, sent, speed=arguments.speed))
        teller = Teller()
        for said in news(sensing, over):
            text = teller.tell(said)
            if text is not None:
                line: dict[str, Any] = msgspec.to_builtins(said)
                file.write(msgspec.json.encode({"text": text, **line}) + b"\n")
                file.flush()
                print(f"{time.strftime('%H:%M:%S')}  node {said.node:3}  {text}", flush=True)


def main() -> None:
    """Read the command line, and run until Ctrl+C."""
    parser = argparse.ArgumentParser(description="Who is in which room, from WiFi.")
    parser.add_argument(
        "--port", type=int, help="UDP port of your nodes; simulated ones if left out"
    )
    parser.add_argument("--out", type=Path, default=Path("events.jsonl"), help="appended to")
    parser.add_argument("--seconds", type=float, help="end after so long")
    parser.add_argument("--speed", type=float, default=1.0, help="of the simulated nodes")
    arguments = parser.parse_args()
    over = threading.Event()
    if arguments.seconds is not None:
        timer = threading.Timer(arguments.seconds, over.set)
        timer.daemon = True
        timer.start()
    try:
        run(arguments, over)
    except KeyboardInterrupt:
        over.set()


if __name__ == "__main__":
    main()
