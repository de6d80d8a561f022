"""The UART between host and chip: two wires, noise on both, and a rate for both sides."""

import random

from edgeflow.devices.virtual.messages import MessageEnds
from edgeflow.devices.virtual.noise import Noise
from edgeflow.devices.virtual.settings import BoardStats, Settings
from edgeflow.devices.virtual.wire import Wire

__all__ = ["Line"]

SEEN_SECONDS = 0.01
"""How often the host sees bytes of a message that takes long."""
TOLERANCE = 0.03
"""Two rates that differ by less are understood."""


class Line:
    """Bytes both ways. Times are seconds of one monotonic clock, given by the caller."""

    def __init__(self, settings: Settings, stats: BoardStats) -> None:
        self.baud = settings.baud
        self.host_baud: int | None = None
        """What the host has set its port to; None where that cannot be known."""
        self._settings = settings
        self._stats = stats
        rate = None if settings.instant else settings.baud
        self._in, self._out = Wire(rate), Wire(rate)
        self._noise_in, self._noise_out = (Noise(settings.noise, way) for way in (0, 1))
        self._garbage = random.Random(settings.noise.seed)  # noqa: S311 - not for secrets
        self._ends = MessageEnds()
        self._waiting = bytearray()
        self._handed = 0

    def set_baud(self, baud: int) -> None:
        """Change the chip's rate, both ways."""
        self.baud = baud
        if not self._settings.instant:
            self._in.set_baud(baud)
            self._out.set_baud(baud)

    def follow_host(self) -> None:
        """Take on the host's rate, as the loader does by measuring it."""
        if self.host_baud:
            self.set_baud(self.host_baud)

    def receive(self, data: bytes, now: float) -> None:
        """Put what the host sends on the line."""
        self._stats.received += len(data)
        data = self._noise_in.apply(self._at_rate(data))
        self._stats.overrun += max(0, len(data) - self._in.room)
        data = data[: self._in.room]
        self._ends.feed(data)
        self._in.put(data, now)
        self._count_noise()

    def next_input(self) -> float | None:
        """Return when the next request, or what there is of it, has arrived."""
        if self._waiting:
            return 0.0
        end = self._in.next_end()
        if end is None or not self._ends.ends:
            return end
        behind = self._ends.ends[0] - self._handed - 1
        arrival = self._in.arrival(behind)
        return end if arrival is None else min(end, arrival)

    def take(self, now: float, busy_until: float, most: int) -> bytes:
        """Return what has arrived up to the end of the next request.

        The driver's buffer holds ``most`` bytes: of what arrived while the chip was busy, until
        ``busy_until``, the rest is lost.
        """
        self._waiting += self._in.take(min(now, busy_until))
        over = len(self._waiting) - most
        if over > 0:
            del self._waiting[most:]
            self._stats.overrun += over
            self._handed += over
        self._waiting += self._in.take(now)
        ends = self._ends.ends
        while ends and ends[0] <= self._handed:
            ends.popleft()
        count = min(len(self._waiting), ends[0] - self._handed if ends else 1 << 30)
        taken = bytes(self._waiting[:count])
        del self._waiting[:count]
        self._handed += count
        return taken

    def forget_input(self, now: float) -> None:
        """Lose what has arrived while nobody read."""
        self._handed += len(self._waiting) + len(self._in.take(now))
        self._waiting.clear()

    def send(self, data: bytes, now: float) -> float:
        """Put the chip's bytes on the line; return when they have left."""
        data = self._noise_out.apply(self._at_rate(data))
        self._count_noise()
        return self._out.put(data, now)

    def log(self, seconds: float, now: float, uptime_ms: int) -> None:
        """Let the noise say something between messages."""
        line = self._noise_out.log_line(seconds, uptime_ms)
        if line:
            self._out.put(line, now)

    def next_output(self, now: float) -> float | None:
        """Return when the host should see more: a whole message, or what came in a while."""
        end = self._out.next_end()
        return None if end is None else min(end, now + SEEN_SECONDS)

    def output(self, now: float) -> bytes:
        """Return what has arrived at the host."""
        data = self._out.take(now)
        self._stats.sent += len(data)
        return data

    def clear(self, now: float) -> None:
        """The chip stops: lose what is under way to it, and what it has not sent yet."""
        self._in.clear()
        self._out.cut(now)
        self._waiting.clear()
        self._ends = MessageEnds()
        self._handed = 0

    def _at_rate(self, data: bytes) -> bytes:
        """Return the bytes as the other side reads them at its own rate."""
        if not self._settings.strict_baud or not self.host_baud:
            return data
        if abs(self.host_baud - self.baud) <= TOLERANCE * self.baud:
            return data
        return self._garbage.randbytes(len(data))

    def _count_noise(self) -> None:
        self._stats.disturbed = self._noise_in.disturbed + self._noise_out.disturbed
