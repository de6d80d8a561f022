"""Alerts that begin and end, without a flood from a device that comes and goes. No I/O.

The first alert is told at once. It ends when all has been well for a while; what follows sooner
than an interval after it was told is counted, and told when the interval is over if it still holds.
"""

from collections import OrderedDict
from dataclasses import dataclass

from edgeflow.config import settings
from edgeflow.devices.records import Change
from edgeflow.store.tables import Row

__all__ = ["AlertBook", "Damping"]

ENDS = {"online": "offline", "heard": "silent", "recovered": "failed", "configured": "refused"}
AT_ONCE = ("refused",)
"""What follows from what a person did, each time."""
MAX_SUBJECTS = 100_000
Subject = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Damping:
    """How much is told.

    Attributes:
        calm: seconds that all must be well before an alert ends.
        interval: seconds between two alerts about the same, at least.
    """

    calm: float = 30.0
    interval: float = 300.0

    @classmethod
    def wanted(cls) -> "Damping":
        """As ``EDGEFLOW_ALERT_CALM`` and ``EDGEFLOW_ALERT_INTERVAL`` say."""
        return cls(settings.ALERT_CALM, settings.ALERT_INTERVAL)


@dataclass(slots=True)
class _Alert:
    """One subject.

    Attributes:
        bad, since: how it is, and since when. raised: it was told, and its end was not.
        untold: it became worse, which is still to be told. told: when it last was.
    """

    bad: bool = False
    since: float = 0.0
    why: str = ""
    raised: bool = False
    untold: bool = False
    told: float = float("-inf")
    suppressed: int = 0


class AlertBook:
    """Which alerts there are. Not thread-safe; times are those of changes.

    Args:
        damping: how much is told; as the settings say by default.

    Attributes:
        counts: alerts that were raised, by kind.
        suppressed: changes for the worse that were not told when they came.
    """

    def __init__(self, damping: Damping | None = None) -> None:
        self._damping = damping or Damping.wanted()
        self._alerts: OrderedDict[Subject, _Alert] = OrderedDict()
        self.counts: dict[str, int] = {}
        self.suppressed = 0

    def take(self, change: Change) -> list[Row]:
        """A device changed: the rows of ``device_alerts`` that are due now, if any."""
        kind = change.what if change.is_alert else ENDS.get(change.what, "")
        sensor = change.why.partition(":")[0] if kind == "silent" else ""
        subject = (change.device_id, kind, sensor)
        if not kind or (not change.is_alert and subject not in self._alerts):
            return []
        alert = self._alerts.setdefault(subject, _Alert())
        if len(self._alerts) > MAX_SUBJECTS:
            self._alerts.popitem(last=False)
        if change.is_alert:
            self._worsen(subject, alert, change)
        else:
            alert.bad, alert.untold, alert.since = False, False, change.time
            alert.why = change.why
        return self._due(subject, alert, change.time)

    def due(self, now: float) -> list[Row]:
        """Rows that time alone makes due: alerts that are over, and such as were held back."""
        found = []
        for subject, alert in list(self._alerts.items()):
            found += self._due(subject, alert, now)
            is_over = not alert.bad and not alert.raised
            if is_over and now - alert.told >= self._damping.interval:
                del self._alerts[subject]
        return found

    def forget(self, device_id: str) -> None:
        """A device was removed: nothing of it is to be told any more."""
        for subject in [each for each in self._alerts if each[0] == device_id]:
            del self._alerts[subject]

    def _worsen(self, subject: Subject, alert: _Alert, change: Change) -> None:
        came_back = alert.raised and not alert.bad and subject[1] not in AT_ONCE
        alert.bad, alert.since, alert.why = True, change.time, change.why
        alert.untold = alert.untold or not came_back
        if came_back or not self._may_tell(subject, alert, change.time):
            alert.suppressed += 1
            self.suppressed += 1

    def _may_tell(self, subject: Subject, alert: _Alert, now: float) -> bool:
        return subject[1] in AT_ONCE or now - alert.told >= self._damping.interval

    def _due(self, subject: Subject, alert: _Alert, now: float) -> list[Row]:
        if alert.bad and alert.untold and self._may_tell(subject, alert, now):
            alert.raised, alert.untold, alert.told = True, False, now
            self.counts[subject[1]] = self.counts.get(subject[1], 0) + 1
            return [_row(subject, alert, "raised", now)]
        calm = 0.0 if subject[1] in AT_ONCE else self._damping.calm
        if not alert.bad and alert.raised and now - alert.since >= calm:
            alert.raised = False
            return [_row(subject, alert, "ended", now)]
        return []


def _row(subject: Subject, alert: _Alert, state: str, now: float) -> Row:
    # One that was held back and is told now is the alert itself.
    held = alert.suppressed - (state == "raised" and alert.since < now)
    alert.suppressed = 0
    more = f" (and {held} more since the last alert)" if held > 0 else ""
    return {
        "device_id": subject[0],
        "timestamp": now,
        "kind": subject[1],
        "state": state,
        "reason": f"{alert.why}{more}",
    }
