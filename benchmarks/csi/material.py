"""What the benchmarks of sensing feed: datagrams of a room, rows of a recording, one reading."""

import lzma
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Reading
from edgeflow.devices.virtual.csi_node import Packet, Tape, numbered, raw_packets
from edgeflow.sensing.simulate import Radio, Simulation, around, preset

__all__ = ["DATA", "Way", "datagrams", "reading", "rows", "tapes"]

DATA = Path(__file__).parents[2] / "tests" / "data" / "csi"
RATE_HZ = 50
SUBCARRIERS = 64
RADIO = Radio(rate_hz=float(RATE_HZ), loss=0.0)


@dataclass(frozen=True)
class Way:
    """A row of a table."""

    label: str
    ours: bool = True


def tapes(nodes: int = 8, seconds: float = 20.0) -> list[list[Packet]]:
    """Return what so many nodes hear of one room in which somebody walks, 50 frames/s each."""
    rooms = around(preset("walking", seconds=seconds, radio=RADIO), nodes)
    return [[*raw_packets(Simulation(room, node), gate_us=0)] for node, room in enumerate(rooms)]


def datagrams(count: int) -> list[tuple[int, bytes]]:
    """Return datagrams of one node with their time in microseconds, looped from a tape."""
    packets = numbered(Tape(tapes(1)[0]).play(), 7)
    return [(packet.time_us, packet.data) for packet, _ in zip(packets, range(count), strict=False)]


def rows(path: Path, count: int, *, header: bool) -> None:
    """Write a file of ESP32-CSI-Tool rows of 128 numbers, those of a recording again and again."""
    with lzma.open(DATA / "mov_01.csv.xz", "rt") as file:
        found = [line for line in file if line.startswith("CSI_DATA") and line.count(" ") >= 127]
    head = (DATA / "example_data.csv").open().readline() if header else ""
    with path.open("w") as out:
        out.write(head)
        for number in range(count):
            out.write(found[number % len(found)])


def reading(frames: int, seconds: float) -> Reading:
    """Return how many frames were done in so much processor time."""
    rate = frames / seconds if seconds > 0 else 0.0
    return Reading(fps=rate, cpu_percent=100.0, cpu_ms_per_frame=1e3 / rate if rate else 0.0)


class Stopwatch:
    """Counts the processor time of this process, as a context manager."""

    seconds = 0.0

    def __enter__(self) -> "Stopwatch":
        self._began = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.process_time() - self._began
