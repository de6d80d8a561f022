"""A connection to a server: frames are sent from where they lie and received where they stay.

A general client packs a command into one buffer and parses replies from small chunks, which
copies a video frame four times. Here a command is a list of buffers for ``sendmsg``, and a long
bulk string is received straight into the memory that the frame will use.
"""

import contextlib
import socket
import ssl
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from edgeflow.comms.redis.resp import Part, ReplyError, ReplyReader, checked, pack
from edgeflow.errors import ConfigError, UnreachableError

__all__ = ["IO_SECONDS", "Address", "Connection", "CutOffError"]

IO_SECONDS = 2.0
"""A server that neither takes nor sends a byte for so long is given up."""


class CutOffError(UnreachableError):
    """The connection has been ended by the other side, or on the way."""


_PASSING = (ConnectionError, TimeoutError, ssl.SSLEOFError)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is and how to enter it; ``path`` names a unix socket instead."""

    host: str = "localhost"
    port: int = 6379
    path: str = ""
    tls: bool = False
    username: str = ""
    password: str | None = field(default=None, repr=False)
    database: int = 0

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, url: str, password: str | None = None) -> "Address":
        """Read ``redis://``, ``rediss://`` (TLS) or ``unix://`` with credentials and database.

        Raises:
            ConfigError: the text is no such address.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or 6379
            database = int(parts.path.strip("/") or 0) if parts.scheme != "unix" else 0
        except ValueError as error:
            raise ConfigError(f"{_hidden(url)!r} is no server address: {error}") from None
        if parts.scheme not in ("redis", "rediss", "valkey", "valkeys", "unix"):
            raise ConfigError(
                f"{_hidden(url)!r} is no server address",
                hint="use redis://[:password@]host[:port][/db], rediss://... or unix:///path",
            )
        return cls(
            host=parts.hostname or "localhost",
            port=port,
            path=parts.path if parts.scheme == "unix" else "",
            tls=parts.scheme in ("rediss", "valkeys"),
            username=unquote(parts.username or ""),
            password=unquote(parts.password) if parts.password else password,
            database=database,
        )


def _hidden(url: str) -> str:
    head, at, tail = url.rpartition("@")
    return f"{head.partition('://')[0]}://***@{tail}" if at else url


class Connection:
    """One connection: send commands, read replies in order. Not thread-safe.

    Attributes:
        number: the server's number for it; 0 if it does not tell.

    Raises (every method):
        UnreachableError: the server is away or hangs; the connection is of no more use.
    """

    def __init__(self, address: Address, timeout: float = 1.0) -> None:
        """Connect and enter.

        Raises:
            UnreachableError: nothing listens, or it does not answer.
            ConfigError: it does not let us in, or speaks another protocol.
        """
        self.address = address
        self.number = 0
        self._reader = ReplyReader(self._receive)
        self._tls = address.tls
        self._socket = self._connect(timeout)
        try:
            self.limit(timeout)
            self._enter()
            self.limit(IO_SECONDS)
        except BaseException:
            self.close()
            raise

    def _connect(self, timeout: float) -> socket.socket:
        address = self.address
        try:
            sock = self._dial(timeout)
        except OSError as error:
            raise UnreachableError(
                f"no Redis or Valkey server at {address}: {error}",
                hint="start one, or set REDIS_HOST and REDIS_PORT",
            ) from None
        return self._secure(sock) if self._tls else sock

    def _dial(self, timeout: float) -> socket.socket:
        address = self.address
        if not address.path:
            sock = socket.create_connection((address.host, address.port), timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return sock
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        try:
            sock.connect(address.path)
        except OSError:
            sock.close()
            raise
        return sock

    def _secure(self, sock: socket.socket) -> ssl.SSLSocket:
        """Speak TLS from here on; the certificate must be trusted and name the host."""
        address = self.address
        try:
            secured = ssl.create_default_context().wrap_socket(sock, server_hostname=address.host)
        except ssl.SSLCertVerificationError as error:
            sock.close()
            raise ConfigError(
                f"the certificate of {address} is not trusted: {error.verify_message}",
                hint="name the certificate of its authority in SSL_CERT_FILE",
            ) from None
        except OSError as error:
            sock.close()
            kind = UnreachableError if isinstance(error, _PASSING) else ConfigError
            raise kind(
                f"{address} does not answer in TLS: {error}",
                hint="use redis:// in place of rediss:// if the server has no TLS",
            ) from None
        return secured

    def _enter(self) -> None:
        address = self.address
        if address.password is not None:
            names = (address.username,) if address.username else ()
            self._enter_step("AUTH", *names, address.password)
        if address.database:
            self._enter_step("SELECT", address.database)
        self.number = self._enter_step("PING", then=("CLIENT", "ID"))

    def _enter_step(self, verb: str, *arguments: Part, then: Sequence[Part] = ()) -> int:
        """Give a command that has to be obeyed, and one more; return its answer if a number."""
        commands = [(verb, *arguments), then] if then else [(verb, *arguments)]
        replies = self.exchange(*commands)
        try:
            checked(replies[0])
        except ReplyError as error:
            raise ConfigError(
                f"{self.address} refuses {verb}: {error.message}",
                hint="check the password and the database number",
            ) from None
        return replies[-1] if isinstance(replies[-1], int) else 0

    def limit(self, seconds: float) -> None:
        """Give the server up when it neither takes nor sends a byte for so long."""
        self._patience = seconds
        if self._tls:
            self._socket.settimeout(seconds)
            return
        span = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
        self._socket.settimeout(None)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, span)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, span)

    def fileno(self) -> int:
        """Return the descriptor to poll for replies."""
        return self._socket.fileno()

    def has_data(self) -> bool:
        """Return True when a reply has begun to arrive that polling would not show."""
        pending = self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0
        return self._reader.has_data or pending > 0

    def exchange(self, *commands: Sequence[Part]) -> list[Any]:
        """Send commands in one go; return their replies, refusals as ``ReplyError`` values."""
        self.send(*commands)
        return [self.read() for _ in commands]

    def call(self, *command: Part) -> Any:
        """Send one command and return its reply; raise when it is refused (see ``checked``)."""
        return checked(self.exchange(command)[0])

    def end(self, number: int) -> None:
        """Let the server drop another connection, and what came through it and waits."""
        if number:
            self.exchange(("CLIENT", "KILL", "ID", number))

    def send(self, *commands: Sequence[Part]) -> None:
        """Send commands without waiting for their replies."""
        buffers = [memoryview(buffer) for buffer in pack(commands)]
        try:
            if self._tls:
                for buffer in buffers:
                    self._socket.sendall(buffer)
                return
            while buffers:
                sent = self._socket.sendmsg(buffers)
                while buffers and sent >= len(buffers[0]):
                    sent -= len(buffers.pop(0))
                if sent:
                    buffers[0] = buffers[0][sent:]
        except OSError as error:
            raise self._gone(error) from None

    def read(self) -> Any:
        """Return the next reply.

        Raises:
            ConfigError: what arrives is none.
        """
        try:
            return self._reader.read()
        except ValueError as error:
            self.close()
            raise ConfigError(
                f"what answers at {self.address} is no Redis or Valkey server: {error}",
                hint="check REDIS_HOST and REDIS_PORT",
            ) from None

    def _receive(self, target: memoryview, whole: bool) -> int:
        try:
            if self._tls:
                count = self._socket.recv_into(target)
            else:
                flags = socket.MSG_WAITALL if whole else 0
                count = self._socket.recv_into(target, len(target), flags)
        except OSError as error:
            raise self._gone(error) from None
        if not count:
            raise self._gone(ConnectionResetError("it has hung up"))
        return count

    def _gone(self, error: OSError) -> UnreachableError:
        with contextlib.suppress(OSError):  # what was not sent yet must not arrive later
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()
        if isinstance(error, BlockingIOError | TimeoutError):
            silence = f"no answer for {self._patience:g} s"
            return UnreachableError(f"lost the server at {self.address}: {silence}")
        return CutOffError(f"lost the server at {self.address}: {error}")

    def close(self) -> None:
        """Close the socket. Idempotent."""
        with contextlib.suppress(OSError):
            self._socket.close()
