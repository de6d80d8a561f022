"""One node's update server: ask how it is, send firmware, ask it to go back."""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import msgspec

from edgeflow.errors import CommsError, ConfigError, ProtocolError, UnreachableError
from edgeflow.protocols.ota import HEADER_BYTES, PORT

__all__ = ["NodeAddress", "NodeClient", "NodeStatus", "RefusedError"]

CHUNK = 4096
EARLY_SECONDS = 0.3
MAX_ANSWER = 4096
CONNECT_SECONDS = 5.0
WRITE_SECONDS = 60.0
"""A node answers nothing while it checks the whole image and writes its boot record."""
ANSWER_SECONDS = 30.0
UPLOAD_SECONDS = 660.0
"""All of a call, however slowly the node talks; a node ends an upload after 600 s."""

_REASONS = {
    "not_allowed": "it has no key for uploads, or another one: edgeflow provision --ota-key",
    "no_public_key": "it has no key to check signatures with: edgeflow provision --ota-public-key",
    "bad_size": "the image does not fit into its slot",
    "unsigned": "it takes signed images only: edgeflow ota sign",
    "bad_header": "the update's header is damaged",
    "unknown_key": "it knows another public key than the one that signed this",
    "bad_signature": "the signature is not that of the header",
    "other_board": "the image is for another board or chip",
    "downgrade": "the counter is below that of what runs",
    "not_confirmed": "what it runs is itself on trial",
    "busy": "another upload runs, or it is about to restart",
    "flash_failed": "its flash cannot be written",
    "bad_digest": "the image arrived damaged",
    "other_version": "the image calls itself otherwise than its header: sign it anew",
    "bad_image": "its boot loader would not take the image",
    "incomplete": "the connection ended before the image",
    "timed_out": "the upload took too long",
    "nothing_before": "there is no firmware before this one to go back to",
}


class RefusedError(CommsError):
    """A node said no.

    Attributes:
        reason: the node's word, such as ``bad_signature``.
    """

    code = "EF-OTA-001"

    def __init__(self, address: "NodeAddress", reason: str, status: int) -> None:
        said = reason or f"HTTP {status}"
        super().__init__(f"{address} refuses: {said}", hint=_REASONS.get(reason, ""))
        self.reason = said


class NodeAddress(NamedTuple):
    """Where a node's update server is."""

    host: str
    port: int = PORT

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``host``, ``host:port`` or ``[v6]:port``.

        Raises:
            ConfigError: it is none.
        """
        rest = text.strip()
        host, port = rest, ""
        if rest.startswith("["):
            host, _, port = rest[1:].partition("]")
            if port and not port.startswith(":"):
                host = ""
            port = port[1:]
        elif rest.count(":") == 1:
            host, _, port = rest.partition(":")
        number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
        plain = all(sign.isalnum() or sign in "-._:%" for sign in host) and host.isascii()
        if not host or len(host) > 255 or not plain or (port and not 0 < number < 65536):
            raise ConfigError(f"{text!r} is no address of a node", hint="host or host:port")
        return cls(host, number or PORT)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What a node says of its firmware.

    Attributes:
        state: of what runs: ``valid``, ``pending``, ``new``, ``invalid``, ``aborted``,
            ``undefined``, or empty from other firmware.
        pending: on trial.
        accepts: it would take an upload.
        counter: of what runs. sequence: of the boot record. running: label of the slot.
        previous_version, previous_state: of the other slot.
        last_failure: why the last update did not stay, empty for none.
        key: the public key it knows, 16 digits.
        fields: all texts and numbers that it said; empty what is not printable.
    """

    version: str
    state: str
    pending: bool
    accepts: bool
    counter: int
    sequence: int
    running: str
    previous_version: str
    previous_state: str
    last_failure: str
    rollback: bool
    max_size: int
    board: str
    chip: int
    key: str
    fields: Mapping[str, Any] = field(default_factory=dict)


class NodeClient:
    """Talks to one node; every call is a connection of its own.

    Args:
        address: of the node.
        psk: the key for uploads.
        seconds: patience for a connection and for the answer to a question.
        early: seconds that a node is given to refuse a header before the image follows.
    """

    def __init__(
        self,
        address: NodeAddress,
        psk: str = "",
        *,
        seconds: float = CONNECT_SECONDS,
        early: float = EARLY_SECONDS,
    ) -> None:
        self.address, self._psk, self._seconds, self._early = address, psk, seconds, early
        self._line: socket.socket | None = None
        self._aborted = self._late = False

    def abort(self) -> None:
        """End the call that is under way in another thread, and all later ones.

        They raise UnreachableError.
        """
        self._aborted = True
        self._hang_up()

    def _expire(self) -> None:
        self._late = True
        self._hang_up()

    def _hang_up(self) -> None:
        line = self._line
        if line is not None:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def status(self) -> NodeStatus:
        """Ask the node how it is.

        Raises:
            UnreachableError: nobody answers.
            ProtocolError: the answer is none of a node.
            RefusedError: the node has no such page.
        """
        with self._connected() as connection:
            connection.request("GET", "/ota/status")
            return _status(self._answer(connection), self.address)

    def roll_back(self) -> None:
        """Let the node restart with the firmware before.

        Raises:
            UnreachableError, ProtocolError, RefusedError: as they say.
        """
        with self._connected() as connection:
            connection.request("POST", "/ota/rollback", body=b"", headers=self._headers())
            self._answer(connection)

    def push(
        self,
        update: bytes,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        """Send an update; afterwards the node restarts with it.

        Args:
            update: header and image.
            on_progress: told how many bytes are sent, often.

        Raises:
            UnreachableError, ProtocolError, RefusedError: as they say.
        """
        with self._connected(UPLOAD_SECONDS) as connection:
            connection.putrequest("POST", "/ota")
            headers = {"Content-Type": "application/octet-stream", **self._headers()}
            for name, value in {**headers, "Content-Length": str(len(update))}.items():
                connection.putheader(name, value)
            connection.endheaders(update[:HEADER_BYTES])
            line: socket.socket = connection.sock
            # A node that refuses closes at once, and what then is under way could undo its answer.
            with suppress(BrokenPipeError, ConnectionResetError):
                self._send(line, update, on_progress)
            line.settimeout(WRITE_SECONDS)
            self._answer(connection)

    def _send(
        self, line: socket.socket, update: bytes, on_progress: Callable[[int], None] | None
    ) -> None:
        patience = self._early
        for start in range(HEADER_BYTES, len(update), CHUNK):
            if _has_answer(line, patience):
                return
            line.settimeout(self._seconds)
            line.sendall(update[start : start + CHUNK])
            if on_progress is not None:
                on_progress(min(start + CHUNK, len(update)))
            patience = 0.0

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._psk}"} if self._psk else {}

    @contextmanager
    def _connected(self, most: float = 0.0) -> Iterator[http.client.HTTPConnection]:
        connection = http.client.HTTPConnection(*self.address, timeout=self._seconds)
        self._late = False
        end = threading.Timer(most or ANSWER_SECONDS, self._expire)
        end.daemon = True
        end.start()
        try:
            connection.connect()
            self._line = connection.sock  # the connection may hand it to its answer
            if self._aborted:  # meanwhile, when there was nothing to hang up yet
                raise OSError
            yield connection
        except (OSError, http.client.HTTPException, CommsError) as error:
            if isinstance(error, CommsError) and not (self._aborted or self._late):
                raise
            why = str(error) if str(error).isprintable() else ""
            why = "it was cancelled" if self._aborted else why
            why = "it takes too long" if self._late else why
            raise UnreachableError(
                f"{self.address} does not answer: {why or type(error).__name__}",
                hint="is it switched on, and in this network? edgeflow doctor --help",
            ) from None
        finally:
            end.cancel()
            self._line = None
            connection.close()

    def _answer(self, connection: http.client.HTTPConnection) -> dict[str, Any]:
        with connection.getresponse() as response:
            data = response.read(MAX_ANSWER + 1)
        try:
            said = msgspec.json.decode(data, type=dict[str, Any]) if len(data) <= MAX_ANSWER else {}
        except msgspec.DecodeError:
            said = {}
        if response.status != 200:
            raise RefusedError(self.address, _word(said.get("error")), response.status)
        return said


def _has_answer(line: socket.socket, patience: float) -> bool:
    """Whether something came, or the peer has closed."""
    line.settimeout(patience)
    try:
        line.recv(1, socket.MSG_PEEK)
    except (TimeoutError, BlockingIOError):
        return False
    return True


def _word(value: Any) -> str:
    plain = isinstance(value, str) and len(value) < 64 and value.isprintable()
    return value if plain else ""


def _status(said: dict[str, Any], address: NodeAddress) -> NodeStatus:
    if not isinstance(said.get("version"), str):
        raise ProtocolError(f"{address} is no node: its status has no version")

    def text(name: str) -> str:
        return _word(said.get(name))

    def number(name: str) -> int:
        value = said.get(name)
        return value if isinstance(value, int) else 0

    return NodeStatus(
        version=text("version"),
        state=text("state"),
        pending=said.get("pending") is True,
        accepts=said.get("accepts", True) is True,
        counter=number("counter"),
        sequence=number("sequence"),
        running=text("running_partition"),
        previous_version=text("previous_version"),
        previous_state=text("previous_state"),
        last_failure=text("last_failure"),
        rollback=said.get("rollback") is True,
        max_size=number("max_size"),
        board=text("board"),
        chip=number("chip"),
        key=text("key_id"),
        fields={
            name: _word(value) if isinstance(value, str) else value
            for name, value in said.items()
            if isinstance(value, (str, int))
        },
    )
