"""Long bodies over HTTP, however they are cut, followed by more on the same connection."""

import http.client
import json
import random
import socket
import sys
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeflow.inference.servers.http import HttpServer
from edgeflow.inference.servers.http_exchange import Limits
from oip_service import running

ROWS = (1, 2_000, 2_047, 2_048, 20_000, 400_000)
"""Of 8 bytes each: below what is read at once, about it, above it, above one piece of memory."""


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def server(request):
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "asyncio":
            patch.setitem(sys.modules, "uvloop", None)
        with running(HttpServer) as server:
            yield server


class _Reader:
    """Lets ``http.client`` read one answer after the other from a connection."""

    def __init__(self, connection):
        self._file = connection.makefile("rb")
        self.read, self.readinto, self.readline = (
            self._file.read, self._file.readinto, self._file.readline,
        )  # fmt: skip

    def makefile(self, _mode):
        return self

    def close(self):
        """Stay open for the next answer."""

    flush = close


def answer(reader):
    """Return the status, headers and body of the next answer of a connection."""
    response = http.client.HTTPResponse(reader)
    response.begin()
    return response.status, dict(response.getheaders()), response.read()


def request(rows, path="/v2/models/halve/infer"):
    """Return the bytes of one request, and its numbers."""
    numbers = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)
    size = {"binary_data_size": numbers.nbytes}
    tensor = {"name": "x", "datatype": "FP32", "shape": [rows, 2], "parameters": size}
    head = {"inputs": [tensor], "outputs": [{"name": "y", "parameters": {"binary_data": True}}]}
    text = json.dumps(head).encode()
    lines = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n"
        f"Inference-Header-Content-Length: {len(text)}\r\n"
        f"Content-Length: {len(text) + numbers.nbytes}\r\n\r\n"
    )
    return lines.encode() + text + numbers.tobytes(), numbers


def send_in_pieces(connection, stream, seed):
    chance = random.Random(seed)
    at = 0
    while at < len(stream):
        size = chance.choice((1, 100, 5_000, 16_384, 70_000, 1_000_000))
        connection.sendall(stream[at : at + size])
        at += size


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(ROWS), min_size=1, max_size=4), st.integers(0, 1 << 30))
def test_every_request_of_a_stream_is_answered_in_turn(server, sizes, seed):
    asked = [request(rows) for rows in sizes]
    stream = b"".join(sent for sent, _ in asked)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        sender = threading.Thread(target=send_in_pieces, args=(connection, stream, seed))
        sender.start()
        reader = _Reader(connection)
        for _, numbers in asked:
            status, headers, body = answer(reader)
            assert status == 200
            start = int(headers["inference-header-content-length"])
            assert body[start:] == (numbers / 2).tobytes()
        sender.join(30)


@pytest.mark.parametrize("rows", [2_000, 20_000, 400_000])
def test_a_body_that_nobody_wants_does_not_disturb_what_follows(server, rows):
    unwanted, _ = request(rows, "/v2/nothing/here")
    wanted, numbers = request(20_000)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        sender = threading.Thread(target=connection.sendall, args=(unwanted + wanted,))
        sender.start()
        reader = _Reader(connection)
        assert answer(reader)[0] == 404
        status, _, body = answer(reader)
        sender.join(30)
    assert status == 200
    assert body.endswith((numbers / 2).tobytes())


def test_a_body_that_finds_no_memory_half_way_is_read_to_its_end():
    too_long, _ = request(400_000)
    fitting, numbers = request(20_000)
    limits = Limits(body=8 << 20, memory=3 << 19)
    with (
        running(HttpServer, limits=limits) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection,
    ):
        sender = threading.Thread(target=connection.sendall, args=(too_long + fitting,))
        sender.start()
        reader = _Reader(connection)
        assert answer(reader)[0] == 503
        status, _, body = answer(reader)
        sender.join(30)
    assert status == 200
    assert body.endswith((numbers / 2).tobytes())


def test_what_comes_after_a_long_body_must_be_http(server):
    sent, _ = request(20_000)
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(sent + b"\x00\x01\x02\r\n\r\n")
        said = connection.makefile("rb").read()
    assert b"HTTP/1.1 400" in said


def test_clients_that_leave_inside_a_body_leave_nothing_behind(server):
    sent, numbers = request(400_000)
    for share in (0.01, 0.5, 0.99):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(sent[: int(len(sent) * share)])
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(sent)
            status, _, body = answer(_Reader(connection))
        assert status == 200
        assert body.endswith((numbers / 2).tobytes())


def test_a_client_that_asks_whether_to_go_on_is_told_so(server):
    sent, numbers = request(20_000)
    head, _, body = sent.partition(b"\r\n\r\n")
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        status, _, answered = answer(_Reader(connection))
    assert status == 200
    assert answered.endswith((numbers / 2).tobytes())
