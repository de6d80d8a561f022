"""Sends frames into one stream per topic: one XADD per frame, however many groups want it.

An entry has the fields ``i``, "id epoch sequence bound" in text, and ``f``, the message of
``edgeflow.protocols.frames``. ``bound`` is the exact length the stream is kept at; 0 while a
DURABLE group holds entries, which are then removed once every such group has acknowledged them.
"""

import time
from collections.abc import Sequence
from typing import Any

import structlog

from edgeflow.comms.brokers.base import LinkCounters, Publisher, Subscription
from edgeflow.comms.redis.connection import Connection
from edgeflow.comms.redis.entry import (
    Identity,
    entry_fields,
    identity_of,
)
from edgeflow.comms.redis.resp import Buffer, ReplyError, checked, text
from edgeflow.comms.redis.room import Room
from edgeflow.comms.redis.server import (
    VERSION_FIELD,
    Keys,
    PayloadsAwayError,
    Server,
    Wish,
    group_infos,
    read_wishes,
    wish_text,
)
from edgeflow.comms.redis.waits import Backoff
from edgeflow.config import settings
from edgeflow.core.frame import Frame
from edgeflow.core.qos import QoS
from edgeflow.errors import FrameTooLargeError, UnreachableError
from edgeflow.protocols.frames import aligned, encode

__all__ = ["RedisPublisher"]

log = structlog.get_logger(__name__)

MAX_VALUE_BYTES = 512 * 1024 * 1024 - 1024 * 1024
"""Longest value of Redis (512 MB), less room for the rest of an entry."""

REMEMBER_SECONDS = 2.0
"""How long ``next_id`` waits for a server that is away."""

FAREWELL_SECONDS = 0.5
"""How long ``close`` waits for an answer; the next publisher removes what it leaves."""

_POLL_FIRST, _POLL_MOST = 0.0005, 0.02
_EARLIEST = "0-0"


class RedisPublisher(Publisher):
    """Publishes one topic. ``groups`` are declared when the first frame is published."""

    def __init__(
        self, server: Server, keys: Keys, topic: str, groups: Sequence[Subscription], codec: str
    ) -> None:
        self.topic = topic
        self.links: dict[str, LinkCounters] = {wish.group: LinkCounters() for wish in groups}
        self.server, self.keys = server, keys
        self._declared = tuple(groups)
        self._codec = codec
        self._stream = keys.stream(topic)
        self._connection: Connection | None = None
        self._backoff = Backoff()
        self._wishes: dict[str, Wish] = {}
        self._version: bytes | None = None
        self._opened = False
        self._last_entry = _EARLIEST
        self._next_id = 0
        self._unsure: Identity | None = None
        self._unsure_on = 0
        self._room = Room(server, self._stream)

    # --- Publisher -------------------------------------------------------------------------

    def publish(self, frame: Frame, timeout: float = 0.0) -> bool:
        """Add the frame to the stream; a frame of an unknown fate is looked up before a retry."""
        header, payload = encode(frame, self._codec)
        size = len(header) + len(payload)
        limit = min(settings.MAX_FRAME_BYTES, MAX_VALUE_BYTES)
        if size > limit:
            raise FrameTooLargeError(
                f"{frame!r} takes {size} bytes; the limit is {limit}",
                hint="shrink it, send it as JPEG (codec='jpeg:85'), or raise "
                "EDGEFLOW_MAX_FRAME_BYTES (Redis ends at 512 MB)",
            )
        deadline = time.monotonic() + timeout
        message = (aligned(header), payload) if len(payload) > 1024 else (header, payload)
        while True:
            try:
                if not self._try(frame, message, deadline):
                    return False
                break
            except UnreachableError as error:
                self.disconnect(error)
                pause = self._backoff.pause(deadline)
                if pause <= 0:
                    return False
                time.sleep(pause)
        self._next_id = frame.id + 1
        links = self.links
        for group in self._wishes:
            counters = links[group]
            counters.sent += 1
            counters.bytes += len(payload)
        return True

    def next_id(self) -> int:
        """Return one above the id of the last entry.

        Raises:
            UnreachableError: the server stays away, and a DURABLE group relies on the answer.
        """
        deadline = time.monotonic() + REMEMBER_SECONDS
        while self._connection is None:
            try:
                self._open(deadline)
            except UnreachableError as error:
                self.disconnect(error)
                pause = self._backoff.pause(deadline)
                if pause > 0:
                    time.sleep(pause)
                elif any(wish.qos is QoS.DURABLE for wish in self._declared):
                    raise
                else:
                    break
        return self._next_id

    def refresh(self) -> None:
        """Ask the server for the depth of each group; does nothing while it is away."""
        if not self._opened or not self.server.is_back():
            return
        try:
            infos = group_infos(self.server.exchange(("XINFO", "GROUPS", self._stream))[0])
        except UnreachableError:
            return
        for group, counters in self.links.items():
            info = infos.get(group, {})
            counters.depth = int(info.get("pending") or 0) + int(info.get("lag") or 0)

    def close(self) -> None:
        """Remove what is acknowledged by all, and disconnect."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        connection.limit(FAREWELL_SECONDS)
        try:
            if self._room.bound == 0 and not self.server.is_away:
                self._room.learn(connection.exchange(*self._room.questions()))
                if trim := self._trim():
                    connection.call("XTRIM", self._stream, *trim)
        except UnreachableError as error:
            self.server.lost(error)
        except ReplyError as error:
            log.debug("trim_skipped", topic=self.topic, error=str(error))
        connection.close()

    # --- where payloads are kept (a second server has its own) --------------------------------

    def place(self, frame: Frame, message: tuple[Buffer, ...]) -> Sequence[Any]:
        """Return the fields of the entry that carry the message."""
        return ("f", message)

    def releasing(self, below: str) -> None:
        """Entries before ``below`` are about to be removed."""

    def accepted(self) -> None:
        """The entry with the fields of the last ``place`` is in the stream."""

    @property
    def bound(self) -> int:
        """Length the stream is kept at; 0 while DURABLE groups hold it."""
        return self._room.bound

    # --- sending -----------------------------------------------------------------------------

    def _try(self, frame: Frame, message: tuple[Buffer, ...], deadline: float) -> bool:
        connection = self._connection or self._open(deadline)
        identity = (frame.epoch, frame.sequence)
        if self._unsure is not None and self._is_settled(connection, self._unsure) == identity:
            return True
        room = self._room
        if room.is_full and not self._await_room(connection, deadline):
            return False
        fields = self.place(frame, message)
        label = f"{frame.id} {frame.epoch} {frame.sequence} {room.bound}"
        questions = room.questions() if room.is_check_due else []
        commands: list[Sequence[Any]] = [
            ("XADD", self._stream, *self._trim(), "*", "i", label, *fields),
            ("HGET", self.keys.groups(self.topic), VERSION_FIELD),
            *questions,
        ]
        self._unsure, self._unsure_on = identity, connection.number
        replies = connection.exchange(*commands)
        self._unsure = None
        self._last_entry = text(checked(replies[0]))
        self.accepted()
        room.added(self._last_entry)
        complete = not questions or room.learn(replies[2:])
        if replies[1] != self._version or not complete:
            self._join(connection)
        return True

    def _trim(self) -> Sequence[Any]:
        room = self._room
        if room.bound:
            return ("MAXLEN", "=", room.bound)
        if not room.done_below:
            return ()
        below, room.done_below = room.done_below, ""
        self.releasing(below)
        return ("MINID", "=", below)

    def _is_settled(self, connection: Connection, wanted: Identity) -> Identity | None:
        """Learn whether a frame whose reply was lost has arrived; from then on it cannot."""
        connection.end(self._unsure_on)
        arrived = self._has_arrived(connection, wanted)
        self._unsure = None
        return wanted if arrived else None

    def _has_arrived(self, connection: Connection, wanted: Identity) -> bool:
        """Look through the entries after our last one for a frame whose reply was lost."""
        while True:
            entries = connection.call(
                "XRANGE", self._stream, f"({self._last_entry}", "+", "COUNT", 4
            )
            for entry_id, flat in entries:
                self._last_entry = text(entry_id)
                if identity_of(entry_fields(flat))[1] == wanted:
                    self._room.added(self._last_entry)
                    self.accepted()
                    return True
            if not entries:
                return False

    def _await_room(self, connection: Connection, deadline: float) -> bool:
        pause = _POLL_FIRST
        while True:
            if not self._room.learn(connection.exchange(*self._room.questions())):
                self._join(connection)
            if not self._room.is_full:
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(_POLL_MOST, pause * 2)

    # --- connecting ----------------------------------------------------------------------------

    def disconnect(self, error: Exception) -> None:
        """Give up the connection, if it is the one concerned."""
        if isinstance(error, PayloadsAwayError):
            return
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        self.server.lost(error)

    def _open(self, deadline: float) -> Connection:
        connection = self.server.connect(deadline - time.monotonic())
        try:
            if not self._opened:
                self._remember(connection)
            self._join(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._opened = connection, True
        self.server.found()
        self._backoff.reset()
        return connection

    def _remember(self, connection: Connection) -> None:
        entries = connection.call("XREVRANGE", self._stream, "+", "-", "COUNT", 1)
        for entry_id, flat in entries:
            self._last_entry = text(entry_id)
            self._next_id = identity_of(entry_fields(flat))[0] + 1

    def _join(self, connection: Connection) -> None:
        """Create what we declare, and learn which groups there are."""
        topic, keys = self.topic, self.keys
        self._retire(connection)
        start = "0" if self._opened else "$"
        commands: list[Sequence[Any]] = [("SADD", keys.topics, topic)]
        for wish in self._declared:
            commands += [
                ("XGROUP", "CREATE", self._stream, wish.group, start, "MKSTREAM"),
                ("SADD", keys.declared(topic), wish.group),
                ("HSET", keys.groups(topic), wish.group, wish_text(wish)),
            ]
        commands.append(("HSETNX", keys.groups(topic), VERSION_FIELD, "1"))
        commands.append(("HGETALL", keys.groups(topic)))
        replies = connection.exchange(*commands)
        for reply in replies:
            if not (isinstance(reply, ReplyError) and reply.kind == "BUSYGROUP"):
                checked(reply)
        self._wishes = read_wishes(replies[-1])
        fields = {bytes(replies[-1][i]): replies[-1][i + 1] for i in range(0, len(replies[-1]), 2)}
        self._version = fields.get(VERSION_FIELD)
        missing = {group: LinkCounters() for group in self._wishes if group not in self.links}
        if missing:
            self.links = {**self.links, **missing}
        self._room.set_wishes(self._wishes)

    def _retire(self, connection: Connection) -> None:
        """Drop groups that an earlier graph declared and ours does not, or they would hold us."""
        if self._opened or not self._declared:
            return
        keys, ours = self.keys, {wish.group for wish in self._declared}
        known = connection.call("SMEMBERS", keys.declared(self.topic))
        for group in {text(name) for name in known} - ours:
            log.info("group_retired", topic=self.topic, group=group)
            connection.exchange(
                ("XGROUP", "DESTROY", self._stream, group),
                ("SREM", keys.declared(self.topic), group),
                ("HDEL", keys.groups(self.topic), group),
                ("HINCRBY", keys.groups(self.topic), VERSION_FIELD, 1),
            )
