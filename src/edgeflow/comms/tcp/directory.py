"""Where the members of nodes listen, told on the status board of the app's broker."""

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable

import msgspec
import structlog

from edgeflow.comms.brokers.base import StatusBoard
from edgeflow.config import settings
from edgeflow.errors import CommsError

__all__ = ["Address", "Directory", "own_host"]

log = structlog.get_logger(__name__)

PREFIX = "@tcp/"
RENEW_SECONDS = 1.0
MAX_ENTRIES = 4096
NOBODY = b"{}"
"""The entry of a member that has left."""

Address = tuple[str, int]


class _Entry(msgspec.Struct):
    group: str
    host: str
    port: int


class Directory:
    """Renews our entries and looks at the others', in a thread of its own while it is used.

    Args:
        board: where entries are posted; they expire there when they are not renewed.
        looked: called on that thread every second, once it has looked.
    """

    def __init__(self, board: StatusBoard, looked: Callable[[], None]) -> None:
        self._board = board
        self._looked = looked
        self._lock = threading.Lock()
        self._own: dict[str, bytes] = {}
        self._withdrawn: list[str] = []
        self._known: dict[str, tuple[Address, ...]] = {}
        self._changed = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None

    def advertise(self, group: str, member: str, address: Address) -> None:
        """Tell others where a member of ``group`` listens."""
        name = f"{PREFIX}{group}/{member}/{address[0]}:{address[1]}"
        with self._lock:
            self._own[name] = msgspec.json.encode(_Entry(group, *address))
        self._start()

    def withdraw(self, address: Address) -> None:
        """End ``advertise``; others hear of it before the entry would expire."""
        ending = f"/{address[0]}:{address[1]}"
        with self._lock:
            for name in [name for name in self._own if name.endswith(ending)]:
                del self._own[name]
                self._withdrawn.append(name)
        self._changed.set()

    def members(self, group: str) -> tuple[Address, ...]:
        """Return where members of ``group`` listen, as was known a moment ago."""
        if self._thread is None:
            self._start()
        return self._known.get(group, ())

    def is_known(self, address: Address) -> bool:
        """Return whether any member listens there."""
        return any(address in members for members in self._known.values())

    def close(self) -> None:
        """End the thread. Idempotent."""
        self._closing = True
        self._changed.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(
                    target=self._run, name="edgeflow-tcp-directory", daemon=True
                )
                self._thread.start()
        self._changed.set()

    def _run(self) -> None:
        while not self._closing:
            with contextlib.suppress(CommsError, OSError):  # a server that is away comes back
                self._exchange()
            self._looked()
            self._changed.wait(RENEW_SECONDS)
            self._changed.clear()
        with contextlib.suppress(CommsError, OSError):
            self._withdraw()

    def _withdraw(self) -> None:
        while self._withdrawn:
            self._board.post(self._withdrawn[0], NOBODY)
            del self._withdrawn[0]

    def _exchange(self) -> None:
        self._withdraw()
        with self._lock:
            own = list(self._own.items())
        for name, entry in own:
            self._board.post(name, entry)
        found: dict[str, list[Address]] = {}
        for raw in list(self._board.read(PREFIX).values())[:MAX_ENTRIES]:
            with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
                entry_found = msgspec.json.decode(raw, type=_Entry)
                if 0 < entry_found.port < 65536:
                    address = (entry_found.host, entry_found.port)
                    found.setdefault(entry_found.group, []).append(address)
        self._known = {group: tuple(sorted(set(each))) for group, each in found.items()}


def own_host(bind: str) -> str:
    """Return what others reach a socket by that is bound to ``bind``."""
    if settings.ADVERTISE_HOST:
        return settings.ADVERTISE_HOST
    with contextlib.suppress(ValueError):
        if not ipaddress.ip_address(bind).is_unspecified:
            return bind
        family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        nowhere = "2001:db8::1" if ":" in bind else "192.0.2.1"
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((nowhere, 9))  # sends nothing; tells which of our addresses leads out
            return str(probe.getsockname()[0])
        return settings.HOSTNAME
    return bind
