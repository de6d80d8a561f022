"""What happens in a program, in the tables that all programs share: devices, rows, alerts, health.

Nothing here holds a program up: rows wait in memory, then on disk, and who is there is asked for.
"""

import contextlib
import hashlib
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

import structlog

from edgeflow.config import settings
from edgeflow.core.status import Activity
from edgeflow.devices.alerts import event_row
from edgeflow.devices.damping import AlertBook, Damping
from edgeflow.devices.registry import TABLES_OF_DEVICES, Change, DeviceRegistry
from edgeflow.errors import StoreError
from edgeflow.observe.activity import ActivityBook
from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import open_tables
from edgeflow.store.spool import Spool
from edgeflow.store.spooled import SpooledWriter
from edgeflow.store.tables import Row

__all__ = ["History", "HistoryStats", "Sighting"]

_log = structlog.get_logger(__name__)

WAITING = 20_000
"""Rows in memory, at most; the oldest give way."""
PAUSE_SECONDS = 0.5
LOOK_SECONDS, FOLLOW_SECONDS, SAMPLE_SECONDS = 2.0, 5.0, 15.0
OVERLAP = 120.0
SPOOL_BYTES = 256 << 20
SPOOLS = 16
"""Programs of one name on one machine that keep history at once."""
JOIN_SECONDS = 2.0


class Sighting(NamedTuple):
    """How a device looked: when it was last heard, whether it is there, and what fails."""

    device_id: str
    kind: str
    last_seen: float
    online: bool = True
    failure: str = ""


@dataclass(frozen=True, slots=True)
class _Sample:
    seconds: float
    table: str
    look: Callable[[], Iterable[Row]]


@dataclass(slots=True)
class HistoryStats:
    """Rows that were taken, and those that gave way before they were on disk."""

    taken: int = 0
    dropped: int = 0


class History:
    """Keeps the history of one program from its construction until ``close``.

    Args:
        url: of the tables. program: its name; owner of the devices that it hears.
        folder: of the spool; one for each program and URL in the cache by default.
        damping: how many alerts are told. now: seconds since the Unix epoch.

    Attributes:
        registry: of all devices in the tables.

    Raises:
        StoreError: the tables cannot be opened.
    """

    def __init__(
        self,
        url: str,
        program: str,
        *,
        folder: Path | None = None,
        damping: Damping | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._program, self._now = program, now
        self.stats = HistoryStats()
        self._rows: deque[tuple[str, Row]] = deque()
        self._lock = threading.Lock()
        self._looks: list[Callable[[], Iterable[Sighting]]] = []
        self._samples: list[_Sample] = []
        self._due: dict[object, float] = {}
        self._alerts = AlertBook(damping)
        self._followed = now()
        with contextlib.ExitStack() as undone:
            self._store = open_tables(url)
            undone.callback(self._store.close)
            self._store.create(list(TABLES.values()))
            known = [self._store.latest(table) for table in TABLES_OF_DEVICES]
            self.registry = DeviceRegistry(self._keep, *known, owner=program)
            self._writer = SpooledWriter(self._store, _spool(folder, url, program))
            undone.pop_all()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edgeflow-history", daemon=True)
        self._thread.start()

    @classmethod
    def wanted(cls, program: str) -> "History | None":
        """The history that ``EDGEFLOW_STORE`` asks for; None if it is not set."""
        return cls(settings.STORE, program) if settings.STORE else None

    def add(self, table: str, row: Row) -> None:
        """Take a row; it is on disk within a second. Any thread; never waits."""
        self._keep(table, [row])

    def watch(self, look: Callable[[], Iterable[Sighting]]) -> None:
        """Ask for devices every two seconds, from the thread of the history."""
        self._looks.append(look)

    def sample(
        self, table: str, look: Callable[[], Iterable[Row]], seconds: float = SAMPLE_SECONDS
    ) -> None:
        """Ask for rows of a table each so many seconds, and once at the end."""
        self._samples.append(_Sample(seconds, table, look))

    def follow(self, book: ActivityBook) -> None:
        """Keep actions and alerts of a book, from now on."""
        last = max((entry.number for entry in book.activities(limit=1)), default=0)

        def fresh() -> list[Activity]:
            nonlocal last
            found = book.activities(last, limit=WAITING)
            last = found[-1].number if found else last
            return found

        held: deque[Activity] = deque()

        def actions() -> Iterable[Row]:
            held.extend(fresh())
            return [_action(each, self._program) for each in held if each.kind == "action"]

        def events() -> Iterable[Row]:
            rows = [_event(each, self._program) for each in held if each.kind != "action"]
            held.clear()
            return rows

        self.sample("actions", actions, PAUSE_SECONDS)
        self.sample("events", events, PAUSE_SECONDS)

    def health(self, problems: Callable[[], Sequence[str]]) -> None:
        """Note each 15 s whether the program works; a problem that begins or ends is an alert."""

        def rows() -> Iterable[Row]:
            found = "; ".join(problems())[:1000]
            self._tell(
                self.registry.seen(self._program, self._now(), kind="service", failure=found)
            )
            yield {
                "device_id": self._program,
                "timestamp": self._now(),
                "service": self._program,
                "state": "failed" if found else "ok",
                "detail": found,
            }

        self.sample("health", rows)

    def flush(self, timeout: float) -> bool:
        """Wait until the store has all that was taken; False after so many seconds."""
        self._write()
        return self._writer.flush(timeout)

    def close(self) -> None:
        """Write what is left, to disk at least. Idempotent."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join(JOIN_SECONDS)
        self._writer.close()
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            self._turn()
        self._due.clear()
        self._turn()
        self.registry.flush(self._now())
        self._write()

    def _turn(self) -> None:
        if self._is_due("look", LOOK_SECONDS):
            for look in self._looks:
                self._try(partial(self._see, look))
            self._tell(self.registry.check(self._now()))
            self._keep("device_alerts", self._alerts.due(self._now()))
        if self._is_due("follow", FOLLOW_SECONDS):
            self._try(self._follow_settings)
        for sample in self._samples:
            if self._is_due(sample, sample.seconds):
                self._try(partial(self._take, sample))
        self._write()

    def _try(self, work: Callable[[], None]) -> None:
        """One part that fails must not end the others."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - looks are of all kinds
            _log.warning("history_incomplete", program=self._program, error=repr(error))

    def _is_due(self, what: object, seconds: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + seconds
        return True

    def _take(self, sample: "_Sample") -> None:
        self._keep(sample.table, list(sample.look()))

    def _see(self, look: Callable[[], Iterable[Sighting]]) -> None:
        now = self._now()
        for each in look():
            if each.online:
                seen = min(now, each.last_seen or now)
                self._tell(
                    self.registry.seen(each.device_id, seen, kind=each.kind, failure=each.failure)
                )
            else:
                why = each.failure or "it does not answer"
                self._tell(self.registry.said(each.device_id, "offline", now, why=why))

    def _follow_settings(self) -> None:
        looked = self._now()
        since = self._followed - OVERLAP
        heard = self._store.rows("device_registry", since=since, limit=WAITING)
        rows = self._store.rows("device_settings", since=since, limit=WAITING)
        self._followed = looked
        self.registry.refresh(heard)
        self.registry.adopt(rows)

    def _tell(self, changes: Sequence[Change]) -> None:
        for change in changes:
            _log.info("device_changed", device=change.device_id, what=change.what, why=change.why)
            self._keep("events", [event_row(change, self._program)])
            self._keep("device_alerts", self._alerts.take(change))

    def _keep(self, table: str, rows: Sequence[Row]) -> None:
        with self._lock:
            self._rows.extend((table, row) for row in rows)
            self.stats.taken += len(rows)
            while len(self._rows) > WAITING:
                self._rows.popleft()
                self.stats.dropped += 1

    def _write(self) -> None:
        with self._lock:
            taken, self._rows = self._rows, deque()
        by_table: defaultdict[str, list[Row]] = defaultdict(list)
        for table, row in taken:
            by_table[table].append(row)
        for table, rows in by_table.items():
            try:
                self._writer.append(table, rows)
            except StoreError as error:
                _log.warning("history_waits", program=self._program, error=str(error))
                self._put_back(table, rows)

    def _put_back(self, table: str, rows: Sequence[Row]) -> None:
        with self._lock:
            room = max(0, WAITING - len(self._rows))
            self._rows.extendleft((table, row) for row in reversed(rows[-room:] if room else []))
            self.stats.dropped += max(0, len(rows) - room)


def _action(entry: Activity, program: str) -> Row:
    result = "" if entry.ok is None else "ok" if entry.ok else "failed"
    return {
        "device_id": entry.sensor or entry.target or program,
        "timestamp": entry.time,
        "action": entry.dispatcher or entry.agent,
        "result": result,
        "correlation_id": str(entry.detail.get("correlation_id", "")),
        "detail": entry.text[:1000],
    }


def _event(entry: Activity, program: str) -> Row:
    return {
        "device_id": entry.sensor or entry.target or program,
        "timestamp": entry.time,
        "kind": entry.kind,
        "source": entry.agent or entry.pipeline or program,
        "details": {"text": entry.text[:1000], "level": entry.level, "pipeline": entry.pipeline},
    }


def _spool(folder: Path | None, url: str, program: str) -> Spool:
    """A spool that no other program has: rows that one left are sent by the next one."""
    if folder is not None:
        return Spool(folder, limit=SPOOL_BYTES, sync=False)
    place = hashlib.sha256(url.encode()).hexdigest()[:12]
    for number in range(SPOOLS):
        own = settings.CACHE_DIR / "history" / f"{place}-{program}-{number}"
        with contextlib.suppress(StoreError):
            return Spool(own, limit=SPOOL_BYTES, sync=False)
    return Spool(own, limit=SPOOL_BYTES, sync=False)
