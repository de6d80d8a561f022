"""Samples of what the processes of the soak hold, and what must not grow."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

__all__ = ["Holding", "Watch"]

FLAT = 0.05


@dataclass(frozen=True)
class Holding:
    """What one process holds at one moment. ``memory`` is its resident set in bytes."""

    memory: int
    threads: int
    descriptors: int
    segments: int


def _holding(process: psutil.Process) -> Holding:
    targets = []
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            targets.append(str(descriptor.readlink()))
    return Holding(
        memory=process.memory_info().rss,
        threads=process.num_threads(),
        descriptors=len(targets),
        segments=sum(target.startswith("/memfd:") for target in targets),
    )


def _name(process: psutil.Process) -> str:
    words = process.cmdline()
    return words[words.index("--node") + 1] if "--node" in words else "supervisor"


@dataclass
class Watch:
    """The samples of a supervisor and its nodes, by name."""

    root: int
    samples: dict[str, list[Holding]] = field(default_factory=dict)

    def pids(self) -> dict[str, int]:
        """Return the process of each node that lives now."""
        found = {}
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.root).children():
                with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                    found[_name(child)] = child.pid
        return found

    def sample(self) -> None:
        """Look at every process once."""
        for name, pid in {"supervisor": self.root, **self.pids()}.items():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess, OSError):
                self.samples.setdefault(name, []).append(_holding(psutil.Process(pid)))

    def forget(self) -> None:
        """Begin anew: what was before does not count."""
        self.samples.clear()

    def complaints(self) -> list[str]:
        """Compare the first with the last quarter of the samples of each process.

        Medians: a file that is open at the moment of a sample is no leak.
        """
        found = []
        for name, samples in self.samples.items():
            quarter = max(1, len(samples) // 4)
            first, last = samples[:quarter], samples[-quarter:]
            before = median(sample.memory for sample in first)
            after = median(sample.memory for sample in last)
            if abs(after / before - 1) > FLAT:
                found.append(f"{name}: memory went from {before:.0f} to {after:.0f} bytes")
            for what in ("threads", "descriptors", "segments"):
                had, has = (median(getattr(s, what) for s in part) for part in (first, last))
                if has > had:
                    found.append(f"{name}: {what} went from {had} to {has}")
        return found

    def table(self) -> list[str]:
        """Return a line per process: first and last quarter."""
        rows = []
        for name, samples in self.samples.items():
            quarter = max(1, len(samples) // 4)
            sides = []
            for part in (samples[:quarter], samples[-quarter:]):
                sides.append(
                    f"{median(s.memory for s in part) / 1e6:7.1f} MB "
                    f"{median(s.threads for s in part):3.0f} threads "
                    f"{median(s.descriptors for s in part):3.0f} descriptors "
                    f"{median(s.segments for s in part):2.0f} segments"
                )
            rows.append(f"{name:10s} {sides[0]}  ->  {sides[1]}")
        return rows
