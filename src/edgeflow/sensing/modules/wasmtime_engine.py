"""Modules in wasmtime, behind the core's host: one store for each, with limits."""

import atexit
import struct
import time
from functools import cache
from typing import Any

from edgeflow._native.library import ffi, lib
from edgeflow._native.modules import ENDS
from edgeflow.errors import EngineError, MissingExtraError
from edgeflow.sensing.modules.host_api import (
    CAPABILITIES_AT,
    COUNT_AT,
    EVENTS_AT,
    INPUTS_AT,
    host_module,
)

__all__ = ["LoadedModule", "WasmtimeEngine"]

PAGE_KB = 64
DONE, ABSENT, TRAPPED, ENDLESS = range(len(ENDS))
EVENT = struct.Struct("<If")


def _wasmtime() -> Any:
    try:
        import wasmtime
    except ImportError as error:
        raise MissingExtraError("wasmtime", "modules") from error
    return wasmtime


@cache
def _shared() -> tuple[Any, Any]:
    """One engine and the compiled imports, for all modules of the process."""
    wasmtime = _wasmtime()
    config = wasmtime.Config()
    # A process has one handler for each signal, and other libraries set theirs.
    config.signals_based_traps = False
    engine = wasmtime.Engine(config)
    atexit.register(_shared.cache_clear)  # while wasmtime still knows how
    return engine, wasmtime.Module(engine, host_module())


class LoadedModule:
    """A prepared module and its imports. Calls must not overlap.

    Args:
        wasm: as ``prepare_module`` returns it.
        memory_kb: what it may have; WebAssembly counts in pages of 64.

    Raises:
        EngineError: wasmtime refuses it.
        MissingExtraError: wasmtime is not installed.
    """

    def __init__(self, wasm: bytes, memory_kb: int) -> None:
        self._wasmtime = _wasmtime()
        engine, imports = _shared()
        store = self._store = self._wasmtime.Store(engine)
        most = -(-memory_kb // PAGE_KB) * PAGE_KB * 1024
        store.set_limits(
            memory_size=max(most, PAGE_KB * 1024),
            table_elements=64,
            instances=2,
            tables=2,
            memories=2,
        )
        self._call: Any = None
        try:
            self._host: Any = self._wasmtime.Instance(store, imports, []).exports(store)
            module = self._wasmtime.Module(engine, wasm)
            linked = self._linker(engine).instantiate(store, module)
        except (self._wasmtime.WasmtimeError, self._wasmtime.Trap) as error:
            raise EngineError(f"module: {error}", hint="build it against the SDK") from error
        self._exports = linked.exports(store)
        memory, self._fuel = self._exports.get("memory"), self._exports["__fuel"]
        self._memory = memory if isinstance(memory, self._wasmtime.Memory) else None
        self._board = self._host["memory"]

    def call(self, entry: str, argument: int, fuel: int, call: Any) -> int:
        """Call an export with what an ``ef_module_call *`` shows; its events go there.

        Returns:
            An index of ``ENDS``.
        """
        function = self._exports.get(entry)
        if function is None:
            return ABSENT
        store, board = self._store, self._board
        board.write(store, struct.pack("<II", call.capabilities, 0), CAPABILITIES_AT)
        board.write(store, ffi.buffer(call.inputs)[:], INPUTS_AT)
        self._fuel.set_value(store, fuel)
        self._call = call
        try:
            function(store, *((argument,) if entry == "on_frame" else ()))
        except (self._wasmtime.WasmtimeError, self._wasmtime.Trap, TypeError):
            return ENDLESS if self._fuel.value(store) < 0 else TRAPPED
        finally:
            self._call = None
        self._collect(call)
        return DONE

    @property
    def fuel(self) -> int:
        """What the last call left."""
        return int(self._fuel.value(self._store))

    def _collect(self, call: Any) -> None:
        told = bytes(self._board.read(self._store, COUNT_AT, EVENTS_AT + 16 * EVENT.size))
        count = int.from_bytes(told[:4], "little")
        for place in range(count):
            kind, value = EVENT.unpack_from(told, 4 + EVENT.size * place)
            lib.ef_module_emit(call, kind, value)

    def _linker(self, engine: Any) -> Any:
        wasmtime = self._wasmtime
        i32 = wasmtime.ValType.i32()
        linker = wasmtime.Linker(engine)
        for name, export in self._host.items():
            if name != "memory":
                linker.define(self._store, "csi", name, export)
        takes = wasmtime.FuncType([i32, i32], [i32])
        linker.define_func("csi", "csi_get_phase_history", takes, self._history)
        linker.define_func("csi", "csi_log", wasmtime.FuncType([i32, i32], []), self._log)
        return linker

    def _bytes(self) -> tuple[Any, int]:
        """Return the module's memory, and how much it may see of it."""
        if self._memory is None or self._call is None:
            return ffi.NULL, 0
        start = self._wasmtime.Memory.data_ptr(self._memory, self._store)
        address = _address(start)
        return ffi.cast("uint8_t *", address), self._memory.data_len(self._store)

    def _history(self, at: int, most: int) -> int:
        memory, size = self._bytes()
        if not size:
            return 0
        return int(lib.ef_module_history(self._call, memory, size, at & 0xFFFFFFFF, most))

    def _log(self, at: int, length: int) -> None:
        memory, size = self._bytes()
        if size:
            lib.ef_module_write_log(self._call, memory, size, at & 0xFFFFFFFF, length)


def _address(pointer: Any) -> int:
    import ctypes

    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


class WasmtimeEngine:
    """An ``Engine`` of the core's host. Time is that of the thread, so that others do not count."""

    def __init__(self) -> None:
        _shared()
        self._modules: dict[int, LoadedModule] = {}

    def load(self, slot: int, wasm: bytes, memory_kb: int) -> None:
        """Take a prepared module in."""
        self._modules[slot] = LoadedModule(wasm, memory_kb)

    def call(self, slot: int, entry: str, argument: int, fuel: int, call: Any) -> int:
        """Call an export."""
        return self._modules[slot].call(entry, argument, fuel, call)

    def unload(self, slot: int) -> None:
        """Forget a module."""
        self._modules.pop(slot, None)

    def clock_us(self) -> int:
        """Return the processor time of this thread."""
        return time.thread_time_ns() // 1000
