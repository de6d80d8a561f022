"""What runs on a virtual board once it has started."""

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Application", "Work"]


@dataclass(frozen=True, slots=True)
class Work:
    """What one step did.

    Attributes:
        output: bytes for the line.
        seconds: of computing, flashing and sleeping before the output goes out.
        blocking: the application waits until the output has left.
        baud: a new rate of the line, from behind the output on; 0 for none.
        restart: the chip restarts behind the output.
    """

    output: bytes = b""
    seconds: float = 0.0
    blocking: bool = False
    baud: int = 0
    restart: bool = False


class Application(Protocol):
    """Firmware, as the chip drives it. Times are seconds of one monotonic clock."""

    receive_bytes: int
    """What the driver's receive buffer takes; more is lost."""

    def start(self, now: float) -> Work:
        """Begin; called once, before anything else."""

    def receive(self, data: bytes, now: float) -> None:
        """Bytes have arrived."""

    def step(self, now: float) -> Work | None:
        """Do at most one message's work; None when there was nothing to do."""

    def close(self) -> None:
        """The chip is reset or loses its power."""
