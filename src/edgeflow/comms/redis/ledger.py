"""What a member of a DURABLE group owes: acknowledgements, retries, a sign of life.

Acknowledgements travel with the next read. A thread sends those that wait longer than 50 ms and
renews the member's sign of life, so that a slow member keeps its frames and a dead one does not.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from edgeflow.comms.brokers.base import MAX_ATTEMPTS, Subscription
from edgeflow.comms.redis.entry import entry_fields
from edgeflow.comms.redis.lane import Entry
from edgeflow.comms.redis.resp import ReplyError, checked, text
from edgeflow.comms.redis.server import Keys, Server, group_infos
from edgeflow.errors import UnreachableError

__all__ = ["Ledger"]

log = structlog.get_logger(__name__)

ALIVE_SECONDS = 1.5
BEAT_SECONDS = 0.5
FLUSH_SECONDS = 0.05
TAKEOVER_SECONDS = 1.0
_ACTIVE_SECONDS = 1.0
_LIST_MOST = 10_000

# Makes the entries of a dead member ours, without counting it as a delivery.
_TAKE_OVER = """
if redis.call('EXISTS', KEYS[2]) == 1 then return {} end
local held = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[4], ARGV[2])
for _, entry in ipairs(held) do
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, entry[1], 'JUSTID')
end
return held
"""

_Key = tuple[str, str]
_Along = tuple[Sequence[Any], Callable[[Any], None]]


class Ledger:
    """Books of one member over all its DURABLE topics; ``ack`` and ``nack`` from any thread.

    Args:
        wishes: the DURABLE subscriptions, of one group and member.
        ring: ends a wait of the receiving thread.
        drop: counts and reports a frame that is given up.
    """

    def __init__(
        self,
        server: Server,
        keys: Keys,
        wishes: Sequence[Subscription],
        ring: Callable[[], None],
        drop: Callable[[Subscription, str, str], None],
    ) -> None:
        self._server, self._keys = server, keys
        self._wishes = {wish.topic: wish for wish in wishes}
        self._group, self._member = wishes[0].group, wishes[0].member
        self._ring, self._drop = ring, drop
        self._lock = threading.Lock()
        self._in_flight: dict[_Key, Entry] = {}
        self._acks: dict[str, list[str]] = {}
        self._sent: dict[str, list[str]] = {}
        self._flushing: set[_Key] = set()
        self._notes: deque[Sequence[Any]] = deque(maxlen=_LIST_MOST)
        self._oldest_ack = 0.0
        self._busy_until = 0.0
        self._retries: deque[Entry] = deque()
        self._found: deque[tuple[Subscription, str, int]] = deque()
        self._next_takeover = 0.0
        self._closing = threading.Event()
        self._nudge = threading.Event()
        self._thread: threading.Thread | None = None

    # --- deliveries --------------------------------------------------------------------------

    def delivered(self, entry: Entry) -> None:
        """The consumer has got ``entry``."""
        with self._lock:
            self._in_flight[(entry.wish.topic, entry.id)] = entry

    def ack(self, entry: Entry) -> None:
        """The consumer is done with ``entry``. Idempotent."""
        with self._lock:
            if self._in_flight.pop((entry.wish.topic, entry.id), None) is None:
                return
            self._owe(entry)

    def give_up(self, entry: Entry, reason: str) -> None:
        """Acknowledge ``entry`` unprocessed, and count it."""
        with self._lock:
            self._in_flight.pop((entry.wish.topic, entry.id), None)
            self._owe(entry)
        self._drop(entry.wish, entry.id, reason)

    def nack(self, entry: Entry) -> None:
        """Deliver ``entry`` again, before anything else, unless it has had its share."""
        with self._lock:
            if self._in_flight.pop((entry.wish.topic, entry.id), None) is None:
                return
            if entry.attempt < MAX_ATTEMPTS:
                again = Entry(entry.wish, entry.id, entry.fields, entry.attempt + 1)
                self._retries.appendleft(again)
        if entry.attempt < MAX_ATTEMPTS:
            self._ring()
        else:
            self.give_up(entry, f"it failed {entry.attempt} times")

    def _owe(self, entry: Entry) -> None:
        """Note an acknowledgement. The lock is held."""
        now = time.monotonic()
        if not self._acks:
            self._oldest_ack = now
        self._acks.setdefault(entry.wish.topic, []).append(entry.id)
        asleep = now > self._busy_until
        self._busy_until = now + _ACTIVE_SECONDS
        if asleep:
            self._nudge.set()

    def has_again(self) -> bool:
        """True when ``next_again`` has something."""
        return bool(self._retries or self._found)

    def next_again(self) -> Entry | None:
        """Return the next entry to deliver again: refused ones, then those of dead members.

        Raises:
            UnreachableError: the server is away.
        """
        with self._lock:
            if self._retries:
                return self._retries[0]
        while self._found:
            wish, entry_id, attempts = self._found[0]
            entry = self._fetch(wish, entry_id, attempts)
            self._found.popleft()
            if entry is not None:
                with self._lock:
                    self._retries.append(entry)
                return entry
        return None

    def took_again(self, entry: Entry) -> None:
        """``entry``, as returned by ``next_again``, is being delivered or was given up."""
        key = ("XCLAIM", self._keys.stream(entry.wish.topic), self._group, self._member, 0)
        with self._lock:
            if entry in self._retries:
                self._retries.remove(entry)
            self._notes.append((*key, entry.id, "RETRYCOUNT", entry.attempt, "JUSTID"))

    def _fetch(self, wish: Subscription, entry_id: str, attempts: int) -> Entry | None:
        if attempts >= MAX_ATTEMPTS:
            self.give_up(Entry(wish, entry_id, {}), f"{attempts} deliveries did not end well")
            return None
        stream = self._keys.stream(wish.topic)
        reply = self._server.call("XCLAIM", stream, self._group, self._member, 0, entry_id)
        if not reply or reply[0] is None:
            self.give_up(Entry(wish, entry_id, {}), "the server has lost it")
            return None
        return Entry(wish, entry_id, entry_fields(reply[0][1]), attempts + 1)

    # --- acknowledging -----------------------------------------------------------------------

    def owed(self) -> list[_Along]:
        """Return the commands to send with the next read, and what to do with their replies."""
        with self._lock:
            if not self._acks and not self._notes:
                return []
            acks, self._acks = self._acks, {}
            notes = [(note, _ignore) for note in self._notes]
            self._notes.clear()
            along: list[_Along] = []
            for topic, ids in acks.items():
                self._sent.setdefault(topic, []).extend(ids)
                along.append((self._ack_command(topic, ids), self._confirm(topic, len(ids))))
        return [*notes, *along]

    def _ack_command(self, topic: str, ids: list[str]) -> Sequence[Any]:
        return ("XACK", self._keys.stream(topic), self._group, *ids)

    def _confirm(self, topic: str, count: int) -> Callable[[Any], None]:
        def confirm(reply: Any) -> None:
            checked(reply)
            with self._lock:
                del self._sent.get(topic, [])[:count]

        return confirm

    def disconnected(self) -> None:
        """Acknowledgements without an answer are to be sent again."""
        with self._lock:
            for topic, ids in self._sent.items():
                if ids:
                    self._acks[topic] = ids + self._acks.get(topic, [])
            self._sent = {}

    def flush(self) -> None:
        """Send every acknowledgement that waits, and see it confirmed.

        Raises:
            UnreachableError: the server is away; they wait on.
        """
        with self._lock:
            acks, self._acks = self._acks, {}
            notes = list(self._notes)
            self._notes.clear()
            flushing = {(topic, entry_id) for topic, ids in acks.items() for entry_id in ids}
            self._flushing |= flushing
        if not acks and not notes:
            return
        try:
            commands = [self._ack_command(topic, ids) for topic, ids in acks.items()]
            for reply in self._server.exchange(*notes, *commands)[len(notes) :]:
                checked(reply)
        except UnreachableError:
            with self._lock:
                for topic, ids in acks.items():
                    self._acks[topic] = ids + self._acks.get(topic, [])
            raise
        finally:
            with self._lock:
                self._flushing -= flushing

    # --- joining, and frames of the dead -----------------------------------------------------

    def joined(self, ready: Sequence[Entry]) -> None:
        """Find what we hold from an earlier life; ``ready`` is what we know to hold.

        Raises:
            UnreachableError: the server is away.
        """
        self._beat()
        self.flush()
        with self._lock:
            known = set(self._in_flight) | self._flushing
            for done in (self._acks, self._sent):
                known |= {(topic, entry_id) for topic, ids in done.items() for entry_id in ids}
            known |= {(entry.wish.topic, entry.id) for entry in (*ready, *self._retries)}
        self._found.clear()
        for topic, wish in self._wishes.items():
            stream = self._keys.stream(topic)
            reply = self._server.exchange(
                ("XPENDING", stream, self._group, "-", "+", _LIST_MOST, self._member)
            )[0]
            if not isinstance(reply, ReplyError):
                held = [(wish, text(row[0]), int(row[3])) for row in reply]
                self._found.extend(item for item in held if (topic, item[1]) not in known)
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep, name="edgeflow-ledger", daemon=True)
            self._thread.start()

    def take_over(self) -> float:
        """Take frames from dead members if it is time to look; return seconds to the next look.

        Raises:
            UnreachableError: the server is away.
        """
        now = time.monotonic()
        if now < self._next_takeover:
            return self._next_takeover - now
        self._next_takeover = now + TAKEOVER_SECONDS
        for wish in self._wishes.values():
            stream = self._keys.stream(wish.topic)
            reply = self._server.exchange(("XINFO", "CONSUMERS", stream, self._group))[0]
            for member, info in group_infos(reply).items():
                if member != self._member and int(info["pending"]):
                    self._take_from(wish, stream, member)
        return TAKEOVER_SECONDS

    def _take_from(self, wish: Subscription, stream: str, member: str) -> None:
        alive = self._keys.alive(self._group, member)
        names = (self._group, member, self._member, max(1, wish.capacity))
        held = self._server.call("EVAL", _TAKE_OVER, 2, stream, alive, *names)
        if held:
            log.info("frames_taken_over", topic=wish.topic, member=member, frames=len(held))
            self._found.extend((wish, text(row[0]), int(row[3])) for row in held)

    # --- keeping alive -----------------------------------------------------------------------

    def _beat(self) -> None:
        key = self._keys.alive(self._group, self._member)
        self._server.call("SET", key, "1", "PX", int(ALIVE_SECONDS * 1000))

    def _keep(self) -> None:
        next_beat = 0.0
        while not self._closing.is_set():
            now = time.monotonic()
            try:
                if now >= next_beat:
                    next_beat = now + BEAT_SECONDS
                    self._beat()
                if self._acks and now - self._oldest_ack >= FLUSH_SECONDS:
                    self.flush()
            except UnreachableError:
                self._closing.wait(BEAT_SECONDS)
                continue
            except Exception as error:  # noqa: BLE001 - the thread must live as long as its member
                log.error("beat_failed", group=self._group, error=str(error))
                self._closing.wait(BEAT_SECONDS)
            if now < self._busy_until:
                self._closing.wait(FLUSH_SECONDS)
            elif self._nudge.wait(max(0.0, next_beat - now)):
                self._nudge.clear()

    def close(self, unseen: Sequence[Entry]) -> None:
        """Acknowledge what is due and leave the rest to others; ``unseen`` was never delivered."""
        self._closing.set()
        self._nudge.set()
        if self._thread is not None:
            self._thread.join(5.0)
        if self._server.is_away or self._thread is None:
            return
        self.disconnected()
        with self._lock:
            for entry in unseen:
                key = ("XCLAIM", self._keys.stream(entry.wish.topic), self._group, self._member, 0)
                self._notes.append((*key, entry.id, "RETRYCOUNT", entry.attempt - 1, "JUSTID"))
        try:
            self.flush()
            self._server.exchange(("DEL", self._keys.alive(self._group, self._member)))
        except UnreachableError as error:
            log.warning("acks_unsent", group=self._group, error=str(error))


def _ignore(_reply: Any) -> None:
    pass
