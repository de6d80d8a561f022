"""Receives frames from streams for one member of a group: lanes that read, one wait over all."""

import math
import select
import time
from collections.abc import Sequence
from typing import Any

import structlog

from edgeflow.comms.brokers.base import Delivery, LinkCounters, Subscriber, Subscription
from edgeflow.comms.redis.entry import identity_of
from edgeflow.comms.redis.lane import Entry, Lane
from edgeflow.comms.redis.ledger import Ledger
from edgeflow.comms.redis.pace import Gaps, Pace
from edgeflow.comms.redis.server import (
    VERSION_FIELD,
    Keys,
    PayloadsAwayError,
    Server,
    group_infos,
)
from edgeflow.comms.redis.waits import Alarm, Backoff
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from edgeflow.errors import FrameDecodeError, UnreachableError
from edgeflow.protocols.frames import decode

__all__ = ["RedisSubscriber"]

log = structlog.get_logger(__name__)

_AWAY_SECONDS = 0.001
_IDLE_MS = 10_000

# A group that no publisher declared and nobody reads any more is removed.
_LEAVE = """
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
if redis.call('SISMEMBER', KEYS[3], ARGV[1]) == 0
    and #redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1]) == 0 then
  redis.call('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('HINCRBY', KEYS[2], ARGV[3], 1)
end
return 1
"""


class RedisSubscriber(Subscriber):
    """Joins its groups at the first ``receive``. ``ack`` and ``nack`` may come from any thread."""

    def __init__(self, server: Server, keys: Keys, subscriptions: Sequence[Subscription]) -> None:
        self.links = {wish.topic: LinkCounters() for wish in subscriptions}
        self.server, self.keys = server, keys
        self._wishes = list(subscriptions)
        self._alarm = Alarm()
        self._woken = self._closed = False
        self._backoff = Backoff()
        self._pace = Pace()
        self._gaps = {wish.topic: Gaps() for wish in subscriptions}
        durable = [wish for wish in subscriptions if wish.qos is QoS.DURABLE]
        self._ledger = (
            Ledger(server, keys, durable, self._alarm.ring, self._given_up) if durable else None
        )
        balanced = [wish for wish in subscriptions if wish.qos is QoS.BALANCED]
        latest = [[wish] for wish in subscriptions if wish.qos is QoS.REALTIME]
        groups = [wishes for wishes in (durable, balanced, *latest) if wishes]
        self._lanes = [Lane(server, keys, wishes, self._joined) for wishes in groups]
        self._last_report = 0.0

    # --- Subscriber --------------------------------------------------------------------------

    def receive(self, timeout: float) -> Delivery | None:
        """Return the next delivery; see the base class."""
        entered = time.monotonic()
        deadline = entered + timeout
        fresh = self._pace.entered(entered) < _AWAY_SECONDS
        while not self._closed:
            try:
                delivery = self._again() or self._take(fresh)
                if delivery is not None:
                    self._backoff.reset()
                    self._pace.left(time.monotonic(), _size(delivery))
                    return delivery
                self._ask()
                if not self._await(deadline):
                    break
                fresh = True
            except UnreachableError as error:
                self._lost(error)
                if not self._rest(deadline):
                    break
        self._pace.left(time.monotonic(), 0)
        return None

    def ack(self, delivery: Delivery) -> None:
        """Acknowledge with the next read, or within 50 ms."""
        if self._ledger is not None and delivery.subscription.qos is QoS.DURABLE:
            self._ledger.ack(delivery.token)

    def nack(self, delivery: Delivery) -> None:
        """Deliver again before anything else."""
        if self._ledger is not None and delivery.subscription.qos is QoS.DURABLE:
            self._ledger.nack(delivery.token)

    def refresh(self) -> None:
        """Ask the server for the depth of each topic; does nothing while it is away."""
        if self._closed or not self.server.is_back():
            return
        streams = [("XINFO", "GROUPS", self.keys.stream(wish.topic)) for wish in self._wishes]
        try:
            replies = self.server.exchange(*streams)
        except UnreachableError:
            return
        for wish, reply in zip(self._wishes, replies, strict=True):
            info = group_infos(reply).get(wish.group, {})
            depth = int(info.get("pending") or 0) + int(info.get("lag") or 0)
            self.links[wish.topic].depth = depth

    def wake(self) -> None:
        """End a ``receive`` in progress, or the next one."""
        self._woken = True
        self._alarm.ring()

    def close(self) -> None:
        """Leave the groups; see the base class."""
        if self._closed:
            return
        self._closed = True
        unseen = [entry for lane in self._lanes for entry in lane.ready]
        for lane in self._lanes:
            lane.disconnect()
        if self._ledger is not None:
            self._ledger.close([entry for entry in unseen if entry.wish.qos is QoS.DURABLE])
        self._leave()
        self._alarm.close()

    def _leave(self) -> None:
        if self.server.is_away:
            return
        commands = [
            (
                *("EVAL", _LEAVE, 3, self.keys.stream(wish.topic), self.keys.groups(wish.topic)),
                *(self.keys.declared(wish.topic), wish.group, wish.member, VERSION_FIELD),
            )
            for wish in self._wishes
            if wish.qos is not QoS.DURABLE
        ]
        if commands and any(not lane.is_new for lane in self._lanes):
            try:
                self.server.exchange(*commands)
            except UnreachableError as error:
                log.debug("leave_skipped", error=str(error))

    # --- where payloads are kept (a second server has its own) ---------------------------------

    def load(self, entry: Entry) -> Any:
        """Return the message of an entry, or None when its payload is gone.

        Raises:
            UnreachableError: the server that keeps it is away.
        """
        return entry.fields.get(b"f")

    # --- deliveries --------------------------------------------------------------------------

    def _again(self) -> Delivery | None:
        """Return a frame that is to be delivered again."""
        ledger = self._ledger
        if ledger is None:
            return None
        ledger.take_over()
        while (entry := ledger.next_again()) is not None:
            delivery = self._deliver(entry)
            ledger.took_again(entry)
            if delivery is not None:
                return delivery
        return None

    def _take(self, fresh: bool) -> Delivery | None:
        """Return something that is here already; the lanes take turns.

        ``fresh`` says that what has arrived is the newest, as nobody was away meanwhile.
        """
        for lane in list(self._lanes):
            self._prepare(lane, fresh)
            while lane.ready:
                delivery = self._deliver(lane.ready[0])
                lane.ready.popleft()
                if delivery is not None:
                    self._lanes.remove(lane)
                    self._lanes.append(lane)
                    return delivery
        return None

    def _prepare(self, lane: Lane, fresh: bool) -> None:
        """Fetch what a lane has to offer without waiting for it."""
        several = len(self._lanes) > 1
        if lane.asked and (several or not fresh) and self._readable(lane):
            lane.collect()
        if lane.asked or lane.connection is None:
            return
        if lane.qos is QoS.REALTIME:
            if several or lane.may_be_behind or (lane.ready and not fresh):
                lane.look()
        elif several and not lane.ready:
            self._ask_lane(lane)

    def _deliver(self, entry: Entry) -> Delivery | None:
        wish = entry.wish
        durable = wish.qos is QoS.DURABLE
        if not durable and self._gaps[wish.topic].has_had(*identity_of(entry.fields)[1]):
            return None  # before its payload is fetched and decoded
        message = self.load(entry)
        try:
            frame = None if message is None else decode(message, images=wish.images)
        except FrameDecodeError as error:
            self._unusable(entry, str(error))
            return None
        if frame is None:
            self._unusable(entry, "its payload is gone")
            return None
        counters = self.links[wish.topic]
        if durable:
            if self._ledger is not None:
                self._ledger.delivered(entry)
        elif self._is_repeat(wish, frame, counters):
            return None
        if entry.attempt > 1:
            frame = frame.replace(redelivered=True)
            counters.redelivered += 1
        counters.received += 1
        counters.bytes += getattr(frame.data, "nbytes", len(message))
        return Delivery(frame, wish, entry, entry.attempt)

    def _is_repeat(self, wish: Subscription, frame: Frame, counters: LinkCounters) -> bool:
        """Count what was skipped before ``frame``; return whether we have had it already."""
        gaps = self._gaps[wish.topic]
        missed = gaps.missed(frame.epoch, frame.sequence)
        if missed > 0 and gaps.is_time_to_recount():
            stream = self.keys.stream(wish.topic)
            reply = self.server.exchange(("XINFO", "CONSUMERS", stream, wish.group))[0]
            members = group_infos(reply).values()
            gaps.alone = sum(int(info["idle"]) < _IDLE_MS for info in members) <= 1
        if missed > 0 and gaps.alone:
            counters.dropped += missed
        return missed < 0

    def _unusable(self, entry: Entry, reason: str) -> None:
        if self._ledger is not None and entry.wish.qos is QoS.DURABLE:
            self._ledger.give_up(entry, reason)
        else:
            identity = identity_of(entry.fields)[1]
            missed = self._gaps[entry.wish.topic].missed(*identity)
            self.links[entry.wish.topic].dropped += max(0, missed)
            self._given_up(entry.wish, entry.id, reason)

    def _given_up(self, wish: Subscription, entry_id: str, reason: str) -> None:
        self.links[wish.topic].dropped += 1
        now = time.monotonic()
        if wish.qos is QoS.DURABLE or now - self._last_report > 1.0:
            self._last_report = now
            log.error(
                "frame_given_up", topic=wish.topic, group=wish.group, entry=entry_id, reason=reason
            )

    # --- reading -----------------------------------------------------------------------------

    def _readable(self, lane: Lane) -> bool:
        if lane.connection is None or lane.connection.has_data():
            return lane.connection is not None
        poll = select.poll()
        poll.register(lane.connection, select.POLLIN)
        return bool(poll.poll(0))

    def _ask(self) -> None:
        """Make sure that every lane has a read on its way."""
        for lane in self._lanes:
            if not lane.asked:
                self._ask_lane(lane)

    def _ask_lane(self, lane: Lane) -> None:
        count, along = 1, []
        if lane.qos is not QoS.REALTIME:
            count = self._pace.count()
        if lane.qos is QoS.BALANCED:
            count = min([count, *[max(1, wish.capacity) for wish in lane.wishes]])
        elif lane.qos is QoS.DURABLE and self._ledger is not None:
            along = self._ledger.owed()
        lane.ask(count, along)

    def _await(self, deadline: float) -> bool:
        """Wait for one lane to read something; False when time is up, or on ``wake``."""
        while not self._woken:
            for lane in self._lanes:
                if lane.asked and lane.connection is not None and lane.connection.has_data():
                    lane.collect()
                    return True
            left = min(deadline - time.monotonic(), 1.0)
            if self._ledger is not None:
                left = min(left, self._ledger.take_over())
                if self._ledger.has_again():
                    return True
            poll = select.poll()
            poll.register(self._alarm, select.POLLIN)
            lanes = {lane.connection.fileno(): lane for lane in self._lanes if lane.connection}
            for descriptor in lanes:
                poll.register(descriptor, select.POLLIN)
            events = [descriptor for descriptor, _ in poll.poll(max(0, math.ceil(left * 1000)))]
            for descriptor in events:
                if descriptor in lanes:
                    lanes[descriptor].collect()
                    return True
            if events:
                self._alarm.clear()
                return not self._woken
            for lane in self._lanes:
                lane.check_silence()
            if time.monotonic() >= deadline:
                return False
        self._woken = False
        self._alarm.clear()
        return False

    # --- connecting ----------------------------------------------------------------------------

    def _joined(self, lane: Lane) -> None:
        if lane.qos is QoS.DURABLE and self._ledger is not None:
            self._ledger.joined(lane.ready)

    def _lost(self, error: Exception) -> None:
        if isinstance(error, PayloadsAwayError):
            return
        self.server.lost(error)
        for lane in self._lanes:
            lane.disconnect()
        if self._ledger is not None:
            self._ledger.disconnected()

    def _rest(self, deadline: float) -> bool:
        """Pause before the next attempt to connect; False when time is up, or on ``wake``."""
        pause = self._backoff.pause(deadline)
        poll = select.poll()
        poll.register(self._alarm, select.POLLIN)
        if poll.poll(math.ceil(pause * 1000)):
            self._alarm.clear()
        if self._woken:
            self._woken = False
            return False
        return time.monotonic() < deadline


def _size(delivery: Delivery) -> int:
    data = delivery.frame.data
    size = getattr(data, "nbytes", None)
    if size is None:
        size = len(data) if isinstance(data, str | bytes) else 1024
    return int(size)
