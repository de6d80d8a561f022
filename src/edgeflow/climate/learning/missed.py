"""Overrides that were sent while nobody listened, from the rows that the backend kept of them."""

import asyncio
import contextlib
import math
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import structlog

from edgeflow.climate.learning.labels import Label
from edgeflow.errors import EdgeFlowError
from edgeflow.protocols.climate import Features
from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import check_there, open_tables
from edgeflow.store.tables import TableStore

__all__ = ["BEHIND", "LATE", "Heard", "Listener", "OverrideRows", "following", "is_known"]

_log = structlog.get_logger(__name__)

TABLE = "window_overrides"
LOOK_SECONDS, FIRST_SECONDS = 15.0, 5.0
SETTLED = 10.0
"""Seconds in which one that was kept since the start is heard, too, if it ever is."""
LATE, EARLY = 600.0, 30.0
"""Seconds that the backend may have kept an override later, or earlier, than it was heard here."""
BEHIND = 7 * 86_400.0
"""How old an override may be that is learnt from after an absence."""
AT_ONCE = 2000
MAX_HEARD = 20_000
Key = tuple[str, float, str]


class Heard:
    """Which overrides were heard last, so that none counts twice. Not thread-safe.

    Args:
        labels: what was learnt from before.
    """

    def __init__(self, labels: Iterable[Label] = ()) -> None:
        self._order: deque[Key] = deque()
        self._times: dict[Key, deque[float]] = {}
        for label in labels:
            self.note(label)

    def note(self, label: Label) -> None:
        """One was heard."""
        key = _key(label)
        self._order.append(key)
        self._times.setdefault(key, deque()).append(label.time)
        if len(self._order) > MAX_HEARD:
            oldest = self._order.popleft()
            self._times[oldest].popleft()
            if not self._times[oldest]:
                del self._times[oldest]

    def knows(self, label: Label) -> bool:
        """Whether one that was kept is one that was heard."""
        times = self._times.get(_key(label), ())
        return any(-EARLY <= label.time - heard <= LATE for heard in times)


class Listener(Protocol):
    """Learns from overrides."""

    def missed(self, label: Label) -> None:
        """Somebody said that while nobody listened; features may be NaN where none are known."""


class OverrideRows:
    """Where the backend keeps overrides. Thread-safe.

    Args:
        url: of the tables. own: the same, if this process has them open.
    """

    def __init__(self, url: str, own: TableStore | None = None) -> None:
        self._url, self._own = url, own
        self._opened: TableStore | None = None
        self._lock = threading.Lock()

    @classmethod
    def of(cls, url: str, own: TableStore | None, speed: float = 1.0) -> "OverrideRows | None":
        """Where to look; nowhere if only one process may (chdb), or time passes as it likes."""
        if speed != 1.0 or (own is None and url.startswith("chdb:")):
            return None
        return cls(url, own)

    def since(self, time: float) -> list[dict[str, Any]]:
        """The newest of them, oldest first.

        Raises:
            StoreError: the store is away.
            ConfigError: it is not there.
        """
        with self._lock:
            store = self._own or self._opened
            if store is None:
                check_there(self._url)
                self._opened = store = open_tables(self._url)
            if store is self._opened:
                store.create([TABLES[TABLE]])
            return store.rows(TABLE, since=time, limit=AT_ONCE)

    def close(self) -> None:
        """Close what was opened for this. Idempotent."""
        with self._lock:
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.close()


@asynccontextmanager
async def following(
    listener: Listener, kept: OverrideRows | None, now: Callable[[], float]
) -> AsyncIterator[None]:
    """Tell a listener what was kept and not heard: at once, and until the block ends.

    Args:
        listener: told of each, the oldest first; it knows which ones it has heard.
        kept: where to look, if anywhere.
        now: seconds since the Unix epoch; of the clock by which rows are kept.
    """
    if kept is None:
        yield
        return
    look = _Look(listener, kept, now)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FIRST_SECONDS):
            await look()
    task = asyncio.create_task(look.again(), name="missed overrides")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.to_thread(kept.close)


class _Look:
    """A look at what was kept. A store that is away is asked again at the next one."""

    def __init__(self, listener: Listener, kept: OverrideRows, now: Callable[[], float]) -> None:
        self._listener, self._kept, self._now = listener, kept, now
        self._begun, self._failing = now(), False

    async def __call__(self) -> None:
        now = self._now()
        try:
            rows = await asyncio.to_thread(self._kept.since, now - BEHIND)
        except EdgeFlowError as error:
            if not self._failing:
                _log.warning("missed_overrides_not_read", error=str(error))
            self._failing = True
            return
        self._failing = False
        for row in rows:
            if row["timestamp"] > max(self._begun, now - SETTLED):
                break
            label = _label_of(row)
            if label is not None:
                self._listener.missed(label)

    async def again(self) -> None:
        """Rows may come late, or a connection break."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self()


def _key(label: Label) -> Key:
    return label.device, round(label.position, 3), label.person


def _label_of(row: Mapping[str, Any]) -> Label | None:
    position = row["position"]
    if not 0.0 <= position <= 100.0:
        return None
    features = Features(
        temperature=row["temperature"],
        humidity=row["humidity"],
        sound_volume=row["sound_volume"],
    )
    return Label(row["timestamp"], row["device_id"], features, position, row["person"])


def is_known(features: Features) -> bool:
    """Whether the situation is known in which somebody spoke."""
    return all(map(math.isfinite, (features.temperature, features.humidity, features.sound_volume)))
