"""The publisher's end of a topic: holds frames for its groups and hands them to members.

It outlives the publisher, with the broker, while a group has not acknowledged everything.
"""

import threading
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import structlog

from edgeflow.comms.brokers.base import LinkCounters, Subscription
from edgeflow.comms.zenoh.log import FrameLog
from edgeflow.comms.zenoh.messages import Data, Gone, Goodbye, Join, Leave, Newest, Update, Welcome
from edgeflow.comms.zenoh.queues import Entry, Group, Member
from edgeflow.comms.zenoh.session import Session
from edgeflow.core.qos import QoS
from edgeflow.errors import CommsError

__all__ = ["Owner"]

log = structlog.get_logger(__name__)

MAX_LINKS = 1024
MAX_GROUPS = 256
PATIENCE_SECONDS = 0.2
FORGET_SECONDS = 30.0
"""How long a DURABLE group that no graph declares is kept without a member."""


class Owner:
    """One per topic and broker.

    Args:
        session: of the broker.
        topic: what is published.
        kept: where DURABLE frames are kept on disk; None for memory alone.
    """

    def __init__(self, session: Session, topic: str, kept: FrameLog | None) -> None:
        self.id = uuid.uuid4().hex[:16]
        self.topic = topic
        self.links: dict[str, LinkCounters] = {}
        self._session, self._log = session, kept
        self._origin = kept.origin if kept is not None else self.id
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._groups: dict[str, Group] = {}
        self._members: dict[int, Member] = {}
        self._lost: set[tuple[str, str]] = set()
        self._number, self._last_id = kept.last() if kept is not None else (0, -1)
        self._token: Any = None
        self._closed = self._full = False

    # --- for the publisher ---------------------------------------------------------------------

    def start(self, declared: Sequence[Subscription]) -> None:
        """Declare groups, load what an earlier run has left, and become visible."""
        with self._lock:
            for wish in declared:
                group = self._group(wish, declared=True)
                group.declared = True
            if self._token is None:
                self._recover()
            self.links = {name: LinkCounters() for name in self._groups}
        if self._token is None:
            self._session.add_source(self)
            key = self._session.keys.source(self.topic, self._session.peer, self.id)
            self._token = self._session.declare(key)

    @property
    def next_id(self) -> int:
        """One above the last frame that the log remembers."""
        return self._last_id + 1

    def publish(self, frame_id: int, message: bytes, size: int, timeout: float) -> bool:
        """Hand a message to every group; False when a DURABLE one stays full, or the disk is."""
        with self._lock:
            if not self._room.wait_for(self._has_room, timeout) or self._closed:
                return False
            durable = [group.name for group in self._groups.values() if group.durable]
            if durable and not self._keep(frame_id, message, durable):
                self._room.wait(min(timeout, PATIENCE_SECONDS))
                return False
            self._number += 1
            for group in self._groups.values():
                displaced = group.put(Entry(self._number, message))
                counters = self._counters(group.name)
                counters.sent += 1
                counters.dropped += displaced
                counters.bytes += size
                self._pump(group)
        return True

    def refresh(self) -> None:
        """Show how much is held."""
        with self._lock:
            for name, group in self._groups.items():
                self._counters(name).depth = group.depth

    def _has_room(self) -> bool:
        return self._closed or not any(group.is_full for group in self._groups.values())

    def _counters(self, group: str) -> LinkCounters:
        counters = self.links.get(group)
        if counters is None:
            counters = LinkCounters()
            self.links = {**self.links, group: counters}  # others read it meanwhile
        return counters

    # --- the end ---------------------------------------------------------------------------------

    @property
    def unacknowledged(self) -> int:
        """DURABLE frames that somebody has still to acknowledge."""
        with self._lock:
            return sum(group.held for group in self._groups.values())

    @property
    def has_members(self) -> bool:
        """True when a DURABLE group that waits for frames has somebody to send them to."""
        with self._lock:
            return any(group.held and group.members for group in self._groups.values())

    def close(self) -> None:
        """Take leave of the members; what is not acknowledged is in the log or lost."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._room.notify_all()
            members = list(self._members.values())
            self._members.clear()
            lost = sum(group.held for group in self._groups.values())
            if self._log is not None:
                self._log.close()
            elif lost:
                hint = "nobody took them; with spool= they would be sent at the next start"
                log.error("frames_abandoned", topic=self.topic, count=lost, hint=hint)
        self._session.remove_source(self)
        for member in members:
            self._session.send(member.peer, Goodbye(member.link))
        if self._token is not None:
            self._token.undeclare()

    # --- what members say (called by the session's threads) --------------------------------------

    def told(self, peer: str, body: Join | Update | Leave | Gone) -> bool:
        """Take a message; False when it is not for a link of ours."""
        if isinstance(body, Join):
            return body.source == self.id and self._join(peer, body)
        link = body.update.link if isinstance(body, Leave) else body.link
        with self._lock:
            member = self._members.get(link)
            if member is None or member.peer != peer:
                return False
            if isinstance(body, Gone):
                self._lose([member], "it has forgotten the link")
            else:
                update = body.update if isinstance(body, Leave) else body
                self._acknowledge(member.group, member.group.update(member, update))
                if isinstance(body, Leave):
                    self._leave(member, body.delivered)
                    self._pump(member.group)
                else:
                    self._answer(member, update)
        return True

    def _answer(self, member: Member, update: Update) -> None:
        if update.resend:
            for seq, entry in member.group.unreceived(member):
                if seq <= member.written:
                    self._send(member, seq, entry)
        if update.look and member.group.waiting:
            member.limit = max(member.limit, member.sent + 1)
        self._pump(member.group)
        if update.look:
            self._session.send(member.peer, Newest(member.link, update.look, member.sent))

    def _join(self, peer: str, body: Join) -> bool:
        with self._lock:
            if body.link not in self._members:
                if self._closed or len(self._members) >= MAX_LINKS or body.capacity < 0:
                    return False
                try:
                    qos = QoS(body.qos)
                except ValueError:
                    return False
                wish = Subscription(self.topic, body.group, qos, min(body.capacity, 1 << 20))
                if body.group not in self._groups and len(self._groups) >= MAX_GROUPS:
                    return False
                group = self._group(wish, declared=False)
                self._lose(
                    [
                        member
                        for member in group.members.values()
                        if (member.peer, member.name) == (peer, body.member)
                    ],
                    "it joined anew",
                )
                member = Member(body.link, peer, body.member, group)
                group.members[body.link] = self._members[body.link] = member
                group.empty_since = None
                if (peer, body.member) in self._lost:
                    self._lost.discard((peer, body.member))
                    group.forgive(peer, body.member)
                log.debug("member_joined", topic=self.topic, group=body.group, member=body.member)
        self._session.send(peer, Welcome(body.link))
        return True

    def _leave(self, member: Member, delivered: Iterable[int]) -> None:
        del self._members[member.link]
        self._give_up(member.group, member.group.leave(member, delivered))
        self._tidy(member.group)

    def lost(self, peer: str) -> None:
        """Give what members at ``peer`` had to others."""
        with self._lock:
            members = [member for member in self._members.values() if member.peer == peer]
            self._lose(members, "it has fallen silent")

    def _lose(self, members: Sequence[Member], reason: str) -> None:
        for member in members:
            del self._members[member.link]
            held = len(member.in_flight)
            log.info("member_lost", topic=self.topic, group=member.group.name, member=member.name,
                     reason=reason, returned=held)  # fmt: skip
            if held and len(self._lost) < MAX_LINKS:
                self._lost.add((member.peer, member.name))
            self._give_up(member.group, member.group.lose(member))
            self._tidy(member.group)
            self._pump(member.group)

    def links_to(self, peer: str) -> list[tuple[int, int]]:
        """Return the last frame on the wire for each link to ``peer``."""
        members = list(self._members.values())
        return [(m.link, m.written) for m in members if m.peer == peer and m.written]

    def tick(self, now: float) -> None:
        """Forget groups that nobody declared and nobody joins."""
        with self._lock:
            for group in list(self._groups.values()):
                if group.empty_since is None and not group.members and not group.declared:
                    group.empty_since = now
                elif group.empty_since is not None and now - group.empty_since > FORGET_SECONDS:
                    self._forget(group)

    # --- frames (the lock is held) ---------------------------------------------------------------

    def _keep(self, frame_id: int, message: bytes, groups: Sequence[str]) -> bool:
        """Write a frame to the log; False, logged once, while that cannot be done."""
        if self._log is None:
            return True
        try:
            self._log.add(self._number + 1, frame_id, message, groups)
        except CommsError as error:
            if not self._full:
                log.error("frames_not_kept", topic=self.topic, error=str(error), hint=error.hint)
            self._full = True
            return False
        if self._full:
            log.info("frames_kept_again", topic=self.topic)
        self._full, self._last_id = False, frame_id
        return True

    def _group(self, wish: Subscription, *, declared: bool) -> Group:
        group = self._groups.get(wish.group)
        if group is None:
            group = self._groups[wish.group] = Group(wish, declared=declared)
            self._counters(wish.group)
        return group

    def _pump(self, group: Group) -> None:
        while (given := group.assign()) is not None:
            self._send(*given)

    def _send(self, member: Member, seq: int, entry: Entry) -> None:
        header = Data(member.link, seq, self._origin, entry.number, entry.attempt, entry.again)
        self._session.outbox(member.peer).put(member, header, entry.message)

    def _acknowledge(self, group: Group, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        if self._log is not None:
            self._log.done(group.name, [entry.number for entry in entries])
            self._session.soon(self._flush)
        self._room.notify_all()

    def _give_up(self, group: Group, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._counters(group.name).dropped += 1
            log.error("frame_given_up", topic=self.topic, group=group.name, number=entry.number,
                      reason="it was lost with every member that had it")  # fmt: skip
        self._acknowledge(group, entries)

    def _tidy(self, group: Group) -> None:
        if not (group.members or group.declared or group.durable):
            self._forget(group)

    def _forget(self, group: Group) -> None:
        del self._groups[group.name]
        self.links = {name: each for name, each in self.links.items() if name != group.name}
        if self._log is not None and group.durable:
            self._log.forget(group.name)
        self._room.notify_all()

    def _flush(self) -> None:
        with self._lock:
            if self._log is not None and not self._closed:
                self._log.flush()

    def _recover(self) -> None:
        """Load what an earlier run had accepted; groups of an older graph wait for a while."""
        if self._log is None:
            return
        messages: dict[int, bytes] = {}
        for name, numbers in self._log.waiting().items():
            wish = Subscription(self.topic, name, QoS.DURABLE, len(numbers))
            group = self._group(wish, declared=False)
            if not group.durable:
                self._log.forget(name)
                continue
            for number in numbers:
                try:
                    message = messages.setdefault(number, self._log.message(number))
                except CommsError as error:
                    log.error("frame_given_up", topic=self.topic, number=number, reason=str(error))
                    self._log.done(name, [number])
                    continue
                group.put(Entry(number, message, again=True))
            log.info("frames_recovered", topic=self.topic, group=name, count=group.held)
