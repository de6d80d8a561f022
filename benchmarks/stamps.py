"""Stamps on frames, what receivers record, and the page through which a run is controlled."""

import json
import mmap
import os
import struct
import time
from array import array
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "SETUP_VARIABLE",
    "Control",
    "Record",
    "Recorder",
    "Setup",
    "blank",
    "read_stamp",
    "stamp",
]

SETUP_VARIABLE = "EDGEFLOW_BENCH"

_HEAD = struct.Struct("<qq")
_TAIL = struct.Struct("<q")
_COUNT = struct.Struct("<q")
_COUNTS_AT = 64
_PAGE = 4096


@dataclass(frozen=True)
class Setup:
    """One run of one contender.

    Attributes:
        folder: private folder of the run.
        shape: of the frames, uint8.
        fps: frames sent per second; None for as fast as they are taken.
        in_place: the sender writes into the transport's memory instead of copying into it.
        capacity: frames that may be on their way to one receiver.
        receivers: how many receive every frame.
        qos: QoS of EdgeFlow's links.
        url: of a server, where one is needed.
        sample: every so-manieth frame is stamped and noted, where doing so for each would be most
            of the work; a lost frame shows all the same, as what is noted then has no stamp.
        index: which receiver this process is.
    """

    folder: str
    shape: tuple[int, ...]
    fps: float | None
    in_place: bool = False
    capacity: int = 8
    receivers: int = 1
    qos: str = "durable"
    url: str = ""
    sample: int = 1
    index: int = 0

    @property
    def size(self) -> int:
        """Bytes of a frame."""
        return int(np.prod(self.shape))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Setup":
        fields = json.loads(text)
        return cls(**{**fields, "shape": tuple(fields["shape"])})

    @classmethod
    def from_environment(cls) -> "Setup":
        return cls.from_json(os.environ[SETUP_VARIABLE])


def blank(shape: tuple[int, ...]) -> "np.ndarray[Any, Any]":
    """Return a frame whose pages are in memory."""
    return np.full(shape, 7, np.uint8)


def stamp(frame: Any, size: int, sequence: int) -> None:
    """Write the sequence at both ends of a frame, and the time at which it was complete."""
    _TAIL.pack_into(frame, size - _TAIL.size, sequence)
    _HEAD.pack_into(frame, 0, sequence, time.monotonic_ns())


def read_stamp(frame: Any, size: int) -> tuple[int, int, bool]:
    """Return sequence, time of sending, and whether the two ends belong together."""
    sequence, sent = _HEAD.unpack_from(frame, 0)
    return sequence, sent, _TAIL.unpack_from(frame, size - _TAIL.size)[0] == sequence


class Control:
    """A page that all processes of a run share: byte 0 says stop, then a counter per receiver."""

    def __init__(self, folder: str | Path) -> None:
        path = Path(folder) / "control"
        if not path.exists():
            path.write_bytes(bytes(_PAGE))
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), _PAGE)

    @property
    def stopped(self) -> bool:
        return self._page[0] != 0

    def stop(self) -> None:
        self._page[0] = 1

    def count(self, index: int, frames: int) -> None:
        _COUNT.pack_into(self._page, _COUNTS_AT + 8 * index, frames)

    def counted(self, index: int) -> int:
        return int(_COUNT.unpack_from(self._page, _COUNTS_AT + 8 * index)[0])

    def close(self) -> None:
        self._page.close()


class Recorder:
    """Notes when each frame was sent and seen. One per receiver."""

    def __init__(self, setup: Setup, index: int) -> None:
        self._control = Control(setup.folder)
        self._path = Path(setup.folder) / f"record-{index}.npz"
        self._index = index
        self._size = setup.size
        self._sample = setup.sample
        self._sent, self._seen, self._sequences = array("q"), array("q"), array("q")
        self._torn = 0
        self._count = 0

    @property
    def stopped(self) -> bool:
        return self._control.stopped

    def saw(self, frame: Any) -> None:
        """Note a frame whose array is there."""
        self._count += 1
        if self._count % self._sample:
            return
        now = time.monotonic_ns()
        sequence, sent, whole = read_stamp(frame, self._size)
        self._torn += not whole
        self.note(sequence, sent, now)

    def note(self, sequence: int, sent: int, seen: int) -> None:
        """Note a frame; ``sent`` is 0 where it is not known."""
        self._sent.append(sent)
        self._seen.append(seen)
        self._sequences.append(sequence)
        self._control.count(self._index, len(self._seen))

    def save(self) -> None:
        """Leave what was noted for the harness."""
        partial = self._path.with_suffix(".partial.npz")
        with partial.open("wb") as file:
            np.savez(
                file,
                sent=np.array(self._sent),
                seen=np.array(self._seen),
                sequence=np.array(self._sequences),
                torn=np.array([self._torn]),
            )
        partial.rename(self._path)


class Record:
    """What one receiver has noted.

    Attributes:
        sent, seen: CLOCK_MONOTONIC in ns per frame; ``sent`` is 0 where it is not known.
        sequence: number per frame.
        torn: frames whose ends did not belong together.
    """

    def __init__(self, folder: str | Path, index: int) -> None:
        with np.load(Path(folder) / f"record-{index}.npz") as file:
            self.sent, self.seen = file["sent"], file["seen"]
            self.sequence = file["sequence"]
            self.torn = int(file["torn"][0])

    def within(self, begin_ns: int, end_ns: int) -> "np.ndarray[Any, Any]":
        """Return which frames were seen in a span of time."""
        return (self.seen >= begin_ns) & (self.seen < end_ns)
