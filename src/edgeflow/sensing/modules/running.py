"""A module behind the processor of its node: frames in, events out."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from edgeflow._native.csi import CsiProcessor
from edgeflow._native.library import ffi
from edgeflow._native.modules import ModuleFeed
from edgeflow.sensing.modules.runtime import ModuleEvent, ModuleInstance
from edgeflow.sensing.simulate import Frame

__all__ = ["ModuleRunner", "Told", "events_of"]

TIMER_US = 1_000_000


class Told(NamedTuple):
    """An event of a module, and when, in seconds from the start."""

    seconds: float
    type: int
    value: float


class ModuleRunner:
    """Gives a module what the node knows after each frame, and its timer once a second."""

    def __init__(self, module: ModuleInstance, processor: CsiProcessor | None = None) -> None:
        self.module = module
        self.processor = processor or CsiProcessor()
        self._feed = ModuleFeed()
        self._inputs: Any = ffi.addressof(self._feed.struct, "inputs")
        self._timer: int | None = None

    def push(self, time_us: int, pairs: bytes, source: int = 0) -> list[ModuleEvent]:
        """Take a frame in, and return what the module tells of it."""
        events = self._begin(time_us)
        if self.processor.push(time_us, pairs, source=source) is not None:
            return events
        self._feed.frame(self.processor, time_us)
        events = events + self._tick(time_us)
        if not self._inputs.subcarriers:
            return events
        return events + self.module.call("on_frame", self._inputs)

    def _begin(self, time_us: int) -> list[ModuleEvent]:
        if self._timer is not None:
            return []
        self._timer = time_us
        return self.module.call("on_init", self._inputs)

    def _tick(self, time_us: int) -> list[ModuleEvent]:
        if self._timer is None or time_us - self._timer < TIMER_US:
            return []
        self._timer = time_us
        return self.module.call("on_timer", self._inputs)


def events_of(
    wasm: bytes, frames: Iterable[Frame], processor: CsiProcessor | None = None
) -> Iterator[Told]:
    """What a module tells of simulated frames."""
    runner = ModuleRunner(ModuleInstance(wasm), processor)
    for frame in frames:
        for event in runner.push(frame.time_us, frame.payload, frame.source):
            yield Told(frame.time_us / 1e6, *event)
