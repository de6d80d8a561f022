"""1 to 64 cameras at 10 fps into one gateway node over TCP, with viewers of their videos."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import psutil

from benchmarks.contenders import ROOT
from benchmarks.harness import RunError
from benchmarks.machine import free_port
from benchmarks.scale.ends import KIND
from benchmarks.scale.run import Run, Window, running
from benchmarks.scale.workers import SHAPE, frame_bytes
from benchmarks.server import Server
from benchmarks.stamps import Setup
from benchmarks.viewers import FIRST_COUNTER

__all__ = ["FPS", "KINDS", "PASSED_ON", "VIEWERS", "CameraPoint", "measure_cameras"]

FPS = 10.0
VIEWERS = (1, 8)
KINDS = {
    "raw": "raw",
    "JPEG link": "jpeg",
    "camera's JPEG": "camera",
    "JPEG link, decoded": "decoded",
}
"""Kind of frames by label; of ``decoded`` the gateway wants arrays and encodes them for viewers."""
PASSED_ON = ("jpeg", "camera")
"""Kinds of which viewers get what the camera sent."""
WARM = 5
PATIENCE_SECONDS = 12.0


@dataclass(frozen=True)
class CameraPoint:
    """One number of cameras behind one gateway.

    Attributes:
        label: what the cameras send.
        cameras, viewers: how many; viewers are spread over the cameras.
        fps: frames per second, of all cameras, that the gateway node saw.
        seen: pictures per second that all viewers got.
        camera_ms, gateway_ms: processor time of each end per frame that arrived.
        viewer_ms: of all viewers per picture that they got.
        gateway_cores: cores that the gateway's process used.
        cores: busy with all of it, viewers included; others: with something else meanwhile.
        memory: resident bytes of the gateway.
        size: bytes of a frame on its way.
    """

    label: str
    cameras: int
    viewers: int
    fps: float
    seen: float
    camera_ms: float
    gateway_ms: float
    viewer_ms: float
    gateway_cores: float
    cores: float
    others: float
    memory: int
    size: int

    @property
    def wanted(self) -> float:
        """Frames per second that the cameras make."""
        return self.cameras * FPS

    @property
    def watched(self) -> int:
        """Cameras that somebody looks at."""
        return min(self.cameras, self.viewers)


def measure_one(label: str, cameras: int, viewers: int, seconds: float, broker: str) -> CameraPoint:
    """Measure one number of cameras and viewers; ``broker`` is the address of a Redis server.

    Raises:
        RunError: it did not work.
    """
    kind, page, port = KINDS[label], f"127.0.0.1:{free_port()}", free_port()
    setup = Setup("", SHAPE, FPS, receivers=cameras, url=f"{page} {broker}")
    with running(setup) as run:
        run.environment |= {"GATEWAY_TCP_PORT": str(port), KIND: kind}
        flow = str(ROOT / "benchmarks" / "scale" / "gateway.py")
        gateway = run.start("gateway", flow, "--node", "gateway")
        run.setup = replace(run.setup, url=f"127.0.0.1:{port}")
        run.start_members("cameras", "tcp", kind, cameras)
        run.setup = replace(run.setup, url=page)
        topics = [f"camera{viewer % cameras}" for viewer in range(viewers)]
        run.start("viewers", "-m", "benchmarks.viewers", *topics)
        seen = range(FIRST_COUNTER, FIRST_COUNTER + viewers)
        counters = [*range(cameras), *seen]
        _await_warm(run, counters, f"{label}, {cameras} cameras, {viewers} viewers")
        window = run.window(seconds, counters)
        memory = psutil.Process(gateway).memory_info().rss
    return _point(label, cameras, viewers, window, memory)


def _await_warm(run: Run, counters: Sequence[int], what: str) -> None:
    """Wait until all cameras and viewers have some pictures; where too much is asked, any have."""
    begun = time.monotonic()

    def ready() -> bool:
        counts = [run.control.counted(index) for index in counters]
        patient = time.monotonic() - begun < PATIENCE_SECONDS
        return min(counts) >= WARM or (not patient and sum(counts) > 0)

    run.wait(ready, what)


def _point(label: str, cameras: int, viewers: int, window: Window, memory: int) -> CameraPoint:
    arrived = max(1, sum(window.counts[:cameras]))
    return CameraPoint(
        label=label,
        cameras=cameras,
        viewers=viewers,
        fps=arrived / window.seconds,
        seen=sum(window.counts[cameras:]) / window.seconds,
        camera_ms=window.busy_ms["cameras"] / arrived,
        gateway_ms=window.busy_ms["gateway"] / arrived,
        viewer_ms=window.busy_ms["viewers"] / max(1, sum(window.counts[cameras:])),
        gateway_cores=window.busy_ms["gateway"] / 1000 / window.seconds,
        cores=window.cores,
        others=window.others,
        memory=memory,
        size=frame_bytes(KINDS[label]),
    )


def measure_cameras(
    cameras: Sequence[int],
    seconds: float,
    labels: Sequence[str] = tuple(KINDS),
    viewers: Sequence[int] = VIEWERS,
) -> list[CameraPoint]:
    """Measure every kind of frames with every number of cameras and viewers, in turn.

    A point that does not work is told on stderr and left out.
    """
    points = []
    with Server() as server:
        for count in cameras:
            for watching in viewers:
                for label in labels:
                    sys.stderr.write(f"scale: {label}, {count} cameras, {watching} viewers\n")
                    try:
                        points.append(measure_one(label, count, watching, seconds, server.url))
                    except RunError as error:
                        sys.stderr.write(f"{error}\n")
    return points
