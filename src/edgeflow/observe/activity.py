"""The book of what happened in this process: alerts, actions, trips; bounded, newest kept."""

import threading
import time
from collections import deque
from collections.abc import Callable

import msgspec

from edgeflow.core.status import Activity

__all__ = ["ActivityBook", "activities"]

KEPT = 2000


class ActivityBook:
    """Keeps the newest entries; an ``ActivityView``. Any thread may write and read.

    Args:
        kept: entries kept.
        now: seconds since the Unix epoch.
    """

    def __init__(self, kept: int = KEPT, now: Callable[[], float] = time.time) -> None:
        self._entries: deque[Activity] = deque(maxlen=kept)
        self._lock = threading.Lock()
        self._number = 0
        self._now = now

    def add(self, entry: Activity) -> Activity:
        """Keep ``entry`` under the next number, with the time of now unless it has one."""
        with self._lock:
            self._number += 1
            entry = msgspec.structs.replace(
                entry, number=self._number, time=entry.time or self._now()
            )
            self._entries.append(entry)
        return entry

    def activities(self, after: int = 0, limit: int = 200) -> list[Activity]:
        """Return what has a number above ``after``, oldest first; the newest ``limit`` of them."""
        with self._lock:
            found = [entry for entry in self._entries if entry.number > after]
        return found[-limit:]


activities = ActivityBook()
"""The book of this process."""
