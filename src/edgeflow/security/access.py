"""Who may ask a server: loopback only by default, a token when bound wider."""

import hmac
import ipaddress
import secrets
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

import structlog

from edgeflow.config import settings

__all__ = ["AccessRules", "Refusal", "bearer", "is_loopback"]

Refusal = tuple[int, str, str]
"""HTTP status, what is wrong, what to do."""

_LONGEST_ADDRESS = 64

log = structlog.get_logger(__name__)


def is_loopback(host: str) -> bool:
    """Return whether ``host`` names this machine only."""
    return host == "localhost" or (len(host) <= _LONGEST_ADDRESS and _is_loopback_address(host))


@lru_cache(maxsize=256)  # every HTTP request asks
def _is_loopback_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def bearer(authorization: str) -> str | None:
    """Return the token of an ``Authorization`` header, or None if it holds none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


class AccessRules:
    """What a server bound to ``host`` demands.

    Attributes:
        token: what clients must present, or None when nothing is demanded.
        loopback: the server can be reached from this machine only.

    Args:
        host: address it is bound to.
        server: what it is called in the log.
    """

    def __init__(self, host: str, server: str = "dashboard") -> None:
        self.loopback = is_loopback(host)
        self.token = settings.TOKEN
        if not self.loopback and self.token is None:
            if settings.INSECURE:
                log.warning(f"{server}_unprotected", host=host, because="EDGEFLOW_INSECURE=1")
            else:
                self.token = secrets.token_urlsafe(18)

    def admits(self, given: str | None) -> bool:
        """Return whether ``given`` opens the server."""
        if self.token is None:
            return True
        return given is not None and hmac.compare_digest(given.encode(), self.token.encode())

    def refusal(
        self,
        authority: str,
        origin: str | None,
        given: Iterable[str | None],
        *,
        changes: bool,
        is_open: bool,
    ) -> Refusal | None:
        """Return why an HTTP request is refused, or None.

        Args:
            authority: its ``Host`` header.
            origin: its ``Origin`` header; pages of other sites must change nothing in the
                user's name.
            given: the tokens it carries.
            changes: it may change something (it is no GET or HEAD).
            is_open: it asks for something that anybody may have.
        """
        host = _parts(f"//{authority}").hostname or ""
        if self.loopback and not is_loopback(host):
            return 403, f"host {host!r} is not this machine", "open it as http://localhost"
        if origin is not None and changes and _parts(origin).netloc != authority:
            return 403, f"origin {origin!r} is not this server", "open its own dashboard instead"
        if is_open or any(map(self.admits, given)):
            return None
        return 401, "a token is needed", "send Authorization: Bearer TOKEN, or open ?token=TOKEN"


def _parts(address: str) -> SplitResult:
    """Return the parts of an address that anybody may have written."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
