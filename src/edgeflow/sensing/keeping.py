"""Vitals and events into a store, in batches, from a thread of its own."""

import threading
from typing import Any, Self

import msgspec
import structlog

from edgeflow.core.vitals import SensingEvent, SensingView, VitalsUpdate
from edgeflow.errors import StoreError
from edgeflow.store import Event, open_store

__all__ = ["EVENTS_TOPIC", "VITALS_TOPIC", "Keeper"]

VITALS_TOPIC, EVENTS_TOPIC = "csi/vitals", "csi/events"
BATCH = 2000
PAUSE_SECONDS = 0.5
"""Between two batches, so that the news of many nodes shares a transaction."""

log = structlog.get_logger(__name__)


class Keeper:
    """Keeps what a view tells from its construction until ``close``.

    While the store fails, news waits in the view; what the view forgets meanwhile is counted.

    Args:
        view: whose news.
        url: of the store, for example ``sqlite:///vitals.db``.

    Attributes:
        kept, lost: updates and events.
        failing: the last batch could not be written; it is tried again.

    Raises:
        StoreError: the url names no store, or it cannot be opened.
    """

    def __init__(self, view: SensingView, url: str) -> None:
        self.kept = self.lost = 0
        self._view = view
        self._store = open_store(url)
        self._last = 0
        self.failing = False
        self._fresh, self._stop = threading.Event(), threading.Event()
        self._unsubscribe = view.subscribe(self._fresh.set)
        self._thread = threading.Thread(target=self._run, name="edgeflow-csi-store", daemon=True)
        self._thread.start()

    def query(self, name: str, since: float, until: float, limit: int) -> list[dict[str, Any]]:
        """Return the newest updates of a node with ``since <= time < until``, oldest first.

        Raises:
            StoreError: the store cannot be read.
        """
        found = self._store.query(VITALS_TOPIC, source=name, since=since, until=until, limit=limit)
        return [event.value for event in found if isinstance(event.value, dict)]

    def close(self) -> None:
        """Write what is pending and close. Idempotent."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._unsubscribe()
        self._fresh.set()
        self._thread.join(3.0)
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            self._fresh.wait(PAUSE_SECONDS)
            self._fresh.clear()
            self._write()
        self._write()

    def _write(self) -> None:
        news = self._view.news(self._last, limit=1 << 30)
        for begin in range(0, len(news), BATCH):
            batch = news[begin : begin + BATCH]
            try:
                self._store.append([_event(said) for said in batch])
            except StoreError as error:
                if not self.failing:
                    log.error("vitals_not_kept", error=error.message)
                self.failing = True
                return
            self.failing = False
            self.kept += len(batch)
            self.lost += batch[0].number - self._last - 1
            self._last = batch[-1].number


def _event(said: VitalsUpdate | SensingEvent) -> Event:
    value = msgspec.to_builtins(said)
    topic = VITALS_TOPIC if isinstance(said, VitalsUpdate) else EVENTS_TOPIC
    return Event(time=said.time, topic=topic, source=said.name, id=said.number, value=value)
