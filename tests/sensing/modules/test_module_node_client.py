"""What answers at a node's address may be anything."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from edgeflow.errors import ConfigError, EdgeFlowError, ProtocolError, UnreachableError
from edgeflow.sensing.modules.node_client import NodeModules


@contextmanager
def served(said: Any, status: int = 200) -> Iterator[NodeModules]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode())

        def log_message(self, *_: object) -> None:
            """Requests are no news."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield NodeModules("127.0.0.1", server.server_address[1], "0123456789abcdef")
        finally:
            server.shutdown()
            thread.join(10)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.0 200 OK\r\n\r\n"], ids=["head", "body"])
def test_a_node_that_talks_slowly_is_left(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgeflow.sensing.modules.node_client.ALL_SECONDS", 0.5)
    over = threading.Event()

    def drip(server: socket.socket) -> None:
        line, _ = server.accept()
        with line, suppress(OSError):
            line.sendall(start)
            while not over.wait(0.02):
                line.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,), daemon=True)
        thread.start()
        try:
            with pytest.raises(UnreachableError, match="too long"):
                NodeModules("127.0.0.1", server.getsockname()[1], "0123456789abcdef").list()
        finally:
            over.set()
            thread.join(10)


def test_a_list_has_nothing_that_is_not_printable() -> None:
    module = {"id": 0, "name": "\x1b[2Jgone", "state": "running", "more": ["\n", {"x": "\x07"}]}
    with served({"modules": [module], "max": 4}) as node:
        shown = {"id": 0, "name": "", "state": "running", "more": ["", {"x": ""}]}
        assert node.list() == {"modules": [shown], "max": 4}


@pytest.mark.parametrize("said", [{}, {"modules": {}}, {"modules": [1]}, {"modules": None}, []])
def test_a_list_that_is_none(said: Any) -> None:
    with served(said) as node, pytest.raises(ProtocolError):
        node.list()


@pytest.mark.parametrize("reason", ["\x1b[2J", 7, None, ["x"]])
def test_a_refusal_in_strange_words(reason: Any) -> None:
    with served({"error": reason}, 403) as node, pytest.raises(ConfigError) as refused:
        node.list()
    error: EdgeFlowError = refused.value
    assert str(error).isprintable()
