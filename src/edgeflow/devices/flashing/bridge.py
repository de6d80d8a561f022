"""A pseudo-terminal in front of an RFC 2217 port, for programs that are slow over the network.

pyserial waits 0.15 s after every change of its time limits over RFC 2217, and esptool changes them
with every command. Through the bridge a command takes as long as the network does.
"""

import os
import select
import termios
import threading
import time
import tty
from contextlib import suppress
from types import TracebackType
from typing import Self

from edgeflow.devices.serial.sockets import TelnetPort, open_socket
from edgeflow.errors import ConfigError, UnreachableError

__all__ = ["Bridge"]

ROM_BAUD = 115200
_RESET_SECONDS = 0.1
_BOOT_SECONDS = 0.05
_CLOSE_SECONDS = 2.0
_STUCK_SECONDS = 5.0
_PAUSE_SECONDS = 0.005
_TURN_MILLISECONDS = 100
_CHUNK = 4096
_MOST_BEHIND = 1 << 18


class Bridge:
    """Carries bytes and rates both ways in a thread of its own; resets the board over the lines.

    Args:
        url: ``rfc2217://host:port``; options behind a question mark are left out.

    Attributes:
        path: of the pseudo-terminal, while the context lasts.
        error: why the network side ended; None while it has not.

    Raises:
        UnreachableError: nobody listens there.
    """

    def __init__(self, url: str) -> None:
        self.path = ""
        self.error: UnreachableError | None = None
        self._url = url.partition("?")[0]
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="flash-bridge", daemon=True)
        self._baud = ROM_BAUD
        self._behind = bytearray()

    def __enter__(self) -> Self:
        port = open_socket(self._url, ROM_BAUD)
        if not isinstance(port, TelnetPort):
            port.close()
            raise ConfigError(f"{self._url} is no RFC 2217 port")
        self._remote = port
        self._main, self._other = os.openpty()
        tty.setraw(self._other)
        os.set_blocking(self._main, False)
        self.path = os.ttyname(self._other)
        self._wake_read, self._wake_write = os.pipe()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.write(self._wake_write, b"x")
        self._thread.join(_CLOSE_SECONDS)
        self._remote.close()
        for descriptor in (self._main, self._other, self._wake_read, self._wake_write):
            if descriptor >= 0:
                os.close(descriptor)

    def enter_loader(self) -> None:
        """Reset the board with IO0 low, into its ROM loader.

        Raises:
            UnreachableError: the connection is gone.
        """
        self._set_lines(dtr=False, rts=True)
        time.sleep(_RESET_SECONDS)
        self._set_lines(dtr=True, rts=False)
        time.sleep(_BOOT_SECONDS)
        self._set_lines(dtr=False, rts=False)
        self._forget()

    def restart(self) -> None:
        """Reset the board into its application.

        Raises:
            UnreachableError: the connection is gone.
        """
        self._set_lines(dtr=False, rts=True)
        time.sleep(_RESET_SECONDS)
        self._set_lines(dtr=False, rts=False)

    def _set_lines(self, *, dtr: bool, rts: bool) -> None:
        with self._lock:
            if self.error is not None:
                raise self.error
            self._remote.set_lines(dtr=dtr, rts=rts)

    def _forget(self) -> None:
        """Drop what was for the program before, and start at the loader's rate."""
        with self._lock:
            self._behind.clear()
            termios.tcflush(self._other, termios.TCIOFLUSH)
            attributes = termios.tcgetattr(self._other)
            attributes[4] = attributes[5] = termios.B115200
            termios.tcsetattr(self._other, termios.TCSANOW, attributes)
            self._follow_baud()

    def _work(self) -> None:
        try:
            while self._turn():
                pass
        except UnreachableError as error:
            self.error = error
        except (OSError, termios.error) as error:
            self.error = UnreachableError(f"{self._url}: {error}")
        if self.error is not None:
            self._hang_up()

    def _turn(self) -> bool:
        """Carry what is there; False when the bridge is to end."""
        wanted = select.POLLIN | (select.POLLOUT if self._behind else 0)
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        poll.register(self._remote, select.POLLIN if len(self._behind) < _MOST_BEHIND else 0)
        poll.register(self._main, wanted)
        ready = dict(poll.poll(_TURN_MILLISECONDS))
        if self._wake_read in ready:
            return False
        with self._lock:
            self._remote.write(b"")  # what the network did not take before
            if ready.get(self._remote.fileno(), 0):
                self._behind += self._remote.read()
            if self._behind:
                self._give()
            if ready.get(self._main, 0) & select.POLLIN:
                self._take()
        return True

    def _give(self) -> None:
        with suppress(BlockingIOError):
            count = os.write(self._main, self._behind)
            del self._behind[:count]

    def _take(self) -> None:
        try:
            data = os.read(self._main, _CHUNK)
        except BlockingIOError:
            return
        self._follow_baud()
        deadline = time.monotonic() + _STUCK_SECONDS
        while not self._remote.write(data):
            if time.monotonic() > deadline:
                raise UnreachableError(f"{self._url}: the server takes no more bytes")
            if select.select([self._wake_read], [], [], _PAUSE_SECONDS)[0]:
                return

    def _follow_baud(self) -> None:
        baud = _RATES.get(termios.tcgetattr(self._other)[5], 0)
        if baud and baud != self._baud:
            self._baud = baud
            self._remote.set_baud(baud)

    def _hang_up(self) -> None:
        """Let the program see that its port is gone."""
        with self._lock:
            os.close(self._main)
            self._main = -1


_RATES = {
    getattr(termios, name): int(name[1:])
    for name in dir(termios)
    if name.startswith("B") and name[1:].isdigit() and name != "B0"
}
