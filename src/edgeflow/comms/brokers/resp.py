"""A RESP client for large values: no copy on the way out, one on the way in.

A general client packs a command into one buffer and parses replies from small chunks, which
copies a video frame four times. Here a command is a list of buffers for ``sendmsg``, and a long
bulk string is received straight into the memory that the frame will use.
"""

import contextlib
import socket
import ssl
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from edgeflow.errors import CommsError, ConfigError, UnreachableError

__all__ = ["Address", "Buffer", "Connection", "ReplyError", "checked", "pack", "text"]

Buffer = bytes | bytearray | memoryview
Part = str | int | bytes | tuple[Buffer, ...]

IO_SECONDS = 3.0
"""A server that neither takes nor sends a byte for so long is given up."""

_CHUNK = 64 * 1024
_DIRECT = 32 * 1024
_MAX_BULK = 1 << 30
_MAX_ITEMS = 1 << 20
_RETRYABLE = {
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOREPLICAS",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "UNBLOCKED",
}
_REFUSED = {"NOAUTH", "NOPERM", "WRONGPASS"}


class ReplyError(CommsError):
    """The server refused a command.

    Attributes:
        kind: first word of its answer, such as ``NOGROUP``.
    """

    code = "EF-COMMS-010"

    def __init__(self, message: str) -> None:
        super().__init__(f"the server answers: {message}")
        self.kind = message.partition(" ")[0]


def checked(reply: Any) -> Any:
    """Return ``reply``, or raise what it means when the server refused.

    Raises:
        UnreachableError: the server cannot do it at the moment.
        ConfigError: it does not let us in.
        ReplyError: any other refusal.
    """
    if not isinstance(reply, ReplyError):
        return reply
    if reply.kind in _RETRYABLE:
        raise UnreachableError(reply.message)
    if reply.kind in _REFUSED:
        raise ConfigError(reply.message, hint="set REDIS_PASSWORD, or give password= or url=")
    raise reply


def text(value: Any) -> str:
    """Return a bulk string as text."""
    return str(value, "utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is and how to enter it; ``path`` names a unix socket instead."""

    host: str = "localhost"
    port: int = 6379
    path: str = ""
    tls: bool = False
    username: str = ""
    password: str | None = None
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


def pack(commands: Sequence[Sequence[Part]]) -> list[Buffer]:
    """Return the buffers that spell ``commands``; large parts are passed on, not copied.

    A tuple of buffers is one argument made of their concatenation.
    """
    out: list[Buffer] = []
    small = bytearray()
    for command in commands:
        small += b"*%d\r\n" % len(command)
        for part in command:
            if isinstance(part, tuple):
                small += b"$%d\r\n" % sum([len(piece) for piece in part])
                for piece in part:
                    if len(piece) < _DIRECT:
                        small += piece
                    else:
                        out += (small, piece)
                        small = bytearray()
                small += b"\r\n"
                continue
            data = part if isinstance(part, bytes) else str(part).encode()
            small += b"$%d\r\n%b\r\n" % (len(data), data)
    out.append(small)
    return out


class Connection:
    """One connection: send commands, read replies in order. Not thread-safe.

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
        self._buffer = bytearray(_CHUNK)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self._tls = address.tls
        self._socket = self._connect(timeout)
        try:
            self._enter()
        except BaseException:
            self.close()
            raise

    def _connect(self, timeout: float) -> socket.socket:
        address = self.address
        try:
            if address.path:
                sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                sock.settimeout(timeout)
                try:
                    sock.connect(address.path)
                except OSError:
                    sock.close()
                    raise
            else:
                sock = socket.create_connection((address.host, address.port), timeout)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self._tls:
                context = ssl.create_default_context()
                sock = context.wrap_socket(sock, server_hostname=address.host)
                sock.settimeout(IO_SECONDS)
                return sock
        except ssl.SSLCertVerificationError as error:
            raise ConfigError(
                f"the certificate of {address} is not trusted: {error.verify_message}",
                hint="name the certificate of its authority in SSL_CERT_FILE",
            ) from None
        except OSError as error:
            raise UnreachableError(
                f"no Redis or Valkey server at {address}: {error}",
                hint="start one, or set REDIS_HOST and REDIS_PORT",
            ) from None
        patience = struct.pack("ll", int(IO_SECONDS), int(IO_SECONDS % 1 * 1e6))
        sock.settimeout(None)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
        return sock

    def _enter(self) -> None:
        address = self.address
        if address.password is not None:
            names = (address.username,) if address.username else ()
            self._enter_step("AUTH", *names, address.password)
        if address.database:
            self._enter_step("SELECT", address.database)
        self._enter_step("PING")

    def _enter_step(self, verb: str, *arguments: Part) -> None:
        try:
            checked(self.exchange((verb, *arguments))[0])
        except ReplyError as error:
            raise ConfigError(
                f"{self.address} refuses {verb}: {error.message}",
                hint="check the password and the database number",
            ) from None

    def fileno(self) -> int:
        """Return the descriptor to poll for replies."""
        return self._socket.fileno()

    def has_data(self) -> bool:
        """Return True when a reply has begun to arrive that polling would not show."""
        pending = self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0
        return self._end > self._start or pending > 0

    def exchange(self, *commands: Sequence[Part]) -> list[Any]:
        """Send commands in one go; return their replies, refusals as ``ReplyError`` values."""
        self.send(*commands)
        return [self.read() for _ in commands]

    def call(self, *command: Part) -> Any:
        """Send one command and return its reply; raise when it is refused (see ``checked``)."""
        return checked(self.exchange(command)[0])

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
        """Return the next reply: int, bytes, memoryview (large), None, list or ``ReplyError``."""
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return ReplyError(rest.decode("utf-8", "replace"))
        try:
            number = int(rest)
        except ValueError:
            raise self._stranger(line) from None
        if kind == b":":
            return number
        if kind == b"$" and number <= _MAX_BULK:
            return None if number < 0 else self._bulk(number)
        if kind == b"*" and number <= _MAX_ITEMS:
            return None if number < 0 else [self.read() for _ in range(number)]
        raise self._stranger(line)

    def _line(self) -> bytes:
        while True:
            at = self._buffer.find(b"\r\n", self._start, self._end)
            if at >= 0:
                line = bytes(self._view[self._start : at])
                self._start = at + 2
                if line:
                    return line
                raise self._stranger(line)
            if self._end - self._start >= _CHUNK:
                raise self._stranger(bytes(self._view[:64]))
            self._fill()

    def _bulk(self, size: int) -> Buffer:
        if size > _DIRECT:
            return self._large(size)
        while self._end - self._start < size + 2:
            self._fill()
        data = bytes(self._view[self._start : self._start + size])
        self._start += size + 2
        return data

    def _large(self, size: int) -> memoryview:
        """Receive into fresh memory that is not cleared first."""
        import numpy as np

        target = np.empty(size, np.uint8).data
        have = min(self._end - self._start, size)
        target[:have] = self._view[self._start : self._start + have]
        self._start += have
        while have < size:
            have += self._receive(target[have:])
        while self._end - self._start < 2:
            self._fill()
        self._start += 2
        return target

    def _fill(self) -> None:
        if self._start:
            rest = self._end - self._start
            self._view[:rest] = bytes(self._view[self._start : self._end])
            self._start, self._end = 0, rest
        self._end += self._receive(self._view[self._end :], 0)

    def _receive(self, target: memoryview, flags: int = socket.MSG_WAITALL) -> int:
        try:
            if self._tls:
                count = self._socket.recv_into(target)
            else:
                count = self._socket.recv_into(target, len(target), flags)
        except OSError as error:
            raise self._gone(error) from None
        if not count:
            raise self._gone(ConnectionResetError("it has hung up"))
        return count

    def _gone(self, error: OSError) -> UnreachableError:
        self.close()
        hangs = isinstance(error, BlockingIOError | TimeoutError)
        what = f"no answer for {IO_SECONDS:g} s" if hangs else str(error)
        return UnreachableError(f"lost the server at {self.address}: {what}")

    def _stranger(self, line: bytes) -> ConfigError:
        self.close()
        return ConfigError(
            f"what answers at {self.address} is no Redis or Valkey server: {line[:40]!r}",
            hint="check REDIS_HOST and REDIS_PORT",
        )

    def close(self) -> None:
        """Close the socket. Idempotent."""
        with contextlib.suppress(OSError):
            self._socket.close()
