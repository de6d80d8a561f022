"""Frames on their way to one peer: a thread that waits for the wire in place of the node."""

import threading
from collections import deque
from typing import TYPE_CHECKING

import structlog

from edgeflow.comms.zenoh.messages import Data, pack_data
from edgeflow.comms.zenoh.queues import Member

if TYPE_CHECKING:
    import zenoh

__all__ = ["Outbox"]

log = structlog.get_logger(__name__)


class Outbox:
    """Bounded by what the members at the peer have asked for."""

    def __init__(self, session: "zenoh.Session", key: str) -> None:
        self._session, self._key = session, key
        self._waiting: deque[tuple[Member | None, Data | None, bytes]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="edgeflow-zenoh-out", daemon=True)
        self._thread.start()

    def put(self, member: Member, header: Data, message: bytes) -> None:
        """Queue a frame."""
        with self._changed:
            if not self._closing:
                self._waiting.append((member, header, message))
                self._changed.notify()

    def tell(self, message: bytes) -> None:
        """Queue a message behind the frames, unless the last one is still waiting."""
        with self._changed:
            if not self._closing and (not self._waiting or self._waiting[-1][0] is not None):
                self._waiting.append((None, None, message))
                self._changed.notify()

    def close(self, *, at_once: bool = False) -> None:
        """End the thread when all is sent, or at once."""
        with self._changed:
            self._closing = True
            if at_once:
                self._waiting.clear()
            self._changed.notify()

    def join(self, timeout: float) -> None:
        """Wait for the end; what has not been sent by then is not sent."""
        self._thread.join(timeout)
        self.close(at_once=True)

    def _run(self) -> None:
        import zenoh

        block = zenoh.CongestionControl.BLOCK
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                if not self._waiting:
                    return
                member, header, message = self._waiting.popleft()
            attachment = None if header is None else pack_data(header)
            try:
                self._session.put(
                    self._key, message, attachment=attachment, congestion_control=block
                )
            except zenoh.ZError as error:  # the session is closed
                log.debug("frame_not_sent", error=str(error))
                return
            if member is not None and header is not None:
                member.written = max(member.written, header.seq)
