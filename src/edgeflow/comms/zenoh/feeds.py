"""The member's end of one link: what arrived, what is done with, what it may be sent."""

import time
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from edgeflow.comms.brokers.base import LinkCounters, Subscription
from edgeflow.comms.zenoh.messages import (
    Data,
    Gone,
    Goodbye,
    Join,
    Leave,
    Newest,
    Update,
    Welcome,
)
from edgeflow.comms.zenoh.session import Session
from edgeflow.core.qos import QoS

__all__ = ["Arrival", "LinkFeed"]

LOOK_SECONDS = 0.5
RESEND_SECONDS = 0.2
WORK_AHEAD_SECONDS = 0.005
MOST_AHEAD = 64
SLOW_LINK_SECONDS = 0.002


class Arrival(NamedTuple):
    """A frame that waits to be handed to the node."""

    feed: "LinkFeed"
    header: Data
    payload: Any
    at: float

    @property
    def identity(self) -> tuple[str, int]:
        """What it is called, whichever link it comes along."""
        return self.header.origin, self.header.number


class Desk(Protocol):
    """What a feed needs of its subscriber; all of it is called with the lock held."""

    lock: Any
    pace: float

    def accept(self, arrival: Arrival) -> bool:
        """Return whether the frame is to be delivered; a DURABLE one may be known already."""

    def notify(self) -> None:
        """Something has changed."""

    def rejoin(self, feed: "LinkFeed") -> None:
        """The link is gone though its source may be there."""


class LinkFeed:
    """One link; the lock of its subscriber guards it.

    Attributes:
        dead: no more will come; what has arrived is still delivered.
    """

    def __init__(
        self,
        session: Session,
        desk: Desk,
        wish: Subscription,
        counters: LinkCounters,
        *,
        source: str,
        peer: str,
        link: int,
    ) -> None:
        self.wish, self.source, self.peer, self.link = wish, source, peer, link
        self.inbox: deque[Arrival] = deque()
        self.dead = False
        self.durable = wish.qos is QoS.DURABLE
        self.realtime = wish.qos is QoS.REALTIME
        self._session, self._desk, self._counters = session, desk, counters
        self._open = False
        self._received = self._taken = self._limit = self._begun = 0
        self._unfinished: dict[int, int] = {}
        self._acked: set[int] = set()
        self._look = 0
        self._looking = False
        self._newest = 0
        self._look_until = 0.0
        self._resent = float("-inf")
        self._untold = False

    # --- what the session tells ------------------------------------------------------------------

    def told(self, body: Welcome | Newest | Gone | Goodbye) -> None:
        """Take a message."""
        with self._desk.lock:
            if isinstance(body, Welcome):
                self._open = True
            elif isinstance(body, Newest):
                if body.look == self._look:
                    self._newest, self._looking = body.seq, False
            elif isinstance(body, Gone):
                if not self.dead:
                    self._desk.rejoin(self)
            else:
                self.dead = True
            self._desk.notify()

    def arrived(self, header: Data, payload: Any) -> None:
        """Take a frame; one that comes twice is passed over, one before which some are missing
        too, if it is DURABLE.
        """
        with self._desk.lock:
            missing = header.seq - self._received - 1
            if self.dead or missing < 0:
                return
            if missing and self.durable:
                self._ask_again()
                return
            self._counters.dropped += missing
            self._received = header.seq
            if self.durable:
                self._unfinished[header.seq] = header.attempt
            arrival = Arrival(self, header, payload, time.monotonic())
            if self.durable and not self._desk.accept(arrival):
                self._taken += 1
                self._desk.notify()
                return
            if self.realtime and self.inbox:
                self.pass_over()
            self.inbox.append(arrival)
            self._desk.notify()

    def beaten(self, sent: int) -> None:
        """The source has sent up to ``sent``: what is not here by now was lost on the way."""
        with self._desk.lock:
            missing = sent - self._received
            if self.dead or missing <= 0:
                return
            if self.durable:
                self._ask_again()
            else:
                self._counters.dropped += missing
                self._received = sent
                self._taken = sent - len(self.inbox)
                self._desk.notify()

    def tick(self, now: float) -> None:
        """Join until the source answers; then say how things are."""
        with self._desk.lock:
            if self.dead:
                return
            if self._open:
                self.tell()
            else:
                self.join()

    # --- what the subscriber does (the lock is held) ----------------------------------------------

    def join(self) -> None:
        """Ask the source to open the link."""
        wish = self.wish
        body = Join(self.source, self.link, wish.group, wish.member, wish.qos.value, wish.capacity)
        self._session.send(self.peer, body)

    def tell(self, *, resend: bool = False, look: bool = False) -> None:
        """Send the state of the link."""
        if self.dead:
            return
        self._untold = False
        self._session.send(self.peer, self._update(resend=resend, look=self._look if look else 0))

    def leave(self, begun: Sequence[int]) -> None:
        """Say goodbye; the node has ``begun`` these frames and not ended them."""
        if not self.dead:
            self._session.send(self.peer, Leave(self._update(), list(begun)))
        self.dead = True

    def enter(self) -> None:
        """The node is back: what came meanwhile, or is coming, may not be the newest any more."""
        if not self.realtime or self.dead or self._limit <= self._taken or self._is_newest():
            return
        now = time.monotonic()
        if self._looking and now < self._look_until:
            return
        self._looking, self._look_until = True, now + LOOK_SECONDS
        self._look += 1
        self.tell(look=True)

    def ready(self, entered: float) -> bool:
        """Return whether the oldest arrival may be delivered, ``entered`` being when it was asked.

        A REALTIME one has to be the newest: named as such, or come since.
        """
        if not self.inbox:
            return False
        if not self.realtime or self.dead:
            return True
        if self._looking or self.inbox[0].header.seq < self._newest:
            return time.monotonic() >= self._look_until
        return self.inbox[0].at >= entered or self._is_newest()

    def _is_newest(self) -> bool:
        return bool(self.inbox) and self.inbox[0].header.seq == self._newest

    @property
    def look_until(self) -> float | None:
        """When to stop waiting for an answer."""
        return self._look_until if self.inbox and self.realtime else None

    def take(self) -> Arrival:
        """Remove the oldest arrival, and ask for more if some should be on their way."""
        arrival = self.inbox.popleft()
        self._taken += 1
        self._begun = max(self._begun, arrival.header.seq)
        self._looking = False
        ahead = self._ahead()
        if self._limit - self._taken <= ahead // 2:
            self._grant(self._taken + ahead)
        return arrival

    def pass_over(self) -> None:
        """Drop what is superseded."""
        self._counters.dropped += len(self.inbox)
        self._taken += len(self.inbox)
        self.inbox.clear()

    def want(self) -> None:
        """The node waits: ask for a frame, if none was asked for."""
        if self._open and not self.dead:
            self._grant(self._taken + max(1, self._ahead()))
            if self._untold:
                self.tell()

    def finish(self, seq: int) -> None:
        """A DURABLE frame is done with."""
        if self._unfinished.pop(seq, None) is None:
            return
        self._acked.add(seq)
        if self.dead:
            return
        if not self._untold:
            self._untold = True
            self._session.soon(self.flush)
        if len(self._acked) >= max(1, self.wish.capacity // 4):
            self.tell()

    def attempted(self, seq: int, attempt: int) -> None:
        """A DURABLE frame is to be delivered for the ``attempt``-th time."""
        if seq in self._unfinished:
            self._unfinished[seq] = attempt

    def flush(self) -> None:
        """Tell what was acknowledged, if that has not been told."""
        with self._desk.lock:
            if self._untold:
                self.tell()

    def _grant(self, limit: int) -> None:
        if limit > self._limit:
            self._limit = limit
            self.tell()

    def _ahead(self) -> int:
        """Frames that should be on their way while the node works on one."""
        if self.realtime:
            return 0
        way = self._round_trip()
        if self.durable:
            way = max(way, WORK_AHEAD_SECONDS)
        elif way < SLOW_LINK_SECONDS:
            return 0
        return min(int(way / self._desk.pace), self.wish.capacity, MOST_AHEAD)

    def _round_trip(self) -> float:
        return (self._session.clocks.round_trip_ns(self.peer) or 0) / 1e9

    def _ask_again(self) -> None:
        now = time.monotonic()
        if now - self._resent > RESEND_SECONDS:
            self._resent = now
            self.tell(resend=True)

    def _update(self, *, resend: bool = False, look: int = 0) -> Update:
        below = next(iter(self._unfinished), self._received + 1)
        self._acked = {seq for seq in self._acked if seq > below}
        attempts = [(seq, attempt) for seq, attempt in self._unfinished.items() if attempt > 1]
        return Update(
            self.link, self._received, self._limit, self._begun, below,
            sorted(self._acked), attempts, look, resend,
        )  # fmt: skip
