"""Whether a node and this machine reach each other: networks, ports, packets, and the way back."""

import contextlib
import errno
import http.client
import ipaddress
import json
import select
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edgeflow.errors import ConfigError, ProtocolError
from edgeflow.protocols.csi import Magic, decode
from edgeflow.protocols.csi_loss import LossTracker

__all__ = [
    "Interface",
    "Sender",
    "WayBack",
    "interfaces",
    "is_free",
    "listen",
    "neighbours",
    "route_to",
    "way_back",
]

MAX_SENDERS = 256
MAX_ANSWER = 4096
LARGEST = 2304
_GET_ADDRESS, _GET_MASK, _GET_FLAGS = 0x8915, 0x891B, 0x8913
_UP, _BROADCAST, _MULTICAST = 0x1, 0x2, 0x1000
_PKTINFO = getattr(socket, "IP_PKTINFO", 8)


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface with an IPv4 address; ``network`` as ``192.168.4.2/24``."""

    name: str
    network: ipaddress.IPv4Interface
    wireless: bool
    broadcast: bool
    multicast: bool


@dataclass(slots=True)
class Sender:
    """What came from one node of one address to one port.

    Attributes:
        node: its number; None for datagrams that are no packets.
        port: where it was sent to; ``to``: the address, empty when the system does not say.
        kinds: how many of each kind came.
        seconds: from the first to the last.
    """

    address: str
    node: int | None
    port: int
    to: str = ""
    packets: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    first: float = 0.0
    last: float = 0.0
    loss: LossTracker = field(default_factory=LossTracker)

    @property
    def rate(self) -> float:
        """Packets a second, 0 while there are too few to tell."""
        passed = self.last - self.first
        return (self.packets - 1) / passed if self.packets > 1 and passed > 0 else 0.0


@dataclass(frozen=True, slots=True)
class WayBack:
    """Whether a node answers.

    Attributes:
        state: ``answers``; ``refused``: it is there and has no such server; ``silent``: nothing
            came back; ``odd``: something else answers.
        version: of its firmware, where it says so.
        detail: what the system said.
    """

    state: Literal["answers", "refused", "silent", "odd"]
    version: str = ""
    detail: str = ""


def interfaces() -> list[Interface]:
    """Return the interfaces that are up; none on systems that do not tell."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError, ImportError, ValueError):
                found.append(_interface(asker, name))
    return [each for each in found if each is not None]


def _interface(asker: socket.socket, name: str) -> Interface | None:
    import fcntl

    def ask(what: int) -> bytes:
        request = struct.pack("256s", name.encode()[:15])
        return fcntl.ioctl(asker.fileno(), what, request)

    (flags,) = struct.unpack_from("<h", ask(_GET_FLAGS), 16)
    if not flags & _UP:
        return None
    address, mask = (socket.inet_ntoa(ask(what)[20:24]) for what in (_GET_ADDRESS, _GET_MASK))
    return Interface(
        name,
        ipaddress.IPv4Interface(f"{address}/{mask}"),
        wireless=Path(f"/sys/class/net/{name}/wireless").exists(),
        broadcast=bool(flags & _BROADCAST),
        multicast=bool(flags & _MULTICAST),
    )


def route_to(address: str) -> str | None:
    """Return this machine's address on the way to another one; None without a way.

    Raises:
        ConfigError: it is no IPv4 address or known name.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))  # of UDP: nothing is sent
        except socket.gaierror as error:
            raise ConfigError(f"{address!r} is no address: {error.strerror}") from error
        except OSError:
            return None
        return str(probe.getsockname()[0])


def is_free(host: str, port: int) -> bool:
    """Return whether a UDP port can be bound.

    Raises:
        ConfigError: the address is not one of this machine.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise ConfigError(
                f"{host} cannot be bound: {error.strerror}", hint="an address of this machine"
            ) from error
    return True


def listen(host: str, ports: Sequence[int], seconds: float) -> list[Sender]:
    """Return who sends to these ports within so many seconds; those that are taken are left out."""
    senders: dict[tuple[str, int | None, int], Sender] = {}
    with ExitStack() as stack:
        poll, sockets = select.poll(), {}
        for port in ports:
            opened = _listening(host, port)
            if opened is not None:
                stack.enter_context(opened)
                poll.register(opened, select.POLLIN)
                sockets[opened.fileno()] = (opened, port)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for handle, _ in poll.poll(min(left, 0.2) * 1000):
                _drain(*sockets[handle], senders)
    return sorted(senders.values(), key=lambda each: -each.packets)


def _listening(host: str, port: int) -> socket.socket | None:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        opened.setsockopt(socket.IPPROTO_IP, _PKTINFO, 1)
        opened.setblocking(False)
        opened.bind((host, port))
    except OSError:
        opened.close()
        return None
    return opened


def _drain(
    opened: socket.socket, port: int, senders: dict[tuple[str, int | None, int], Sender]
) -> None:
    for _ in range(256):
        try:
            data, ancillary, _, (address, _) = opened.recvmsg(LARGEST, socket.CMSG_SPACE(12))
        except (BlockingIOError, InterruptedError, ConnectionRefusedError):
            return
        node, kind, sequence = _read(data)
        sender = senders.get((address, node, port))
        if sender is None:
            if len(senders) >= MAX_SENDERS:
                continue
            sender = senders[address, node, port] = Sender(address, node, port)
            sender.first = time.monotonic()
        sender.last, sender.to = time.monotonic(), _destination(ancillary)
        sender.packets += 1
        sender.kinds[kind] += 1
        if sequence is not None:
            sender.loss.see(sequence, sender.last)


def _read(data: bytes) -> tuple[int | None, str, int | None]:
    """Return node, kind and sequence of a datagram."""
    try:
        packet = decode(data)
    except ProtocolError:
        return None, "no packet", None
    kind = Magic(int.from_bytes(data[:4], "little")).name.lower()
    node, sequence = getattr(packet, "node", None), getattr(packet, "sequence", None)
    numbered = kind in ("raw", "compressed")
    return (node if isinstance(node, int) else 0), kind, sequence if numbered else None


def _destination(ancillary: Sequence[tuple[int, int, bytes]]) -> str:
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == _PKTINFO and len(data) >= 12:
            return socket.inet_ntoa(data[8:12])
    return ""


def way_back(address: str, port: int, seconds: float = 3.0) -> WayBack:
    """Ask a node for the state of its firmware, at most so long."""
    connection = http.client.HTTPConnection(address, port, timeout=seconds)
    try:
        connection.request("GET", "/ota/status")
        answer = connection.getresponse()
        body = answer.read(MAX_ANSWER)
    except ConnectionRefusedError as error:
        return WayBack("refused", detail=str(error.strerror))
    except (OSError, http.client.HTTPException) as error:
        return WayBack("silent", detail=str(error) or type(error).__name__)
    finally:
        connection.close()
    with contextlib.suppress(ValueError, UnicodeDecodeError):
        said = json.loads(body)
        if answer.status == 200 and isinstance(said, dict):
            return WayBack("answers", version=str(said.get("version", ""))[:64])
    return WayBack("odd", detail=f"HTTP {answer.status}")


def neighbours(port: int, around: int = 5) -> Iterator[int]:
    """Yield a port and those around it: a node may be told a wrong one."""
    yield port
    for step in range(1, around + 1):
        yield from (each for each in (port - step, port + step) if 0 < each < 65536)
