"""CSI nodes: vitals and events of rooms."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from threading import Event
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from edgeflow.pipelines.connectors.base import ConnectorOptions
from edgeflow.pipelines.connectors.session import Outlet, ThreadedConnector
from edgeflow.pipelines.message import EdgeMessage
from edgeflow.pipelines.paths import LocalPath, StoreUrl

if TYPE_CHECKING:
    from edgeflow.core.vitals import SensingEvent, VitalsUpdate
    from edgeflow.sensing.desk import Desk
    from edgeflow.sensing.frames import CsiFrame
    from edgeflow.sensing.host import SensingHost
    from edgeflow.sensing.tracking import TrackOptions

__all__ = ["CsiConnector", "CsiConnectorOptions"]

WAIT_SECONDS = 0.2
"""How long a wait for news lasts; bounds how soon the thread sees that it should end."""


class CsiConnectorOptions(ConnectorOptions):
    """Keys of a connector of type ``csi``.

    Attributes:
        host: address to bind; wider than loopback only nodes of ``allow`` are heard.
        port: UDP port; 0 for any.
        allow: networks (CIDR) whose nodes are heard besides this machine's.
        interval: seconds between two messages of vitals of a node.
        tier: 1 for motion and presence, 2 for rates, too.
        calibration: file of ``edgeflow csi calibrate``; without it each node learns its room.
        messages: what is yielded: ``vitals``, ``events``, ``frames``.
        record: a new file for all datagrams.
        store: url of what keeps all vitals and events, such as ``sqlite:///vitals.db``.
        rooms: file that keeps what is set on the dashboard: calibrations, settings of nodes.
        capacity: messages that may wait; the oldest are dropped.
    """

    host: str = "127.0.0.1"
    port: int = Field(5005, ge=0, le=65535)
    allow: list[str] = Field(default=[], max_length=256)
    interval: float = Field(1.0, ge=0.05, le=3600)
    tier: Literal[1, 2] = 2
    calibration: LocalPath | None = None
    messages: list[Literal["vitals", "events", "frames"]] = Field(
        default=["vitals", "events"], min_length=1
    )
    record: LocalPath | None = None
    store: StoreUrl | None = None
    rooms: LocalPath | None = None
    capacity: int = Field(4096, ge=1, le=100_000)


class CsiConnector(ThreadedConnector):
    """Listens for nodes, and senses where they do not; each message is a dict, or a frame.

    Frames are int8 arrays (subcarriers, 2), imaginary part first, with ``node``, ``rssi``,
    ``noise_floor``, ``channel``, ``source`` and ``time_us`` (monotonic) in the metadata.

    ``event`` says what it is: ``vitals`` (with the keys of ``VitalsUpdate``), ``presence`` when it
    changed, ``fall``, ``apnea``, ``silent``, ``back``, ``module``.

    Attributes:
        sensing: the nodes, while it runs; ``desk``: where they are set and watched.
    """

    Options = CsiConnectorOptions
    options: CsiConnectorOptions

    def __init__(self, name: str, options: Any, routes: Any = ()) -> None:
        super().__init__(name, options, routes)
        self.capacity = options.capacity
        self.sensing: SensingHost | None = None
        self.desk: Desk | None = None

    async def start(self) -> None:
        """Check that the core is compiled, and read the calibration.

        Raises:
            ConfigError: the calibration or the file of rooms is none, or there is no core.
            MissingExtraError: cffi is not installed.
            StoreError: the calibration or the file of rooms cannot be read.
        """
        from edgeflow._native.csi import CsiProcessor
        from edgeflow.sensing.desk import with_rooms
        from edgeflow.sensing.rooms import Rooms

        self._tracking = self._track_options()
        CsiProcessor(self._tracking.csi)
        self._rooms = Rooms(self.options.rooms)
        self._tracking = with_rooms(self._tracking, self._rooms)

    def work(self, outlet: Outlet) -> None:
        """Pass news on in the connector's thread."""
        from edgeflow.core.vitals import VitalsUpdate
        from edgeflow.sensing.desk import Desk
        from edgeflow.sensing.host import SensingHost
        from edgeflow.sensing.keeping import Keeper

        keeper = None
        options, fresh, last = self.options, Event(), 0
        with ExitStack() as stack:
            host = SensingHost(
                options.host,
                options.port,
                allow=options.allow,
                options=self._tracking,
                capture=options.record,
                heard=self._heard(outlet) if "frames" in options.messages else None,
            )
            sensing = stack.enter_context(host)
            if options.store is not None:
                keeper = stack.enter_context(Keeper(sensing, options.store))
            self.sensing, self.desk = sensing, Desk(sensing, self._rooms, keeper)
            sensing.subscribe(fresh.set)
            self.connected()
            while not outlet.stopping.is_set():
                fresh.wait(WAIT_SECONDS)
                fresh.clear()
                for said in sensing.news(last, limit=options.capacity):
                    last = said.number
                    kind = "vitals" if isinstance(said, VitalsUpdate) else "events"
                    if kind in options.messages:
                        outlet.put(self._message(said))
        self.sensing = self.desk = None

    def _track_options(self) -> "TrackOptions":
        from edgeflow._native.csi import CsiOptions
        from edgeflow.sensing.calibrations import read_calibrations
        from edgeflow.sensing.tracking import TrackOptions

        options = self.options
        known = read_calibrations(options.calibration) if options.calibration else {}
        return TrackOptions(
            csi=CsiOptions(tier=options.tier),
            interval_us=round(options.interval * 1e6),
            calibration=known,
        )

    def _heard(self, outlet: Outlet) -> "Callable[[str, CsiFrame], None]":
        ahead = time.time() - time.monotonic()

        def take(name: str, frame: "CsiFrame") -> None:
            outlet.put(
                EdgeMessage(
                    sensor_id=self.options.sensor_id or f"csi:{name}",
                    payload=frame.pairs,
                    timestamp=frame.time_us / 1e6 + ahead,
                    metadata={
                        "node": frame.node,
                        "rssi": frame.rssi,
                        "noise_floor": frame.noise_floor,
                        "channel": frame.channel,
                        "source": frame.source,
                        "time_us": frame.time_us,
                    },
                )
            )

        return take

    def _message(self, said: "VitalsUpdate | SensingEvent") -> EdgeMessage:
        import msgspec

        payload: dict[str, Any] = msgspec.to_builtins(said)
        kind = payload.pop("kind", "vitals")
        if kind != "vitals":
            payload["fall"], payload["apnea"] = kind == "fall", kind == "apnea"
        del payload["number"]
        return EdgeMessage(
            sensor_id=self.options.sensor_id or f"csi:{said.name}",
            payload={"event": kind, **payload},
            timestamp=said.time,
            metadata={"node": said.node},
        )
