"""Who may ask: loopback only by default, a token when bound wider."""

import hmac
import ipaddress
import secrets
from urllib.parse import SplitResult, quote, unquote, urlsplit

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgeflow.config import settings
from edgeflow.web.problems import problem_response

__all__ = ["Access", "AccessRules", "is_loopback"]

COOKIE = "edgeflow_token"
OPEN_PATHS = frozenset({"/", "/dashboard", "/docs", "/health", "/healthz", "/readyz"})
"""Probes, and pages that hold no data but ask for the token."""
OPEN_FOLDER = "/static/"
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "SAMEORIGIN",
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
        "connect-src 'self' ws: wss:; frame-ancestors 'self'"
    ),
}
"""Added unless a route of the user's own says otherwise."""

log = structlog.get_logger(__name__)


def is_loopback(host: str) -> bool:
    """Return whether ``host`` names this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class AccessRules:
    """What a server bound to ``host`` demands.

    Attributes:
        token: what clients must present, or None when nothing is demanded.
        loopback: the server can be reached from this machine only.
    """

    def __init__(self, host: str) -> None:
        self.loopback = is_loopback(host)
        self.token = settings.TOKEN
        if not self.loopback and self.token is None:
            if settings.INSECURE:
                log.warning("dashboard_unprotected", host=host, because="EDGEFLOW_INSECURE=1")
            else:
                self.token = secrets.token_urlsafe(18)

    def admits(self, given: str | None) -> bool:
        """Return whether ``given`` opens the server."""
        if self.token is None:
            return True
        return given is not None and hmac.compare_digest(given.encode(), self.token.encode())


class Access:
    """ASGI middleware that applies the rules and adds the security headers."""

    def __init__(self, app: ASGIApp, rules: AccessRules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        refusal = self._refusal(request)
        cookie = self._new_cookie(request)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if cookie is not None:
                    headers.append("set-cookie", cookie)
            await send(message)

        answer = self._app if refusal is None else problem_response(*refusal)
        await answer(scope, receive, send_with_headers)

    def _refusal(self, request: HTTPConnection) -> tuple[int, str, str] | None:
        authority = request.headers.get("host", "")
        host = _parts(f"//{authority}").hostname or ""
        if self._rules.loopback and not is_loopback(host):
            return 403, f"host {host!r} is not this machine", "open it as http://localhost"
        origin = request.headers.get("origin")
        if origin is not None and _changes(request) and _parts(origin).netloc != authority:
            return 403, f"origin {origin!r} is not this server", "open its own dashboard instead"
        if _is_open(request.scope["path"]) or any(map(self._rules.admits, _given(request))):
            return None
        return 401, "a token is needed", "send Authorization: Bearer TOKEN, or open ?token=TOKEN"

    def _new_cookie(self, request: HTTPConnection) -> str | None:
        """Return the cookie that keeps the token of the address, if that is the right one."""
        given = request.query_params.get("token")
        if given is None or self._rules.token is None or not self._rules.admits(given):
            return None
        return f"{COOKIE}={quote(given, safe='')}; Path=/; HttpOnly; SameSite=Strict"


def _parts(address: str) -> SplitResult:
    """Return the parts of an address that anybody may have written."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _changes(request: HTTPConnection) -> bool:
    """Tell whether a page of another site must not send this in the user's name."""
    return request.scope.get("method") not in ("GET", "HEAD")


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)


def _given(request: HTTPConnection) -> tuple[str | None, ...]:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return (
        token.strip() if scheme.lower() == "bearer" else None,
        request.query_params.get("token"),
        unquote(request.cookies.get(COOKIE, "")) or None,
    )
