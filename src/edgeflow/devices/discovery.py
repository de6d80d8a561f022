"""Devices and services that tell of themselves on the local network (mDNS, DNS-SD).

Each is an instance of ``_edgeflow._tcp``, called by its id; what it says of itself is in its TXT
record.
"""

import contextlib
import ipaddress
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import structlog

from edgeflow.errors import CommsError, ConfigError, MissingExtraError

if TYPE_CHECKING:
    from zeroconf import ServiceInfo, Zeroconf

__all__ = ["SERVICE", "Announcement", "Announcer", "Found", "discover"]

_log = structlog.get_logger(__name__)

SERVICE = "_edgeflow._tcp.local."
MAX_FOUND, MAX_PROPERTIES, MAX_VALUE = 10_000, 16, 200
MAX_NAME = 63
"""Bytes of an instance's name in DNS."""
ASK_MS = 1000
PAUSE = 0.05
REGISTER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Announcement:
    """What one device or service says of itself.

    Attributes:
        name: its id. kind: ``mqtt``, ``board``, ``csi``, ``camera`` or ``service``.
        port: where it listens; 0 if nowhere.
        properties: further short texts, such as ``version`` or ``path``.
    """

    name: str
    kind: str
    port: int = 0
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """What was heard of one device or service; ``addresses`` are those that it gave."""

    name: str
    kind: str
    host: str
    port: int
    addresses: tuple[str, ...]
    properties: Mapping[str, str]


class Announcer:
    """Tells of devices until ``close``; then it says that they are gone.

    Args:
        announcements: of whom. interfaces: addresses of this machine's interfaces; all by default.

    Raises:
        MissingExtraError: zeroconf is not installed.
        ConfigError: an announcement cannot be made.
        CommsError: the network takes no multicast.
    """

    def __init__(
        self, announcements: Iterable[Announcement], interfaces: Sequence[str] | None = None
    ) -> None:
        places = _addresses(interfaces)
        infos = [_info(each, places) for each in announcements]
        self._zeroconf = _open(interfaces)
        try:
            self._register(infos)
        except BaseException:
            self._zeroconf.close()
            raise
        _log.info("devices_announced", count=len(infos), addresses=places)

    def close(self) -> None:
        """Say goodbye. Idempotent."""
        self._zeroconf.unregister_all_services()
        self._zeroconf.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _register(self, infos: "list[ServiceInfo]") -> None:
        """All at once: each is asked for three times before it counts as free."""
        import asyncio

        loop = self._zeroconf.loop
        if loop is None:
            raise CommsError("mDNS did not start")

        async def register() -> None:
            asked = [
                self._zeroconf.async_register_service(each, allow_name_change=True)
                for each in infos
            ]
            await asyncio.gather(*await asyncio.gather(*asked))

        asyncio.run_coroutine_threadsafe(register(), loop).result(REGISTER_SECONDS)


def discover(
    seconds: float,
    interfaces: Sequence[str] | None = None,
    *,
    cancel: threading.Event | None = None,
) -> list[Found]:
    """Listen for so many seconds and return who told of itself, by name.

    Args:
        seconds: how long; answers may take 1.2 s.
        interfaces: as of ``Announcer``.
        cancel: ends it early when set.

    Raises:
        MissingExtraError: zeroconf is not installed.
        CommsError: the network takes no multicast.
    """
    zeroconf = _open(interfaces)
    names: dict[str, None] = {}
    try:
        from zeroconf import ServiceBrowser, ServiceStateChange

        def heard(state_change: ServiceStateChange, name: str, **_: Any) -> None:
            if state_change is ServiceStateChange.Removed:
                names.pop(name, None)
            elif len(names) < MAX_FOUND:
                names[name] = None

        browser = ServiceBrowser(zeroconf, SERVICE, handlers=[heard])
        until = time.monotonic() + seconds
        while time.monotonic() < until and not (cancel is not None and cancel.is_set()):
            time.sleep(PAUSE)
        browser.cancel()
        return _resolved(zeroconf, list(names))
    finally:
        zeroconf.close()


def _resolved(zeroconf: "Zeroconf", names: Sequence[str]) -> list[Found]:
    found = []
    for name in names:
        info = zeroconf.get_service_info(SERVICE, name, ASK_MS)
        if info is not None:
            found.append(_found(info))
    return sorted(found, key=lambda each: each.name)


def _found(info: "ServiceInfo") -> Found:
    properties = {
        str(key)[:MAX_VALUE]: (value or "")[:MAX_VALUE]
        for key, value in list(info.decoded_properties.items())[:MAX_PROPERTIES]
    }
    # An instance's name ends in a number when another one had it first: its id does not.
    name = properties.pop("id", "") or info.name.removesuffix(f".{SERVICE}")
    return Found(
        name=name,
        kind=properties.pop("kind", ""),
        host=(info.server or "").rstrip("."),
        port=info.port or 0,
        addresses=tuple(info.parsed_scoped_addresses()),
        properties=properties,
    )


def _open(interfaces: Sequence[str] | None) -> "Zeroconf":
    try:
        from zeroconf import InterfaceChoice, IPVersion, Zeroconf
    except ImportError:
        raise MissingExtraError("zeroconf", "discovery") from None
    try:
        return Zeroconf(
            interfaces=list(interfaces) if interfaces else InterfaceChoice.All,
            ip_version=IPVersion.V4Only,
        )
    except (OSError, RuntimeError) as error:
        raise CommsError(
            f"mDNS: {error}", hint="UDP port 5353, and multicast on that interface"
        ) from error


def _info(announcement: Announcement, addresses: Sequence[str]) -> "ServiceInfo":
    from zeroconf import BadTypeInNameException, ServiceInfo

    name = announcement.name
    values = {"id": name, "kind": announcement.kind, **announcement.properties}
    fits = 0 < len(name.encode()) <= MAX_NAME and 0 <= announcement.port < 65536
    if not fits or len(values) > MAX_PROPERTIES or max(map(len, values.values())) > MAX_VALUE:
        raise ConfigError(
            f"{name[:80]!r} cannot be announced",
            hint=f"{MAX_NAME} bytes, and {MAX_PROPERTIES} properties of {MAX_VALUE} characters",
        )
    with contextlib.suppress(BadTypeInNameException):
        return ServiceInfo(
            SERVICE,
            f"{name.replace('.', '-')}.{SERVICE}",
            port=announcement.port,
            properties=values,
            parsed_addresses=list(addresses),
        )
    raise ConfigError(f"{name[:80]!r} cannot be announced", hint="letters, digits and - _ :")


def _addresses(interfaces: Sequence[str] | None) -> list[str]:
    """This machine's addresses on the interfaces; loopback only if it has no other."""
    if interfaces:
        return [str(ipaddress.ip_address(each)) for each in interfaces]
    try:
        from ifaddr import get_adapters
    except ImportError:
        raise MissingExtraError("zeroconf", "discovery") from None
    every = [str(ip.ip) for adapter in get_adapters() for ip in adapter.ips if ip.is_IPv4]
    outside = [each for each in every if not ipaddress.ip_address(each).is_loopback]
    return outside or every
