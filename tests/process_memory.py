"""Memory of processes over time, and whether it stays what it is."""

import contextlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

__all__ = ["Memory", "Trend"]

FLAT = 0.05
SLACK = 8e6


@dataclass(frozen=True)
class Trend:
    """Of a process after its warm-up; bytes that are its own, and seconds."""

    name: str
    seconds: float
    first: float
    last: float
    slope: float

    @property
    def is_flat(self) -> bool:
        """The fitted line rises by less than 5 % of the mean, or 8 MB, from end to end."""
        mean = (self.first + self.last) / 2
        return self.slope * self.seconds <= max(FLAT * mean, SLACK)

    @property
    def row(self) -> list[str]:
        """Of a table: process, minutes, MB before and after, MB an hour."""
        return [
            self.name,
            f"{self.seconds / 60:.0f}",
            f"{self.first / 1e6:.1f}",
            f"{self.last / 1e6:.1f}",
            f"{self.slope * 3600 / 1e6:+.1f}",
        ]


class Memory(threading.Thread):
    """Looks at processes (unique set size) again and again until it is told to end.

    Args:
        pids: of processes by name. interval: seconds. log: file of what was seen, if any.
    """

    def __init__(
        self, pids: Mapping[str, int], interval: float = 5.0, log: Path | None = None
    ) -> None:
        super().__init__(name="memory", daemon=True)
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._interval, self._log = interval, log
        self._over = threading.Event()
        self._seen: dict[str, list[tuple[float, float]]] = {name: [] for name in pids}
        self._began = time.monotonic()

    def __enter__(self) -> "Memory":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join(60)

    def run(self) -> None:
        while not self._over.wait(self._interval):
            for name, process in self._processes.items():
                with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    self._note(name, process.memory_full_info().uss)

    def _note(self, name: str, size: float) -> None:
        at = time.monotonic() - self._began
        self._seen[name].append((at, size))
        if self._log is not None:
            with self._log.open("a") as file:
                file.write(f"{at:.0f} {name} {size / 1e6:.2f}\n")

    def trends(self, warm_up: float) -> list[Trend]:
        """What was seen after so many seconds."""
        found = []
        for name, samples in self._seen.items():
            later = np.array([each for each in samples if each[0] >= warm_up]).reshape(-1, 2)
            if len(later) < 4:
                continue
            quarter = max(1, len(later) // 4)
            slope = float(np.polyfit(later[:, 0], later[:, 1], 1)[0])
            first, last = (
                float(np.median(part[:, 1])) for part in (later[:quarter], later[-quarter:])
            )
            found.append(Trend(name, float(later[-1, 0] - later[0, 0]), first, last, slope))
        return found
