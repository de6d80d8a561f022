"""A module behind the core's host, over a recording or a simulated room."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from edgeflow._native.csi import CsiProcessor
from edgeflow._native.modules import ModuleFeed, ModuleHost
from edgeflow.protocols.rvf import Container
from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.modules.running import Told
from edgeflow.sensing.modules.wasmtime_engine import WasmtimeEngine
from edgeflow.sensing.nodes import Nodes
from edgeflow.sensing.recordings import Recording
from edgeflow.sensing.tracking import TrackOptions

__all__ = ["Trial"]


class _Heard(NamedTuple):
    time_us: int
    payload: bytes
    rssi: int
    source: int


class Trial:
    """What a module tells, as it would leave a node.

    Args:
        container: with or without a signature.

    Raises:
        ConfigError: a node would not load it, for another reason than its signature.
        MissingExtraError: wasmtime is not installed.
    """

    def __init__(self, container: Container) -> None:
        self._told: list[Told] = []
        self._host = ModuleHost(WasmtimeEngine(), self._take, slots=1, accepts_unsigned=True)
        self._host.load(container.encode())
        self._processor, self._feed = CsiProcessor(), ModuleFeed()
        self._start: int | None = None

    @property
    def module(self) -> dict[str, Any]:
        """Its counters, as ``/wasm/list`` has them."""
        return self._host.modules()[0]

    def over_room(self, name: str, seconds: float) -> Iterator[Told]:
        """Run it in a simulated room.

        Raises:
            ConfigError: there is no such room.
        """
        from edgeflow.sensing.simulate import Simulation, preset

        frames = Simulation(preset(name, seconds=seconds))
        return self._over(
            _Heard(frame.time_us, frame.payload, frame.rssi, frame.source) for frame in frames
        )

    def over_recording(self, recording: Recording) -> Iterator[Told]:
        """Run it over all frames of a recording, of whichever node.

        Raises:
            StoreError: reading fails.
        """
        heard: deque[CsiFrame] = deque()
        nodes = Nodes(TrackOptions(), lambda _: None, heard=lambda _, frame: heard.append(frame))

        def frames() -> Iterator[_Heard]:
            for item in recording:
                nodes.take(item)
                while heard:
                    frame = heard.popleft()
                    yield _Heard(frame.time_us, frame.payload, frame.rssi, frame.source)

        return self._over(frames())

    def _over(self, frames: Iterable[_Heard]) -> Iterator[Told]:
        for frame in frames:
            now = frame.time_us
            taken = self._processor.push(now, frame.payload, rssi=frame.rssi, source=frame.source)
            if taken is not None:
                continue
            self._feed.frame(self._processor, now)
            inputs = self._feed.snapshot()
            if self._start is None:
                self._start = now
                self._host.start(0, inputs)
            self._host.frame(inputs, now)
            yield from self._told
            self._told.clear()

    def _take(self, time_us: int, slot: int, events: list[tuple[int, float]]) -> None:
        seconds = max(0, time_us - (self._start or 0)) / 1e6
        self._told += [Told(seconds, kind, value) for kind, value in events]
