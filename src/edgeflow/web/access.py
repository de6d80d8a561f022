"""Who may ask: loopback only by default, a token when bound wider."""

import hmac
import ipaddress
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgeflow.config import settings
from edgeflow.web.problems import problem_response

__all__ = ["Access", "AccessRules", "is_loopback"]

COOKIE = "edgeflow_token"
OPEN_PATHS = frozenset({"/", "/dashboard", "/docs", "/health", "/healthz", "/readyz"})
"""Probes, and pages that hold no data but ask for the token."""
OPEN_FOLDER = "/static/"
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
        b"connect-src 'self' ws: wss:; frame-ancestors 'self'",
    ),
]

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
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 4000 + refusal[0]})
            else:
                await problem_response(*refusal)(scope, receive, send)
            return
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [None])[0]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
                if given is not None and self._rules.token is not None:
                    cookie = f"{COOKIE}={given}; Path=/; HttpOnly; SameSite=Strict"
                    message["headers"].append((b"set-cookie", cookie.encode("latin-1")))
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope, headers: dict[bytes, str]) -> tuple[int, str, str] | None:
        host = urlsplit(f"//{headers.get(b'host', '')}").hostname or ""
        if self._rules.loopback and not is_loopback(host):
            return 403, f"host {host!r} is not this machine", "open it as http://localhost"
        origin = headers.get(b"origin")
        foreign = origin is not None and urlsplit(origin).netloc != headers.get(b"host")
        if scope["type"] == "websocket" and foreign:
            return 403, f"origin {origin!r} is not this server", ""
        if _is_open(scope["path"]) or self._rules.admits(_given(scope, headers)):
            return None
        return 401, "a token is needed", "send Authorization: Bearer TOKEN, or open ?token=TOKEN"


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)


def _given(scope: Scope, headers: dict[bytes, str]) -> str | None:
    authorization = headers.get(b"authorization", "")
    if authorization.startswith("Bearer "):
        return authorization.removeprefix("Bearer ").strip()
    query: str | None = parse_qs(scope["query_string"].decode("latin-1")).get("token", [None])[0]
    if query is not None:
        return query
    try:
        morsel = SimpleCookie(headers.get(b"cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel is not None else None
