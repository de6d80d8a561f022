"""Ports behind a socket: raw, or RFC 2217 with its rate and modem lines."""

import socket
from urllib.parse import urlsplit

from edgeflow.devices.serial.ports import READ_BYTES, Port, lost
from edgeflow.devices.serial.telnet import TelnetReader, escape, greeting, set_baud, set_lines
from edgeflow.errors import ConfigError, ProtocolError, UnreachableError

__all__ = ["SocketPort", "TelnetPort", "open_socket"]

CONNECT_SECONDS = 2.0
"""Shorter than what closing a board may take."""
MAX_UNSENT = 1 << 20
WRITE_BYTES = 1 << 16


class SocketPort(Port):
    """Bytes over TCP; there is no rate to set."""

    def __init__(self, name: str, stream: socket.socket) -> None:
        self.name = name
        self._stream = stream

    def fileno(self) -> int:
        """What to poll."""
        return self._stream.fileno()

    def read(self) -> bytes:
        """Return what has come."""
        try:
            data = self._stream.recv(READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise lost(self.name, error) from None
        if not data:
            raise lost(self.name)
        return data

    def write(self, data: bytes | bytearray) -> int:
        """Send as much as is taken at once."""
        try:
            return self._stream.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise lost(self.name, error) from None

    def set_baud(self, baud: int) -> None:
        """Do nothing: whoever is behind the socket sets its line itself."""

    def close(self) -> None:
        """Hang up."""
        self._stream.close()


class TelnetPort(SocketPort):
    """A serial port behind RFC 2217."""

    def __init__(self, name: str, stream: socket.socket, baud: int) -> None:
        super().__init__(name, stream)
        self._reader = TelnetReader()
        self.behind = False
        self._unsent = bytearray(greeting(baud))
        self._flush()

    def read(self) -> bytes:
        """Return the data among what has come."""
        try:
            data = self._reader.feed(super().read())
        except ProtocolError as error:
            raise UnreachableError(f"{self.name}: {error.message}") from None
        if self._reader.answers:
            self._unsent += self._reader.answers
            self._reader.answers.clear()
        self._flush()
        return data

    def write(self, data: bytes | bytearray) -> int:
        """Send data escaped; what the socket does not take at once is kept for the next call."""
        self._flush()
        if self._unsent:
            return 0
        taken = data[:WRITE_BYTES]
        self._unsent += escape(taken)
        self._flush()
        return len(taken)

    def set_baud(self, baud: int) -> None:
        """Ask the server for another rate."""
        self._unsent += set_baud(baud)
        self._flush()

    def set_lines(self, *, dtr: bool, rts: bool) -> None:
        """Ask the server for other levels of the modem lines."""
        self._unsent += set_lines(dtr=dtr, rts=rts)
        self._flush()

    def _flush(self) -> None:
        while self._unsent:
            count = super().write(self._unsent)
            if not count:
                break
            del self._unsent[:count]
        self.behind = bool(self._unsent)
        if len(self._unsent) > MAX_UNSENT:
            raise UnreachableError(f"{self.name}: the server reads nothing")


def open_socket(name: str, baud: int) -> Port:
    """Connect to ``rfc2217://host:port`` or ``socket://host:port``.

    Raises:
        UnreachableError: nobody answers there.
        ConfigError: the URL has no host or port.
    """
    url = urlsplit(name)
    if not url.hostname or not url.port:
        raise ConfigError(f"{name}: host or port is missing", hint=f"{url.scheme}://host:port")
    try:
        stream = socket.create_connection((url.hostname, url.port), timeout=CONNECT_SECONDS)
    except OSError as error:
        raise UnreachableError(
            f"{name}: {error.strerror or error}", hint="is its server running?"
        ) from None
    try:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream.setblocking(False)
        if url.scheme == "rfc2217":
            return TelnetPort(name, stream, baud)
        return SocketPort(name, stream)
    except BaseException:
        stream.close()
        raise
