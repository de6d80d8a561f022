"""The writer's queues: what each group still has to get, and which member gets it next.

Called under the writer's lock. REALTIME is BALANCED with a queue of one: while no member waits,
the oldest frame gives way to the newest. DURABLE frames stay until they are acknowledged.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import TYPE_CHECKING

import structlog

from edgeflow.comms.brokers.base import MAX_ATTEMPTS, LinkCounters
from edgeflow.core.qos import QoS

if TYPE_CHECKING:
    from edgeflow.comms.shm.peers import Peer
    from edgeflow.comms.shm.segments import Slot

__all__ = ["Content", "Entry", "Group", "Groups"]

log = structlog.get_logger(__name__)

_WINDOW_ALONE = 32
"""DURABLE frames in flight to the only member of a group; acknowledged frame by frame."""

_WINDOW_SHARED = 2
"""The same when members share: few, so that a slow member does not sit on work."""


class Content:
    """A published message, shared by the groups: inline, or a place in a slot.

    Args:
        size: bytes of the payload alone.
        message: header and payload, when it is inline.
        slot: where it is otherwise.
        place: offset in the slot, and length, of header and payload.

    Attributes:
        offset, length: place of header and payload in the segment; inline, only the length.
    """

    __slots__ = ("length", "message", "offset", "sequence", "size", "slot")

    def __init__(
        self,
        size: int,
        message: bytes = b"",
        slot: "Slot | None" = None,
        place: tuple[int, int] = (0, 0),
    ) -> None:
        self.sequence = 0
        self.size = size
        self.message = message
        self.slot = slot
        self.offset = slot.offset + place[0] if slot is not None else 0
        self.length = place[1] if slot is not None else len(message)


class Entry:
    """A content in one group's queue, or on its way to a member.

    Attributes:
        attempts: deliveries that ended without an acknowledgement.
        seen: a user may have got it before.
    """

    __slots__ = ("attempts", "content", "seen")

    def __init__(self, content: Content) -> None:
        self.content = content
        self.attempts = 0
        self.seen = False

    @property
    def attempt(self) -> int:
        """Number of the next delivery, from 1."""
        return max(2, self.attempts + 1) if self.seen else 1


class Group:
    """One group's share of a topic.

    Attributes:
        declared: exists, and holds frames, whether it has members or not.
        in_flight: DURABLE frames that were sent and not acknowledged.
    """

    def __init__(
        self,
        name: str,
        qos: QoS,
        capacity: int,
        declared: bool,
        drop: "Callable[[Slot], None]",
    ) -> None:
        self.name = name
        self.durable = qos is QoS.DURABLE
        self.capacity = 1 if qos is QoS.REALTIME else max(1, capacity)
        self.declared = declared
        self.counters = LinkCounters()
        self.members: list[Peer] = []
        self.queue: deque[Entry] = deque()
        self.in_flight = 0
        self._drop = drop
        self._turns = count(1)

    @property
    def depth(self) -> int:
        """Frames that wait; for DURABLE also those not acknowledged."""
        return len(self.queue) + self.in_flight

    @property
    def is_full(self) -> bool:
        """True when a DURABLE group takes no more."""
        return self.durable and len(self.queue) + self.in_flight >= self.capacity

    def offer(self, content: Content) -> None:
        """Take a frame, hand out what can be handed out, drop what is too much."""
        if content.slot is not None:
            content.slot.holders += 1
        self.queue.append(Entry(content))
        counters = self.counters
        counters.sent += 1
        counters.bytes += content.size
        self.pump()
        if not self.durable and len(self.queue) > self.capacity:
            self.drop_oldest()

    def pump(self) -> None:
        """Send queued frames to members that can take them."""
        queue = self.queue
        while queue:
            peer = self._pick()
            if peer is None:
                return
            if peer.send(queue[0]):
                queue.popleft()
                peer.turn = next(self._turns)
                if self.durable:
                    self.in_flight += 1

    def push_all(self) -> bool:
        """Send everything, whether members wait for it or not; True when nothing is left."""
        queue = self.queue
        while queue:
            peers = [peer for peer in self.members if not peer.blocked]
            if not peers:
                return False
            if min(peers, key=lambda peer: len(peer.in_flight)).send(queue[0]):
                queue.popleft()
                self.in_flight += self.durable
        return True

    def drop_oldest(self) -> bool:
        """Drop and count the oldest queued frame; False when there is none to drop."""
        if self.durable or not self.queue:
            return False
        self.forget(self.queue.popleft())
        self.counters.dropped += 1
        return True

    def forget(self, entry: Entry) -> None:
        """The group needs this entry no longer."""
        if entry.content.slot is not None:
            self._drop(entry.content.slot)

    def take_back(self, entries: Iterable[Entry]) -> None:
        """Queue entries again where they were: in order, before what was published later."""
        kept = [entry for entry in entries if not self._given_up(entry)]
        if not kept:
            return
        if self.queue and self.queue[0].content.sequence < kept[-1].content.sequence:
            kept = sorted([*kept, *self.queue], key=lambda entry: entry.content.sequence)
            self.queue.clear()
        self.queue.extendleft(reversed(kept))
        while not self.durable and len(self.queue) > self.capacity:
            self.drop_oldest()

    def clear(self) -> None:
        """Forget everything queued."""
        while self.queue:
            self.forget(self.queue.popleft())

    def _given_up(self, entry: Entry) -> bool:
        if entry.attempts < MAX_ATTEMPTS:
            return False
        log.error(
            "frame_given_up",
            group=self.name,
            sequence=entry.content.sequence,
            attempts=entry.attempts,
        )
        self.counters.dropped += 1
        self.forget(entry)
        return True

    def _pick(self) -> "Peer | None":
        """Return the member that gets the next frame: least loaded, then longest not served."""
        members, slot = self.members, self.queue[0].content.slot
        window = 0
        if self.durable:
            window = _WINDOW_ALONE if len(members) == 1 else _WINDOW_SHARED
        best = None
        for peer in members:
            takes = len(peer.in_flight) < window if self.durable else peer.ready
            if not takes or peer.blocked or not peer.may_lease(slot, window):
                continue
            if best is None or peer.load < best.load:
                best = peer
        return best


class Groups:
    """The groups of a topic. What it holds is replaced, never changed: any thread may read it.

    Args:
        drop: gives back one holder's claim on a slot.

    Attributes:
        links: the counters of each group by its name.
    """

    def __init__(self, drop: "Callable[[Slot], None]") -> None:
        self._drop = drop
        self._by_name: dict[str, Group] = {}
        self.links: dict[str, LinkCounters] = {}

    def __iter__(self) -> Iterator[Group]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def is_full(self) -> bool:
        """True when a DURABLE group takes no more."""
        return any(group.is_full for group in self._by_name.values())

    @property
    def is_durable(self) -> bool:
        """True when there is a DURABLE group."""
        return any(group.durable for group in self._by_name.values())

    def find(self, name: str) -> Group | None:
        """Return the group called ``name``."""
        return self._by_name.get(name)

    def add(self, name: str, qos: QoS, capacity: int, *, declared: bool = False) -> Group:
        """Return a new group, which replaces another of that name."""
        group = Group(name, qos, capacity, declared, self._drop)
        self._replace({**self._by_name, name: group})
        return group

    def forget_if_empty(self, group: Group) -> None:
        """Forget a group that has lost its last member and was not declared."""
        if not group.members and not group.declared:
            group.clear()
            self._replace({name: g for name, g in self._by_name.items() if g is not group})

    def _replace(self, groups: dict[str, Group]) -> None:
        self._by_name = groups
        self.links = {name: group.counters for name, group in groups.items()}
