"""Whether silence is consent: only of somebody who is there, and only after a while."""

from collections import OrderedDict, deque
from typing import Generic, TypeVar

__all__ = ["Acceptance"]

CONSENT_SECONDS = 3600.0
"""Who corrects a window within the hour did not accept what was before."""
PRESENT_SECONDS = 3 * 3600.0
"""Since the last override somebody is there: who is out accepts everything."""
MAX_DEVICES = 100_000
MAX_PENDING = 8

Item = TypeVar("Item")


class Acceptance(Generic[Item]):
    """Decisions that stood for a while, until they count as accepted. Bounded."""

    def __init__(self) -> None:
        self._pending: OrderedDict[str, deque[tuple[float, Item]]] = OrderedDict()
        self._heard = float("-inf")

    def stood(self, device: str, item: Item, now: float) -> None:
        """A decision has not been changed for a while."""
        if now - self._heard > PRESENT_SECONDS:
            return
        self._pending.setdefault(device, deque(maxlen=MAX_PENDING)).append((now, item))
        if len(self._pending) > MAX_DEVICES:
            self._pending.popitem(last=False)

    def spoke(self, device: str, now: float, *, contradicted: bool) -> None:
        """Somebody moved the window of a device by hand, a little or elsewhere."""
        self._heard = now
        if contradicted:
            self._pending.pop(device, None)

    def consented(self, device: str, now: float) -> list[Item]:
        """Decisions for the device that count as accepted by now; each is told once."""
        waiting = self._pending.get(device)
        found = []
        while waiting and now - waiting[0][0] >= CONSENT_SECONDS:
            found.append(waiting.popleft()[1])
        if waiting is not None and not waiting:
            del self._pending[device]
        return found
