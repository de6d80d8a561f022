"""What a source holds for each group and member. Pure: no threads, no network, no clock."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from edgeflow.comms.brokers.base import MAX_ATTEMPTS, Subscription
from edgeflow.comms.zenoh.messages import Update
from edgeflow.core.qos import QoS

__all__ = ["MAX_AHEAD", "Entry", "Group", "Member"]

MAX_AHEAD = 256
"""Frames that a member may ask for beyond those it has."""


@dataclass(slots=True, eq=False)
class Entry:
    """A frame that a group waits for; the message is shared by all groups.

    Attributes:
        number: of the frame at its source.
        again: True when somebody may have seen it.
        blamed: the member that was lost while it may have had this frame.
    """

    number: int
    message: bytes
    attempt: int = 1
    again: bool = False
    blamed: tuple[str, str] | None = None


@dataclass(slots=True, eq=False)
class Member:
    """A member at the other end of a link.

    Attributes:
        sent: sequence number of the last frame given to it.
        written: of the last one that is on the wire.
        in_flight: DURABLE frames it has not acknowledged.
    """

    link: int
    peer: str
    name: str
    group: "Group"
    sent: int = 0
    written: int = 0
    received: int = 0
    limit: int = 0
    begun: int = 0
    in_flight: dict[int, Entry] = field(default_factory=dict)

    @property
    def wants(self) -> int:
        """Frames it waits for."""
        return self.limit - self.sent


class Group:
    """The frames of one consumer node and the members that share them."""

    def __init__(self, wish: Subscription, *, declared: bool) -> None:
        self.wish = wish
        self.name = wish.group
        self.durable = wish.qos is QoS.DURABLE
        self.capacity = 1 if wish.qos is QoS.REALTIME else max(1, wish.capacity)
        self.declared = declared
        self.waiting: deque[Entry] = deque()
        self.members: dict[int, Member] = {}
        self.held = 0
        self.empty_since: float | None = None

    @property
    def is_full(self) -> bool:
        """True when a DURABLE group can take no more."""
        return self.durable and self.held >= self.capacity

    @property
    def depth(self) -> int:
        """Frames held."""
        return self.held if self.durable else len(self.waiting)

    def put(self, entry: Entry) -> int:
        """Take a frame; return how many it displaced."""
        displaced = 0
        if self.durable:
            self.held += 1
        elif len(self.waiting) >= self.capacity:
            self.waiting.popleft()
            displaced = 1
        self.waiting.append(entry)
        return displaced

    def assign(self) -> tuple[Member, int, Entry] | None:
        """Give the oldest frame to the member that waits most; None when either is missing."""
        if not self.waiting:
            return None
        member = max(self.members.values(), key=lambda each: each.wants, default=None)
        if member is None or member.wants <= 0:
            return None
        entry = self.waiting.popleft()
        member.sent += 1
        if self.durable:
            member.in_flight[member.sent] = entry
        return member, member.sent, entry

    def update(self, member: Member, update: Update) -> list[Entry]:
        """Take in what a member says; return the frames it is done with."""
        member.received = max(member.received, min(update.received, member.sent))
        member.begun = max(member.begun, min(update.begun, member.sent))
        member.limit = min(update.limit, member.received + MAX_AHEAD)
        for seq, attempt in update.attempts:
            entry = member.in_flight.get(seq)
            if entry is not None and attempt > entry.attempt:
                entry.attempt, entry.again = min(attempt, MAX_ATTEMPTS + 1), True
        acked = set(update.acked)
        done = [seq for seq in member.in_flight if seq < update.acked_below or seq in acked]
        self.held -= len(done)
        return [member.in_flight.pop(seq) for seq in done]

    def unreceived(self, member: Member) -> list[tuple[int, Entry]]:
        """Return frames that are to be sent again."""
        return [(seq, entry) for seq, entry in member.in_flight.items() if seq > member.received]

    def leave(self, member: Member, delivered: Iterable[int]) -> list[Entry]:
        """Take back what a member that takes its leave had; return what is to be given up.

        ``delivered`` are those that its node was working on.
        """
        self.members.pop(member.link, None)
        begun = set(delivered)
        for seq, entry in member.in_flight.items():
            if seq in begun:
                entry.again = True
                entry.attempt += 1
        return self._return(member.in_flight)

    def lose(self, member: Member) -> list[Entry]:
        """Take back what a lost member had; return what is to be given up.

        Any frame may have been seen. The one it was killed by, if it was, is among those that
        were begun or the next: they have one attempt less.
        """
        self.members.pop(member.link, None)
        for seq, entry in member.in_flight.items():
            entry.again = True
            if seq <= member.begun + 1:
                entry.attempt += 1
                entry.blamed = (member.peer, member.name)
        return self._return(member.in_flight)

    def forgive(self, peer: str, name: str) -> None:
        """A member that was lost is back, alive: it was the network, not the frames."""
        for entry in self.waiting:
            if entry.blamed == (peer, name):
                entry.blamed = None
                entry.attempt -= 1

    def _return(self, in_flight: dict[int, Entry]) -> list[Entry]:
        entries = list(in_flight.values())
        in_flight.clear()
        over = [entry for entry in entries if entry.attempt > MAX_ATTEMPTS]
        self.held -= len(over)
        kept = [entry for entry in entries if entry.attempt <= MAX_ATTEMPTS]
        if kept:
            number: Callable[[Entry], int] = lambda entry: entry.number  # noqa: E731
            self.waiting = deque(sorted([*kept, *self.waiting], key=number))
        return over
