"""The HTTP server of a virtual node: one request at a time, as on the board."""

import socket
import socketserver
import sys
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import structlog

from edgeflow._native.updates import bearer_matches
from edgeflow.protocols.rvf import HEADER_BYTES, MAX_BYTES

if TYPE_CHECKING:
    from edgeflow.devices.virtual.csi_update import UpdatableNode

__all__ = ["NodeServer"]

log = structlog.get_logger(__name__)

MAX_BODY = 1 << 31
_POLL = 0.05


class NodeServer(socketserver.TCPServer):
    """Listens while a node's firmware runs.

    Raises:
        OSError: the port cannot be listened on.
    """

    request_queue_size = 3
    timeout = _POLL

    def __init__(self, node: "UpdatableNode") -> None:
        self.node = node
        self.connection: socket.socket | None = None
        self.address_family = socket.AF_INET6 if ":" in node.host else socket.AF_INET
        super().__init__((node.host, node.port), _Handler, bind_and_activate=False)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self.server_bind()
            self.server_activate()
        except OSError:
            self.server_close()
            raise

    def drop(self) -> None:
        """End the connection that is served now."""
        connection = self.connection
        if connection is not None:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note what ended a connection; the node goes on."""
        log.debug("connection_failed", peer=str(client_address), error=repr(sys.exc_info()[1]))


class _Handler(BaseHTTPRequestHandler):
    server: NodeServer
    wbufsize = -1  # so that an answer leaves in one piece

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.node.times.silence)
        self.server.connection = self.connection
        if self.server.node.stopping:  # it was accepted when nobody looked for it any more
            self.server.drop()

    def finish(self) -> None:
        self.server.connection = None
        super().finish()

    def do_GET(self) -> None:
        if self._has_answered_for_modules():
            return
        if self.path == "/ota/status":
            self._send(200, self.server.node.status())
        else:
            self._send(404, b'{"status":"error","error":"not_found"}')

    def do_DELETE(self) -> None:
        if not self._has_answered_for_modules():
            self._send(404, b'{"status":"error","error":"not_found"}')

    def _has_answered_for_modules(self) -> bool:
        """Leave what is under /wasm/ to the node's modules, where it has any."""
        modules = self.server.node.modules
        if modules is None or not self.path.startswith("/wasm/"):
            return False
        length = self.headers.get("Content-Length", "")
        count = int(length) if length.isascii() and length.isdigit() and len(length) < 11 else 0
        asked = self.command, self.path, self.headers.get("Authorization")
        body, refusal = b"", None
        for stop in (0, HEADER_BYTES, MAX_BYTES):
            body += self.rfile.read(min(count, stop) - len(body))
            refusal = modules.refusal(*asked, count, body)
            if refusal is not None:
                break
        said = refusal or modules.answer(*asked, body)
        if not modules.power_lost:  # otherwise nobody is there to answer
            self._send(*said)
        return True

    def do_POST(self) -> None:
        if self._has_answered_for_modules():
            return
        node = self.server.node
        routes = {"/ota": self._take, "/ota/rollback": node.updates.may_go_back}
        route = routes.get(self.path)
        if route is None:
            self._send(404, b'{"status":"error","error":"not_found"}')
        elif not bearer_matches(self.headers.get("Authorization"), node.psk):
            self._tell(403, "not_allowed")
        else:
            code, word = route()
            if node.updates.power_lost:
                return  # nobody is there to answer
            self._tell(code, word)
            if not word:
                node.restart_soon(back=self.path == "/ota/rollback")

    def _take(self) -> tuple[int, str]:
        length = self.headers.get("Content-Length", "")
        count = int(length) if length.isascii() and length.isdigit() and len(length) < 11 else 0
        return self.server.node.updates.receive(min(count, MAX_BODY), self._read)

    def _read(self, most: int) -> bytes | None:
        if self.server.node.stopping:
            return b""
        try:
            return self.rfile.read1(most)
        except TimeoutError:
            return None
        except OSError:
            return b""

    def _tell(self, code: int, word: str) -> None:
        body = f'{{"status":"error","error":"{word}"}}' if word else '{"status":"ok"}'
        log.debug("update_answered", port=self.server.node.port, path=self.path, failure=word)
        self._send(code, body.encode())

    def _send(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
        """Requests are no news."""
