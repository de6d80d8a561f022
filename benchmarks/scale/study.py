"""The study: measure, learn the costs, predict; ``python -m benchmarks scale --page FILE``."""

import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import RunError
from benchmarks.report import Options, Result
from benchmarks.scale import page
from benchmarks.scale.cameras import KINDS, VIEWERS, CameraPoint, measure_cameras
from benchmarks.scale.model import GatewayCosts, WorkerCosts, learn_gateway, learn_workers
from benchmarks.scale.workers import WAYS, WorkerPoint, frame_bytes, measure_workers
from edgeflow.sensing.evaluation_report import put

__all__ = ["run"]

COUNTS = (1, 4, 8, 16, 32, 64)
FEW = (1, 8, 64)
SPARSE_WAYS = ("two Valkeys, raw",)
SPARSE_KINDS = ("camera's JPEG", "JPEG link, decoded")
"""What is measured with few numbers of workers or cameras only."""
WINDOW_SECONDS, QUICK_SECONDS = 1.5, 0.4
IMAGES = Path("../images")
PLANNED = sum(
    len(COUNTS if name not in sparse else FEW) * times
    for names, sparse, times in (
        ([way[0] for way in WAYS], SPARSE_WAYS, 1),
        (list(KINDS), SPARSE_KINDS, len(VIEWERS)),
    )
    for name in names
)
"""Points of a whole run."""


def run(options: Options) -> list[Result]:
    """Measure, learn and predict; fills the marked parts of ``options.page``."""
    workers, cameras = _quick() if options.quick else _whole()
    if not workers or not cameras:
        raise RunError("nothing could be measured, see above")
    results = _results(workers, cameras)
    if not options.quick:
        missing = PLANNED - len(workers) - len(cameras)
        results[0].expect("points that did not work", missing, "0", not missing)
    if options.page is not None:
        for result in results:
            put("\n" + "\n".join(result.notes) + "\n", options.page, result.title)
        page.draw((options.page.parent / IMAGES).resolve(), *_all(workers, cameras))
    return results


def _quick() -> tuple[list[WorkerPoint], list[CameraPoint]]:
    ways, kinds = [way for way in WAYS if way[1] == "redis"][:1], list(KINDS)[:1]
    workers = measure_workers((4,), QUICK_SECONDS, ways)
    return workers, measure_cameras((2,), QUICK_SECONDS, kinds, (1,))


def _whole() -> tuple[list[WorkerPoint], list[CameraPoint]]:
    workers, cameras = [], []
    for count in COUNTS:
        ways = [way for way in WAYS if count in FEW or way[0] not in SPARSE_WAYS]
        workers += measure_workers((count,), WINDOW_SECONDS, ways)
    for count in COUNTS:
        kinds = [label for label in KINDS if count in FEW or label not in SPARSE_KINDS]
        cameras += measure_cameras((count,), WINDOW_SECONDS, kinds)
    return workers, cameras


def _all(
    workers: Sequence[WorkerPoint], cameras: Sequence[CameraPoint]
) -> tuple[Sequence[WorkerPoint], list[WorkerCosts], Sequence[CameraPoint], list[GatewayCosts]]:
    """Return what was measured, each with the costs learnt from it."""
    ways, kinds = (dict.fromkeys(p.label for p in points) for points in (workers, cameras))
    picture = frame_bytes("camera")
    return (
        workers,
        [learn_workers([p for p in workers if p.label == way]) for way in ways],
        cameras,
        [learn_gateway([p for p in cameras if p.label == kind], picture) for kind in kinds],
    )


def _results(workers: Sequence[WorkerPoint], cameras: Sequence[CameraPoint]) -> list[Result]:
    cores = len(os.sched_getaffinity(0))
    _, ways, _, kinds = _all(workers, cameras)
    return [
        Result("workers", notes=[page.worker_table(workers, cores)]),
        Result("cameras", notes=[page.camera_table(cameras)]),
        Result("costs", notes=[page.cost_tables(ways, kinds)]),
        Result("check", notes=[page.check_table(workers, ways, cameras, kinds, cores)]),
        Result("one host", notes=[page.one_host_table(ways)]),
        Result("own hosts", notes=[page.own_hosts_table(ways)]),
        Result("gateway", notes=[page.gateway_table(kinds)]),
        Result("advice", notes=[page.advice_table()]),
    ]
