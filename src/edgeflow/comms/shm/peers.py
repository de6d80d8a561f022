"""The writer's end of one reader: what it was sent, what it still holds."""

import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from edgeflow.comms.shm import packets
from edgeflow.errors import FrameDecodeError

if TYPE_CHECKING:
    from edgeflow.comms.shm.groups import Entry, Group
    from edgeflow.comms.shm.segments import Segment, Slot

__all__ = ["Peer"]

_SEND_BUFFER = 1 << 20


class Peer:
    """One connected reader. Called under the writer's lock.

    Attributes:
        group: where it is a member; None before HELLO and after it left.
        ready: it waits for a frame (REALTIME and BALANCED).
        blocked: its socket is full or broken; nothing is sent until it is heard of again.
        in_flight: number -> entry of frames sent and neither acknowledged (DURABLE) nor known to
            have reached its user.
        leases: number -> slot of frames it may be looking at.
        turn: when it was last served, in turns of its group.
    """

    def __init__(self, sock: socket.socket, drop: "Callable[[Slot], None]") -> None:
        self.sock = sock
        self.descriptor = sock.fileno()
        self.group: Group | None = None
        self.greeted = False
        self.ready = False
        self.blocked = False
        self.in_flight: dict[int, Entry] = {}
        self.leases: dict[int, Slot] = {}
        self.turn = 0
        self._drop = drop
        self._handed = 0
        self._generation = 0
        self._number = 0
        self._segments: set[int] = set()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)

    def welcome(self, page: int) -> bool:
        """Send WELCOME with the descriptor of the page that holds the newest sequence number."""
        return self._send_descriptor(packets.pack_welcome(), page)

    @property
    def load(self) -> tuple[int, int]:
        """Frames on their way to it, then when it was last served; the least gets the next."""
        return len(self.in_flight), self.turn

    def may_lease(self, slot: "Slot | None", window: int) -> bool:
        """False when it holds so many slots that it gets no more until it lets go of some."""
        return slot is None or len(self.leases) <= slot.segment.lease_limit + window

    def send(self, entry: "Entry") -> bool:
        """Send a frame; False when the socket does not take it."""
        content = entry.content
        slot = content.slot
        segment = slot.segment if slot is not None else None
        if segment is not None and not self._knows(segment):
            return False
        number = self._number + 1
        head = packets.pack_frame(
            attempt=entry.attempt,
            lease_limit=segment.lease_limit if segment is not None else 0,
            generation=self._generation,
            sequence=content.sequence & packets.WRAP,
            segment=segment.number if segment is not None else packets.ABSENT,
            number=number,
            offset=content.offset,
            length=content.length,
        )
        if not self._send(head + content.message if segment is None else head):
            return False
        self._number = number
        self.ready = False
        self.in_flight[number] = entry
        if slot is not None:
            slot.holders += 1
            self.leases[number] = slot
        return True

    def retire(self, segment: int) -> None:
        """Tell the reader that a segment will not be used again."""
        if segment in self._segments:
            self._segments.discard(segment)
            self._send(packets.pack_retire(segment))

    def apply(self, update: packets.Update) -> None:
        """Take in what the reader tells.

        Raises:
            FrameDecodeError: it names frames that it was never sent.
        """
        group = self.group
        numbers = (*update.releases, *update.acks, *update.refusals, update.handed)
        if max(numbers) > self._number or update.handed < self._handed:
            raise FrameDecodeError(f"a reader of {self._number} frames names others")
        self.blocked = False
        self._handed = update.handed
        for number in update.releases:
            slot = self.leases.pop(number, None)
            if slot is not None:
                self._drop(slot)
        if group is None:
            return
        self._settle(update, group)
        if update.returns:
            self._generation = update.generation
            self.ready = False
            self._take_back_unseen(group)
        if update.ready:
            self.ready = True
        if update.leaves:
            self.leave()
        group.pump()

    def leave(self) -> None:
        """End the membership; what its user may have seen goes to others, marked."""
        group, self.group = self.group, None
        if group is None:
            return
        group.members.remove(self)
        if group.durable:
            group.in_flight -= len(self.in_flight)
            entries = list(self.in_flight.values())
            for entry in entries:
                entry.seen = True
            if entries:
                entries[0].attempts += 1
            self.in_flight.clear()
            group.take_back(entries)
        else:
            for number in list(self.in_flight):
                self._finish(number, group)

    def close(self) -> None:
        """Drop the connection and every lease on it."""
        self.leave()
        for slot in self.leases.values():
            self._drop(slot)
        self.leases.clear()
        self.sock.close()

    def _settle(self, update: packets.Update, group: "Group") -> None:
        if not group.durable:
            done = [number for number in self.in_flight if number <= update.handed]
        else:
            done = list(update.acks)
        for number in done:
            self._finish(number, group)
        if group.durable and update.refusals:
            self._refuse(update.refusals, group)

    def _finish(self, number: int, group: "Group") -> None:
        entry = self.in_flight.pop(number, None)
        if entry is not None:
            group.in_flight -= group.durable
            group.forget(entry)

    def _refuse(self, numbers: Sequence[int], group: "Group") -> None:
        refused = [self.in_flight.pop(n) for n in sorted(numbers) if n in self.in_flight]
        for entry in refused:
            entry.seen = True
            entry.attempts += 1
        group.in_flight -= len(refused)
        group.take_back(refused)

    def _take_back_unseen(self, group: "Group") -> None:
        unseen = [number for number in self.in_flight if number > self._handed]
        for number in unseen:
            slot = self.leases.pop(number, None)
            if slot is not None:
                self._drop(slot)
        group.in_flight -= len(unseen) * group.durable
        group.take_back([self.in_flight.pop(number) for number in unseen])

    def _knows(self, segment: "Segment") -> bool:
        """Make sure that the reader has the segment; False when it cannot be told of it."""
        if segment.number in self._segments:
            return True
        packet = packets.pack_segment(segment.number, segment.size)
        if not self._send_descriptor(packet, segment.descriptor):
            return False
        self._segments.add(segment.number)
        return True

    def _send(self, packet: bytes) -> bool:
        try:
            self.sock.send(packet)
        except OSError:  # full, or broken: then its hang-up is reported as an event
            self.blocked = True
            return False
        return True

    def _send_descriptor(self, packet: bytes, descriptor: int) -> bool:
        try:
            socket.send_fds(self.sock, [packet], [descriptor])
        except OSError:
            self.blocked = True
            return False
        return True
