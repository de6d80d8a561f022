"""Reports of members: each is sent to whoever listens, and forgotten after some seconds."""

import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from edgeflow.comms.brokers.base import StatusBoard
from edgeflow.comms.zenoh.names import name_of
from edgeflow.comms.zenoh.session import Session
from edgeflow.errors import ConfigError

if TYPE_CHECKING:
    import zenoh

__all__ = ["ZenohBoard"]

EXPIRES_SECONDS = 5.0
MAX_REPORT_BYTES = 4 << 20
MAX_REPORTS = 4096


class _Home(Protocol):
    @property
    def session(self) -> Session: ...


class ZenohBoard(StatusBoard):
    """Listens from the first ``post`` or ``read`` on."""

    def __init__(self, home: _Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._reports: dict[str, tuple[float, bytes]] = {}
        self._listening: Any = None

    def post(self, member: str, report: bytes) -> None:
        """Replace the report of ``member``."""
        session = self._listen()
        if session is None:
            return
        self._keep(member, report)
        session.broadcast(session.keys.report(member), report)

    def read(self, prefix: str = "") -> dict[str, bytes]:
        """Return the reports that have not expired, of members whose names begin so."""
        self._listen()
        now = time.monotonic()
        with self._lock:
            for member in [name for name, (until, _) in self._reports.items() if until <= now]:
                del self._reports[member]
            return {
                member: report
                for member, (_, report) in self._reports.items()
                if member.startswith(prefix)
            }

    def _listen(self) -> Session | None:
        try:
            session = self._home.session
            with self._lock:
                if self._listening is None:
                    key = f"{session.keys.prefix}/board/*"
                    self._listening = session.open().declare_subscriber(key, self._on_report)
        except ConfigError:  # the broker is closed
            return None
        return session

    def _on_report(self, sample: "zenoh.Sample") -> None:
        if len(sample.payload) <= MAX_REPORT_BYTES:
            member = name_of(str(sample.key_expr).rpartition("/")[2])
            self._keep(member, sample.payload.to_bytes())

    def _keep(self, member: str, report: bytes) -> None:
        with self._lock:
            if member in self._reports or len(self._reports) < MAX_REPORTS:
                self._reports[member] = (time.monotonic() + EXPIRES_SECONDS, report)
