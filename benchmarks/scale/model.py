"""How far it goes elsewhere, from what a frame costs here. Nothing in here is measured.

A frame costs processor time at each end and bytes on each wire it crosses. What is held back
first says how many frames per second there can be. Costs are learnt from up to ``LEARN_UP_TO``
workers or cameras; all beyond checks the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np

from benchmarks.scale.cameras import FPS, KINDS, PASSED_ON, CameraPoint
from benchmarks.scale.ends import SERVICE_SECONDS
from benchmarks.scale.workers import WorkerPoint

__all__ = [
    "ADVICE", "LEARN_UP_TO", "GatewayCosts", "Limit", "WorkerCosts", "errors", "first_limit",
    "gateway_limits", "learn_gateway", "learn_workers", "one_host", "own_hosts", "predicted",
]  # fmt: skip

LEARN_UP_TO = 16
LEARN_FROM = 8
ENCODING_CORES = 2
PEERS = 64

ADVICE = {
    "workers": "more replicas",
    "all cores": "workers on hosts of their own; JPEG links; shared memory within a host",
    "sender's core": "JPEG in the camera; several cameras, each a process of its own",
    "server's core": "JPEG links; `via=\"tcp\"` where frames may be lost; zenoh; a server per flow",
    "server's wire": "JPEG links; `via=\"tcp\"` or zenoh, which cross the wire once; dual Redis on "
    "a wire of its own",
    "sender's wire": "JPEG links",
    "gateway's lock": "several gateways, each with some of the cameras",
    "gateway's encoding": "JPEG links; viewers with `?fps=`; several gateways",
    "gateway's cores": "JPEG links that are only shown; several gateways on hosts of their own",
    "gateway's wire, in": "JPEG links; several gateways",
    "gateway's wire, out": "viewers with `?fps=` and `?width=`; several gateways",
    "connections": "several gateways, or several cameras in one process, which share a connection",
}  # fmt: skip
"""What to do, by what is held back first."""


@dataclass(frozen=True)
class Limit:
    """Frames per second, and what does not allow more."""

    fps: float
    by: str


def first_limit(limits: Mapping[str, float]) -> Limit:
    """Return the least of some limits."""
    by = min(limits, key=lambda name: limits[name])
    return Limit(limits[by], by)


@dataclass(frozen=True)
class WorkerCosts:
    """What a frame costs on one way, in ms of processor time and bytes.

    Attributes:
        control_ms: of the server without payloads, where there are two.
        servers: processes between the ends; a frame crosses their wire once in, once out.
    """

    label: str
    sender_ms: float
    control_ms: float
    broker_ms: float
    worker_ms: float
    size: float
    servers: int

    @property
    def total_ms(self) -> float:
        """All ends together."""
        return self.sender_ms + self.control_ms + self.broker_ms + self.worker_ms


def learn_workers(points: Sequence[WorkerPoint]) -> WorkerCosts:
    """Return the mean costs of the points of one way with 8 to ``LEARN_UP_TO`` replicas."""
    used = [p for p in points if LEARN_FROM <= p.replicas <= LEARN_UP_TO] or list(points)
    return WorkerCosts(
        label=used[0].label,
        sender_ms=mean(p.sender_ms for p in used),
        control_ms=mean(p.control_ms for p in used),
        broker_ms=mean(p.broker_ms for p in used),
        worker_ms=mean(p.worker_ms for p in used),
        size=mean(p.size for p in used),
        servers=used[0].servers,
    )


def _ends(costs: WorkerCosts, replicas: int) -> dict[str, float]:
    """Return the limits that hold wherever the ends are."""
    limits = {"workers": replicas / (SERVICE_SECONDS + costs.worker_ms / 1000)}
    if costs.sender_ms > 0:
        limits["sender's core"] = 1000 / costs.sender_ms
    busiest = max(costs.control_ms, costs.broker_ms)
    if busiest > 0:
        limits["server's core"] = 1000 / busiest
    return limits


def one_host(costs: WorkerCosts, replicas: int, cores: float) -> Limit:
    """Return the limit when all ends share the cores of one host."""
    return first_limit(_ends(costs, replicas) | {"all cores": cores * 1000 / costs.total_ms})


def own_hosts(costs: WorkerCosts, replicas: int, gbit: float) -> Limit:
    """Return the limit when sender, server and workers have hosts of their own on one network."""
    wire = gbit * 1e9 / 8 / costs.size
    return first_limit(
        _ends(costs, replicas) | {"server's wire" if costs.servers else "sender's wire": wire}
    )


@dataclass(frozen=True)
class GatewayCosts:
    """What cameras cost a gateway, in ms of processor time and bytes.

    Attributes:
        camera_ms: at the camera, per frame.
        arrive_ms: at the gateway, per frame that arrives.
        encode_ms: there, per frame that somebody looks at.
        deliver_ms: there, per picture that a viewer gets.
        viewer_ms: at the viewer, per picture.
        size, picture: bytes of a frame and of a picture.
    """

    label: str
    camera_ms: float
    arrive_ms: float
    encode_ms: float
    deliver_ms: float
    viewer_ms: float
    size: float
    picture: float


def learn_gateway(points: Sequence[CameraPoint], picture: float) -> GatewayCosts:
    """Return the costs that explain best what the gateway used with few cameras.

    Args:
        points: of one kind of frames.
        picture: bytes of a picture that a viewer gets.
    """
    used = [p for p in points if p.cameras <= LEARN_UP_TO] or list(points)
    rows = np.array([[p.fps, _looked_at(p), p.seen] for p in used])
    busy = np.array([p.gateway_cores * 1000 for p in used])
    if KINDS.get(used[0].label) in PASSED_ON:
        rows[:, 1] = 0.0  # nothing is encoded
    arrive, encode, deliver = _solved(rows, busy)
    return GatewayCosts(
        label=used[0].label,
        camera_ms=mean(p.camera_ms for p in used),
        arrive_ms=arrive,
        encode_ms=encode,
        deliver_ms=deliver,
        viewer_ms=mean(p.viewer_ms for p in used),
        size=mean(p.size for p in used),
        picture=picture,
    )


def _looked_at(point: CameraPoint) -> float:
    """Return the frames per second that the gateway encodes or passes on."""
    return point.fps * point.watched / point.cameras


def _solved(rows: "np.ndarray[tuple[int, int], np.dtype[np.float64]]",
            busy: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> list[float]:  # fmt: skip
    """Return least squares without negative costs: what would be negative is left out."""
    kept = list(range(rows.shape[1]))
    found = [0.0] * rows.shape[1]
    while kept:
        solved = np.linalg.lstsq(rows[:, kept], busy, rcond=None)[0]
        if (solved >= 0).all():
            for index, cost in zip(kept, solved, strict=True):
                found[index] = float(cost)
            break
        kept.pop(int(np.argmin(solved)))
    return found


def _needs(costs: GatewayCosts, cameras: int, viewers: int, fps: float) -> dict[str, float]:
    """Return cores by part of all that runs, when every camera gives ``fps``."""
    looked, seen = min(cameras, viewers) * fps / 1000, viewers * fps / 1000
    return {
        "cameras": cameras * fps / 1000 * costs.camera_ms,
        "arriving": cameras * fps / 1000 * costs.arrive_ms,
        "encoding": looked * costs.encode_ms,
        "delivering": seen * costs.deliver_ms,
        "viewers": seen * costs.viewer_ms,
    }


def predicted(costs: GatewayCosts, cameras: int, viewers: int, cores: float) -> tuple[float, float]:
    """Return frames per second of all cameras, and cores of the gateway, all on one host."""
    need = _needs(costs, cameras, viewers, FPS)
    alone = need["arriving"] + need["encoding"] + need["delivering"]
    share = min(1.0, cores / max(sum(need.values()), 1e-9), 1 / max(_locked(need), 1e-9))
    return cameras * FPS * share, alone * share


def _locked(need: Mapping[str, float]) -> float:
    return need["arriving"] + need["delivering"]


def gateway_limits(
    costs: GatewayCosts, viewers: int | None, cores: float, gbit: float
) -> tuple[int, str]:
    """Return how many cameras at 10 fps a gateway takes on a host of its own, and what ends that.

    Args:
        viewers: None for one of each camera.
        cores: of the gateway's host.
        gbit: its wire.
    """
    wire, count, by = gbit * 1e9 / 8, 0, ""
    while not by:
        count += 1
        watching = count if viewers is None else viewers
        need = _needs(costs, count, watching, FPS)
        used = {
            "gateway's lock": _locked(need),
            "gateway's encoding": need["encoding"] / ENCODING_CORES,
            "gateway's cores": (_locked(need) + need["encoding"]) / cores,
            "gateway's wire, in": count * FPS * costs.size / wire,
            "gateway's wire, out": watching * FPS * costs.picture / wire,
            "connections": count / PEERS,
        }
        worst = max(used, key=lambda name: used[name])
        if used[worst] > 1:
            by = worst
    return count - 1, by


def errors(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return median and largest relative error of (predicted, measured)."""
    found = sorted(abs(said / seen - 1) for said, seen in pairs if seen > 0)
    return (float(np.median(found)), found[-1]) if found else (float("nan"), float("nan"))
