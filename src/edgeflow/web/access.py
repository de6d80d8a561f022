"""Who may ask: loopback only by default, a token when bound wider."""

from urllib.parse import quote, unquote

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgeflow.security.access import AccessRules, Refusal, bearer, is_loopback
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

    def _refusal(self, request: HTTPConnection) -> Refusal | None:
        return self._rules.refusal(
            request.headers.get("host", ""),
            request.headers.get("origin"),
            _given(request),
            changes=request.scope.get("method") not in ("GET", "HEAD"),
            is_open=_is_open(request.scope["path"]),
        )

    def _new_cookie(self, request: HTTPConnection) -> str | None:
        """Return the cookie that keeps the token of the address, if that is the right one."""
        given = request.query_params.get("token")
        if given is None or self._rules.token is None or not self._rules.admits(given):
            return None
        return f"{COOKIE}={quote(given, safe='')}; Path=/; HttpOnly; SameSite=Strict"


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)


def _given(request: HTTPConnection) -> tuple[str | None, ...]:
    return (
        bearer(request.headers.get("authorization", "")),
        request.query_params.get("token"),
        unquote(request.cookies.get(COOKIE, "")) or None,
    )
