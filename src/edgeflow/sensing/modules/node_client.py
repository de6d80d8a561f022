"""Modules of a node, over HTTP."""

import http.client
import json
import socket
import threading
from contextlib import suppress
from typing import Any

from edgeflow.errors import ConfigError, ProtocolError, UnreachableError

__all__ = ["NodeModules"]

SECONDS = 15.0
ALL_SECONDS = 60.0
MOST_ANSWER = 64 * 1024


class NodeModules:
    """What a node's ``/wasm`` offers.

    Args:
        host, port: of the node. psk: its key for uploads.

    Every call raises:
        UnreachableError: nobody answers within 15 s of silence, or 60 s in all.
        ConfigError: the node refuses; the message has its reason.
        ProtocolError: the answer is none of a node.
    """

    def __init__(self, host: str, port: int, psk: str) -> None:
        self._host, self._port, self._psk = host, port, psk

    def upload(self, image: bytes) -> dict[str, Any]:
        """Load and start a module; what the node says of it."""
        return self._ask("POST", "/wasm/upload", image)

    def list(self) -> dict[str, Any]:
        """Return the slots: ``modules``, ``loaded`` and ``max``."""
        said = self._ask("GET", "/wasm/list")
        modules = said.get("modules")
        if not isinstance(modules, list) or not all(isinstance(each, dict) for each in modules):
            raise ProtocolError(f"{self._host} lists no modules")
        return said

    def start(self, number: int) -> dict[str, Any]:
        """Let a module run."""
        return self._ask("POST", f"/wasm/start/{number}")

    def stop(self, number: int) -> dict[str, Any]:
        """Call a module no more."""
        return self._ask("POST", f"/wasm/stop/{number}")

    def delete(self, number: int) -> dict[str, Any]:
        """Empty a slot."""
        return self._ask("DELETE", f"/wasm/{number}")

    def _ask(self, method: str, path: str, body: bytes = b"") -> dict[str, Any]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=SECONDS)
        late = threading.Event()
        end: threading.Timer | None = None
        try:
            connection.connect()
            end = threading.Timer(ALL_SECONDS, _hang_up, (connection.sock, late))
            end.daemon = True
            end.start()
            connection.request(method, path, body, {"Authorization": f"Bearer {self._psk}"})
            with connection.getresponse() as answer:
                data = answer.read(MOST_ANSWER)
            if late.is_set():
                raise TimeoutError
        except (OSError, http.client.HTTPException) as error:
            why = "it takes too long" if late.is_set() else str(error)
            raise UnreachableError(
                f"{self._host}:{self._port} does not answer: {why if why.isprintable() else ''}",
                hint="edgeflow ota status asks the same port",
            ) from error
        finally:
            if end is not None:
                end.cancel()
            connection.close()
        return self._read(answer.status, data)

    def _read(self, status: int, data: bytes) -> dict[str, Any]:
        try:
            said = _printable(json.loads(data))
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f"{self._host} answers {status} with no JSON") from error
        if not isinstance(said, dict):
            raise ProtocolError(f"{self._host} answers {status} with JSON that is no object")
        if status != http.HTTPStatus.OK:
            reason = str(said.get("error", ""))[:200]
            raise ConfigError(f"{self._host} refuses ({status}): {reason}", code="EF-DEVICE-403")
        return said


def _hang_up(line: socket.socket, late: threading.Event) -> None:
    late.set()
    with suppress(OSError):  # it is over already
        line.shutdown(socket.SHUT_RDWR)


def _printable(value: Any) -> Any:
    """Return the same with empty texts where they are not printable: terminals are shown them."""
    if isinstance(value, str):
        return value if value.isprintable() else ""
    if isinstance(value, dict):
        return {_printable(name): _printable(each) for name, each in value.items()}
    return [_printable(each) for each in value] if isinstance(value, list) else value
