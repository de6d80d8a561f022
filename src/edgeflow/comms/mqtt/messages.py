"""What travels through an MQTT client, and where it waits."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from edgeflow.errors import UnreachableError

__all__ = ["Entry", "Inbox", "Incoming", "MqttCounters", "Outbox"]

_ENVELOPE = 256  # bytes that a held message costs besides its payload, about


class Incoming(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message from the broker.

    Attributes:
        topic: never empty, valid Unicode.
        payload: its bytes.
        qos: at which it was delivered.
        retain: the broker had kept it from before the subscription.
        duplicate: it may have been delivered before.
        user: user properties (MQTT 5).
        received: monotonic seconds.
        connection: number of the connection it came on.
        mid: its packet id there; 0 at QoS 0.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    duplicate: bool = False
    user: tuple[tuple[str, str], ...] = ()
    received: float = 0.0
    connection: int = 0
    mid: int = 0


@dataclass(slots=True)
class MqttCounters:
    """What a client has done since it was made.

    Attributes:
        connects: connections that the broker accepted.
        received, received_bytes: messages and their payloads.
        duplicates: of these, marked by the broker as delivered before.
        acknowledged: messages at QoS 1 and 2 that were confirmed to the broker.
        stale: acknowledgements too late for their connection: the broker delivers again.
        oversized: messages passed over because they exceed ``max_packet``.
        malformed: messages passed over because their topic is not valid Unicode.
        published: messages handed to the connection.
        confirmed: messages at QoS 1 and 2 that the broker confirmed.
        refused: messages that the broker refused, or closed the connection over.
        dropped: messages not taken: no connection (QoS 0) or a full outbox.
    """

    connects: int = 0
    received: int = 0
    received_bytes: int = 0
    duplicates: int = 0
    acknowledged: int = 0
    stale: int = 0
    oversized: int = 0
    malformed: int = 0
    published: int = 0
    confirmed: int = 0
    refused: int = 0
    dropped: int = 0


class Inbox:
    """Messages that wait for their reader, bounded in number and bytes.

    The bound is soft by what one read of the socket brings; ``room`` is called when a full inbox
    has half its room again.
    """

    def __init__(self, limit: int, limit_bytes: int, room: Callable[[], None]) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._room = room
        self._held: deque[Incoming] = deque()
        self._bytes = 0
        self._was_full = False
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._held)

    def put(self, messages: Iterable[Incoming]) -> bool:
        """Add messages; return True when there is no room for another."""
        for message in messages:
            self._held.append(message)
            self._bytes += len(message.payload) + _ENVELOPE
        self._filled.set()
        self._was_full = len(self._held) >= self._limit or self._bytes >= self._limit_bytes
        return self._was_full

    async def get(self) -> Incoming:
        """Wait for a message and remove it."""
        return (await self.get_many(1))[0]

    async def get_many(self, limit: int) -> list[Incoming]:
        """Wait for a message, and remove it with what is there besides, up to ``limit``."""
        held = self._held
        while not held:
            self._filled.clear()
            await self._filled.wait()
        found = [held.popleft() for _ in range(min(limit, len(held)))]
        self._bytes -= sum(len(message.payload) for message in found) + _ENVELOPE * len(found)
        if self._was_full and self._has_half():
            self._was_full = False
            self._room()
        return found

    def _has_half(self) -> bool:
        return 2 * len(self._held) <= self._limit and 2 * self._bytes <= self._limit_bytes


@dataclass(slots=True, eq=False)
class Entry:
    """A message at QoS 1 or 2 that the broker has not confirmed.

    Attributes:
        outcome: set when it is confirmed, refused or given up.
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool
    user: tuple[tuple[str, str], ...]
    outcome: "asyncio.Future[None]"

    @property
    def size(self) -> int:
        """Bytes it costs to hold."""
        return len(self.payload) + len(self.topic) + _ENVELOPE


class Outbox:
    """Messages at QoS 1 and 2 until they are confirmed, in order, bounded in number and bytes.

    Attributes:
        sent: handed to the session, by packet id.
    """

    def __init__(self, limit: int, limit_bytes: int) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._waiting: deque[Entry] = deque()
        self._bytes = 0
        self.sent: dict[int, Entry] = {}
        self.empty = asyncio.Event()
        self.empty.set()

    def __len__(self) -> int:
        return len(self._waiting) + len(self.sent)

    def has_room(self, size: int) -> bool:
        """Tell whether a message of ``size`` bytes may be added; a single one always may."""
        if not len(self):
            return True
        return len(self) < self._limit and self._bytes + size + _ENVELOPE <= self._limit_bytes

    def add(self, entry: Entry) -> None:
        """Put a message at the end."""
        self._waiting.append(entry)
        self._bytes += entry.size
        self.empty.clear()

    def next(self) -> Entry | None:
        """Take the next message that was not sent."""
        return self._waiting.popleft() if self._waiting else None

    def settle(self, entry: Entry, error: Exception | None = None) -> None:
        """Let go of a message that is in neither list any more, and tell who waits."""
        self._bytes -= entry.size
        if not len(self):
            self.empty.set()
        if entry.outcome.done():
            return
        if error is None:
            entry.outcome.set_result(None)
        else:
            entry.outcome.set_exception(error)
            entry.outcome.exception()  # whoever waited may have left

    def take_back(self) -> None:
        """Let every message that was sent wait again, in order."""
        self._waiting.extendleft(reversed(self.sent.values()))
        self.sent.clear()

    def give_up(self) -> int:
        """Settle all as failed; return how many."""
        self.take_back()
        count = 0
        while entry := self.next():
            self.settle(entry, UnreachableError("the client ended before the broker confirmed"))
            count += 1
        return count
