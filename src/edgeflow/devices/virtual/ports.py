"""Where hosts plug in: a pseudo-terminal, or a TCP port that speaks RFC 2217."""

import contextlib
import os
import selectors
import socket
import termios
import tty
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from edgeflow.errors import UnreachableError
from edgeflow.protocols.rfc2217 import Baud, Data, Event, Lines, Purge, Rfc2217Server, escape

__all__ = ["HostSide", "Port", "PtyPort", "Rfc2217Port"]

READ_BYTES = 65536
MAX_BEHIND = 1 << 19
"""Bytes that a host may leave unread before more are lost, as a driver's buffer would."""


class HostSide(Protocol):
    """What a port tells the board."""

    def host_sends(self, data: bytes) -> None:
        """Bytes for the line."""

    def host_sets_lines(self, dtr: bool, rts: bool) -> None:
        """New levels; True is asserted."""

    def host_sets_baud(self, baud: int) -> None:
        """A new rate on the host's side."""


class Port(ABC):
    """One plug. All methods are called by the loop's thread."""

    name: str
    """What the host opens."""

    def __init__(self, selector: selectors.BaseSelector, board: HostSide) -> None:
        self.lost = 0
        """Bytes that the host did not fetch."""
        self._selector = selector
        self._board = board

    @abstractmethod
    def open(self) -> None:
        """Plug in."""

    @abstractmethod
    def close(self) -> None:
        """Unplug: the host's reads and writes fail from now on."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Hand bytes to the host; without one they are gone."""

    def _watch(self, file: int | socket.socket, handler: Callable[[int], None]) -> None:
        self._selector.register(file, selectors.EVENT_READ, handler)

    def _want_room(self, file: int | socket.socket, wanted: bool) -> None:
        """Be woken when ``file`` can be written again, too."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if wanted else 0)
        key = self._selector.get_key(file)
        if key.events != events:
            self._selector.modify(file, events, key.data)

    def _forget(self, file: int | socket.socket) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(file)


class _Backlog:
    """What could not be written yet, bounded."""

    def __init__(self, write: Callable[[bytes], int]) -> None:
        self.waiting = bytearray()
        self._write = write

    def send(self, data: bytes) -> int:
        """Write what goes; return how many bytes were lost."""
        room = MAX_BEHIND - len(self.waiting)
        self.waiting += data[: max(0, room)]
        while self.waiting:
            try:
                count = self._write(bytes(self.waiting))
            except BlockingIOError:
                break
            del self.waiting[:count]
        return max(0, len(data) - max(0, room))


class PtyPort(Port):
    """A pseudo-terminal behind a link of its own, so that it keeps its name when replugged.

    It has no modem lines. The link goes away while it is unplugged.
    """

    def __init__(
        self, selector: selectors.BaseSelector, board: HostSide, link: Path, baud: int
    ) -> None:
        super().__init__(selector, board)
        self.name = str(link)
        self._link = link
        self._baud = baud
        self._main = self._other = -1
        self._backlog = _Backlog(self._write)

    def open(self) -> None:
        """Make the terminal and its link."""
        self._main, self._other = os.openpty()
        tty.setraw(self._other)
        self._set_speed()
        os.set_blocking(self._main, False)
        self._backlog = _Backlog(self._write)
        try:
            self._unlink()
            self._link.symlink_to(os.ttyname(self._other))
        except OSError as error:
            self._close_files()
            raise UnreachableError(
                f"the link {self._link} cannot be made: {error.strerror}",
                hint="choose a name that is free, in a folder that is there",
            ) from None
        self._watch(self._main, self._readable)

    def close(self) -> None:
        """Unplug: whoever has it open reads an end of file."""
        if self._main < 0:
            return
        self._forget(self._main)
        self._unlink()
        self._close_files()

    def send(self, data: bytes) -> None:
        """Hand bytes to the host."""
        if self._main >= 0:
            self.lost += self._backlog.send(data)
            self._want_room(self._main, bool(self._backlog.waiting))

    def _write(self, data: bytes) -> int:
        return os.write(self._main, data)

    def _unlink(self) -> None:
        if self._link.is_symlink():
            self._link.unlink()

    def _close_files(self) -> None:
        os.close(self._main)
        os.close(self._other)
        self._main = self._other = -1

    def _readable(self, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self.send(b"")
        if not events & selectors.EVENT_READ:
            return
        try:
            data = os.read(self._main, READ_BYTES)
        except (BlockingIOError, OSError):
            return
        self._board.host_sets_baud(_speed(self._main))
        self._board.host_sends(data)

    def _set_speed(self) -> None:
        """Start with the board's own rate, for hosts that set none."""
        code = getattr(termios, f"B{self._baud}", None)
        if code is None:
            return
        attributes = termios.tcgetattr(self._other)
        attributes[4] = attributes[5] = code
        termios.tcsetattr(self._other, termios.TCSANOW, attributes)


class Rfc2217Port(Port):
    """A TCP port on loopback for one host at a time; further ones are turned away."""

    def __init__(self, selector: selectors.BaseSelector, board: HostSide, number: int = 0) -> None:
        super().__init__(selector, board)
        self._number = number
        self._server: socket.socket | None = None
        self._client: socket.socket | None = None
        self._protocol = Rfc2217Server()
        self._backlog = _Backlog(self._write)
        self.name = ""

    def open(self) -> None:
        """Listen; the number chosen first is kept when replugged."""
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("127.0.0.1", self._number))
            server.listen(4)
        except OSError as error:
            server.close()
            raise UnreachableError(
                f"TCP port {self._number} cannot be used: {error}", hint="choose another one"
            ) from None
        server.setblocking(False)
        self._server = server
        self._number = server.getsockname()[1]
        self.name = f"rfc2217://127.0.0.1:{self._number}?ign_set_control"
        self._watch(server, self._connect)

    def close(self) -> None:
        """Turn the host away, and stop listening."""
        self._hang_up()
        if self._server is not None:
            self._forget(self._server)
            self._server.close()
            self._server = None

    def send(self, data: bytes) -> None:
        """Hand bytes to the host."""
        if self._client is not None and data:
            self._put(escape(data))

    def _connect(self, events: int) -> None:
        if self._server is None:
            return
        try:
            client, _ = self._server.accept()
        except OSError:
            return
        self._drop_if_gone()
        if self._client is not None:
            client.close()
            return
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client
        self._protocol = Rfc2217Server()
        self._backlog = _Backlog(self._write)
        self._watch(client, self._ready)

    def _drop_if_gone(self) -> None:
        """Notice that the client before has left, if its end of file is still unread."""
        if self._client is not None:
            self._ready(selectors.EVENT_READ)

    def _ready(self, events: int) -> None:
        if self._client is None:
            return
        try:
            if events & selectors.EVENT_WRITE:
                self._put(b"")
            if events & selectors.EVENT_READ:
                self._read(self._client)
        except BlockingIOError:
            return
        except OSError:
            self._hang_up()

    def _read(self, client: socket.socket) -> None:
        data = client.recv(READ_BYTES)
        if not data:
            self._hang_up()
            return
        for event in self._protocol.feed(data):
            self._tell(event)
        self._put(self._protocol.answers())

    def _tell(self, event: Event) -> None:
        match event:
            case Data(data):
                self._board.host_sends(data)
            case Lines(dtr, rts):
                self._board.host_sets_lines(dtr, rts)
            case Baud(baud):
                self._board.host_sets_baud(baud)
            case Purge():
                self._backlog.waiting.clear()

    def _write(self, data: bytes) -> int:
        if self._client is None:
            return len(data)
        try:
            return self._client.send(data)
        except (BrokenPipeError, ConnectionError):
            self._hang_up()
            return len(data)

    def _put(self, data: bytes) -> None:
        self.lost += self._backlog.send(data)
        if self._client is not None:
            self._want_room(self._client, bool(self._backlog.waiting))

    def _hang_up(self) -> None:
        """The client is gone; its lines fall together."""
        if self._client is None:
            return
        self._forget(self._client)
        self._client.close()
        self._client = None
        self._board.host_sets_lines(False, False)


def _speed(file: int) -> int:
    """Return the rate that the other side of a pseudo-terminal was set to; 0 if unknown."""
    try:
        code = termios.tcgetattr(file)[5]
    except termios.error:
        return 0
    return _RATES.get(code, 0)


_RATES = {
    getattr(termios, name): int(name[1:])
    for name in dir(termios)
    if name.startswith("B") and name[1:].isdigit() and name != "B0"
}
