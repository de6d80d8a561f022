"""Which addresses are heard: this machine's, and those of networks that were listed."""

import ipaddress
from collections.abc import Sequence

import structlog

from edgeflow.errors import ConfigError

__all__ = ["AllowList"]

KNOWN_ADDRESSES = 8192
"""Answers kept, so that most datagrams cost one look-up."""

log = structlog.get_logger(__name__)


class AllowList:
    """Tells whether an address is heard.

    Args:
        networks: in CIDR, such as ``192.168.4.0/24``.

    Raises:
        ConfigError: one of them is no network.
    """

    def __init__(self, networks: Sequence[str] = ()) -> None:
        self._networks = [_network(text) for text in networks]
        self._known: dict[str, bool] = {}

    def admits(self, host: str) -> bool:
        """Return whether ``host``, an address as a socket tells it, is heard."""
        known = self._known.get(host)
        if known is None:
            known = self._look(host)
            if len(self._known) >= KNOWN_ADDRESSES:
                self._known.clear()
            self._known[host] = known
            if not known:
                log.warning("node_refused", address=host, hint="list its network to allow it")
        return known

    def _look(self, host: str) -> bool:
        address = ipaddress.ip_address(host.partition("%")[0])
        own = getattr(address, "ipv4_mapped", None) or address
        return own.is_loopback or any(own in network for network in self._networks)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is no network: {error}", hint="such as 192.168.4.0/24"
        ) from None
