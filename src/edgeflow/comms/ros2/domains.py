"""DDS domains of this process: each is opened once, with the network it may use."""

import os
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import structlog

from edgeflow.errors import ConfigError, MissingExtraError, UnreachableError
from edgeflow.protocols.cdr import MAX_BYTES

__all__ = ["DomainOptions", "Lease", "lease"]

FIRST_PORT, PORTS = 7400, 250
"""Ports of domain 0, and how many each domain has."""

LAST_INDEX = 119
"""Highest number of a participant on one host that is looked for."""


FATAL_AND_ERRORS = 3


@dataclass(frozen=True, slots=True)
class DomainOptions:
    """Where a domain is.

    Attributes:
        domain: its number; ``ROS_DOMAIN_ID`` of the other side.
        interface: name or address of the one network interface that is used.
        peers: hosts that are looked for without multicast. On loopback there is no multicast.
    """

    domain: int = 0
    interface: str = "lo"
    peers: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """It does not leave this machine."""
        return self.interface == "lo" or self.interface.startswith("127.")

    def configuration(self) -> str:
        """Return it as XML for Cyclone DDS."""
        key = "address" if self.interface[:1].isdigit() else "name"
        multicast = not self.is_local and not self.peers
        peers = ("127.0.0.1", *self.peers) if not multicast else ()
        listed = "".join(f"<Peer address={quoteattr(peer)}/>" for peer in peers)
        index = f"<ParticipantIndex>{'default' if multicast else 'auto'}</ParticipantIndex>"
        return (
            "<CycloneDDS><Domain><General>"
            f"<Interfaces><NetworkInterface {key}={quoteattr(self.interface)}/></Interfaces>"
            f"<AllowMulticast>{'default' if multicast else 'false'}</AllowMulticast></General>"
            f"<Discovery>{index}<MaxAutoParticipantIndex>{LAST_INDEX}</MaxAutoParticipantIndex>"
            f"<Peers>{listed}</Peers></Discovery>"
            f"<Internal><MaxSampleSize>{MAX_BYTES} B</MaxSampleSize></Internal>"
            "</Domain></CycloneDDS>"
        )


@dataclass(slots=True, eq=False)
class _Open:
    options: DomainOptions
    entity: Any
    users: int = 0


class Lease:
    """A share in a domain; the last one that is released closes it."""

    def __init__(self, opened: _Open) -> None:
        self._opened: _Open | None = opened

    def narrow(self) -> None:
        """Let the domain's sockets hear their own interface only: Cyclone DDS binds them to all."""
        if self._opened is not None and self._opened.options.is_local:
            _bind_sockets(self._opened.options)

    def release(self) -> None:
        """Give the share back. Idempotent."""
        opened, self._opened = self._opened, None
        if opened is None:
            return
        with _lock:
            opened.users -= 1
            if opened.users == 0:
                del _domains[opened.options.domain]
                opened.entity = None


_domains: dict[int, _Open] = {}
_lock = threading.Lock()


def lease(options: DomainOptions) -> Lease:
    """Open a domain, or take part in the open one; may block while names are resolved.

    Raises:
        ConfigError: the process uses the domain on another interface already.
        MissingExtraError: ``cyclonedds`` is not installed.
        UnreachableError: there is no such interface, or its ports are taken.
    """
    with _lock:
        opened = _domains.get(options.domain)
        if opened is None:
            opened = _domains[options.domain] = _Open(options, _open(options))
        elif opened.options != options:
            raise ConfigError(
                f"DDS domain {options.domain} is open on {opened.options.interface!r}, with peers "
                f"{list(opened.options.peers)}",
                hint="give all its users the same interface and peers, or another domain",
            )
        opened.users += 1
        return Lease(opened)


def _open(options: DomainOptions) -> Any:
    try:
        from cyclonedds.core import DDSException
        from cyclonedds.domain import Domain
    except ModuleNotFoundError:
        raise MissingExtraError("cyclonedds", "ros2") from None
    _check_interface(options.interface)
    _quieten()
    try:
        return Domain(options.domain, options.configuration())
    except (DDSException, UnicodeEncodeError) as error:
        raise UnreachableError(
            f"DDS domain {options.domain} cannot be opened on {options.interface!r}: {error}",
            hint="another part of this process may have opened it",
        ) from None


def _quieten() -> None:
    """Keep Cyclone DDS from writing a line to stderr for each datagram that makes no sense."""
    import ctypes

    from cyclonedds.internal import DDS

    set_mask = getattr(DDS._dll_handle, "dds_set_log_mask", None)
    if set_mask is not None:
        set_mask(ctypes.c_uint32(FATAL_AND_ERRORS))


def _check_interface(interface: str) -> None:
    """Look before Cyclone DDS does, which writes to stderr what it does not find."""
    if not interface[:1].isdigit():
        if interface not in (name for _, name in socket.if_nameindex()):
            raise UnreachableError(f"there is no network interface {interface!r}")
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((interface, 0))
        except OSError:
            raise UnreachableError(f"no network interface has the address {interface}") from None


def _bind_sockets(options: DomainOptions) -> None:
    first = FIRST_PORT + PORTS * options.domain
    for entry in Path("/proc/self/fd").iterdir():
        held = _socket(int(entry.name))
        if held is None:
            continue
        with held:
            address, port = held.getsockname()
            if address == "0.0.0.0" and first <= port < first + PORTS:
                _bind_socket(held, port)


def _socket(number: int) -> socket.socket | None:
    """Return a second handle on a UDP socket, or None for what is none."""
    try:
        copy = os.dup(number)
    except OSError:
        return None
    try:
        held = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        return None
    if held.family == socket.AF_INET and held.type == socket.SOCK_DGRAM:
        return held
    held.close()
    return None


def _bind_socket(held: socket.socket, port: int) -> None:
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    except OSError as error:
        log = structlog.get_logger("edgeflow.ros2")
        log.warning("socket_open_to_network", port=port, error=str(error))
