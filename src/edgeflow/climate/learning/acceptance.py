"""Whether silence is consent: only of somebody who is there, and only after a while."""

from collections import OrderedDict, deque
from typing import Generic, NamedTuple, TypeVar

__all__ = ["HABIT_DAYS", "Acceptance", "Consent", "Habits"]

CONSENT_SECONDS = 3600.0
"""Who corrects a window within the hour did not accept what was before."""
PRESENT_SECONDS = 3 * 3600.0
"""Since the last override somebody is there: who is out accepts everything."""
HABIT_DAYS = 14
LEAST_DAYS = 2
"""On so many of the last days somebody was heard at this time of day: somebody usually is there."""
MAX_DEVICES = 100_000
MAX_PENDING = 8
HOUR = 3600.0

Item = TypeVar("Item")


class Habits:
    """At which hours of the day people were heard lately. Bounded."""

    def __init__(self) -> None:
        self._days = [deque[int](maxlen=HABIT_DAYS) for _ in range(24)]

    def heard(self, time: float) -> None:
        """Somebody moved a window by hand, at so many seconds since the Unix epoch."""
        day, hour = divmod(int(time // HOUR), 24)
        known = self._days[hour]
        if day not in known:
            known.append(day)

    def usual(self, time: float) -> bool:
        """Whether people are usually there now: heard within an hour of this time of day."""
        today, hour = divmod(int(time // HOUR), 24)
        around = {day for near in (-1, 0, 1) for day in self._days[(hour + near) % 24]}
        return sum(today - HABIT_DAYS <= day <= today for day in around) >= LEAST_DAYS


class Consent(NamedTuple, Generic[Item]):
    """A decision that was accepted.

    Attributes:
        item: the decision. heard: somebody had spoken shortly before; if not, people usually are
            there.
    """

    item: Item
    heard: bool


class Acceptance(Generic[Item]):
    """Decisions that stood for a while, until they count as accepted. Bounded."""

    def __init__(self) -> None:
        self._pending: OrderedDict[str, deque[tuple[float, Consent[Item]]]] = OrderedDict()
        self._heard = float("-inf")
        self.habits = Habits()

    def stood(self, device: str, item: Item, now: float) -> None:
        """A decision has not been changed for a while."""
        heard = now - self._heard <= PRESENT_SECONDS
        if not heard and not self.habits.usual(now):
            return
        waiting = self._pending.setdefault(device, deque(maxlen=MAX_PENDING))
        waiting.append((now, Consent(item, heard)))
        if len(self._pending) > MAX_DEVICES:
            self._pending.popitem(last=False)

    def spoke(self, device: str, now: float, *, contradicted: bool) -> None:
        """Somebody moved the window of a device by hand, a little or elsewhere."""
        self._heard = now
        self.habits.heard(now)
        if contradicted:
            self._pending.pop(device, None)

    def consented(self, device: str, now: float) -> list[Consent[Item]]:
        """Decisions for the device that count as accepted by now; each is told once."""
        waiting = self._pending.get(device)
        found = []
        while waiting and now - waiting[0][0] >= CONSENT_SECONDS:
            found.append(waiting.popleft()[1])
        if waiting is not None and not waiting:
            del self._pending[device]
        return found
