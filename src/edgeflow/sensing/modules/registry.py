"""Modules on the host, for nodes whose frames are sensed here.

::

    receiver's thread: frame -> processor -> snapshot ─┐ bounded; the oldest is dropped
                                                       v
    worker: slots of the node (the core's host) -> events -> ``tell``
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import structlog

from edgeflow._native.csi import CsiProcessor
from edgeflow._native.modules import ModuleFeed, ModuleHost
from edgeflow.errors import ConfigError, EdgeFlowError
from edgeflow.sensing.modules.catalogue import event_names

__all__ = ["ModuleRegistry"]

SLOTS = 4
MOST_NODES = 4096
MOST_MODULES = 256
WAITING = 1024
"""Snapshots that the worker may be behind."""
SILENT_US = 1_000_000
EVENTS_KEPT = 16
STOP_SECONDS = 2.0
COUNTERS: tuple[str, ...] = (
    "frame_count",
    "skipped_count",
    "event_count",
    "error_count",
    "mean_us",
    "max_us",
)
COUNTERS += ("budget_us", "budget_faults", "memory_kb")

log = structlog.get_logger(__name__)

Events: TypeAlias = list[tuple[int, float]]
Rows: TypeAlias = list[dict[str, Any]]
Tell = Callable[[str, int, int, Events], None]


@dataclass
class _Record:
    """A module as it was loaded: for one node, or under None for all."""

    id: int
    node: str | None
    image: bytes
    name: str
    runs: bool = True
    slots: dict[str, int] = field(default_factory=dict)
    size: int = 0
    events: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))


@dataclass
class _Fed:
    """What the receiver's thread knows of a node."""

    number: int
    processor: CsiProcessor
    feed: ModuleFeed = field(default_factory=ModuleFeed)
    time_us: int = 0
    used: int = -1


class _Work(NamedTuple):
    node: str
    number: int
    time_us: int
    inputs: bytes


class ModuleRegistry:
    """Modules of many nodes. ``look`` and ``advance`` belong to one thread, the rest to any.

    Args:
        tell: given the node's name, the time (us), the slot and the events of a call, from the
            worker's thread.
        key: public key of 32 bytes that modules must be signed with.
        accepts_unsigned: take modules without a signature, too.
        slots: of each node, 1 to 8.

    Attributes:
        dropped: snapshots that the worker had no time for.
    """

    def __init__(
        self,
        tell: Tell,
        *,
        key: bytes | None = None,
        accepts_unsigned: bool = False,
        slots: int = SLOTS,
    ) -> None:
        self.dropped = 0
        self._tell, self._key, self._unsigned, self._slots = tell, key, accepts_unsigned, slots
        self._lock = threading.Lock()
        self._records: dict[int, _Record] = {}
        self._hosts: dict[str, ModuleHost] = {}
        self._number = 0
        self._wanted: frozenset[str | None] = frozenset()
        self._fed: dict[str, _Fed] = {}
        self._work: deque[_Work] = deque()
        self._ready = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def __bool__(self) -> bool:
        return bool(self._wanted)

    @property
    def takes(self) -> bool:
        """Whether there is a key by which modules are taken."""
        return self._key is not None or self._unsigned

    def look(
        self, name: str, number: int, *, used: int, time_us: int, processor: CsiProcessor
    ) -> None:
        """Take over what a node's processor knows after a frame, if ``used`` of them changed."""
        if name not in self._wanted and None not in self._wanted:
            return
        fed = self._fed.get(name)
        if fed is None or fed.processor is not processor:
            if len(self._fed) >= MOST_NODES:
                self._fed.clear()
            fed = self._fed[name] = _Fed(number, processor)
        if used == fed.used:
            return
        fed.time_us, fed.used = time_us, used
        fed.feed.frame(processor, time_us)
        self._put(_Work(name, number, time_us, fed.feed.snapshot()))

    def advance(self, now: int) -> None:
        """Let time go on for nodes that are not heard; often enough is five times a second."""
        for name, fed in self._fed.items():
            if now - fed.time_us >= SILENT_US:
                fed.time_us = now
                fed.feed.tick(fed.processor, now)
                self._put(_Work(name, fed.number, now, fed.feed.snapshot()))

    def load(self, image: bytes, node: str | None = None) -> int:
        """Take a container for one node, or for all; it starts with the next frame of each.

        Returns:
            Its number here.

        Raises:
            ConfigError: it is refused; the message says why.
            MissingExtraError: wasmtime is not installed.
        """
        name, size = self._try(image)
        with self._lock:
            if self._closed:
                raise ConfigError("modules are closed")
            if self._used(node) >= self._slots or len(self._records) >= MOST_MODULES:
                raise ConfigError(
                    f"{self._slots} modules are loaded already", hint="delete one first"
                )
            self._number += 1
            record = self._records[self._number] = _Record(
                self._number, node, image, name, size=size
            )
            for known in tuple(self._hosts):
                self._place(record, known)
            self._want()
        self._begin()
        log.info("module_loaded", id=record.id, module=name, node=node or "all")
        return record.id

    def start(self, number: int) -> None:
        """Let a module run again, on all its nodes.

        Raises:
            ConfigError: no such module, or it runs.
        """
        with self._lock:
            record = self._find(number)
            states = {self._hosts[node].states()[slot] for node, slot in record.slots.items()}
            if record.runs and not states & {"error", "stopped", "loaded"}:
                raise ConfigError(f"module {number} runs")
            record.runs = True
            for node, slot in record.slots.items():
                if self._hosts[node].states()[slot] != "running":
                    self._hosts[node].start(slot)

    def stop(self, number: int) -> None:
        """Call a module no more.

        Raises:
            ConfigError: no such module, or it does not run.
        """
        with self._lock:
            record = self._find(number)
            if not record.runs:
                raise ConfigError(f"module {number} does not run")
            record.runs = False
            for node, slot in record.slots.items():
                if self._hosts[node].states()[slot] == "running":
                    self._hosts[node].stop(slot)

    def delete(self, number: int) -> None:
        """Forget a module.

        Raises:
            ConfigError: no such module.
        """
        with self._lock:
            record = self._find(number)
            for node, slot in record.slots.items():
                self._hosts[node].unload(slot)
            del self._records[number]
            self._want()

    def list(self) -> dict[str, Any]:
        """Return all modules, once for each node that they run for, as ``/wasm/list`` has them."""
        with self._lock:
            rows = [row for record in self._records.values() for row in self._rows(record)]
            return {"modules": rows, "loaded": len(self._records), "max": self._slots}

    def close(self) -> None:
        """Stop the worker within 2 s. Idempotent."""
        with self._ready:
            self._closed = True
            self._work.clear()
            self._ready.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(STOP_SECONDS)
        with self._lock:
            self._records.clear()
            self._hosts.clear()
            self._want()

    def _try(self, image: bytes) -> tuple[str, int]:
        """Load a module once, to know what is wrong with it before any node has it."""
        host = self._make(0, "")
        slot = host.load(image)
        found = host.modules()[slot]
        return str(found["name"]), int(found["binary_size"])

    def _make(self, number: int, name: str) -> ModuleHost:
        from edgeflow.sensing.modules.wasmtime_engine import WasmtimeEngine

        def told(time_us: int, slot: int, events: Events) -> None:
            self._told(name, time_us, slot, events)

        return ModuleHost(
            WasmtimeEngine(),
            told,
            slots=self._slots,
            node=number,
            key=self._key,
            accepts_unsigned=self._unsigned,
            allows_older=True,  # whoever loads here owns the process
            log=lambda slot, line: log.info("module_logged", node=name, slot=slot, line=line),
        )

    def _find(self, number: int) -> _Record:
        if number not in self._records:
            raise ConfigError(f"there is no module {number}", code="EF-DEVICE-404")
        return self._records[number]

    def _used(self, node: str | None) -> int:
        """Return the slots in use on a node, for all nodes where the most are."""
        own = Counter(record.node for record in self._records.values())
        everywhere = own.pop(None, 0)
        return everywhere + (max(own.values(), default=0) if node is None else own[node])

    def _want(self) -> None:
        self._wanted = frozenset(record.node for record in self._records.values())

    def _place(self, record: _Record, node: str) -> None:
        """Load a module into a node's slots, if it is for it; the lock is held."""
        if record.node not in {None, node} or node in record.slots:
            return
        host = self._hosts[node]
        slot = record.slots[node] = host.load(record.image)
        if record.runs:
            host.start(slot)

    def _forget(self, node: str) -> None:
        """Let go of the node that came first; one that is still heard begins anew."""
        del self._hosts[node]
        for record in self._records.values():
            record.slots.pop(node, None)

    def _place_or_say(self, record: _Record, node: str) -> None:
        """The worker goes on whatever a node has no room for."""
        try:
            self._place(record, node)
        except EdgeFlowError as error:
            log.warning("module_not_placed", id=record.id, node=node, error=error.message)

    def _rows(self, record: _Record) -> Rows:
        shared = {"id": record.id, "events": [*record.events]}
        rows = []
        for node, slot in record.slots.items():
            found = next(row for row in self._hosts[node].modules() if row["id"] == slot)
            rows.append({**found, **shared, "node": node, "slot": slot})
        if rows:
            return rows
        state = "loaded" if record.runs else "stopped"
        bare = dict.fromkeys(COUNTERS, 0) | {"binary_size": record.size, "caps": "", "hash": ""}
        return [{**bare, **shared, "node": record.node or "*", "state": state, "name": record.name}]

    def _told(self, node: str, time_us: int, slot: int, events: Events) -> None:
        for record in self._records.values():
            if record.slots.get(node) == slot:
                now, names = time.time(), event_names()
                record.events.extend(
                    {"id": kind, "name": names.get(kind, ""), "value": value, "time": now}
                    for kind, value in events
                )
        self._tell(node, time_us, slot, events)

    def _put(self, work: _Work) -> None:
        with self._ready:
            if len(self._work) >= WAITING:
                self._work.popleft()
                self.dropped += 1
            self._work.append(work)
            self._ready.notify()

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="csi-modules", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._ready:
                self._ready.wait_for(lambda: self._work or self._closed)
                if self._closed:
                    return
                work = self._work[0]
            self._do(work)
            with self._ready:
                if self._work and self._work[0] is work:
                    self._work.popleft()

    def _do(self, work: _Work) -> None:
        with self._lock:
            if not self._records:
                return
            host = self._hosts.get(work.node)
            if host is None:
                if len(self._hosts) >= MOST_NODES:
                    self._forget(next(iter(self._hosts)))
                host = self._hosts[work.node] = self._make(work.number, work.node)
                for record in self._records.values():
                    self._place_or_say(record, work.node)
            host.frame(work.inputs, work.time_us)
