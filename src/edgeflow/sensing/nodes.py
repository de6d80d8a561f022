"""The nodes that are heard: who they are, how well they come through, and what they tell.

Sans-I/O: frames and datagrams go in with their time, updates and events come out.
"""

import ipaddress
from collections.abc import Callable, Iterator
from functools import lru_cache

from edgeflow.core.vitals import SensingEvent, SensingNode, VitalsUpdate
from edgeflow.errors import ProtocolError
from edgeflow.protocols.csi import Magic, decode
from edgeflow.protocols.csi_compressed import CompressedFrame, Decoder, Decompressed
from edgeflow.protocols.csi_events import NarrowEvents, WideEvents
from edgeflow.protocols.csi_loss import LossTracker
from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.protocols.csi_vitals import FusedVitals, Vitals, VitalsFlags
from edgeflow.sensing.captures import Datagram
from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.tracking import SILENT_US, Tracker, TrackOptions

__all__ = ["Node", "Nodes"]

MAX_NODES = 4096
FORGOTTEN_US = 600_000_000
"""A node that was silent for so long makes room for a new one."""
MAX_STREAMS = 16
"""Senders times lengths of one node whose keyframes are held."""
RATE_US = 1_000_000
"""How often the rate is looked at."""

Tell = Callable[[VitalsUpdate | SensingEvent], None]
Heard = Callable[[str, CsiFrame], None]
Key = tuple[int, str, int]


class Node:
    """One node: counters beside its ``tracker``."""

    def __init__(self, key: Key, tracker: Tracker, now: int, heard: Heard | None = None) -> None:
        self._heard = heard
        self.number, self.address, self.port = key
        self.tracker = tracker
        self.sequence = LossTracker()
        self.packets: dict[str, int] = {}
        self.seen_us = now
        self.frames = self.damaged = self.keyless = self.rate_frames = 0
        self._decoder: Decoder | None = None
        self.rate = 0.0
        self.rate_us = now
        self.newest: CsiFrame | None = None

    @property
    def firmware(self) -> str:
        """Which firmware speaks so."""
        kinds = self.packets.keys()
        if kinds & {Magic.COMPRESSED.name, Magic.WIDE_EVENTS.name}:
            return "edgeflow"
        if kinds - {Magic.RAW.name}:
            return "reference"
        return "raw" if self.frames else "unknown"

    def take(self, frame: CsiFrame) -> None:
        """Count a frame and sense from it."""
        self.frames += 1
        self.rate_frames += 1
        self.newest = frame
        self.seen_us = max(self.seen_us, frame.time_us)
        if self._heard is not None:
            self._heard(self.tracker.name, frame)
        self.tracker.push(frame)

    def expand(self, packet: CompressedFrame, now: int) -> None:
        """Take a compressed frame, if its keyframe came."""
        if self._decoder is None:
            self._decoder = Decoder(MAX_STREAMS)
        try:
            expanded = self._decoder.expand(packet)
        except ProtocolError:
            self.damaged += 1
            return
        if isinstance(expanded, Decompressed):
            self.take(_frame(expanded.frame, now, expanded.source))
        else:
            self.keyless += 1

    def measure_rate(self, now: int) -> None:
        """Look at the rate, once a second."""
        if (past := now - self.rate_us) >= RATE_US:
            fresh = self.rate_frames * 1e6 / past
            self.rate = fresh if self.rate == 0 else self.rate + 0.3 * (fresh - self.rate)
            self.rate_us, self.rate_frames = now, 0

    def is_silent(self, now: int) -> bool:
        """Tell whether nothing was heard for five seconds."""
        return now - self.seen_us > SILENT_US

    def status(self, now: int, unix_offset: float) -> SensingNode:
        """Return the node as it is."""
        newest = self.newest
        vitals = self.tracker.latest
        said = vitals.rssi if vitals is not None else 0
        return SensingNode(
            name=self.tracker.name,
            node=self.number,
            address=f"{self.address}:{self.port}" if self.port else self.address,
            firmware=self.firmware,
            state="silent" if self.is_silent(now) else "live",
            last_seen=self.seen_us / 1e6 + unix_offset,
            frames=self.frames,
            rate=round(self.rate, 2),
            lost=self.sequence.lost,
            loss=round(self.sequence.loss, 6),
            late=self.sequence.late,
            restarts=self.sequence.restarts,
            silences=self.sequence.silences,
            outages=self.sequence.outages,
            refused=self.tracker.refused,
            damaged=self.damaged,
            keyless=self.keyless,
            rssi=newest.rssi if newest is not None else said,
            noise_floor=newest.noise_floor if newest is not None else 0,
            channel=newest.channel if newest is not None else 0,
            subcarriers=len(newest.payload) // 2 if newest is not None else 0,
            packets=dict(self.packets),
            vitals=vitals,
        )


class Nodes:
    """All nodes. Calls must not overlap.

    A node is known by its number and its address, on loopback by its port too: so nodes behind the
    same number, which many boards have from the factory, are not mixed, and a board that starts
    anew is still the same.

    Args:
        options: how they are followed.
        tell: given each update and event, at once.
        max_nodes: more are refused, until others were silent for ten minutes.
        heard: given each frame with the name of its node, before it is sensed from.

    Attributes:
        refused: datagrams of nodes for which there was no room.
        damaged: datagrams that were no packets, of whomever.
        last: whose frame or packet came last.
    """

    def __init__(
        self,
        options: TrackOptions,
        tell: Tell,
        max_nodes: int = MAX_NODES,
        heard: Heard | None = None,
    ) -> None:
        self._heard = heard
        self.refused = self.damaged = 0
        self.last: Node | None = None
        self._options, self._tell, self._max_nodes = options, tell, max_nodes
        self._start = options.start_us
        self._nodes: dict[Key, Node] = {}
        self._full_until = 0

    def __iter__(self) -> Iterator[Node]:
        return iter(list(self._nodes.values()))

    def __len__(self) -> int:
        return len(self._nodes)

    def take(self, item: CsiFrame | Datagram) -> None:
        """Take what a recording holds."""
        if isinstance(item, CsiFrame):
            node = self._node((item.node, "", 0), item.time_us)
            if node is not None:
                node.take(item)
        else:
            self.receive(item)

    def receive(self, datagram: Datagram) -> None:
        """Take a datagram; one that is no packet is counted, and changes nothing else."""
        now, data, host, port = datagram
        try:
            packet = decode(data)
        except ProtocolError:
            self._count_damage(data, host, port)
            return
        number = getattr(packet, "node", None)
        if number is None:
            number = getattr(getattr(packet, "message", None), "node", 0) & 0xFF
        node = self._node((number, host, port if _is_near(host) else 0), now)
        if node is None:
            return
        kind = Magic(int.from_bytes(data[:4], "little")).name
        node.packets[kind] = node.packets.get(kind, 0) + 1
        node.seen_us = max(node.seen_us, now)
        if isinstance(packet, RawFrame):
            node.sequence.see(packet.sequence, now / 1e6)
            node.take(_frame(packet, now))
        elif isinstance(packet, CompressedFrame):
            node.sequence.see(packet.sequence, now / 1e6)
            node.expand(packet, now)
        elif isinstance(packet, Vitals | FusedVitals):
            node.tracker.report(now, _said(packet, node.tracker, now))
        elif isinstance(packet, NarrowEvents | WideEvents):
            for event in packet.events:
                node.tracker.module_said(now, event.id, event.value, packet.slot)

    def advance(self, now: int) -> None:
        """Let time go on for nodes that are not heard; often enough is five times a second."""
        for node in self._nodes.values():
            node.tracker.advance(now)
            node.measure_rate(now)

    def finish(self) -> None:
        """Tell what the last part of an interval brought, at the end of a recording."""
        for node in self._nodes.values():
            node.tracker.finish()

    def _node(self, key: Key, now: int) -> Node | None:
        node = self._nodes.get(key)
        if node is None:
            if len(self._nodes) >= self._max_nodes and not self._make_room(now):
                self.refused += 1
                self.last = None
                return None
            if self._start is None:
                self._start = now
            name = _name(*key)
            tracker = Tracker(key[0], name, self._options, self._start, self._tell)
            node = self._nodes[key] = Node(key, tracker, now, self._heard)
        self.last = node
        return node

    def _make_room(self, now: int) -> bool:
        if now < self._full_until:
            return False
        oldest = min(self._nodes, key=lambda key: self._nodes[key].seen_us)
        self._full_until = self._nodes[oldest].seen_us + FORGOTTEN_US
        if now < self._full_until:
            return False  # and no search for every packet until then
        del self._nodes[oldest]
        return True

    def _count_damage(self, data: bytes, host: str, port: int) -> None:
        self.damaged += 1
        node = self._nodes.get((data[4], host, port if _is_near(host) else 0)) if data[4:] else None
        if node is not None:
            node.damaged += 1


def _frame(packet: RawFrame, now: int, source: int = 0) -> CsiFrame:
    """Return the frame of the first antenna."""
    payload = packet.payload
    if packet.antennas > 1:
        payload = payload[: 2 * packet.subcarriers]
    channel = packet.channel
    return CsiFrame(now, payload, packet.rssi, packet.noise_floor, channel, source, packet.node)


def _said(packet: Vitals | FusedVitals, tracker: Tracker, now: int) -> VitalsUpdate:
    """Return what a node says itself as an update."""
    flags = packet.flags
    return VitalsUpdate(
        t=tracker.seconds(now),
        node=packet.node,
        name=tracker.name,
        presence=VitalsFlags.PRESENCE in flags,
        motion=packet.motion_energy,
        breathing_bpm=packet.breathing_bpm or None,
        heart_bpm=packet.heart_bpm or None,
        persons=packet.persons,
        fall=VitalsFlags.FALL in flags,
        confidence=packet.confidence / 100 if isinstance(packet, FusedVitals) else None,
        rssi=packet.rssi,
        source="node",
    )


def _name(number: int, host: str, port: int) -> str:
    if not host:
        return str(number)
    return f"{number}@{host}:{port}" if port else f"{number}@{host}"


@lru_cache(maxsize=4096)
def _is_near(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
