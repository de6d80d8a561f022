"""A bad line: bytes that flip, vanish or appear, and log lines between messages."""

import random
from dataclasses import dataclass, fields
from math import log

from edgeflow.errors import ConfigError, did_you_mean

__all__ = ["Noise", "NoiseRates", "parse_noise"]

_LINES = (
    "I ({ms}) wifi:bcn_timeout, ap_probe_send_start",
    "W ({ms}) uart: INFO of the driver: rx level {level}",
    "I ({ms}) heap: free {level} bytes, PRED none",
    "E ({ms}) temperature: 0x{level:02x} INFR",
    "I ({ms}) stats: EFX1 frames {level} META ok",
)


@dataclass(frozen=True, slots=True)
class NoiseRates:
    """How bad it is.

    Attributes:
        flip, drop, insert: chance of each byte.
        logs: log lines per second, at most 20, sent between messages; some hold words of the
            protocols.
        seed: the same seed gives the same noise for the same bytes.
    """

    flip: float = 0.0
    drop: float = 0.0
    insert: float = 0.0
    logs: float = 0.0
    seed: int = 1

    @property
    def silent(self) -> bool:
        """Whether nothing is disturbed."""
        return not (self.flip or self.drop or self.insert or self.logs)


def parse_noise(text: str) -> NoiseRates:
    """Read ``flip=0.001,drop=0.001,insert=0.001,logs=2,seed=7``.

    Raises:
        ConfigError: an unknown word, or a value out of range.
    """
    names = {field.name for field in fields(NoiseRates)}
    found: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name not in names:
            raise ConfigError(f"noise has no {name!r}", hint=did_you_mean(name, sorted(names)))
        try:
            found[name] = int(value) if name == "seed" else float(value)
        except ValueError:
            raise ConfigError(f"noise: {value!r} of {name} is no number") from None
        if name != "seed" and not 0 <= found[name] <= (20 if name == "logs" else 0.5):
            raise ConfigError(
                f"noise: {name} of {value} is out of range",
                hint="chances go up to 0.5, logs up to 20 per second",
            )
    return NoiseRates(**found)  # type: ignore[arg-type]


class Noise:
    """One direction of a line."""

    def __init__(self, rates: NoiseRates, direction: int) -> None:
        self.disturbed = 0
        """Bytes flipped, dropped or inserted so far."""
        self._rates = rates
        self._random = random.Random(f"{rates.seed}/{direction}")  # noqa: S311 - not for secrets
        self._chance = rates.flip + rates.drop + rates.insert
        self._left = self._gap()

    def apply(self, data: bytes) -> bytes:
        """Return the bytes as they arrive. Costs time only where something happens."""
        if self._left >= len(data):
            self._left -= len(data)
            return data
        out = bytearray()
        at = 0
        while self._left < len(data) - at:
            out += data[at : at + self._left]
            at += self._left
            out += self._disturb(data[at])
            at += 1
            self.disturbed += 1
            self._left = self._gap()
        self._left -= len(data) - at
        return bytes(out + data[at:])

    def log_line(self, seconds: float, uptime_ms: int) -> bytes:
        """Return the log lines of the ``seconds`` that went by; mostly none."""
        if self._rates.logs == 0 or self._random.random() >= self._rates.logs * seconds:
            return b""
        text = self._random.choice(_LINES)
        line = text.format(ms=uptime_ms, level=self._random.randrange(4096))
        return line.encode() + b"\r\n"

    def _gap(self) -> int:
        """Return how many bytes pass before the next one is disturbed."""
        if self._chance <= 0:
            return 1 << 62
        return int(log(1.0 - self._random.random()) / log(1.0 - min(self._chance, 0.999)))

    def _disturb(self, byte: int) -> bytes:
        pick = self._random.random() * self._chance
        if pick < self._rates.flip:
            return bytes([byte ^ 1 << self._random.randrange(8)])
        if pick < self._rates.flip + self._rates.drop:
            return b""
        return bytes([byte, self._random.randrange(256)])
