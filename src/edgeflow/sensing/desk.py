"""Where nodes are set and watched: calibrations, settings, frames, and what the store holds."""

import dataclasses
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec
import structlog

from edgeflow._native.csi import Calibration, CsiOptions, CsiProcessor
from edgeflow.core.sensing import (
    CalibrationStatus,
    Glance,
    ModuleChange,
    NodeSettings,
    Room,
    SensingSummary,
)
from edgeflow.core.vitals import SensingEvent, SensingNode, VitalsUpdate
from edgeflow.errors import ConfigError, EdgeFlowError
from edgeflow.sensing.host import SensingHost
from edgeflow.sensing.keeping import Keeper
from edgeflow.sensing.nodes import Node
from edgeflow.sensing.rooms import Rooms
from edgeflow.sensing.tracking import Own, TrackOptions
from edgeflow.sensing.watching import Watching

__all__ = ["Desk", "with_rooms"]

NEVER_BEGAN = "no calibration that was asked for runs"
Answer = TypeVar("Answer")

log = structlog.get_logger(__name__)


def with_rooms(options: TrackOptions, rooms: Rooms) -> TrackOptions:
    """Return options by which new nodes get what is kept of them.

    Raises:
        ConfigError: the core refuses what is kept.
    """
    for kept in rooms.all():
        if kept.settings is not None:
            CsiProcessor(_options(options.csi, kept.settings))

    def own(_number: int, name: str) -> Own:
        kept = rooms.of(name)
        csi = _options(options.csi, kept.settings) if kept.settings is not None else None
        return Own(csi, _calibration(kept.room) if kept.room is not None else None)

    return dataclasses.replace(options, own=own)


@dataclasses.dataclass(frozen=True, slots=True)
class _Asked:
    """A calibration that somebody began: frames until then, and what was known."""

    frames: int
    before: Room | None


class Desk:
    """A ``SensingDesk`` on a host's nodes; ends with the host.

    Args:
        host: whose nodes; made with the options of ``with_rooms``.
        rooms: what is kept of them.
        keeper: the store of their vitals, if there is one.
    """

    def __init__(self, host: SensingHost, rooms: Rooms, keeper: Keeper | None = None) -> None:
        self._host, self._rooms, self._keeper = host, rooms, keeper
        self._asked: dict[str, _Asked] = {}
        self._lock = threading.Lock()
        self.nodes: Callable[[], list[SensingNode]] = host.nodes
        self._unsubscribe = host.subscribe(self._finish)

    def history(self, name: str, after: int = 0, limit: int = 300) -> list[VitalsUpdate]:
        """Return the newest updates of a node above ``after``, oldest first."""
        return self._host.history(name, after, limit)

    def news(self, after: int = 0, limit: int = 500) -> list[VitalsUpdate | SensingEvent]:
        """Return the newest updates and events above ``after``, oldest first."""
        return self._host.news(after, limit)

    def subscribe(self, told: Callable[[], None]) -> Callable[[], None]:
        """Call ``told`` from another thread whenever there is news; returns what ends it."""
        return self._host.subscribe(told)

    def close(self) -> None:
        """Follow the host no more. Idempotent."""
        self._unsubscribe()

    def summary(self) -> SensingSummary:
        """Return all nodes in a few numbers."""
        with self._host.held() as (nodes, now):
            live = [node for node in nodes if not node.is_silent(now)]
            told = [node.tracker.latest for node in live]
            losses = [node.sequence.loss for node in live]
            return SensingSummary(
                nodes=len(nodes),
                live=len(live),
                present=sum(said is not None and said.presence for said in told),
                rate=round(sum(node.rate for node in live), 1),
                loss=round(sum(losses) / len(losses), 6) if losses else 0.0,
            )

    def watch(self, name: str) -> Watching:
        """Watch the frames of a node, also of one that is yet to come."""
        return self._host.lenses.watch(name)

    def glance(self, name: str) -> Glance:
        """Return a node as it is at this moment."""
        return self._ask(name, self._glance)

    def calibration(self, name: str) -> CalibrationStatus:
        """Return how well a node knows its room."""
        self._finish()
        return self._ask(name, self._calibration)

    def calibrate(self, name: str) -> None:
        """Let a node learn its room anew; it is kept when it is learnt."""
        before = self._ask(name, lambda node, now: (_frames(node, now), _known(node, now)))
        self._host.calibrate(name)
        with self._lock:
            known = self._asked.get(name)
            self._asked[name] = _Asked(before[0], known.before if known else before[1])

    def stop_calibration(self, name: str) -> None:
        """Go back to what was known when the calibration began."""
        self._ask(name, _known)
        with self._lock:
            asked = self._asked.pop(name, None)
        if asked is None:
            raise ConfigError(f"node {name!r}: {NEVER_BEGAN}", hint="POST begins one")
        if asked.before is not None:
            self._ask(name, partial(_put_room, room=asked.before))
        log.info("calibration_stopped", node=name)

    def set_room(self, name: str, room: Room) -> None:
        """Take over what was learnt before, and keep it."""
        self._ask(name, partial(_put_room, room=room))
        with self._lock:
            self._asked.pop(name, None)
        self._rooms.keep(name, room=room)
        log.info("calibration_set", node=name, threshold=room.threshold)

    def settings(self, name: str) -> NodeSettings:
        """Return how the frames of a node are sensed."""
        return self._ask(name, lambda node, _: _settings(node.tracker.options))

    def configure(self, name: str, settings: NodeSettings) -> None:
        """Sense the frames of a node so from now on, and keep that."""

        def put(node: Node, _: int) -> None:
            node.tracker.configure(_options(node.tracker.options, settings))

        self._ask(name, put)
        self._rooms.keep(name, settings=settings)
        log.info("node_configured", node=name, **msgspec.structs.asdict(settings))

    def modules(self) -> dict[str, Any]:
        """Return the WASM modules; room for none where there is no key that they are signed by."""
        found = self._host.modules
        return found.list() if found.takes else {"modules": [], "loaded": 0, "max": 0}

    def load_module(self, image: bytes, node: str | None) -> int:
        """Take a signed module for one node, or for all; return its number."""
        if not self._host.modules.takes:
            raise ConfigError("modules are not taken here", hint="start with --module-key FILE")
        return self._host.modules.load(image, node)

    def change_module(self, number: int, change: ModuleChange) -> None:
        """Start or stop a module, or forget it."""
        modules = self._host.modules
        {"start": modules.start, "stop": modules.stop, "delete": modules.delete}[change](number)

    def kept(self, name: str, since: float, until: float, limit: int) -> list[dict[str, Any]]:
        """Return the newest updates that the store holds, else of the last day, oldest first."""
        if self._keeper is None:
            return self._host.past(name, since, until, limit)
        return self._keeper.query(name, since, until, limit)

    def _ask(self, name: str, question: Callable[[Node, int], Answer]) -> Answer:
        with self._host.held() as (_, now):
            return question(self._host.find(name), now)

    def _glance(self, node: Node, now: int) -> Glance:
        found, processor = node.tracker.glance(now), node.tracker.processor
        said, person_bpm = found if found is not None else (None, ())
        return Glance(
            vitals=said,
            person_bpm=tuple(round(rate, 1) for rate in person_bpm),
            top=processor.top() if processor is not None else [],
            calibration=self._calibration(node, now),
        )

    def _calibration(self, node: Node, now: int) -> CalibrationStatus:
        name, processor = node.tracker.name, node.tracker.processor
        wanted = node.tracker.options.calibration_frames
        if processor is None:
            return CalibrationStatus(state="remote", frames=0, wanted=wanted)
        said, learnt = processor.vitals(now), processor.calibration
        asked = self._asked.get(name)
        taken = max(0, said.frames - asked.frames) if asked is not None else said.frames
        kept = self._rooms.of(name).room
        return CalibrationStatus(
            state="known" if said.calibrated else "learning",
            frames=learnt.frames if said.calibrated and learnt else min(taken, wanted),
            wanted=wanted,
            asked=asked is not None,
            room=_room(learnt),
            kept=said.calibrated and asked is None and kept is not None,
        )

    def _finish(self) -> None:
        """Keep what has been learnt; mostly in the receiver's thread, with nothing to do."""
        for name in list(self._asked):
            try:
                room = self._ask(name, _known)
            except ConfigError:
                room = None  # it was forgotten meanwhile
            if room is None:
                continue
            with self._lock:
                over = self._asked.pop(name, None)
            if over is not None:
                self._keep(name, room)

    def _keep(self, name: str, room: Room) -> None:
        log.info("calibration_learnt", node=name, threshold=round(room.threshold, 6))
        try:
            self._rooms.keep(name, room=room)
        except EdgeFlowError as error:
            log.error("calibration_not_kept", node=name, error=error.message)


def _frames(node: Node, now: int) -> int:
    processor = node.tracker.processor
    return processor.vitals(now).frames if processor is not None else 0


def _known(node: Node, now: int) -> Room | None:
    processor = node.tracker.processor
    if processor is None or not processor.vitals(now).calibrated:
        return None
    return _room(processor.calibration)


def _put_room(node: Node, _: int, room: Room) -> None:
    if node.tracker.processor is None:
        raise ConfigError(
            f"node {node.tracker.name!r} senses itself", hint="only rooms sensed from here are set"
        )
    node.tracker.processor.calibration = _calibration(room)


def _room(learnt: Calibration | None) -> Room | None:
    if learnt is None or learnt.threshold <= 0:
        return None
    return Room(**dataclasses.asdict(learnt))


def _calibration(room: Room) -> Calibration:
    return Calibration(room.frames, room.mean, room.deviation, room.threshold)


def _settings(options: CsiOptions) -> NodeSettings:
    names = NodeSettings.__struct_fields__
    return NodeSettings(**{name: getattr(options, name) for name in names})


def _options(base: CsiOptions, settings: NodeSettings) -> CsiOptions:
    return dataclasses.replace(base, **msgspec.structs.asdict(settings))
