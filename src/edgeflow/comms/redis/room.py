"""How long a publisher lets its stream become.

Without DURABLE groups it is kept at an exact length, the bound. With them it has no bound: there
is room while every such group holds fewer entries than its capacity, and what all of them have
acknowledged may go, except for the last entries.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

from edgeflow.comms.redis.entry import entry_order, id_after
from edgeflow.comms.redis.resp import ReplyError, text
from edgeflow.comms.redis.server import Server, Wish, group_infos
from edgeflow.core.qos import QoS

__all__ = ["Room"]

# Servers before 7.0 do not tell how far a group lags behind.
_COUNT_UNREAD = "return #redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])"


class Room:
    """The books of one stream, brought up to date by replies of the server.

    Attributes:
        bound: length the stream is kept at; 0 while DURABLE groups hold it.
        done_below: entries before this id are needed by nobody; empty when there is nothing new.
    """

    def __init__(self, server: Server, stream: str) -> None:
        self.bound = 1
        self.done_below = ""
        self._server, self._stream = server, stream
        self._holders: list[tuple[str, int]] = []
        self._left = self._unchecked = 0
        self._recent: deque[str] = deque(maxlen=1)

    @property
    def is_full(self) -> bool:
        """True when a DURABLE group has no room, as far as we know."""
        return self.bound == 0 and self._left <= 0

    @property
    def is_check_due(self) -> bool:
        """True when it is time to ask again, before the room runs out."""
        return self.bound == 0 and self._unchecked <= 0

    def set_wishes(self, wishes: dict[str, Wish]) -> None:
        """Learn which groups there are; DURABLE ones are asked about before the next entry."""
        self._holders = [
            (group, most) for group, (qos, most) in wishes.items() if qos is QoS.DURABLE
        ]
        keep = max([most for qos, most in wishes.values() if qos is QoS.BALANCED], default=1)
        if keep != self._recent.maxlen:
            self._recent = deque(self._recent, maxlen=keep)
        self.bound = 0 if self._holders else keep
        self._left = self._unchecked = 0

    def added(self, entry_id: str) -> None:
        """An entry of ours is in the stream."""
        self._recent.append(entry_id)
        self._left -= 1
        self._unchecked -= 1

    def questions(self) -> list[Sequence[Any]]:
        """Return the commands whose replies ``learn`` wants."""
        pending = [("XPENDING", self._stream, group) for group, _ in self._holders]
        return [("XINFO", "GROUPS", self._stream), *pending]

    def learn(self, replies: Sequence[Any]) -> bool:
        """Take the replies to ``questions``; return False when a group has disappeared.

        Raises:
            UnreachableError: the server is away.
        """
        infos = group_infos(replies[0])
        left = min([capacity for _, capacity in self._holders], default=1)
        self._unchecked = max(1, left // 4)
        below: list[str] = []
        for (group, capacity), summary in zip(self._holders, replies[1:], strict=True):
            info = infos.get(group)
            if info is None or isinstance(summary, ReplyError):
                continue
            delivered, lag = text(info["last-delivered-id"]), info.get("lag")
            unread = self._count_unread(delivered, capacity) if lag is None else int(lag)
            left = min(left, capacity - int(info["pending"]) - unread)
            below.append(text(summary[1]) if summary[0] else id_after(delivered))
        self._left = left
        if below and len(self._recent) == self._recent.maxlen:
            self.done_below = min(*below, self._recent[0], key=entry_order)
        return len(below) == len(self._holders)

    def _count_unread(self, delivered: str, capacity: int) -> int:
        count = self._server.call("EVAL", _COUNT_UNREAD, 1, self._stream, delivered, capacity)
        return int(count)
