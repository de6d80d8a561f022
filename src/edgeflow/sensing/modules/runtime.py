"""One module by itself: what its author runs it with. Nodes and hosts use ``ModuleHost``."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeflow._native.library import ffi
from edgeflow._native.modules import ENDS, prepare_module
from edgeflow.errors import EngineError
from edgeflow.sensing.modules.wasmtime_engine import LoadedModule

__all__ = ["Capability", "Inputs", "ModuleEvent", "ModuleInstance"]

FUEL = 600_000
"""Instructions of one call: what a node grants for the longest frame."""
MEMORY_KB = 160
KEPT_LINES = 32
NOTHING: npt.NDArray[np.float32] = np.zeros(0, np.float32)


class Capability:
    """Bits of what a module may ask for."""

    PHASE = 1
    AMPLITUDE = 2
    VARIANCE = 4
    VITALS = 8
    HISTORY = 16
    EVENTS = 32
    LOG = 64
    ALL = 127


class ModuleEvent(NamedTuple):
    """What a module tells: type is a number of the catalogue, 0 to 65535."""

    type: int
    value: float


@dataclass(slots=True)
class Inputs:
    """What a module sees of the newest frame.

    Attributes:
        time_ms: since the start of the node. phases (rad), amplitudes, variances: by subcarrier.
        history: phase of the best subcarrier by frame, oldest first.
        breathing_bpm, heart_bpm: 0 for no reading.
    """

    time_ms: int = 0
    phases: npt.NDArray[np.float32] = field(default_factory=lambda: NOTHING)
    amplitudes: npt.NDArray[np.float32] = field(default_factory=lambda: NOTHING)
    variances: npt.NDArray[np.float32] = field(default_factory=lambda: NOTHING)
    history: npt.NDArray[np.float32] = field(default_factory=lambda: NOTHING)
    breathing_bpm: float = 0.0
    heart_bpm: float = 0.0
    presence: bool = False
    motion_energy: float = 0.0
    persons: int = 0

    def write(self, to: Any) -> None:
        """Write them into an ``ef_module_inputs *``."""
        to.time_ms = self.time_ms & 0xFFFFFFFF
        to.breathing_bpm, to.heart_bpm = self.breathing_bpm, self.heart_bpm
        to.motion_energy = self.motion_energy
        to.presence, to.persons = int(self.presence), self.persons
        to.subcarriers = len(self.amplitudes)
        to.history_length = len(self.history)
        for name in ("phases", "amplitudes", "variances", "history"):
            data = getattr(self, name).astype("<f4").tobytes()
            ffi.memmove(getattr(to, name), data, len(data))


class ModuleInstance:
    """A loaded module. Calls must not overlap.

    Args:
        wasm: the binary, as it was built.
        capabilities: bits of ``Capability``; what is missing answers 0.
        fuel: instructions that a call may take.
        memory_kb: that it may have.

    Attributes:
        inputs: what the host API answers from; set it before a call.
        logs: the last lines that the module logged.
        spent: instructions of the last call.

    Raises:
        EngineError: it is no module, asks for what no host has, or more memory than there is.
        MissingExtraError: wasmtime is not installed.
    """

    def __init__(
        self,
        wasm: bytes,
        *,
        capabilities: int = Capability.ALL,
        fuel: int = FUEL,
        memory_kb: int = MEMORY_KB,
    ) -> None:
        prepared = prepare_module(wasm)
        if prepared.memory_kb > -(-memory_kb // 64) * 64:
            raise EngineError(
                f"module: it declares {prepared.memory_kb} KB of memory, and may have {memory_kb}",
                hint="static arrays and the stack are its memory",
            )
        self._module = LoadedModule(prepared.wasm, memory_kb)
        self.inputs = Inputs()
        self.logs: list[str] = []
        self.spent = 0
        self._capabilities, self._fuel = capabilities, fuel
        self._own: Any = ffi.new("ef_module_inputs *")
        self._call_struct: Any = ffi.new("ef_module_call *")

    def start(self) -> list[ModuleEvent]:
        """Call on_init."""
        return self._call("on_init")

    def frame(self) -> list[ModuleEvent]:
        """Call on_frame for what ``inputs`` holds."""
        return self._call("on_frame")

    def timer(self) -> list[ModuleEvent]:
        """Call on_timer; once a second."""
        return self._call("on_timer")

    def call(self, entry: str, inputs: Any) -> list[ModuleEvent]:
        """Call an export for an ``ef_module_inputs *``.

        Raises:
            EngineError: it did not end well.
        """
        call = self._call_struct
        call.inputs, call.capabilities = inputs, self._capabilities
        call.count = call.log_bytes = 0
        end = ENDS[self._module.call(entry, inputs.subcarriers, self._fuel, call)]
        self.spent = 0 if end == "absent" else self._fuel - self._module.fuel
        if call.log_bytes:
            self.logs = [*self.logs[1 - KEPT_LINES :], ffi.string(call.log).decode("ascii")]
        if end in {"trapped", "endless"}:
            reason = "out of fuel" if end == "endless" else "trap"
            raise EngineError(f"module: {entry} ended: {reason}")
        return [ModuleEvent(call.events[i].id, call.events[i].value) for i in range(call.count)]

    def _call(self, entry: str) -> list[ModuleEvent]:
        self.inputs.write(self._own)
        return self.call(entry, self._own)
