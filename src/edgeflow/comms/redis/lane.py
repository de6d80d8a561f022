"""Reads the topics of one policy over one connection, with at most one read on its way.

REALTIME topics have a lane each: only then is the frame that arrives the newest one. A group that
acknowledges nothing reads with NOACK, so that its members share frames without leaving traces.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from edgeflow.comms.brokers.base import Subscription
from edgeflow.comms.redis.connection import IO_SECONDS, Connection
from edgeflow.comms.redis.entry import entry_fields, identity_of
from edgeflow.comms.redis.resp import ReplyError, checked, text
from edgeflow.comms.redis.server import VERSION_FIELD, Keys, Server, wish_text
from edgeflow.core.qos import QoS
from edgeflow.errors import UnreachableError

__all__ = ["Entry", "Lane"]

BLOCK_SECONDS = 1.0
"""How long the server holds a read; a longer silence means that it is gone."""

# Moves a group to the newest entry and returns it, so that stale payloads never travel.
_NEWEST = """
local groups = redis.call('XINFO', 'GROUPS', KEYS[1])
for _, group in ipairs(groups) do
  local info = {}
  for i = 1, #group, 2 do info[group[i]] = group[i + 1] end
  if info['name'] == ARGV[1] then
    local after = '(' .. info['last-delivered-id']
    local found = redis.call('XREVRANGE', KEYS[1], '+', after, 'COUNT', 1)
    if #found > 0 then redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], found[1][1]) end
    return found
  end
end
return redis.error_reply('NOGROUP')
"""

# Passes over the oldest entries of a group that lags by more than its capacity. Servers before 7.0
# do not tell the lag.
_SKIP = """
local groups = redis.call('XINFO', 'GROUPS', KEYS[1])
for _, group in ipairs(groups) do
  local info = {}
  for i = 1, #group, 2 do info[group[i]] = group[i + 1] end
  if info['name'] == ARGV[1] then
    local after = '(' .. info['last-delivered-id']
    local lag = info['lag'] or #redis.call('XRANGE', KEYS[1], after, '+')
    local extra = lag - tonumber(ARGV[3])
    if extra > 0 then
      redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', extra, 'NOACK',
                 'STREAMS', KEYS[1], '>')
    end
    return extra
  end
end
return 0
"""


class Entry:
    """A stream entry on its way to the consumer."""

    __slots__ = ("attempt", "fields", "id", "wish")

    def __init__(
        self, wish: Subscription, entry_id: str, fields: dict[bytes, Any], attempt: int = 1
    ) -> None:
        self.wish = wish
        self.id = entry_id
        self.fields = fields
        self.attempt = attempt


class Lane:
    """One connection and the reads on it.

    Args:
        wishes: topics, all of one policy, group and member; just one if it is REALTIME.
        joined: called after a (re)connection.
    """

    def __init__(
        self,
        server: Server,
        keys: Keys,
        wishes: Sequence[Subscription],
        joined: Callable[["Lane"], None],
    ) -> None:
        self.wishes = list(wishes)
        self.qos = wishes[0].qos
        self.ready: deque[Entry] = deque()
        self.connection: Connection | None = None
        self.asked = False
        self._server, self._keys = server, keys
        self._joined = joined
        self._streams = [keys.stream(wish.topic) for wish in wishes]
        self._by_stream = dict(zip(self._streams, wishes, strict=True))
        self._bounds = dict.fromkeys(self._streams, 0)
        self._first_time = True
        self._before: deque[Callable[[Any], None]] = deque()
        self._asked_at = 0.0

    # --- reading -----------------------------------------------------------------------------

    def ask(
        self, count: int, before: Sequence[tuple[Sequence[Any], Callable[[Any], None]]] = ()
    ) -> None:
        """Send a read that waits; ``before`` are commands to send along and their reply handlers.

        Raises:
            UnreachableError: the server is away.
        """
        connection = self.connection or self._open()
        along = [*before, *self._skips()]
        self._before = deque([handler for _, handler in along])
        block = ("BLOCK", int(BLOCK_SECONDS * 1000))
        self.asked, self._asked_at = True, time.monotonic()
        connection.send(*[command for command, _ in along], self._read_command(count, block))

    def look(self) -> None:
        """Replace what is ready by the newest entry, if there is a newer one. REALTIME only."""
        connection = self.connection or self._open()
        stream, wish = self._streams[0], self.wishes[0]
        if self._bounds[stream] == 1:
            self._take(connection.exchange(self._read_command(1))[0], replace=True)
            return
        reply = connection.exchange(("EVAL", _NEWEST, 1, stream, wish.group))[0]
        if isinstance(reply, ReplyError) or not reply:
            self._take(reply or None, replace=True)
        else:
            self._take([[stream.encode(), reply]], replace=True)

    @property
    def is_new(self) -> bool:
        """True until the group has been joined."""
        return self._first_time

    @property
    def may_be_behind(self) -> bool:
        """True when a plain read might return an entry that is not the newest."""
        return self._bounds[self._streams[0]] != 1

    def collect(self) -> None:
        """Read what has arrived; call when the connection is readable."""
        connection = self.connection
        if connection is None:
            return
        while self._before:
            self._before.popleft()(connection.read())
            if not connection.has_data():
                return
        reply = connection.read()
        self.asked = False
        self._take(reply)

    def check_silence(self) -> None:
        """Raise ``UnreachableError`` when the server does not even end its waits."""
        if self.asked and time.monotonic() - self._asked_at > BLOCK_SECONDS + IO_SECONDS:
            raise UnreachableError(f"the server at {self._server.address} has fallen silent")

    def _read_command(self, count: int, block: Sequence[Any] = ()) -> Sequence[Any]:
        wish = self.wishes[0]
        noack = () if self.qos is QoS.DURABLE else ("NOACK",)
        marks = (">",) * len(self._streams)
        head = ("XREADGROUP", "GROUP", wish.group, wish.member, "COUNT", count)
        return (*head, *block, *noack, "STREAMS", *self._streams, *marks)

    def _skips(self) -> list[tuple[Sequence[Any], Callable[[Any], None]]]:
        if self.qos is not QoS.BALANCED:
            return []
        return [
            (("EVAL", _SKIP, 1, stream, wish.group, wish.member, max(1, wish.capacity)), checked)
            for stream, wish in self._by_stream.items()
            if not 0 < self._bounds[stream] <= wish.capacity
        ]

    def _take(self, reply: Any, *, replace: bool = False) -> None:
        if isinstance(reply, ReplyError):
            if reply.kind not in ("NOGROUP", "UNBLOCKED"):
                checked(reply)
            self.rejoin()
            return
        for stream, entries in reply or ():
            wish = self._by_stream[text(stream)]
            for entry_id, flat in entries:
                if replace:
                    self.ready.clear()
                fields = entry_fields(flat)
                self._bounds[text(stream)] = identity_of(fields)[2]
                self.ready.append(Entry(wish, text(entry_id), fields))

    # --- joining -----------------------------------------------------------------------------

    def _open(self) -> Connection:
        connection = self._server.connect()
        self.connection, self.asked = connection, False
        self._before.clear()
        self.rejoin()
        return connection

    def rejoin(self) -> None:
        """Create the group where it is missing: for frames from now on, or, later, for all."""
        connection = self.connection
        if connection is None:
            return
        start = "$" if self._first_time else "0"
        commands: list[Sequence[Any]] = []
        for wish in self.wishes:
            stream, register = self._keys.stream(wish.topic), self._keys.groups(wish.topic)
            commands += [
                ("XGROUP", "CREATE", stream, wish.group, start, "MKSTREAM"),
                ("XGROUP", "CREATECONSUMER", stream, wish.group, wish.member),
                ("HSET", register, wish.group, wish_text(wish)),
                ("HINCRBY", register, VERSION_FIELD, 1),
            ]
        for reply in connection.exchange(*commands):
            if not (isinstance(reply, ReplyError) and reply.kind == "BUSYGROUP"):
                checked(reply)
        self._first_time = False
        self._server.found()
        self._joined(self)

    def disconnect(self) -> None:
        """Close the connection; what is ready stays."""
        connection, self.connection = self.connection, None
        self.asked = False
        if connection is not None:
            connection.close()
