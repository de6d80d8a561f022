"""Bytes between an open port and whoever talks over it; one turn at a time."""

import select
from collections.abc import Callable
from typing import Protocol

from edgeflow.devices.serial.console import Console
from edgeflow.devices.serial.desk import Desk
from edgeflow.devices.serial.greeting import Found
from edgeflow.devices.serial.ports import Port, lost
from edgeflow.devices.serial.requests import Request
from edgeflow.protocols.uart import Event, Message, Receiver, Text, Type, encode

__all__ = ["Conversation", "Talker"]

PART_SECONDS = 0.3
"""Longest wait for the last answer of a board."""

_LONGEST_TURN = 30.0
_PARTING = 0xFFFF
_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


class Talker(Protocol):
    """Decides what is said; knows no port."""

    def take(self, now: float) -> bytes:
        """Return what is to be sent now."""
        ...

    def event(self, event: Event, now: float) -> None:
        """Take what came."""
        ...

    def due(self) -> float | None:
        """Return when ``expire`` wants to be called."""
        ...

    def expire(self, now: float) -> None:
        """Handle what should have come by now."""
        ...


class Conversation:
    """Moves bytes of one open port.

    Args:
        port: open.
        desk: wakes it, and has deadlines of its own.
        console: gets what is no message.
        now: monotonic seconds.
    """

    def __init__(self, port: Port, desk: Desk, console: Console, now: Callable[[], float]) -> None:
        self.receiver = Receiver()
        self._port, self._desk, self._console, self._now = port, desk, console, now
        self._unsent = bytearray()
        self._is_full = False
        self._poll = select.poll()
        self._poll.register(desk.wake, select.POLLIN)
        self._poll.register(port.fileno(), select.POLLIN)

    def turn(self, talker: Talker) -> list[Request]:
        """Send, wait for something to happen, and handle it; return new requests.

        Raises:
            UnreachableError: the port is gone.
        """
        now = self._now()
        if not self._unsent:
            data = talker.take(now)
            if data:
                self._write(data)
        self._await_room()
        ready = dict(self._poll.poll(self._patience(talker, now)))
        state = ready.get(self._port.fileno(), 0)
        if state:
            self._handle(state, talker)
        now = self._now()
        due = talker.due()
        if due is not None and now >= due:
            talker.expire(now)
        self._desk.expire(now)
        return self._desk.collect() if self._desk.wake in ready else []

    def set_baud(self, baud: int) -> None:
        """Change the line's rate; what has come at the old one is forgotten."""
        self._port.set_baud(baud)
        self.receiver.reset()

    def part(self, baud: int, found: Found) -> None:
        """Leave the board at the rate at which whoever comes next looks for it.

        Raises:
            UnreachableError: the port is gone.
        """
        if found.hello is None or found.baud == baud or self._unsent:
            return
        self._write(encode(Type.SET_BAUD, _PARTING, baud.to_bytes(4, "little")))
        # A port that is closed before the board has read this would take it along.
        self._poll.unregister(self._desk.wake)
        until = self._now() + PART_SECONDS
        while (left := until - self._now()) > 0 and self._poll.poll(left * 1000):
            events = self.receiver.feed(self._port.read())
            if any(isinstance(each, Message) and each.id == _PARTING for each in events):
                return

    def _handle(self, state: int, talker: Talker) -> None:
        if state & select.POLLIN:
            data = self._port.read()
            events = self.receiver.feed(data) if data else []
            now = self._now()
            for event in events:
                if isinstance(event, Text):
                    self._console.add(event.data)
                else:
                    talker.event(event, now)
        elif state & _GONE:
            raise lost(self._port.name)
        if state & select.POLLOUT:
            self._write(b"")

    def _write(self, data: bytes) -> None:
        """Write; the rest waits until the port takes more."""
        if self._unsent:
            self._unsent += data
            del self._unsent[: self._port.write(self._unsent)]
        else:
            count = self._port.write(data)
            self._unsent += data[count:]

    def _await_room(self) -> None:
        """Wake when the port takes more, if something waits for that."""
        is_full = bool(self._unsent) or self._port.behind
        if is_full != self._is_full:
            self._is_full = is_full
            wanted = select.POLLIN | (select.POLLOUT if is_full else 0)
            self._poll.modify(self._port.fileno(), wanted)

    def _patience(self, talker: Talker, now: float) -> int:
        """Return the milliseconds to poll."""
        until = now + _LONGEST_TURN
        for due in (talker.due(), self._desk.due()):
            if due is not None and due < until:
                until = due
        # Rounded up: waking a moment early would cost a turn for nothing.
        return max(0, int((until - now) * 1000) + 1)
