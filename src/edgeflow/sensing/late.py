"""A desk for whoever asks before the nodes are listened to, and after they are again."""

from collections.abc import Callable
from typing import Any

from edgeflow.core.sensing import (
    CalibrationStatus,
    Glance,
    ModuleChange,
    NodeSettings,
    Room,
    Row,
    SensingDesk,
    SensingSummary,
    Watch,
)
from edgeflow.core.vitals import SensingEvent, SensingNode, VitalsUpdate
from edgeflow.errors import ConfigError

__all__ = ["LateDesk"]


class LateDesk:
    """A ``SensingDesk`` that passes on what it is asked to the one that is there now.

    While there is none, it has no nodes and no news, and ``ConfigError`` answers the rest.

    Args:
        find: returns the desk, or None.
    """

    def __init__(self, find: Callable[[], SensingDesk | None]) -> None:
        self._find = find

    def _now(self) -> SensingDesk:
        desk = self._find()
        if desk is None:
            raise ConfigError(
                "nodes are not listened to yet", hint="ask again", code="EF-DEVICE-404"
            )
        return desk

    def nodes(self) -> list[SensingNode]:
        """Return every node as it is now."""
        desk = self._find()
        return desk.nodes() if desk is not None else []

    def summary(self) -> SensingSummary:
        """Return all nodes in a few numbers."""
        desk = self._find()
        empty = SensingSummary(nodes=0, live=0, present=0, rate=0.0, loss=0.0)
        return desk.summary() if desk is not None else empty

    def news(self, after: int = 0, limit: int = 500) -> list[VitalsUpdate | SensingEvent]:
        """Return the newest updates and events above ``after``, oldest first."""
        desk = self._find()
        return desk.news(after, limit) if desk is not None else []

    def subscribe(self, told: Callable[[], None]) -> Callable[[], None]:
        """Call ``told`` whenever there is news; returns what ends it."""
        return self._now().subscribe(told)

    def watch(self, name: str) -> Watch:
        """Watch the frames of a node."""
        return _LateWatch(self._find, name)

    def history(self, name: str, after: int = 0, limit: int = 300) -> list[VitalsUpdate]:
        """Return the newest updates of a node above ``after``, oldest first."""
        return self._now().history(name, after, limit)

    def glance(self, name: str) -> Glance:
        """Return a node as it is at this moment."""
        return self._now().glance(name)

    def calibration(self, name: str) -> CalibrationStatus:
        """Return how well a node knows its room."""
        return self._now().calibration(name)

    def calibrate(self, name: str) -> None:
        """Let a node learn its room anew."""
        self._now().calibrate(name)

    def stop_calibration(self, name: str) -> None:
        """Go back to what was known when the calibration began."""
        self._now().stop_calibration(name)

    def set_room(self, name: str, room: Room) -> None:
        """Take over what was learnt before, and keep it."""
        self._now().set_room(name, room)

    def settings(self, name: str) -> NodeSettings:
        """Return how the frames of a node are sensed."""
        return self._now().settings(name)

    def configure(self, name: str, settings: NodeSettings) -> None:
        """Sense the frames of a node so from now on, and keep that."""
        self._now().configure(name, settings)

    def modules(self) -> dict[str, Any]:
        """Return the WASM modules."""
        desk = self._find()
        return desk.modules() if desk is not None else {"modules": [], "loaded": 0, "max": 0}

    def load_module(self, image: bytes, node: str | None) -> int:
        """Take a signed module for one node, or for all; return its number."""
        return self._now().load_module(image, node)

    def change_module(self, number: int, change: ModuleChange) -> None:
        """Start or stop a module, or forget it."""
        self._now().change_module(number, change)

    def kept(self, name: str, since: float, until: float, limit: int) -> list[dict[str, Any]]:
        """Return the newest updates that are kept, oldest first."""
        return self._now().kept(name, since, until, limit)


class _LateWatch:
    """Watches with the desk that is there; moves on when another one comes."""

    def __init__(self, find: Callable[[], SensingDesk | None], name: str) -> None:
        self._find, self._name = find, name
        self._desk: SensingDesk | None = None
        self._watch: Watch | None = None

    def rows(self, after: int) -> list[Row]:
        desk = self._find()
        if desk is not self._desk:
            self.close()
            self._desk, after = desk, 0
            self._watch = desk.watch(self._name) if desk is not None else None
        return self._watch.rows(after) if self._watch is not None else []

    def phases(self) -> bytes:
        return self._watch.phases() if self._watch is not None else b""

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()
        self._watch = self._desk = None
