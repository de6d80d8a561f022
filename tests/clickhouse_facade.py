"""ClickHouse's HTTP interface over chdb, as a process that tests start, kill and start again.

``python clickhouse_facade.py FOLDER PORT PASSWORD`` serves on loopback until it is killed.
"""

import contextlib
import email
import re
import subprocess
import sys
import tempfile
import threading
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from servers import _die_with_parent

USER = "tester"
# What the transport means for itself, or asks of answers that are not sent that way here.
TRANSPORT = {
    "client_protocol_version",
    "compress",
    "decompress",
    "enable_http_compression",
    "http_headers_progress_interval_ms",
    "query_id",
    "send_progress_in_http_headers",
    "session_id",
    "wait_end_of_query",
}


class Facade:
    """A server as a process of its own, over a folder that outlives it."""

    def __init__(self, folder: Path, port: int, password: str = "secret") -> None:
        self.folder, self.port, self.password = folder, port, password
        self.url = f"clickhouse://{USER}:{password}@127.0.0.1:{port}/iot"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, __file__, str(self.folder), str(self.port), self.password]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - it only calls prctl
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "ready"

    @contextlib.contextmanager
    def losing_answers(self) -> Iterator[None]:
        """Take rows, and close the connection instead of saying so."""
        mark = self.folder.with_suffix(".lose")
        mark.touch()
        try:
            yield
        finally:
            mark.unlink()

    def kill(self) -> None:
        """End it at once, without a chance to write anything."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@contextlib.contextmanager
def running(folder: Path, port: int) -> Iterator[Facade]:
    """A server for the time of a block."""
    made = Facade(folder, port)
    made.start()
    try:
        yield made
    finally:
        made.kill()


class Server(ThreadingHTTPServer):
    """Clients that are killed are nothing to tell of."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One request: a question in the query or body, values and settings beside it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    path_of_data = ""
    password = ""
    writing = threading.Lock()

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def log_message(self, *_: Any) -> None:
        pass

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(parts)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        return _unpacked(body, self.headers.get("Content-Encoding", ""))

    def _answer(self, body: bytes) -> None:
        asked = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if self.headers.get("Content-Type", "").startswith("multipart/form-data"):
            asked |= _fields(self.headers["Content-Type"], body)
            body = b""
        question = asked.pop("query", "").encode()
        question = question + b"\n" + body if question and body else question or body
        if urlsplit(self.path).path == "/ping" or not question:
            return self._send(200, b"Ok.\n")
        name, _, password = (
            b64decode(self.headers.get("Authorization", "").removeprefix("Basic ") + "==")
            .decode()
            .partition(":")
        )
        name = self.headers.get("X-ClickHouse-User", name)
        if (name, self.headers.get("X-ClickHouse-Key", password)) != (USER, self.password):
            return self._send(403, b"Code: 516. DB::Exception: Authentication failed.", code=516)
        try:
            answer = _run(self.path_of_data, question, asked)
            lose = Path(self.path_of_data).with_suffix(".lose")
            if question.lstrip().startswith(b"INSERT") and lose.exists():
                self.close_connection = True
                return None
            return self._send(200, answer)
        except RuntimeError as error:
            found = re.search(r"Code: (\d+)", str(error))
            return self._send(500, str(error).encode(), code=int(found[1]) if found else 1)

    def _send(self, status: int, body: bytes, code: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-ClickHouse-Server-Display-Name", "facade")
        if code:
            self.send_header("X-ClickHouse-Exception-Code", str(code))
        self.end_headers()
        self.wfile.write(body)


def _run(path: str, question: bytes, asked: dict[str, str]) -> bytes:
    import chdb

    connection = chdb.connect(path)
    try:
        if database := asked.pop("database", ""):
            connection.query(f"USE `{database}`")
        values = {}
        for name, value in asked.items():
            if name.startswith("param_"):
                values[name.removeprefix("param_")] = value
            elif name not in TRANSPORT:
                quoted = value.replace("\\", "\\\\").replace("'", "\\'")
                connection.query(f"SET {name} = '{quoted}'")
        inserted = re.match(rb"\s*(INSERT INTO .*?)\s+FORMAT Native ?\n", question, re.S)
        if inserted is None:
            return bytes(connection.query(question.decode(), "TabSeparated", params=values).bytes())
        with tempfile.NamedTemporaryFile(suffix=".native") as file:
            file.write(question[inserted.end() :])
            file.flush()
            connection.query(f"{inserted[1].decode()} FROM INFILE '{file.name}' FORMAT Native")
        return b""
    finally:
        connection.close()


def _fields(kind: str, body: bytes) -> dict[str, str]:
    message = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    found = {}
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            payload = part.get_payload(decode=True)
            found[name] = payload.decode() if isinstance(payload, bytes) else ""
    return found


def _unpacked(body: bytes, encoding: str) -> bytes:
    if encoding == "lz4":
        import lz4.frame

        return bytes(lz4.frame.decompress(body))
    if encoding == "zstd":
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return body


def main() -> None:
    folder, port, password = sys.argv[1:]
    import chdb

    keep = chdb.connect(folder)
    Handler.path_of_data, Handler.password = folder, password
    server = Server(("127.0.0.1", int(port)), Handler)
    print("ready", flush=True)
    server.serve_forever()
    keep.close()


if __name__ == "__main__":
    main()
