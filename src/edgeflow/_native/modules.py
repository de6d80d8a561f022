"""Sensing modules in the firmware core: made safe, fed, hosted by an engine that is given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from edgeflow._native.csi import CsiProcessor
from edgeflow._native.flash import HostFlash
from edgeflow._native.library import ffi, lib
from edgeflow._native.module_port import ENDS, Engine, module_port
from edgeflow.errors import ConfigError, EngineError

__all__ = [
    "ENDS",
    "Engine",
    "ModuleFeed",
    "ModuleHost",
    "Prepared",
    "check_container",
    "prepare_module",
]

MAX_PREPARED = 4 << 20
_REFUSED = {
    -6: "it is no WebAssembly, or damaged",
    -9: "it asks for more memory than a node has",
    -13: "it does what a node cannot run safely: pointers to functions, recursion, a start"
    " function, foreign imports, or instructions beyond the first version of WebAssembly",
    -14: "it is too large",
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A module that counts its instructions down in the global ``__fuel``, and ends below 0.

    Attributes:
        memory_kb: that it declares. pending: instructions that can wait for one another.
    """

    wasm: bytes
    memory_kb: int
    pending: int
    functions: int


def prepare_module(wasm: bytes) -> Prepared:
    """Make a module safe, as a node does before it loads one.

    Raises:
        EngineError: it cannot be.
    """
    room = min(MAX_PREPARED, 32 * len(wasm) + 4096)
    to, size = ffi.new("uint8_t[]", room), ffi.new("ef_module_size *")
    work = ffi.new("ef_module_work *")
    status = lib.ef_module_prepare(
        ffi.from_buffer("uint8_t[]", wasm), len(wasm), to, room, work, size
    )
    if status != lib.EF_OK:
        raise EngineError(
            f"module: {_REFUSED.get(status, f'refused ({status})')}",
            hint="build it against the SDK, with the flags of edgeflow csi wasm build",
        )
    made = bytes(ffi.buffer(to, size.bytes))
    return Prepared(made, size.memory_kb, size.pending, size.functions)


def check_container(image: bytes, public_key: bytes | None = None) -> str | None:
    """Open a container as a node does; None, or why it is refused."""
    rvf, data = ffi.new("ef_rvf *"), ffi.from_buffer("uint8_t[]", image)
    fault = lib.ef_rvf_open(data, len(image), rvf)
    if fault != lib.EF_RVF_GOOD:
        return str(ffi.string(lib.ef_rvf_say(fault)).decode())
    if public_key is not None and not lib.ef_rvf_is_signed_by(rvf, public_key):
        return "not signed by this key"
    return None


class ModuleFeed:
    """Gathers what modules see, after each frame that the processor took."""

    def __init__(self) -> None:
        self.struct: Any = ffi.new("ef_module_feed *")

    def frame(self, processor: CsiProcessor, time_us: int) -> None:
        """Take over what the processor knows after a frame of this time."""
        lib.ef_module_feed_frame(self.struct, processor.struct, time_us)

    def tick(self, processor: CsiProcessor, time_us: int) -> None:
        """Take over the time, and what is left of the vitals, while no frames come."""
        lib.ef_module_feed_tick(self.struct, processor.struct, time_us)

    def snapshot(self) -> bytes:
        """Return the inputs as they are now, for ``ModuleHost.frame``."""
        return bytes(ffi.buffer(ffi.addressof(self.struct, "inputs")))


class _Asked(NamedTuple):
    struct: Any
    kept: tuple[Any, ...]


def _asked(method: str, path: str, authorization: str | None, body: Any, length: int) -> _Asked:
    """Return a request for the core, and what must stay while it is used."""
    texts = (method, path, authorization)
    kept = tuple(ffi.NULL if text is None else ffi.new("char[]", text.encode()) for text in texts)
    return _Asked(ffi.new("ef_module_request *", (*kept, body, length)), (*kept, body))


class ModuleHost:
    """The slots of one node. Calls must not overlap.

    Args:
        engine: runs the modules.
        tell: given the time (us), the slot and the events of a call, each an id and a value.
        slots: 1 to 8. node: its number.
        key: public key of 32 bytes that modules must be signed with; None: none is taken, unless
            ``accepts_unsigned``.
        log: given the slot and each line that a module logs.
        allows_older: take a signed module of a lower version than one of its name before.
        flash: writable memory in which uploads stay, whole sectors; None: they do not. What is
            there comes back with ``revive``.
        crashed: the node that had this flash ended by itself.

    Raises:
        ConfigError: a value is out of range.
    """

    def __init__(
        self,
        engine: Engine,
        tell: Callable[[int, int, list[tuple[int, float]]], None],
        *,
        slots: int = 4,
        node: int = 0,
        key: bytes | None = None,
        accepts_unsigned: bool = False,
        log: Callable[[int, str], None] | None = None,
        allows_older: bool = False,
        flash: memoryview | None = None,
        crashed: bool = False,
    ) -> None:
        if key is not None and len(key) != 32:
            raise ConfigError(f"a public key has 32 bytes, not {len(key)}")
        self.engine, self._tell, self._log = engine, tell, log
        self.struct: Any = ffi.new("ef_modules *")
        self._handle = ffi.new_handle(self)
        self._arena = ffi.new("uint8_t[]", max(1, slots) * lib.EF_MODULE_ARENA_BYTES)
        self._key = ffi.new("uint8_t[32]", key) if key is not None else ffi.NULL
        self._none = ffi.new("ef_module_inputs *")
        port = ffi.new("ef_module_engine *", module_port(self._handle))
        places = (self._arena, slots, lib.EF_MODULE_ARENA_BYTES)
        made = lib.ef_modules_init(
            self.struct, port, *places, node & 0xFF, self._key, accepts_unsigned
        )
        if made != lib.EF_OK:
            raise ConfigError(f"{slots} slots for modules", hint="from 1 to 8")
        self.struct.gate.allows_older = allows_older
        self._flash = None if flash is None else HostFlash(flash)
        if self._flash is not None:
            restored = lib.ef_modules_restore(self.struct, self._flash.port, crashed)
            if restored != lib.EF_OK:
                raise ConfigError("a flash that keeps no modules", hint="10 sectors at least")
        self._publish()

    @property
    def running(self) -> bool:
        """Whether any module runs."""
        return any(state == "running" for state in self.states())

    def states(self) -> list[str]:
        """Return the state of each slot."""
        return [self._state(slot) for slot in range(self.struct.count)]

    def load(self, image: bytes) -> int:
        """Take a container into the first empty slot; its number.

        Raises:
            ConfigError: it is refused; the message says why.
        """
        slot, fault = ffi.new("uint32_t *"), ffi.new("ef_rvf_fault *")
        data = ffi.from_buffer("uint8_t[]", image)
        refusal = lib.ef_modules_load(self.struct, data, len(image), slot, fault)
        self._publish()
        if refusal != lib.EF_MODULE_TAKEN:
            why = ffi.string(lib.ef_module_say(refusal)).decode()
            if refusal == lib.EF_MODULE_CONTAINER:
                why += f": {ffi.string(lib.ef_rvf_say(fault[0])).decode()}"
            raise ConfigError(f"module refused: {why}", hint="see edgeflow csi wasm info")
        return int(slot[0])

    def start(self, slot: int, inputs: bytes | None = None) -> None:
        """Call on_init, and let it run.

        Raises:
            ConfigError: no such module, or it runs.
        """
        self._check(lib.ef_modules_start(self.struct, slot, self._inputs(inputs)), slot)

    def stop(self, slot: int) -> None:
        """Call it no more.

        Raises:
            ConfigError: no such module, or it does not run.
        """
        self._check(lib.ef_modules_stop(self.struct, slot), slot)

    def unload(self, slot: int) -> None:
        """Empty a slot.

        Raises:
            ConfigError: it is empty.
        """
        self._check(lib.ef_modules_unload(self.struct, slot), slot)
        self._publish()

    def revive(self, inputs: bytes, now_us: int) -> None:
        """Start what the flash has brought back, in its time."""
        lib.ef_modules_revive(self.struct, self._inputs(inputs), now_us)
        self._publish()

    def frame(self, inputs: bytes, now_us: int) -> None:
        """Give a snapshot to all that run; once a second their timer before."""
        lib.ef_modules_frame(self.struct, self._inputs(inputs), now_us)

    def tick(self, inputs: bytes, now_us: int) -> None:
        """Their timer alone, while no frames come."""
        lib.ef_modules_tick(self.struct, self._inputs(inputs), now_us)

    def modules(self) -> list[dict[str, Any]]:
        """Return what is in the slots that are not empty, with the names of ``/wasm/list``."""
        return [
            {
                **_described(slot, self.struct.slots[slot], self._state(slot)),
                "kept": bool(self.struct.shelf.place[slot].holds),
            }
            for slot in range(self.struct.count)
            if self._state(slot) != "empty"
        ]

    def answer(
        self, method: str, path: str, *, authorization: str | None, key: str, body: bytes = b""
    ) -> tuple[int, bytes]:
        """Answer a request as the node's HTTP server does: status and JSON."""
        asked = _asked(method, path, authorization, ffi.from_buffer("uint8_t[]", body), len(body))
        room = lib.EF_MODULE_ANSWER_BYTES
        to = ffi.new("char[]", room)
        status = lib.ef_module_answer(self.struct, asked.struct, key.encode(), self._none, to, room)
        self._publish()
        return int(status), bytes(ffi.string(to))

    def refusal(
        self,
        method: str,
        path: str,
        *,
        authorization: str | None,
        key: str,
        length: int,
        body: bytes = b"",
    ) -> tuple[int, bytes] | None:
        """Answer a request that cannot succeed; None: nothing is known against it.

        Of the body of ``length`` bytes, ``body`` has come. Unlike the others this may be called at
        any time, from any thread.
        """
        asked = _asked(method, path, authorization, ffi.from_buffer("uint8_t[]", body), length)
        gate = ffi.from_buffer("ef_module_gate *", self._gate)
        room = lib.EF_MODULE_REFUSAL_BYTES
        to = ffi.new("char[]", room)
        status = lib.ef_module_refuse(gate, asked.struct, len(body), key.encode(), to, room)
        return (int(status), bytes(ffi.string(to))) if status else None

    def _publish(self) -> None:
        """Copy what decides on containers, for ``refusal``."""
        self._gate = bytes(ffi.buffer(ffi.addressof(self.struct, "gate")))

    def cut_power(self, after: int, manner: str = "half") -> None:
        """Let the power go at a write of the flash, see ``HostFlash``."""
        if self._flash is not None:
            self._flash.cut_power(after, manner)

    @property
    def power_lost(self) -> bool:
        """Since the cut nothing is written to the flash."""
        return self._flash is not None and self._flash.power_lost

    def told(self, time_us: int, slot: int, events: list[tuple[int, float]]) -> None:
        """Pass on what the core lets out."""
        self._tell(time_us, slot, events)

    def logged(self, slot: int, line: str) -> None:
        """Pass on a line of a module."""
        if self._log is not None:
            self._log(slot, line)

    def _inputs(self, inputs: bytes | None) -> Any:
        if inputs is None:
            return self._none
        if len(inputs) != ffi.sizeof("ef_module_inputs"):
            raise ConfigError("these are no inputs of modules", hint="see ModuleFeed.snapshot")
        return ffi.cast("ef_module_inputs *", ffi.from_buffer(inputs))

    def _state(self, slot: int) -> str:
        return str(ffi.string(lib.ef_module_state_name(self.struct.slots[slot].state)).decode())

    def _check(self, status: int, slot: int) -> None:
        if status != lib.EF_OK:
            held = 0 <= slot < self.struct.count
            state = self._state(slot) if held else "not there"
            raise ConfigError(f"module {slot} is {state}", hint="edgeflow csi wasm list shows them")


def _described(slot: int, module: Any, state: str) -> dict[str, Any]:
    manifest = module.manifest
    return {
        "id": slot,
        "state": state,
        "name": ffi.string(manifest.name).decode("latin-1"),
        "version": manifest.version,
        "binary_size": manifest.wasm_bytes,
        "caps": f"0x{manifest.capabilities:04x}",
        "hash": bytes(manifest.hash).hex(),
        "frame_count": module.frame_count,
        "skipped_count": module.skipped_count,
        "event_count": module.event_count,
        "error_count": module.error_count,
        "mean_us": int(lib.ef_module_mean_us(ffi.addressof(module))),
        "max_us": module.max_us,
        "budget_us": module.budget_us,
        "budget_faults": module.budget_faults,
        "memory_kb": module.memory_kb,
    }
