"""One module in wasmtime: the host API, with fuel against endless loops and a limit on memory."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeflow.errors import EngineError, MissingExtraError

__all__ = ["Capability", "Inputs", "ModuleEvent", "ModuleInstance"]

FUEL = 20_000_000
"""Instructions of one call; some 10 ms here, and far more than a node would grant."""
MEMORY = 160 * 1024
EVENTS_PER_CALL = 16
LOG_LENGTH = 127
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


class ModuleInstance:
    """A loaded module. Calls must not overlap.

    Args:
        wasm: the binary.
        capabilities: bits of ``Capability``; what is missing answers 0.
        fuel: instructions that a call may take.

    Attributes:
        inputs: what the host API answers from; set it before a call.
        logs: the last lines that the module logged.

    Raises:
        EngineError: it is no module, asks for what no host has, or more memory than there is.
        MissingExtraError: wasmtime is not installed.
    """

    def __init__(
        self, wasm: bytes, *, capabilities: int = Capability.ALL, fuel: int = FUEL
    ) -> None:
        try:
            import wasmtime
        except ImportError as error:
            raise MissingExtraError("wasmtime", "modules") from error
        self._wasmtime = wasmtime
        self.inputs = Inputs()
        self.logs: list[str] = []
        self._capabilities, self._fuel = capabilities, fuel
        self._events: list[ModuleEvent] = []
        config = wasmtime.Config()
        config.consume_fuel = True
        engine = wasmtime.Engine(config)
        self._store: Any = wasmtime.Store(engine)
        self._store.set_limits(memory_size=MEMORY, instances=1, tables=1, memories=1)
        self._store.set_fuel(fuel)
        try:
            module = wasmtime.Module(engine, wasm)
            self._exports: Any = (
                self._linker(engine).instantiate(self._store, module).exports(self._store)
            )
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise EngineError(f"module: {error}", hint="build it against the SDK") from error

    def start(self) -> list[ModuleEvent]:
        """Call on_init."""
        return self._call("on_init")

    def frame(self) -> list[ModuleEvent]:
        """Call on_frame for what ``inputs`` holds."""
        return self._call("on_frame", len(self.inputs.amplitudes))

    def timer(self) -> list[ModuleEvent]:
        """Call on_timer; once a second."""
        return self._call("on_timer")

    def _call(self, name: str, *arguments: int) -> list[ModuleEvent]:
        function = self._exports.get(name)
        if function is None:
            return []
        self._events = []
        self._store.set_fuel(self._fuel)
        try:
            function(self._store, *arguments)
        except (self._wasmtime.WasmtimeError, self._wasmtime.Trap) as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise EngineError(f"module: {name} ended: {reason}") from error
        return self._events

    def _linker(self, engine: Any) -> Any:
        wasmtime = self._wasmtime
        i32, f32 = wasmtime.ValType.i32(), wasmtime.ValType.f32()
        linker = wasmtime.Linker(engine)
        own = self

        def give(name: str, takes: list[Any], gives: list[Any], call: Any) -> None:
            linker.define_func("csi", name, wasmtime.FuncType(takes, gives), call)

        def of(bit: int, field_name: str) -> Any:
            def read(index: int) -> float:
                values = getattr(own.inputs, field_name)
                known = own._capabilities & bit and 0 <= index < len(values)
                return float(values[index]) if known else 0.0

            return read

        def vital(field_name: str, kind: type) -> Any:
            def read() -> Any:
                known = own._capabilities & Capability.VITALS
                return kind(getattr(own.inputs, field_name)) if known else kind(0)

            return read

        give("csi_get_phase", [i32], [f32], of(Capability.PHASE, "phases"))
        give("csi_get_amplitude", [i32], [f32], of(Capability.AMPLITUDE, "amplitudes"))
        give("csi_get_variance", [i32], [f32], of(Capability.VARIANCE, "variances"))
        give("csi_get_bpm_breathing", [], [f32], vital("breathing_bpm", float))
        give("csi_get_bpm_heartrate", [], [f32], vital("heart_bpm", float))
        give("csi_get_motion_energy", [], [f32], vital("motion_energy", float))
        give("csi_get_presence", [], [i32], vital("presence", int))
        give("csi_get_n_persons", [], [i32], vital("persons", int))
        give("csi_get_phase_history", [i32, i32], [i32], self._give_history)
        give("csi_emit_event", [i32, f32], [], self._take_event)
        give("csi_log", [i32, i32], [], self._take_log)
        give("csi_get_timestamp", [], [i32], self._tell_time)
        return linker

    def _tell_time(self) -> int:
        wrapped = self.inputs.time_ms & 0xFFFFFFFF
        return wrapped - (1 << 32) if wrapped >= 1 << 31 else wrapped

    def _take_event(self, kind: int, value: float) -> None:
        known = self._capabilities & Capability.EVENTS and 0 <= kind <= 0xFFFF
        if known and len(self._events) < EVENTS_PER_CALL:
            self._events.append(ModuleEvent(kind, value))

    def _give_history(self, at: int, most: int) -> int:
        at, most = at & 0xFFFFFFFF, max(0, most)
        newest = self.inputs.history[max(0, len(self.inputs.history) - most) :]
        memory = self._exports["memory"]
        data = newest.astype("<f4").tobytes()
        if not self._capabilities & Capability.HISTORY or not data:
            return 0
        if at + len(data) > memory.data_len(self._store):
            return 0
        memory.write(self._store, data, at)
        return len(newest)

    def _take_log(self, at: int, length: int) -> None:
        at, length = at & 0xFFFFFFFF, min(LOG_LENGTH, max(0, length))
        memory = self._exports["memory"]
        if self._capabilities & Capability.LOG and at + length <= memory.data_len(self._store):
            text = bytes(memory.read(self._store, at, at + length))
            self.logs = [*self.logs[-31:], text.decode("utf-8", "replace")]
