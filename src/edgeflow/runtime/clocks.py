"""What the processes of a flow tell each other about their hosts' clocks, on the status board."""

import contextlib
from collections.abc import Iterable

import msgspec

from edgeflow.comms.brokers.base import StatusBoard
from edgeflow.core.clock_offset import ClockOffset, chained
from edgeflow.errors import CommsError
from edgeflow.runtime.planes import Planes

__all__ = ["PREFIX", "HostClocks"]

PREFIX = "@clock/"
EXCHANGE_SECONDS = 2.0
MAX_HOSTS = 1024

_decoder = msgspec.json.Decoder(dict[str, ClockOffset])


class HostClocks:
    """Posts what this host has measured, and works out what nobody here has.

    Args:
        planes: the brokers that measure; their ``host_offsets`` are kept up to date.
        board: where to post; None when all of the flow is here.
        host: name of this host.
    """

    def __init__(self, planes: Planes, board: StatusBoard | None, host: str) -> None:
        self._planes, self._board, self._host = planes, board, host
        self._due = float("-inf")

    def exchange(self, now: float) -> None:
        """Post and read, every two seconds of ``now``."""
        if self._board is None or now < self._due:
            return
        self._due = now + EXCHANGE_SECONDS
        own = self._planes.clock_offsets()
        with contextlib.suppress(OSError, CommsError):  # then there is nothing new
            self._board.post(PREFIX + self._host, msgspec.json.encode(own))
            measured = dict(_parsed(self._board.read(PREFIX).items()))
            found = chained({**measured, self._host: own}, self._host)
            self._planes.host_offsets = {h: each for h, each in found.items() if h in measured}


def _parsed(reports: Iterable[tuple[str, bytes]]) -> Iterable[tuple[str, dict[str, ClockOffset]]]:
    for name, raw in list(reports)[:MAX_HOSTS]:
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            yield name.removeprefix(PREFIX), _decoder.decode(raw)
