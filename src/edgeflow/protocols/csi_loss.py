"""What became of the frames of a node: lost, late, twice, or never sent; time is injected."""

from enum import Enum

from edgeflow.errors import ConfigError

__all__ = ["Arrival", "LossTracker"]

_WRAP = 1 << 32
_WINDOW = 64
_MAX_STEP = 10_000


class Arrival(Enum):
    """How a frame came."""

    FIRST = "first"
    IN_ORDER = "in order"
    AFTER_GAP = "after a gap"
    LATE = "late"
    DUPLICATE = "duplicate"
    RESTARTED = "restarted"


class LossTracker:
    """Follows the sequence numbers (u32, wrapping) of one node.

    Firmware may count frames that it then did not send, so not all that is lost was lost on the
    way.

    Args:
        silence_s: no frame for longer than that is a silence or an outage.

    Attributes:
        received: frames, without duplicates.
        lost: numbers that were skipped and have not come since.
        late, duplicates, restarts: so far.
        silences: times with no frame for longer than the limit, and hardly a number skipped: the
            node sent nothing. When as many numbers were skipped as its rate makes likely, they are
            ``lost`` and the time is an outage.
        outages: see there.

    Raises:
        ConfigError: a limit that is not positive.
    """

    __slots__ = (
        "_newest",
        "_period",
        "_silence",
        "_time",
        "_window",
        "duplicates",
        "late",
        "lost",
        "outages",
        "received",
        "restarts",
        "silences",
    )

    def __init__(self, silence_s: float = 3.0) -> None:
        if silence_s <= 0:
            raise ConfigError("silence_s is positive")
        self.received = self.lost = self.late = self.duplicates = 0
        self.restarts = self.silences = self.outages = 0
        self._silence = silence_s
        self._newest = 0
        self._time = 0.0
        self._window = 0  # bit i: the number `i` before the newest one came
        self._period = 0.0  # s, smoothed

    @property
    def loss(self) -> float:
        """The part that is missing, 0 to 1."""
        return self.lost / (self.lost + self.received) if self.lost else 0.0

    def is_silent(self, now: float) -> bool:
        """Return whether there is no frame since longer than the limit.

        Whether it is a silence or an outage shows only when the next frame comes.
        """
        return self.received > 0 and now - self._time > self._silence

    def see(self, sequence: int, now: float) -> Arrival:
        """Take note of a frame.

        Args:
            sequence: its number.
            now: s, monotonic.
        """
        if self.received == 0:
            self._begin(sequence, now)
            return Arrival.FIRST
        step = (sequence - self._newest) % _WRAP
        if 0 < step <= _MAX_STEP:
            return self._advance(step, now)
        if _WRAP - step < _WINDOW or step == 0:
            return self._look_back((_WRAP - step) % _WRAP)
        self.restarts += 1
        self._begin(sequence, now)
        return Arrival.RESTARTED

    def _begin(self, sequence: int, now: float) -> None:
        self.received += 1
        self._newest, self._time, self._window, self._period = sequence, now, 1, 0.0

    def _advance(self, step: int, now: float) -> Arrival:
        gap = max(0.0, now - self._time)
        if gap > self._silence:
            self._count_gap(gap, step)
        else:
            each = gap / step
            self._period = each if not self._period else self._period + (each - self._period) / 16
        self.received += 1
        self.lost += step - 1
        self._newest = (self._newest + step) % _WRAP
        self._window = (self._window << min(step, _WINDOW) | 1) & ((1 << _WINDOW) - 1)
        self._time = max(self._time, now)
        return Arrival.IN_ORDER if step == 1 else Arrival.AFTER_GAP

    def _count_gap(self, gap: float, step: int) -> None:
        expected = gap / self._period if self._period else 0.0
        quiet = step - 1 <= expected / 2 if expected else step == 1
        self.silences += quiet
        self.outages += not quiet

    def _look_back(self, back: int) -> Arrival:
        if self._window >> back & 1:
            self.duplicates += 1
            return Arrival.DUPLICATE
        self._window |= 1 << back
        self.received += 1
        self.late += 1
        self.lost = max(0, self.lost - 1)  # before the first frame nothing was counted as lost
        return Arrival.LATE
