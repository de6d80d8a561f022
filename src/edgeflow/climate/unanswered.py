"""Requests that nobody has answered yet: the learning service may be away."""

import itertools
from dataclasses import dataclass

from edgeflow.protocols.climate import InferenceRequest

__all__ = ["Unanswered"]

PAUSE, LONGEST_PAUSE = 10.0, 300.0
KEEP_SECONDS = 3600.0
MAX_WAITING = 10_000
AT_ONCE = 200
"""Repeats of one look: they share the outbox with new requests."""


@dataclass(slots=True)
class _Waiting:
    request: InferenceRequest
    asked: float
    due: float
    pause: float = PAUSE


class Unanswered:
    """The last request of each device until its answer comes.

    It is due again after 10 s, then after pauses that double up to five minutes, for an hour.
    Times are seconds since the Unix epoch.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def asked(self, request: InferenceRequest, now: float) -> None:
        """A request was made; an earlier one of the device no longer matters."""
        self._waiting.pop(request.device_id, None)
        if len(self._waiting) >= MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._waiting[request.device_id] = _Waiting(request, now, now + PAUSE)

    def answered(self, device: str, correlation_id: str, now: float) -> float | None:
        """An answer came; return seconds since its request, None if nobody waits for it."""
        known = self._waiting.get(device)
        if known is None or known.request.correlation_id != correlation_id:
            return None
        del self._waiting[device]
        return now - known.asked

    def due(self, now: float) -> list[InferenceRequest]:
        """What should be asked again now, as it was; what is too old is forgotten."""
        for device in [name for name, each in self._waiting.items() if _is_old(each, now)]:
            del self._waiting[device]
        late = (each for each in self._waiting.values() if each.due <= now)
        found = list(itertools.islice(late, AT_ONCE))
        for each in found:
            each.pause = min(2 * each.pause, LONGEST_PAUSE)
            each.due = now + each.pause
        return [each.request for each in found]


def _is_old(waiting: _Waiting, now: float) -> bool:
    return now - waiting.asked > KEEP_SECONDS
