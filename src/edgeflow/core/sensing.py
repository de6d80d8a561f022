"""What can be set on nodes that sense, and how one of them is watched frame by frame."""

from typing import Annotated, Any, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from edgeflow.core.vitals import SensingView, VitalsUpdate

__all__ = [
    "CalibrationStatus",
    "Glance",
    "ModuleChange",
    "NodeSettings",
    "Room",
    "Row",
    "SensingDesk",
    "SensingSummary",
    "Watch",
]

ModuleChange = Literal["start", "stop", "delete"]
Finite = Annotated[float, Meta(ge=0, lt=1e6)]


class Room(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What was learnt of an empty room: from how many frames, mean and deviation of the score."""

    frames: Annotated[int, Meta(gt=0, lt=2**32)]
    mean: Finite
    deviation: Finite
    threshold: Annotated[float, Meta(gt=0, lt=1e6)]


class CalibrationStatus(msgspec.Struct, kw_only=True, frozen=True):
    """How well a node knows its empty room.

    Attributes:
        state: ``learning``, ``known``, or ``remote`` for a node that senses itself.
        frames: taken so far, of ``wanted``, while it learns.
        asked: somebody started it; without that a node learns from its first frames.
        room: what is known so far.
        kept: the room is in the file that a restart reads.
    """

    state: Literal["learning", "known", "remote"]
    frames: int
    wanted: int
    asked: bool = False
    room: Room | None = None
    kept: bool = False


class NodeSettings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How the host senses from the frames of a node.

    Attributes:
        tier: 1 for motion and presence, 2 for rates, too.
        top_subcarriers: the best so many subcarriers are used for rates.
        calibration_frames: frames that a room is learnt from.
        presence_threshold: of the motion score; 0 takes that of the calibration.
        presence_sigma: deviations above the mean that the calibration's threshold lies.
        fall_threshold: rad/s^2.
    """

    tier: Annotated[int, Meta(ge=1, le=2)] = 2
    top_subcarriers: Annotated[int, Meta(ge=1, le=32)] = 8
    calibration_frames: Annotated[int, Meta(ge=100, le=65535)] = 1200
    presence_threshold: Annotated[float, Meta(ge=0, le=100)] = 0.0
    presence_sigma: Annotated[float, Meta(ge=0.5, le=20)] = 3.0
    fall_threshold: Annotated[float, Meta(ge=0.1, le=100)] = 50.0


class Glance(msgspec.Struct, kw_only=True, frozen=True):
    """A node at this moment, between two updates.

    Attributes:
        vitals: as an update has them; None before the node said anything.
        person_bpm: breaths per minute of each person whose breath is known.
        top: subcarriers that rates are read from, best first.
        calibration: what is known of the empty room.
    """

    vitals: VitalsUpdate | None
    person_bpm: tuple[float, ...]
    top: list[int]
    calibration: CalibrationStatus


class SensingSummary(msgspec.Struct, kw_only=True, frozen=True):
    """All nodes in a few numbers.

    Attributes:
        nodes: how many; ``live``: heard of late; ``present``: with somebody there.
        rate: frames/s of all; ``loss``: mean of the live ones, 0 to 1.
    """

    nodes: int
    live: int
    present: int
    rate: float
    loss: float


class Row(NamedTuple):
    """The mean amplitudes of 50 ms.

    Attributes:
        number: grows by one per row of its node.
        time_us: the monotonic begin of those 50 ms.
        levels: a byte per subcarrier: hundredths of the frame's mean amplitude, at most 255;
            0 where a subcarrier carries nothing.
    """

    number: int
    time_us: int
    levels: bytes


class Watch(Protocol):
    """Watches the frames of one node until closed; a context manager."""

    def rows(self, after: int) -> list[Row]:
        """Return the rows above a number that are still held, oldest first."""
        ...

    def phases(self) -> bytes:
        """Return the corrected phases of the newest frame: i16 little-endian, milliradians."""
        ...

    def close(self) -> None:
        """Watch no more. Idempotent."""
        ...


class SensingDesk(SensingView, Protocol):
    """A ``SensingView`` of which nodes can be set and watched. Every call returns at once."""

    def summary(self) -> SensingSummary:
        """Return all nodes in a few numbers."""
        ...

    def watch(self, name: str) -> Watch:
        """Watch the frames of a node, also of one that is yet to come."""
        ...

    def glance(self, name: str) -> Glance:
        """Return a node as it is at this moment.

        Raises:
            ConfigError: no such node.
        """
        ...

    def calibration(self, name: str) -> CalibrationStatus:
        """Return how well a node knows its room.

        Raises:
            ConfigError: no such node.
        """
        ...

    def set_room(self, name: str, room: Room) -> None:
        """Take over what was learnt before, and keep it.

        Raises:
            ConfigError: no such node, or its frames are not seen.
            StoreError: it cannot be kept.
        """
        ...

    def stop_calibration(self, name: str) -> None:
        """Go back to what was known when the calibration began.

        Raises:
            ConfigError: no such node, or no calibration that was asked for runs.
        """
        ...

    def settings(self, name: str) -> NodeSettings:
        """Return how the frames of a node are sensed.

        Raises:
            ConfigError: no such node.
        """
        ...

    def configure(self, name: str, settings: NodeSettings) -> None:
        """Sense the frames of a node so from now on, and keep that.

        Raises:
            ConfigError: no such node, or the core refuses.
            StoreError: it cannot be kept.
        """
        ...

    def modules(self) -> dict[str, Any]:
        """Return the WASM modules: ``modules``, ``loaded``, ``max``; 0 where none are taken."""
        ...

    def load_module(self, image: bytes, node: str | None) -> int:
        """Take a signed module for one node, or for all; return its number.

        Raises:
            ConfigError: it is refused.
            MissingExtraError: what runs modules is not installed.
        """
        ...

    def change_module(self, number: int, change: ModuleChange) -> None:
        """Start or stop a module, or forget it.

        Raises:
            ConfigError: no such module, or it does already.
        """
        ...

    def kept(self, name: str, since: float, until: float, limit: int) -> list[dict[str, Any]]:
        """Return the newest updates of a node that the store holds, else of the last day.

        The oldest comes first.

        Args:
            name: of the node.
            since: Unix seconds of the first one.
            until: Unix seconds of the end.
            limit: updates at most.

        Raises:
            ConfigError: there is no store, and no such node.
            StoreError: it cannot be read.
        """
        ...
