"""What sensing tells: vitals of a room, events, and the nodes that they come from."""

from collections.abc import Callable
from typing import Protocol

import msgspec

__all__ = ["SensingEvent", "SensingNode", "SensingView", "VitalsUpdate"]


class VitalsUpdate(msgspec.Struct, kw_only=True, frozen=True):
    """The vitals of one node at one time. No reading is None, never a number.

    Attributes:
        t: seconds from the first frame of the recording, or from the start of the receiver.
        node: number of the node; ``name`` tells nodes of the same number apart.
        presence: somebody is there; ``confidence``: in this, 0 to 1, None when unknown.
        motion: score, continuous; ``threshold``: what it is compared with, None when uncalibrated.
        breathing_bpm, heart_bpm: per minute; their confidences are 0 to 1.
        persons: 0 to 4.
        fall: there was a fall since the update before.
        apnea: somebody alone and still who breathed has stopped; only of what is sensed here.
        calibrated: the empty room is known; ``degraded``: too few frames to tell anything.
        frame_rate: Hz; ``rssi``: dBm.
        source: ``host`` when computed here, ``node`` when the node said so.
        time: Unix seconds, 0 in recordings.
        number: grows by one per update.
    """

    t: float
    node: int
    presence: bool
    motion: float
    breathing_bpm: float | None
    heart_bpm: float | None
    persons: int
    fall: bool
    confidence: float | None
    name: str = ""
    threshold: float | None = None
    breathing_confidence: float = 0.0
    heart_confidence: float = 0.0
    apnea: bool = False
    calibrated: bool = False
    degraded: bool = False
    frame_rate: float = 0.0
    rssi: int = 0
    source: str = "host"
    time: float = 0.0
    number: int = 0


class SensingEvent(msgspec.Struct, kw_only=True, frozen=True):
    """Something happened.

    Attributes:
        kind: ``presence`` (it changed), ``fall``, ``apnea`` (it began), ``silent`` or ``back`` (a
            node, after silence), ``module`` (a WASM module of the node said something).
        presence: as it is now; ``confidence``: in that, 0 to 1, None where nobody says.
        code, value, slot: of a module: what it said, by the catalogue's number, and which it is.
    """

    kind: str
    t: float
    node: int
    name: str = ""
    presence: bool = False
    confidence: float | None = None
    code: int = 0
    value: float = 0.0
    slot: int = 0
    time: float = 0.0
    number: int = 0


class SensingNode(msgspec.Struct, kw_only=True):
    """One node as the host sees it.

    Attributes:
        firmware: ``raw`` (frames only), ``reference``, ``edgeflow`` or ``unknown``.
        state: ``live`` or ``silent``.
        last_seen: Unix seconds, or those of the recording.
        rate: frames/s; ``lost``: numbers missing in its sequence; ``loss``: their part, 0 to 1.
        late: that came after their turn; ``restarts``: how often the numbers began anew.
        silences: times in which nothing was sent; ``outages``: in which what was sent was lost.
        refused: frames that could not be used; ``damaged``: datagrams that were no packets;
            ``keyless``: compressed frames whose keyframe did not come.
        packets: how many of each kind came.
        subcarriers: of the newest frame.
        vitals: the newest.
    """

    name: str
    node: int
    address: str = ""
    firmware: str = "unknown"
    state: str = "live"
    last_seen: float = 0.0
    frames: int = 0
    rate: float = 0.0
    lost: int = 0
    loss: float = 0.0
    late: int = 0
    restarts: int = 0
    silences: int = 0
    outages: int = 0
    refused: int = 0
    damaged: int = 0
    keyless: int = 0
    rssi: int = 0
    noise_floor: int = 0
    channel: int = 0
    subcarriers: int = 0
    packets: dict[str, int] = {}
    vitals: VitalsUpdate | None = None


class SensingView(Protocol):
    """Reads nodes that sense. Every call returns at once and may come from any thread."""

    def nodes(self) -> list[SensingNode]:
        """Return every node as it is now."""
        ...

    def history(self, name: str, after: int = 0, limit: int = 300) -> list[VitalsUpdate]:
        """Return updates of a node with a number above ``after``, oldest first; the newest.

        Raises:
            ConfigError: no such node.
        """
        ...

    def news(self, after: int = 0, limit: int = 500) -> list[VitalsUpdate | SensingEvent]:
        """Return updates and events of all nodes above ``after``, oldest first; the newest."""
        ...

    def calibrate(self, name: str) -> None:
        """Let a node learn its room anew, which should be empty meanwhile.

        Raises:
            ConfigError: no such node, or its frames are not seen.
        """
        ...

    def subscribe(self, told: Callable[[], None]) -> Callable[[], None]:
        """Call ``told``, from another thread, whenever there is news; returns what ends it."""
        ...
