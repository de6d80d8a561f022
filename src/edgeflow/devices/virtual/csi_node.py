"""CSI nodes that are only software: real datagrams on a real socket, thousands of nodes a thread.

A node is an iterator of what it sends and when. ``raw_packets`` makes one from frames that a node
heard; ``Tape`` plays the same packets over and over, for fleets whose contents do not matter much.
"""

import contextlib
import heapq
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import numpy as np
import structlog

from edgeflow.errors import CommsError, ConfigError
from edgeflow.protocols.csi_raw import RawFrame, frequency_of
from edgeflow.protocols.csi_wire import Magic

__all__ = [
    "GATE_US",
    "CsiFleet",
    "FleetStats",
    "HeardFrame",
    "Packet",
    "Tape",
    "numbered",
    "raw_frame",
    "raw_packets",
]

_log = structlog.get_logger(__name__)

GATE_US = 20_000
"""A node sends no frame sooner after the last one."""
MAX_NODES = 10_000
MAX_TAPE = 1_000_000
MOST_TURNS = 255
NODES_PER_ADDRESS = 250
BACKOFF_SECONDS = 0.1
LATE_SECONDS = 2.0
BATCH = 256
NODE_AT, SEQUENCE_AT = 4, 12
RAW = int(Magic.RAW).to_bytes(4, "little")
COMPRESSED = int(Magic.COMPRESSED).to_bytes(4, "little")
FRAMES = frozenset((RAW, COMPRESSED))
"""Both have their sequence at the same place."""
NUMBERED = frozenset(
    int(magic).to_bytes(4, "little") for magic in Magic if Magic.RAW <= magic <= Magic.STATE
) | {COMPRESSED}


class HeardFrame(Protocol):
    """A frame as a node's driver delivers it; ``edgeflow.sensing.simulate.Frame`` is one."""

    @property
    def time_us(self) -> int:
        """When, from the start."""

    @property
    def payload(self) -> bytes:
        """Pairs of i8, imaginary part first."""

    @property
    def rssi(self) -> int:
        """Strength in dBm."""

    @property
    def noise_floor(self) -> int:
        """Reported noise in dBm."""

    @property
    def channel(self) -> int:
        """Number of the channel."""


class Packet(NamedTuple):
    """What a node sends, and when (microseconds from its start); data is one datagram."""

    time_us: int
    data: bytes


def raw_packets(frames: Iterable[HeardFrame], gate_us: int = GATE_US) -> Iterator[Packet]:
    """Packets 0xC5110001 of frames, no two sooner than the gate of the firmware.

    Node and sequence are 0; the fleet fills them in.
    """
    last = -gate_us
    for frame in frames:
        if frame.time_us - last < gate_us:
            continue
        last = frame.time_us
        yield Packet(frame.time_us, raw_frame(frame, 0).encode())


def raw_frame(frame: HeardFrame, sequence: int) -> RawFrame:
    """Return a frame as a node sends it, of node 0."""
    return RawFrame(
        node=0,
        sequence=sequence,
        frequency_mhz=frequency_of(frame.channel),
        rssi=frame.rssi,
        noise_floor=frame.noise_floor,
        payload=frame.payload,
    )


class Tape:
    """Packets that are played in a loop; many nodes may share one.

    Args:
        packets: in the order of time, at most a million.

    Raises:
        ConfigError: none, or too many.
    """

    def __init__(self, packets: Iterable[Packet]) -> None:
        self._packets: list[Packet] = []
        for packet in packets:
            self._packets.append(packet)
            if len(self._packets) > MAX_TAPE:
                raise ConfigError(f"more than {MAX_TAPE} packets on a tape", hint="play less time")
        if not self._packets:
            raise ConfigError("a tape without packets", hint="play more time")
        first, last = self._packets[0].time_us, self._packets[-1].time_us
        gap = (last - first) // max(len(self._packets) - 1, 1)
        self.period_us = last - first + max(gap, GATE_US)

    def __len__(self) -> int:
        return len(self._packets)

    def play(self, begin: float = 0.0) -> Iterator[Packet]:
        """For ever, from a place on the tape (0 to 1) on; the first packet comes at once."""
        start = int(begin * len(self._packets)) % len(self._packets)
        zero = -self._packets[start].time_us
        while True:
            for index in range(start, len(self._packets)):
                packet = self._packets[index]
                yield Packet(packet.time_us + zero, packet.data)
            zero, start = zero + self.period_us, 0


@dataclass(slots=True)
class FleetStats:
    """What a fleet did: datagrams sent, left out on purpose, sent twice, not taken by the system
    (``failed``), skipped because the process came too late, and nodes that have ended.
    """

    sent: int = 0
    left_out: int = 0
    repeated: int = 0
    failed: int = 0
    skipped: int = 0
    ended: int = 0


class _Node:
    __slots__ = ("blocked_until", "packets", "sender", "written")

    def __init__(self, number: int, packets: Iterator[Packet], sender: socket.socket) -> None:
        self.packets, self.sender = packets, sender
        self.written = _Numbering(number)
        self.blocked_until = 0.0


class _Numbering:
    """Writes a node's number, and in frames its sequence, into what it sends."""

    __slots__ = ("_frames", "_number")

    def __init__(self, number: int) -> None:
        self._number, self._frames = bytes((number,)), 0

    def skip(self, data: bytes) -> None:
        """Count a frame that is not sent, if others tell by its number what they lean on."""
        self._frames += data[:4] == COMPRESSED

    def __call__(self, data: bytes) -> bytes:
        magic = data[:4]
        if magic not in NUMBERED:
            return data
        if magic not in FRAMES:
            return data[:NODE_AT] + self._number + data[NODE_AT + 1 :]
        sequence = (self._frames & 0xFFFFFFFF).to_bytes(4, "little")
        self._frames += 1
        return b"".join(
            (magic, self._number, data[5:SEQUENCE_AT], sequence, data[SEQUENCE_AT + 4 :])
        )


def numbered(packets: Iterable[Packet], number: int) -> Iterator[Packet]:
    """The packets as node ``number`` (u8) sends them, its frames counted from 0."""
    write = _Numbering(number)
    for packet in packets:
        yield Packet(packet.time_us, write(packet.data))


class CsiFleet:
    """Nodes that send to a target, on one thread. A context manager; starts when entered.

    Nodes are told apart by the address they send from and their number; an address has up to 250
    nodes, numbered from ``first_number`` (a u8 on the wire). Where the target is this machine,
    addresses are 127.0.77.1 and following.

    Args:
        target: host and UDP port.
        nodes: what each one sends, see ``raw_packets`` and ``Tape.play``.
        first_number: of the first node of an address, 1 to 5.
        loss, repeats: part of the datagrams that get lost, or arrive twice.
        speed: how many times faster than life, 0.01 to 1000.
        seed: of losses, repeats and the nodes' first moments.
        spread: seconds over which the nodes start.
        turns: of an access point's nodes, at most 255, each sends in its own turn (``tdm_slot``).
        clock: monotonic seconds.

    Raises:
        ConfigError: no node, too many, or values out of range.
        CommsError: the system has no more sockets, or the target cannot be resolved.
    """

    def __init__(
        self,
        target: tuple[str, int],
        nodes: Sequence[Iterator[Packet]],
        *,
        first_number: int = 1,
        loss: float = 0.0,
        repeats: float = 0.0,
        speed: float = 1.0,
        seed: int = 1,
        spread: float = 0.05,
        turns: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        _check("number of nodes", len(nodes), 1, MAX_NODES)
        _check("first_number", first_number, 1, 5)
        _check("loss", loss, 0, 1)
        _check("repeats", repeats, 0, 1)
        _check("speed", speed, 0.01, 1000)
        _check("spread", spread, 0, 60)
        _check("number of nodes that take turns", len(nodes) if turns else 1, 1, MOST_TURNS)
        self._turns = len(nodes) if turns else 0
        self.stats = FleetStats()
        self._loss, self._repeats, self._speed, self._clock = loss, repeats, speed, clock
        self._rng = np.random.default_rng(seed)
        self._starts = self._rng.uniform(0, spread, len(nodes)).tolist()
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="csi-fleet", daemon=True)
        self._stack = ExitStack()
        try:
            senders = [
                self._open(target, number) for number in range(-(-len(nodes) // NODES_PER_ADDRESS))
            ]
        except (OSError, UnicodeError) as error:
            self._stack.close()
            raise CommsError(
                f"no socket to {target[0]}:{target[1]}: {error}",
                hint="check the name of the host, and ulimit -n",
            ) from None
        self._nodes = [
            _Node(
                first_number + index % NODES_PER_ADDRESS,
                packets,
                senders[index // NODES_PER_ADDRESS],
            )
            for index, packets in enumerate(nodes)
        ]

    @property
    def done(self) -> bool:
        """Every node has sent all it had."""
        return self.stats.ended == len(self._nodes)

    def wait(self, seconds: float) -> bool:
        """Wait until all is sent, at most so long; whether it is.

        Raises:
            Exception: what the packets of a node raised; the fleet has stopped then.
        """
        self._thread.join(seconds)
        if self._failure is not None:
            raise self._failure
        return self.done

    def close(self) -> None:
        """Stop sending. Idempotent, under 3 s."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(3.0)
        self._stack.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, target: tuple[str, int], number: int) -> socket.socket:
        family, kind, protocol, _, address = socket.getaddrinfo(*target, type=socket.SOCK_DGRAM)[0]
        sender = self._stack.enter_context(socket.socket(family, kind, protocol))
        if str(address[0]).startswith("127."):
            with contextlib.suppress(OSError):  # systems with a single loopback address
                sender.bind((f"127.0.77.{number + 1}", 0))
        sender.connect(address)
        sender.setblocking(False)
        return sender

    def _run(self) -> None:
        try:
            self._drive()
        except Exception as error:  # noqa: BLE001 - told to who waits
            self._failure = error
            _log.error("csi_fleet_failed", error=str(error))

    def _drive(self) -> None:
        begin = self._clock()
        queue: list[tuple[float, int, bytes]] = []
        for index in range(len(self._nodes)):
            self._next(queue, index)
        heapq.heapify(queue)
        sent = 0
        while queue and not self._stop.is_set():
            due, index, data = queue[0]
            wait = begin + due - self._clock()
            if wait > 0:
                self._stop.wait(min(wait, 0.5))
                continue
            heapq.heappop(queue)
            if wait < -LATE_SECONDS:
                self.stats.skipped += 1
                self._nodes[index].written.skip(data)
            else:
                self._send(self._nodes[index], data)
            self._next(queue, index)
            sent += 1
            if sent % BATCH == 0:
                time.sleep(0)
        _log.debug("csi_fleet_ended", sent=self.stats.sent, failed=self.stats.failed)

    def _next(self, queue: list[tuple[float, int, bytes]], index: int) -> None:
        packet = next(self._nodes[index].packets, None)
        if packet is None:
            self.stats.ended += 1
            return
        due = self._starts[index] + packet.time_us / 1e6 / self._speed
        if self._turns:
            due += _wait(index, self._turns, due)
        heapq.heappush(queue, (due, index, packet.data))

    def _send(self, node: _Node, data: bytes) -> None:
        datagram = node.written(data)
        if self._loss and self._rng.random() < self._loss:
            self.stats.left_out += 1
            return
        if node.blocked_until and self._clock() < node.blocked_until:
            self.stats.failed += 1
            return
        try:
            node.sender.send(datagram)
            self.stats.sent += 1
            if self._repeats and self._rng.random() < self._repeats:
                node.sender.send(datagram)
                self.stats.repeated += 1
        except ConnectionRefusedError:
            self.stats.failed += 1
        except OSError:
            self.stats.failed += 1
            node.blocked_until = self._clock() + BACKOFF_SECONDS


def _wait(slot: int, nodes: int, at: float) -> float:
    """Return the seconds until the turn of a node; what it hears meanwhile waits in its ring."""
    from edgeflow._native.turns import turn_wait_us

    return turn_wait_us(slot, nodes, 1 + round(at * 1e6)) / 1e6


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"CSI fleet: {name} is {value}", hint=f"from {low} to {high}")
