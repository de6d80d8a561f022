"""Sensing on the host: receiver, nodes, their newest vitals, history and news."""

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec
import structlog

from edgeflow.core.vitals import SensingEvent, SensingNode, VitalsUpdate
from edgeflow.errors import ConfigError, EdgeFlowError, StoreError, did_you_mean
from edgeflow.sensing.captures import Capture, Datagram, open_capture
from edgeflow.sensing.history import DAY_ROWS, History
from edgeflow.sensing.modules.registry import ModuleRegistry
from edgeflow.sensing.nodes import MAX_NODES, Heard, Node, Nodes
from edgeflow.sensing.receiver import DEFAULT_PORT, Receiver
from edgeflow.sensing.tracking import TrackOptions
from edgeflow.sensing.watching import Lenses

__all__ = ["SensingHost"]

HISTORY = 300
"""Updates kept per node."""
NEWS = 8192
"""Updates and events kept of all nodes together."""
MAX_SUBSCRIBERS = 256
FLUSH_US = 1_000_000
"""What a capture may lose when the process is killed."""

News = TypeVar("News", VitalsUpdate, VitalsUpdate | SensingEvent)

log = structlog.get_logger(__name__)


class SensingHost:
    """Listens for nodes from its construction until ``close``; a ``SensingView``.

    Args:
        host, port, allow: as of ``Receiver``.
        options: how nodes are followed.
        max_nodes: more are refused.
        capture: a new file that every datagram is written to.
        heard: given each frame, with the name of its node, in the receiver's thread.
        module_key: public key of 32 bytes that modules must be signed with; None takes none.

    Attributes:
        modules: those that run here for nodes whose frames are sensed here.

    Raises:
        ConfigError: it cannot listen there.
        StoreError: the capture cannot be made.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        allow: Sequence[str] = (),
        options: TrackOptions | None = None,
        max_nodes: int = MAX_NODES,
        capture: Path | None = None,
        heard: Heard | None = None,
        module_key: bytes | None = None,
    ) -> None:
        chosen = options or TrackOptions()
        if chosen.start_us is None:
            chosen = dataclasses.replace(chosen, start_us=_now())
        self._lock = threading.Lock()
        self._number = 0
        self._news: deque[VitalsUpdate | SensingEvent] = deque(maxlen=NEWS)
        self._history: dict[str, deque[VitalsUpdate]] = {}
        self._past = History()
        self._told: tuple[Callable[[], None], ...] = ()
        self.lenses = Lenses()
        self.modules = ModuleRegistry(self._module_said, key=module_key)
        self._nodes = Nodes(chosen, self._tell, max_nodes, heard)
        self._capture: Capture | None = open_capture(capture) if capture is not None else None
        self._captured = self._flushed_us = 0
        self._unix_us = (time.time_ns() - time.monotonic_ns()) // 1000
        try:
            self._receiver = Receiver(host, port, take=self.take, tick=self._tick, allow=allow)
        except EdgeFlowError:
            if self._capture is not None:
                self._capture.close()
            raise
        self.port = self._receiver.port

    @property
    def receiver(self) -> Receiver:
        """The socket, for its counters."""
        return self._receiver

    @property
    def captured(self) -> int:
        """Datagrams written to the capture."""
        return self._capture.count if self._capture is not None else self._captured

    @property
    def damaged(self) -> int:
        """Datagrams that were no packets."""
        return self._nodes.damaged

    def nodes(self) -> list[SensingNode]:
        """Return every node as it is now."""
        now, offset = _now(), self._unix_us / 1e6
        with self._lock:
            return [self._status(node, now, offset) for node in self._nodes]

    def history(self, name: str, after: int = 0, limit: int = HISTORY) -> list[VitalsUpdate]:
        """Return the newest updates of a node above ``after``, oldest first.

        Raises:
            ConfigError: no such node.
        """
        with self._lock:
            self.find(name)
            return _newest(self._history.get(name, deque()), after, limit)

    def past(
        self, name: str, since: float, until: float, limit: int = DAY_ROWS
    ) -> list[dict[str, Any]]:
        """Return the newest updates of the last day with ``since <= time < until``, oldest first.

        One of each second is kept, while memory lasts: see ``History``.

        Raises:
            ConfigError: no such node.
        """
        with self._lock:
            self.find(name)
            return self._past.query(name, since, until, limit)

    def calibrate(self, name: str) -> None:
        """Let a node learn its room anew.

        Raises:
            ConfigError: no such node, or its frames are not seen.
        """
        with self._lock:
            if not self.find(name).tracker.calibrate():
                raise ConfigError(
                    f"node {name!r} senses itself", hint="only rooms sensed from here are learnt"
                )
        log.info("calibration_begun", node=name)

    def news(self, after: int = 0, limit: int = 500) -> list[VitalsUpdate | SensingEvent]:
        """Return the newest updates and events above ``after``, oldest first."""
        with self._lock:
            return _newest(self._news, after, limit)

    def subscribe(self, told: Callable[[], None]) -> Callable[[], None]:
        """Call ``told`` from the receiver's thread whenever there is news; returns what ends it.

        Raises:
            ConfigError: too many listen already.
        """
        with self._lock:
            if len(self._told) >= MAX_SUBSCRIBERS:
                raise ConfigError(f"{MAX_SUBSCRIBERS} listen to the nodes already")
            self._told = (*self._told, told)

        def end() -> None:
            with self._lock:
                self._told = tuple(each for each in self._told if each is not told)

        return end

    def close(self) -> None:
        """Stop within a second, and finish the capture. Idempotent.

        Raises:
            StoreError: the end of the capture cannot be written.
        """
        self._receiver.close()
        self.modules.close()
        if self._capture is not None:
            try:
                self._capture.close()
            except OSError as error:
                raise StoreError(f"the capture cannot be finished: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def take(self, datagram: Datagram) -> None:
        """Take a datagram that came to the socket, or another way; calls must not overlap."""
        before = self._number
        if self._capture is not None:
            self._keep(self._capture, datagram)
        with self._lock:
            self._nodes.receive(datagram)
            if self.lenses:
                self._look(self._nodes.last)
            if self.modules:
                self._give(self._nodes.last)
        if self._number != before:
            self._wake()

    @contextmanager
    def held(self) -> Iterator[tuple[Nodes, int]]:
        """Hold the nodes still for a moment, at a time; nothing is received meanwhile."""
        with self._lock:
            yield self._nodes, _now()

    def find(self, name: str) -> Node:
        """Return a node, while they are held.

        Raises:
            ConfigError: no such node.
        """
        known = {node.tracker.name: node for node in self._nodes}
        if name not in known:
            raise ConfigError(
                f"there is no node {name!r}",
                hint=did_you_mean(name, sorted(known)[:20]),
                code="EF-DEVICE-404",
            )
        return known[name]

    def _status(self, node: Node, now: int, offset: float) -> SensingNode:
        """Return a node as it is, its vitals with the time and number they were told with."""
        status, kept = node.status(now, offset), self._history.get(node.tracker.name)
        return (
            msgspec.structs.replace(status, vitals=kept[-1]) if status.vitals and kept else status
        )

    def _look(self, node: Node | None) -> None:
        """Show the frame that came to whoever watches its node."""
        lens = self.lenses.find(node.tracker.name) if node is not None else None
        if node is None or lens is None or node.tracker.processor is None:
            return
        if (used := node.frames - node.tracker.refused) != lens.used and node.newest is not None:
            lens.used = used
            lens.take(node.newest.time_us, node.tracker.processor)

    def _give(self, node: Node | None) -> None:
        """Give modules the frame that came."""
        if node is None or node.newest is None or node.tracker.processor is None:
            return
        self.modules.look(
            node.tracker.name,
            node.number,
            used=node.frames - node.tracker.refused,
            time_us=node.newest.time_us,
            processor=node.tracker.processor,
        )

    def _module_said(
        self, name: str, time_us: int, slot: int, events: list[tuple[int, float]]
    ) -> None:
        """Tell what modules found, among what nodes tell; from their own thread."""
        with self._lock:
            known = {node.tracker.name: node.tracker for node in self._nodes}
            for code, value in events if name in known else ():
                known[name].module_said(time_us, code, value, slot)
        self._wake()

    def _keep(self, capture: Capture, datagram: Datagram) -> None:
        try:
            capture.write(datagram._replace(time_us=datagram.time_us + self._unix_us))
        except EdgeFlowError as error:
            self._give_up(capture, error)

    def _flush(self, capture: Capture) -> None:
        try:
            capture.flush()
        except EdgeFlowError as error:
            self._give_up(capture, error)

    def _give_up(self, capture: Capture, error: EdgeFlowError) -> None:
        """Go on without the capture; what it holds can be read."""
        log.error("capture_failed", error=error.message, datagrams=capture.count)
        self._captured, self._capture = capture.count, None
        with suppress(OSError):
            capture.close()

    def _tick(self, now: int) -> None:
        before = self._number
        if self._capture is not None and now - self._flushed_us > FLUSH_US:
            self._flushed_us = now
            self._flush(self._capture)
        with self._lock:
            self._nodes.advance(now)
            if self.lenses:
                self.lenses.prune(now)
            if self.modules:
                self.modules.advance(now)
            if len(self._history) > len(self._nodes):
                known = {node.tracker.name for node in self._nodes}
                for name in self._history.keys() - known:
                    self._past.forget(name)
                self._history = {k: v for k, v in self._history.items() if k in known}
        if self._number != before:
            self._wake()

    def _tell(self, said: VitalsUpdate | SensingEvent) -> None:
        """Keep what a node told; the lock is held."""
        self._number += 1
        said = msgspec.structs.replace(said, number=self._number, time=time.time())
        self._news.append(said)
        if isinstance(said, VitalsUpdate):
            kept = self._history.get(said.name)
            if kept is None:
                kept = self._history[said.name] = deque(maxlen=HISTORY)
            kept.append(said)
            self._past.add(said)

    def _wake(self) -> None:
        for told in self._told:
            told()


def _now() -> int:
    return time.monotonic_ns() // 1000


def _newest(kept: deque[News], after: int, limit: int) -> list[News]:
    fresh: list[News] = []
    for said in islice(reversed(kept), limit):
        if said.number <= after:
            break
        fresh.append(said)
    return fresh[::-1]
