"""The core's way back into Python when it hosts modules."""

from typing import Any, Protocol

from edgeflow._native.library import ffi, lib
from edgeflow.errors import EngineError

__all__ = ["ENDS", "Engine", "PortUser", "module_port"]

ENDS = ("done", "absent", "trapped", "endless")
ENTRIES = ("on_init", "on_frame", "on_timer")


class Engine(Protocol):
    """What runs WebAssembly. Slots are numbers from 0; an engine belongs to one host."""

    def load(self, slot: int, wasm: bytes, memory_kb: int) -> None:
        """Take a prepared module in.

        Raises:
            EngineError: it refuses it.
        """

    def call(self, slot: int, entry: str, argument: int, fuel: int, call: Any) -> int:
        """Call an export, with an ``ef_module_call *``; an index of ``ENDS``."""

    def unload(self, slot: int) -> None:
        """Forget a module."""

    def clock_us(self) -> int:
        """Return what calls are measured by."""


class PortUser(Protocol):
    """Whom the core calls."""

    engine: Engine

    def told(self, time_us: int, slot: int, events: list[tuple[int, float]]) -> None:
        """Take the events of a call."""

    def logged(self, slot: int, line: str) -> None:
        """Take a line of a module."""


def module_port(handle: Any) -> Any:
    """Return the members of an ``ef_module_engine`` for the handle of a ``PortUser``."""
    _register()
    names = ("load", "call", "unload", "clock", "tell", "log")
    return (handle, *(getattr(lib, f"edgeflow_module_{name}") for name in names))


_registered: list[bool] = []


def _register() -> None:
    """Give the core its way back into Python, once."""
    if _registered:
        return
    trapped = ENDS.index("trapped")
    ffi.def_extern("edgeflow_module_load", error=False)(_load)
    ffi.def_extern("edgeflow_module_call", error=trapped)(_call)
    ffi.def_extern("edgeflow_module_unload")(_unload)
    ffi.def_extern("edgeflow_module_clock", error=0)(_clock)
    ffi.def_extern("edgeflow_module_tell")(_told)
    ffi.def_extern("edgeflow_module_log")(_logged)
    _registered.append(True)


def _host(context: Any) -> PortUser:
    host: PortUser = ffi.from_handle(context)
    return host


def _load(context: Any, slot: int, wasm: Any, count: int, *limits: int) -> bool:
    try:
        _host(context).engine.load(slot, bytes(ffi.buffer(wasm, count)), limits[0])
    except EngineError:
        return False
    return True


def _call(context: Any, slot: int, entry: int, *rest: Any) -> int:
    return _host(context).engine.call(slot, ENTRIES[entry], *rest)


def _unload(context: Any, slot: int) -> None:
    _host(context).engine.unload(slot)


def _clock(context: Any) -> int:
    return _host(context).engine.clock_us()


def _told(context: Any, packet: Any) -> None:
    events = [(packet.events[i].id, packet.events[i].value) for i in range(packet.count)]
    _host(context).told(packet.time_us, packet.slot, events)


def _logged(context: Any, slot: int, line: Any) -> None:
    _host(context).logged(slot, ffi.string(line).decode("ascii", "replace"))
