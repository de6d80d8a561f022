"""One camera, DURABLE, and 1 to 64 replicas that take 40 ms a frame without using the processor."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.harness import RunError
from benchmarks.machine import free_port
from benchmarks.scale.ends import CODECS, SERVICE_SECONDS, frame_of, pictures_of
from benchmarks.scale.run import Window, running
from benchmarks.server import Server
from benchmarks.stamps import Setup
from edgeflow.protocols.frames import encode

__all__ = ["CAPACITY", "SHAPE", "WAYS", "WorkerPoint", "frame_bytes", "measure_workers"]

SHAPE = (480, 640, 3)
CAPACITY = 128
WAYS = (
    ("Valkey, raw", "redis", "raw"),
    ("Valkey, JPEG link", "redis", "jpeg"),
    ("two Valkeys, raw", "dual", "raw"),
    ("zenoh, raw", "zenoh", "raw"),
    ("shm ring, raw", "shm", "raw"),
)
"""Label, plane and kind of frames."""


@dataclass(frozen=True)
class WorkerPoint:
    """One number of replicas behind one broker.

    Attributes:
        label: the way frames go, through ``servers`` processes of a broker.
        replicas: workers.
        fps: frames per second that were done.
        sender_ms, broker_ms, worker_ms: processor time of each end per frame done.
        control_ms: of the second server, the one without payloads.
        cores: busy with this run; others: busy with something else meanwhile.
        size: bytes of a frame on its way.
    """

    label: str
    replicas: int
    fps: float
    sender_ms: float
    control_ms: float
    broker_ms: float
    worker_ms: float
    cores: float
    others: float
    size: int
    servers: int

    @property
    def wanted(self) -> float:
        """Frames per second that so many replicas could do at most."""
        return self.replicas / SERVICE_SECONDS


def frame_bytes(kind: str) -> int:
    """Return the bytes of a frame of a kind on its way."""
    frame = frame_of(pictures_of(kind, SHAPE)[0], "frames", 0, 0)
    header, payload = encode(frame, CODECS[kind])
    return len(header) + len(payload)


@contextlib.contextmanager
def _place(plane: str) -> Iterator[tuple[str, list[int]]]:
    """Yield the address of a plane and the processes of its servers."""
    with contextlib.ExitStack() as stack:
        count = {"redis": 1, "dual": 2}.get(plane, 0)
        servers = [stack.enter_context(Server()) for _ in range(count)]
        address = " ".join(server.url for server in servers) or f"127.0.0.1:{free_port()}"
        yield address, [server.pid for server in servers]


def measure_one(way: tuple[str, str, str], replicas: int, seconds: float) -> WorkerPoint:
    """Measure one number of replicas.

    Raises:
        RunError: it did not work.
    """
    label, plane, kind = way
    with _place(plane) as (url, servers):
        setup = Setup("", SHAPE, None, capacity=CAPACITY, url=url)
        with running(setup, {"control": servers[:-1], "broker": servers[-1:]}) as run:
            run.start("sender", "-m", "benchmarks.scale.ends", "sender", plane, kind, "0", "1")
            run.start_members("workers", plane, kind, replicas)
            counters = range(replicas)
            run.wait(
                lambda: all(run.control.counted(index) >= 2 for index in counters),
                f"{label}, {replicas} replicas",
            )
            window = run.window(seconds, counters)
    return _point(label, replicas, window, frame_bytes(kind), len(servers))


def _point(label: str, replicas: int, window: Window, size: int, servers: int) -> WorkerPoint:
    done = max(1, sum(window.counts))
    return WorkerPoint(
        label=label,
        replicas=replicas,
        fps=done / window.seconds,
        sender_ms=window.busy_ms["sender"] / done,
        control_ms=window.busy_ms["control"] / done,
        broker_ms=window.busy_ms["broker"] / done,
        worker_ms=window.busy_ms["workers"] / done,
        cores=window.cores,
        others=window.others,
        size=size,
        servers=servers,
    )


def measure_workers(
    replicas: Sequence[int], seconds: float, ways: Sequence[tuple[str, str, str]] = WAYS
) -> list[WorkerPoint]:
    """Measure every way with every number of replicas, the ways taking turns.

    A point that does not work is told on stderr and left out.
    """
    points = []
    for count in replicas:
        for way in ways:
            sys.stderr.write(f"scale: {way[0]}, {count} workers\n")
            try:
                points.append(measure_one(way, count, seconds))
            except RunError as error:
                sys.stderr.write(f"{error}\n")
    return points
