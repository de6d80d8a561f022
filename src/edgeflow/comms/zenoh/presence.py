"""Who is there, from the liveliness tokens of an app: brokers, sources and numbered members."""

import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from edgeflow.comms.zenoh.names import Keys, name_of

if TYPE_CHECKING:
    import zenoh

__all__ = ["Presence", "Watcher"]

MAX_NAMES = 4096
"""Topics, and groups, that are taken note of."""

MAX_PEERS = 1024
"""Peers, sources of a topic, and numbers of a group that are taken note of."""

_NUMBER = re.compile(r"[0-9]{1,6}")

Watcher: TypeAlias = Callable[[str, str, bool], None]


class Presence:
    """What the tokens say.

    Args:
        keys: of the app.
        own: our own peer id, which is not counted among the peers.
        lost: called with the id of a peer that has gone, or fallen silent.

    Attributes:
        met: set once a peer has appeared.
    """

    def __init__(self, keys: Keys, own: str, lost: Callable[[str], None]) -> None:
        self.met = threading.Event()
        self._keys, self._own, self._lost = keys, own, lost
        self._lock = threading.Lock()
        self._peers: set[str] = set()
        self._published: dict[str, dict[str, str]] = {}
        self._numbers: dict[str, dict[int, set[tuple[str, str]]]] = {}
        self._watchers: dict[str, list[Watcher]] = {}

    def peers(self) -> list[str]:
        """Return the ids of the other brokers."""
        with self._lock:
            return list(self._peers)

    def watch(self, topic: str, watcher: Watcher) -> None:
        """Call ``watcher(source, peer, alive)`` for each source of ``topic``, there or to come."""
        with self._lock:
            self._watchers.setdefault(topic, []).append(watcher)
            known = list(self._published.get(topic, {}).items())
        for source, peer in known:
            watcher(source, peer, True)

    def unwatch(self, topic: str, watcher: Callable[[str, str, bool], None]) -> None:
        """End ``watch``."""
        with self._lock:
            watchers = self._watchers.get(topic, [])
            if watcher in watchers:
                watchers.remove(watcher)

    def numbers(self, group: str) -> dict[int, set[tuple[str, str]]]:
        """Return who holds or claims numbers in ``group``: pairs of stage and peer."""
        with self._lock:
            return {
                number: set(holders) for number, holders in self._numbers.get(group, {}).items()
            }

    def topics(self) -> list[str]:
        """Return topics that somebody publishes."""
        with self._lock:
            return sorted(topic for topic, sources in self._published.items() if sources)

    def on_token(self, sample: "zenoh.Sample") -> None:
        """Take in that a token has appeared or gone."""
        import zenoh

        parts = str(sample.key_expr)[len(self._keys.live) + 1 :].split("/")
        alive = sample.kind == zenoh.SampleKind.PUT
        if parts[0] == "pub" and len(parts) == 4:
            self._source_token(name_of(parts[1]), parts[2], parts[3], alive)
        elif parts[0] == "peer" and len(parts) == 2 and parts[1] != self._own:
            self._peer_token(parts[1], alive)
        elif parts[0] == "member" and len(parts) == 5 and _NUMBER.fullmatch(parts[2]):
            self._member_token(name_of(parts[1]), int(parts[2]), (parts[3], parts[4]), alive)

    def _member_token(self, group: str, number: int, holder: tuple[str, str], alive: bool) -> None:
        with self._lock:
            if group not in self._numbers and len(self._numbers) >= MAX_NAMES:
                return
            holders = self._numbers.setdefault(group, {}).setdefault(number, set())
            if alive and len(self._numbers[group]) <= MAX_PEERS:
                holders.add(holder)
            else:
                holders.discard(holder)
            if not holders:
                del self._numbers[group][number]
            if not self._numbers[group]:
                del self._numbers[group]

    def _source_token(self, topic: str, peer: str, source: str, alive: bool) -> None:
        with self._lock:
            if topic not in self._published and len(self._published) >= MAX_NAMES:
                return
            sources = self._published.setdefault(topic, {})
            if not alive:
                sources.pop(source, None)
                if not sources:
                    del self._published[topic]
            elif len(sources) < MAX_PEERS:
                sources[source] = peer
            watchers = list(self._watchers.get(topic, ()))
        for watcher in watchers:
            watcher(source, peer, alive)

    def _peer_token(self, peer: str, alive: bool) -> None:
        with self._lock:
            if alive and len(self._peers) < MAX_PEERS:
                self._peers.add(peer)
                self.met.set()
                return
            self._peers.discard(peer)
        self._lost(peer)
