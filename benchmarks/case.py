"""What one run does, and how it is told to the processes that take part in it."""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

VGA = (480, 640, 3)
HD = (1080, 1920, 3)
WARM_UP_SECONDS = 0.4
END = 2**64 - 1
_STAMP = 16


@dataclass(frozen=True)
class Case:
    """One setting of one run.

    Attributes:
        shape: of the uint8 frames.
        in_place: the producer writes into the transport's own memory instead of handing over a
            buffer of its own that is copied once.
        fps: frames per second, None for as fast as the transport accepts them.
        seconds: how long the producer sends after its first frame.
        consumers: processes that each receive every frame.
        options: what only some contenders know.
    """

    shape: tuple[int, ...] = HD
    in_place: bool = False
    fps: float | None = None
    seconds: float = 1.0
    consumers: int = 1
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def size(self) -> int:
        """Bytes of a frame."""
        return int(np.prod(self.shape))

    def option(self, name: str, default: Any = None) -> Any:
        """Return one of the options."""
        return dict(self.options).get(name, default)

    def to_environment(self, folder: Path) -> dict[str, str]:
        """Return the variables that carry the case to its processes."""
        return {"BENCH_CASE": json.dumps(asdict(self)), "BENCH_FOLDER": str(folder)}


def case_from_environment() -> tuple[Case, Path]:
    """Return the case and the folder of the run this process belongs to."""
    fields = json.loads(os.environ["BENCH_CASE"])
    fields["shape"] = tuple(fields["shape"])
    fields["options"] = tuple((name, value) for name, value in fields["options"])
    return Case(**fields), Path(os.environ["BENCH_FOLDER"])


def stamp(frame: np.ndarray, sequence: int) -> None:
    """Write sequence (head and tail) and the time of sending into a flat uint8 array."""
    frame[:8].view(np.uint64)[0] = sequence
    frame[-8:].view(np.uint64)[0] = sequence
    frame[8:_STAMP].view(np.uint64)[0] = time.monotonic_ns()


class Meter:
    """What a consumer counts: arrivals, delays, torn, missing and disordered frames."""

    def __init__(self, case: Case, folder: Path, index: int) -> None:
        self._keep_delays = case.fps is not None
        self._folder = folder
        self._index = index
        self._first: int | None = None
        self._last = 0
        self._highest = -1
        self.delays: list[int] = []
        self.received = self.torn = self.missing = self.disordered = 0

    def take(self, frame: np.ndarray) -> bool:
        """Count a flat uint8 array; return False when it is the end mark."""
        now = time.monotonic_ns()
        head = int(frame[:8].view(np.uint64)[0])
        if head == END:
            return False
        if int(frame[-8:].view(np.uint64)[0]) != head:
            self.torn += 1
        if self._first is None:
            self._first = now
            (self._folder / f"first-{self._index}").touch()
        self._last = now
        self.received += 1
        if head > self._highest:
            self.missing += head - self._highest - 1
            self._highest = head
        else:
            self.disordered += 1
        if self._keep_delays and now - self._first > WARM_UP_SECONDS * 1e9:
            self.delays.append(now - int(frame[8:_STAMP].view(np.uint64)[0]))
        return True

    def save(self) -> None:
        """Leave the result where the harness looks for it."""
        span = (self._last - (self._first or 0)) / 1e9
        result = {
            "received": self.received,
            "torn": self.torn,
            "missing": self.missing,
            "disordered": self.disordered,
            "rate": (self.received - 1) / span if span > 0 else 0.0,
            "delays": self.delays,
        }
        part = self._folder / f"part-{self._index}"
        part.write_text(json.dumps(result))
        part.rename(self._folder / f"result-{self._index}.json")
