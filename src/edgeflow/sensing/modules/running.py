"""A module behind the processor of its node: frames in, events out."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from edgeflow._native.csi import CsiProcessor
from edgeflow.sensing.modules.runtime import Inputs, ModuleEvent, ModuleInstance
from edgeflow.sensing.simulate import Frame

__all__ = ["ModuleRunner", "Told", "events_of"]

HISTORY = 256
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
        self._history: deque[float] = deque(maxlen=HISTORY)
        self._timer: int | None = None
        self._inputs = Inputs()
        module.inputs = self._inputs

    def push(self, time_us: int, pairs: bytes, source: int = 0) -> list[ModuleEvent]:
        """Take a frame in, and return what the module tells of it."""
        events = self._tick(time_us)
        if self.processor.push(time_us, pairs, source=source) is not None:
            return events
        inputs, processor = self._inputs, self.processor
        inputs.time_ms = time_us // 1000
        inputs.amplitudes = processor.amplitudes()
        if not len(inputs.amplitudes):
            return events
        inputs.phases, inputs.variances = processor.phases(), processor.variances()
        best = processor.top()
        self._history.append(float(inputs.phases[best[0]]) if best else 0.0)
        inputs.history = np.fromiter(self._history, np.float32)
        return events + self.module.frame()

    def _tick(self, time_us: int) -> list[ModuleEvent]:
        if self._timer is None:
            self._timer = time_us
            return self.module.start()
        if time_us - self._timer < TIMER_US:
            return []
        self._timer = time_us
        said, inputs = self.processor.vitals(time_us), self._inputs
        inputs.time_ms = time_us // 1000
        inputs.breathing_bpm, inputs.heart_bpm = said.breathing_bpm or 0.0, said.heart_bpm or 0.0
        inputs.presence, inputs.persons = said.presence, said.persons
        inputs.motion_energy = said.motion_score
        return self.module.timer()


def events_of(
    wasm: bytes, frames: Iterable[Frame], processor: CsiProcessor | None = None
) -> Iterator[Told]:
    """What a module tells of simulated frames."""
    runner = ModuleRunner(ModuleInstance(wasm), processor)
    for frame in frames:
        for event in runner.push(frame.time_us, frame.payload, frame.source):
            yield Told(frame.time_us / 1e6, *event)
