"""What a virtual board is told to be."""

from collections.abc import Callable
from dataclasses import dataclass, field

from edgeflow.devices.virtual.noise import NoiseRates

__all__ = ["BoardStats", "Settings", "address_of"]

ROM_BAUD = 115200
START_SECONDS = 0.35
"""From the end of a reset to the application's first word, on a board whose log is short."""


def _say_nothing(text: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Settings:
    """One board.

    Attributes:
        baud: rate of the application's line at start.
        instant: no latency of the line, no time of computing, flashing or starting.
        strict_baud: bytes that the host sends or awaits at another rate arrive as garbage.
        reference: behave as the reference firmware does.
        mac: six bytes.
        narrate: called with a line of text when something happens that people want to know.
    """

    baud: int = 115200
    instant: bool = False
    strict_baud: bool = False
    reference: bool = False
    noise: NoiseRates = field(default_factory=NoiseRates)
    mac: bytes = b"\x02\xed\x6e\x00\x00\x01"
    narrate: Callable[[str], None] = _say_nothing


@dataclass(slots=True)
class BoardStats:
    """What went over the line, and what happened to it.

    Attributes:
        received, sent: bytes as the host put them on the line, and as it got them.
        disturbed: bytes that the noise flipped, dropped or inserted.
        overrun: bytes lost because the board was busy and its receive buffer full.
        lost: bytes that the host did not fetch in time.
        starts: of the application; ``resets``: of any kind.
        compute_seconds: charged by the cost model, with flash and sleeping.
        erases: sectors and blocks of the flash, in its lifetime.
    """

    received: int = 0
    sent: int = 0
    disturbed: int = 0
    overrun: int = 0
    lost: int = 0
    starts: int = 0
    resets: int = 0
    compute_seconds: float = 0.0
    erases: int = 0


def address_of(number: int) -> bytes:
    """Return the MAC of the board of that number: locally administered, told apart by the end."""
    return b"\x02\xed\x6e" + (number + 1).to_bytes(3, "big")
