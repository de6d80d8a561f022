"""What became of the frames of each node: lost, late, twice, or never sent; time is injected."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from enum import Enum

from edgeflow.errors import ConfigError

__all__ = ["Arrival", "LossCounts", "LossTracker"]

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


@dataclass(frozen=True, slots=True)
class LossCounts:
    """What is known of one node.

    Attributes:
        received: frames, without duplicates.
        lost: numbers that were skipped and have not come since.
        late, duplicates, restarts: so far.
        silences: times with no frame for longer than the limit, and hardly a number skipped: the
            node sent nothing. When as many numbers were skipped as its rate makes likely, they are
            ``lost`` and the time is an outage.
        outages: see there.
        silent: there is none now, since longer than the limit; whether it is a silence or an outage
            shows only when the next frame comes.
    """

    received: int = 0
    lost: int = 0
    late: int = 0
    duplicates: int = 0
    restarts: int = 0
    silences: int = 0
    outages: int = 0
    silent: bool = False

    @property
    def loss(self) -> float:
        """The part that is missing, 0 to 1."""
        return self.lost / (self.lost + self.received) if self.lost else 0.0


@dataclass(slots=True)
class _Node:
    counts: LossCounts
    newest: int
    time: float
    window: int = 1  # bit i: the number `i` before the newest one came
    period: float = 0.0  # s, smoothed


class LossTracker:
    """Follows the sequence numbers (u32, wrapping) of many nodes.

    Firmware may count frames that it then did not send, so not all that is lost was lost on the
    way.

    Args:
        silence_s: no frame for longer than that is a silence or an outage.
        max_nodes: the node that was quiet longest is forgotten beyond them.

    Raises:
        ConfigError: a value that is not positive.
    """

    def __init__(self, silence_s: float = 3.0, max_nodes: int = 8192) -> None:
        if silence_s <= 0 or max_nodes < 1:
            raise ConfigError("silence_s and max_nodes are positive")
        self._silence = silence_s
        self._max_nodes = max_nodes
        self._nodes: OrderedDict[int, _Node] = OrderedDict()

    def see(self, node: int, sequence: int, now: float) -> Arrival:
        """Take note of a frame.

        Args:
            node: its id.
            sequence: its number.
            now: s, monotonic.
        """
        held = self._nodes.get(node)
        if held is None:
            self._nodes[node] = _Node(LossCounts(received=1), sequence, now)
            if len(self._nodes) > self._max_nodes:
                self._nodes.popitem(last=False)
            return Arrival.FIRST
        self._nodes.move_to_end(node)
        step = (sequence - held.newest) % _WRAP
        if 0 < step <= _MAX_STEP:
            return self._advance(held, step, now)
        if _WRAP - step < _WINDOW or step == 0:
            return _look_back(held, (_WRAP - step) % _WRAP)
        return self._restart(held, sequence, now)

    def counts(self, node: int, now: float) -> LossCounts | None:
        """Return what is known of a node; None for one that was never heard, or is forgotten."""
        held = self._nodes.get(node)
        if held is None:
            return None
        return replace(held.counts, silent=now - held.time > self._silence)

    def _advance(self, held: _Node, step: int, now: float) -> Arrival:
        gap = max(0.0, now - held.time)
        counts = held.counts
        if gap > self._silence:
            expected = gap / held.period if held.period else 0.0
            quiet = step - 1 <= expected / 2 if expected else step == 1
            silences, outages = counts.silences + quiet, counts.outages + (not quiet)
            counts = replace(counts, silences=silences, outages=outages)
        else:
            each = gap / step
            held.period = each if not held.period else held.period + (each - held.period) / 16
        lost = counts.lost + step - 1
        held.counts = replace(counts, received=counts.received + 1, lost=lost)
        held.newest = (held.newest + step) % _WRAP
        held.window = (held.window << step | 1) & ((1 << _WINDOW) - 1)
        held.time = max(held.time, now)
        return Arrival.IN_ORDER if step == 1 else Arrival.AFTER_GAP

    def _restart(self, held: _Node, sequence: int, now: float) -> Arrival:
        counts = held.counts
        held.counts = replace(counts, received=counts.received + 1, restarts=counts.restarts + 1)
        held.newest, held.time, held.window, held.period = sequence, now, 1, 0.0
        return Arrival.RESTARTED


def _look_back(held: _Node, back: int) -> Arrival:
    counts = held.counts
    if held.window >> back & 1:
        held.counts = replace(counts, duplicates=counts.duplicates + 1)
        return Arrival.DUPLICATE
    held.window |= 1 << back
    # Before the first frame that was seen nothing was counted as lost.
    lost = max(0, counts.lost - 1)
    held.counts = replace(counts, received=counts.received + 1, late=counts.late + 1, lost=lost)
    return Arrival.LATE
