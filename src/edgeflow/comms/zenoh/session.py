"""The zenoh side: an inbox per broker, tokens of who is there, and a clockwork.

Callbacks run in a thread of zenoh's Python module, never in zenoh's own; they take what arrived and
return. Frames leave through one thread per peer, so that a stalled peer holds up nobody else.
"""

import contextlib
import threading
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from edgeflow.comms.zenoh import messages
from edgeflow.comms.zenoh.messages import (
    Beat,
    Body,
    Data,
    Echo,
    Gone,
    Goodbye,
    Join,
    Leave,
    Newest,
    Update,
    Welcome,
)
from edgeflow.comms.zenoh.names import Keys
from edgeflow.comms.zenoh.options import Options
from edgeflow.comms.zenoh.outbox import Outbox
from edgeflow.comms.zenoh.presence import Presence, Watcher
from edgeflow.config import settings
from edgeflow.core.clock_offset import Exchange, PeerClocks
from edgeflow.errors import ConfigError, FrameDecodeError

if TYPE_CHECKING:
    import zenoh

__all__ = ["Feed", "Session", "Source"]

log = structlog.get_logger(__name__)

BEAT_SECONDS = 0.5
FLUSH_SECONDS = 0.05
CLOSE_SECONDS = 1.0


class Source(Protocol):
    """A publisher's end of links."""

    id: str

    def told(self, peer: str, body: Join | Update | Leave | Gone) -> bool:
        """Take a message; False when the link is not known."""

    def lost(self, peer: str) -> None:
        """Take back what members at ``peer`` had."""

    def links_to(self, peer: str) -> list[tuple[int, int]]:
        """Return the last frame sent on each link to ``peer``."""

    def tick(self, now: float) -> None:
        """Do what is due twice a second."""


class Feed(Protocol):
    """A member's end of one link."""

    link: int
    peer: str

    def told(self, body: Welcome | Newest | Gone | Goodbye) -> None:
        """Take a message."""

    def arrived(self, header: Data, payload: Any) -> None:
        """Take a frame, whose bytes are in ``payload``."""

    def beaten(self, sent: int) -> None:
        """The source has sent frames up to ``sent``."""

    def tick(self, now: float) -> None:
        """Do what is due twice a second."""


class Session:
    """Opened at the first use, closed once."""

    def __init__(self, app: str, options: Options) -> None:
        self.keys = Keys(app)
        self.peer = uuid.uuid4().hex
        self.clocks = PeerClocks()
        self.presence = Presence(self.keys, self.peer, self._peer_lost)
        self._options = options
        self._lock = threading.RLock()
        self._zenoh: zenoh.Session | None = None
        self._tokens: list[Any] = []
        self._kept: list[Any] = []
        self._outboxes: dict[str, Outbox] = {}
        self._sources: dict[str, Source] = {}
        self._feeds: dict[int, Feed] = {}
        self._dirty: set[Callable[[], None]] = set()
        self._ticking = threading.Condition()
        self._closing = False
        self._ticker: threading.Thread | None = None
        self._complained = self._opened = float("-inf")

    # --- opening and closing -------------------------------------------------------------------

    def open(self) -> "zenoh.Session":
        """Return the session of zenoh, opened if it is not.

        Raises:
            MissingExtraError: zenoh is not installed.
            ConfigError: zenoh refuses the configuration, or this was closed.
        """
        with self._lock:
            if self._zenoh is not None:
                return self._zenoh
            if self._closing:
                raise ConfigError("this broker has been closed")
            config = self._options.build()
            import zenoh

            try:
                session = self._zenoh = zenoh.open(config)
            except zenoh.ZError as error:
                raise ConfigError(f"zenoh cannot start: {error}") from error
            self._opened = time.monotonic()
            keep = self._kept.append
            keep(session.declare_subscriber(self.keys.inbox(self.peer), self._on_message))
            live, tokens = session.liveliness(), f"{self.keys.live}/**"
            keep(live.declare_subscriber(tokens, self.presence.on_token, history=True))
            self._tokens.append(live.declare_token(self.keys.peer(self.peer)))
            self._ticker = threading.Thread(target=self._tick, name="edgeflow-zenoh", daemon=True)
            self._ticker.start()
            return session

    @property
    def is_open(self) -> bool:
        """True between the first use and ``close``."""
        return self._zenoh is not None

    def close(self) -> None:
        """End all threads and the session. Idempotent."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            session, self._zenoh = self._zenoh, None
            outboxes = list(self._outboxes.values())
            self._outboxes.clear()
        with self._ticking:
            self._ticking.notify_all()
        for outbox in outboxes:
            outbox.close()
        deadline = time.monotonic() + CLOSE_SECONDS
        for outbox in outboxes:
            outbox.join(max(0.05, deadline - time.monotonic()))
        if self._ticker is not None:
            self._ticker.join(CLOSE_SECONDS)
        if session is not None:
            closer = threading.Thread(target=session.close, name="zenoh-close", daemon=True)
            closer.start()
            closer.join(CLOSE_SECONDS)
        self._tokens.clear()
        self._kept.clear()

    # --- sending -----------------------------------------------------------------------------

    def send(self, peer: str, body: Body) -> None:
        """Send a short message, ahead of frames; dropped when the way is blocked."""
        session = self._zenoh
        if session is None:
            return
        import zenoh

        with contextlib.suppress(zenoh.ZError):
            session.put(
                self.keys.inbox(peer),
                messages.pack(self.peer, body),
                congestion_control=zenoh.CongestionControl.DROP,
                priority=zenoh.Priority.INTERACTIVE_HIGH,
                express=True,
            )

    def broadcast(self, key: str, payload: bytes) -> None:
        """Send to whoever listens on ``key``; dropped when the way is blocked."""
        session = self._zenoh
        if session is None:
            return
        import zenoh

        with contextlib.suppress(zenoh.ZError):
            session.put(key, payload, congestion_control=zenoh.CongestionControl.DROP)

    def outbox(self, peer: str) -> Outbox:
        """Return where frames to ``peer`` wait for the wire."""
        with self._lock:
            outbox = self._outboxes.get(peer)
            if outbox is None:
                outbox = self._outboxes[peer] = Outbox(self.open(), self.keys.inbox(peer))
            return outbox

    def soon(self, work: Callable[[], None]) -> None:
        """Have ``work`` called within 50 ms, once."""
        with self._ticking:
            self._dirty.add(work)
            self._ticking.notify()

    # --- who is there ----------------------------------------------------------------------------

    def declare(self, key: str) -> Any:
        """Return a token that says ``key`` is alive until it is undeclared or we are gone."""
        return self.open().liveliness().declare_token(key)

    def watch(self, topic: str, watcher: Watcher) -> None:
        """Call ``watcher(source, peer, alive)`` for each source of ``topic``, there or to come."""
        self.open()
        self.presence.watch(topic, watcher)

    def has_company(self, timeout: float, most: float) -> bool:
        """Wait for a peer to appear; True too when none has within ``most`` s of the opening."""
        left = self._opened + most - time.monotonic()
        return self.presence.met.wait(max(0.0, min(timeout, left))) or left <= timeout

    def add_source(self, source: Source) -> None:
        """Have messages for ``source`` delivered to it."""
        with self._lock:
            self._sources[source.id] = source

    def remove_source(self, source: Source) -> None:
        """End ``add_source``."""
        with self._lock:
            self._sources.pop(source.id, None)

    def add_feed(self, feed: Feed) -> None:
        """Have messages for ``feed`` delivered to it."""
        with self._lock:
            self._feeds[feed.link] = feed

    def remove_feed(self, feed: Feed) -> None:
        """End ``add_feed``."""
        with self._lock:
            self._feeds.pop(feed.link, None)

    def _peer_lost(self, peer: str) -> None:
        with self._lock:
            outbox = self._outboxes.pop(peer, None)
            sources = list(self._sources.values())
        if outbox is not None:
            outbox.close(at_once=True)
        for source in sources:
            source.lost(peer)
        self.clocks.forget(peer)

    # --- receiving -------------------------------------------------------------------------------

    def _on_message(self, sample: "zenoh.Sample") -> None:
        arrived_ns = time.monotonic_ns()
        try:
            attachment = sample.attachment
            if attachment is not None:
                self._on_frame(messages.unpack_data(attachment.to_bytes()), sample.payload)
                return
            if len(sample.payload) > messages.MAX_MESSAGE_BYTES:
                raise FrameDecodeError("a message that is too long")
            peer, body = messages.unpack(sample.payload.to_bytes())
            self._on_body(peer, body, arrived_ns)
        except FrameDecodeError as error:
            if time.monotonic() - self._complained > 1.0:
                self._complained = time.monotonic()
                log.warning("message_refused", reason=str(error))

    def _on_frame(self, header: Data, payload: Any) -> None:
        feed = self._feeds.get(header.link)
        if feed is not None:
            feed.arrived(header, payload)

    def _on_body(self, peer: str, body: Body, arrived_ns: int) -> None:
        if isinstance(body, Beat):
            self._on_beat(peer, body, arrived_ns)
        elif isinstance(body, Echo):
            stamps = Exchange(body.asked_ns, body.arrived_ns, body.sent_ns, arrived_ns)
            self.clocks.exchanged(peer, body.host, stamps)
        elif isinstance(body, Join | Update | Leave):
            self._for_source(peer, body)
        else:
            feed = self._feeds.get(body.link)
            if feed is not None:
                if feed.peer == peer:
                    feed.told(body)
            elif isinstance(body, Welcome):
                self.send(peer, Gone(body.link))
            elif isinstance(body, Gone):
                self._for_source(peer, body)

    def _for_source(self, peer: str, body: Join | Update | Leave | Gone) -> None:
        with self._lock:
            sources = list(self._sources.values())
        known = any(source.told(peer, body) for source in sources)
        if not known and isinstance(body, Update):
            self.send(peer, Gone(body.link))

    def _on_beat(self, peer: str, body: Beat, arrived_ns: int) -> None:
        for link, sent in body.links:
            feed = self._feeds.get(link)
            if feed is None:
                self.send(peer, Gone(link))
            elif feed.peer == peer:
                feed.beaten(sent)
        echo = Echo(settings.HOSTNAME, body.sent_ns, arrived_ns, time.monotonic_ns())
        self.send(peer, echo)

    # --- the clockwork ---------------------------------------------------------------------------

    def _tick(self) -> None:
        due = time.monotonic()
        while not self._closing:
            with self._ticking:
                if not self._dirty:
                    self._ticking.wait(max(0.0, due - time.monotonic()))
            if self._dirty:
                with self._ticking:
                    if not self._closing:
                        self._ticking.wait_for(lambda: self._closing, FLUSH_SECONDS)
                    works, self._dirty = self._dirty, set()
                for work in works:
                    work()
            if time.monotonic() >= due and not self._closing:
                due = time.monotonic() + BEAT_SECONDS
                self._beat()

    def _beat(self) -> None:
        with self._lock:
            sources = list(self._sources.values())
            feeds = list(self._feeds.values())
        now = time.monotonic()
        for source in sources:
            source.tick(now)
        for feed in feeds:
            feed.tick(now)
        for peer in self.presence.peers():
            links = [link for source in sources for link in source.links_to(peer)]
            outbox = self._outboxes.get(peer)
            self._send_beat(peer, links, behind_frames=outbox is not None)

    def _send_beat(self, peer: str, links: list[tuple[int, int]], *, behind_frames: bool) -> None:
        """Send a beat; one that tells of frames must not overtake them."""
        beat = Beat(settings.HOSTNAME, time.monotonic_ns(), [])
        self.send(peer, beat)
        if links and behind_frames:
            outbox = self._outboxes.get(peer)
            if outbox is not None:
                outbox.tell(messages.pack(self.peer, Beat(settings.HOSTNAME, 0, links)))
