import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from edgeflow.inference.client.sync import TensorClient
from edgeflow.inference.local import LocalService
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.inference.servers.tensor import TensorServer
from edgeflow.inference.servers.tensor_socket import descriptor_of, unread, write_now
from edgeflow.protocols.tensor import v2
from edgeflow.protocols.tensor.wire import Limits
from small_models import save_scale
from tensor_peers import NumpyService, PublicClient

LONG = 20.0
X = np.ones((2, 3), np.float32)


class Watched(NumpyService):
    """Computes in the thread that submits where it may, and remembers where it might."""

    def __init__(self) -> None:
        super().__init__()
        self.add("double", "x:f4:?,3", "y:f4:?,3", lambda x: (x * 2,))
        self.add("large", "x:f4:?,3", "y:f4:?", lambda x: (np.full(3_000_000, x[0, 0]),))
        self.inline: list[bool] = []

    def submit(self, request: InferRequest, done):
        self.inline.append(request.inline)
        if not request.inline:
            return super().submit(request, done)
        assert threading.current_thread().name == "edgeflow-tensor"
        x = request.inputs["x"] if isinstance(request.inputs, dict) else request.inputs[0]
        (value,) = self.models[request.model][1](x)
        done(InferResponse(request.model, "1", {"y": value}, request.request_id))
        return _Nothing()


class _Nothing:
    def cancel(self) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Watched]:
    made = Watched()
    yield made
    made.close()


@pytest.fixture
def server(service: Watched) -> Iterator[TensorServer]:
    with TensorServer(service, port=0) as running:
        yield running


def connect(server: TensorServer) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", server.port), LONG)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def message(number: int, model: str = "double") -> bytes:
    request = v2.Request(number, model, {"x": X * number})
    return b"".join(bytes(part) for part in v2.encode_request(request))


def hear(peer: socket.socket) -> v2.Response:
    def exactly(size: int) -> bytes:
        found = b""
        while len(found) < size:
            found += peer.recv(size - len(found)) or pytest.fail("the server hung up")
        return found

    return v2.decode_response(exactly(struct.unpack("<I", exactly(4))[0]), Limits())


def ask(peer: socket.socket, number: int, model: str = "double") -> v2.Response:
    peer.sendall(message(number, model))
    return hear(peer)


def ask_until_inline(peer: socket.socket, service: Watched) -> None:
    end = time.monotonic() + LONG
    while not (service.inline and service.inline[-1]):
        assert time.monotonic() < end
        ask(peer, 1)
        time.sleep(0.01)


def metric(server: TensorServer, name: str) -> float:
    registry = CollectorRegistry()
    registry.register(server)
    for line in generate_latest(registry).decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(name)


def test_the_only_client_that_waits_for_each_answer_is_served_by_the_loop(server, service) -> None:
    with connect(server) as peer:
        began = time.monotonic()
        ask_until_inline(peer, service)
        assert time.monotonic() - began > 0.5, "others might just be silent for a moment"
        for number in range(1, 20):
            answer = ask(peer, number)
            assert (answer.request_id, answer.status) == (number, 0)
            assert np.array_equal(answer.outputs["y"], X * number * 2)
            assert metric(server, "eig_requests_total") == len(service.inline)
            assert metric(server, "edgeflow_tensor_in_flight") == 0
        assert all(service.inline[-15:])


def test_another_client_ends_that(server, service) -> None:
    with connect(server) as peer, connect(server) as other:
        ask_until_inline(peer, service)
        ask(other, 1)
        ask(peer, 1)
        ask(other, 1)
        assert service.inline[-3:] == [False, False, False]


def test_a_client_that_sends_ahead_is_noticed(server, service) -> None:
    with connect(server) as peer:
        ask_until_inline(peer, service)
        total = 40
        for number in range(total):
            peer.sendall(message(number))
        answers = {hear(peer).request_id for _ in range(total)}
        assert answers == set(range(total))
        assert sum(service.inline[-total:]) < 10


def test_version_one_is_served_so_as_well(server, service) -> None:
    with PublicClient(server.port) as peer:
        end = time.monotonic() + LONG
        while not (service.inline and service.inline[-1]):
            assert time.monotonic() < end
            peer.infer("double", X)
            time.sleep(0.01)
        status, (blob,) = peer.infer("double", X * 4)
        assert (status, service.inline[-1]) == (0, True)
        assert np.frombuffer(blob, np.float32).tolist() == [8.0] * 6


def test_a_large_answer_reaches_a_slow_reader_whole(server, service) -> None:
    with connect(server) as peer:
        ask_until_inline(peer, service)
        peer.sendall(message(5, "large"))
        time.sleep(0.2)
        answer = hear(peer)
        assert service.inline[-1]
        assert (answer.outputs["y"] == 5.0).all()
        assert answer.outputs["y"].size == 3_000_000
        assert ask(peer, 3).request_id == 3


def test_real_models_answer_the_same_all_the_way(tmp_path) -> None:
    save_scale(tmp_path / "double.onnx", shape=("n", 3))
    with (
        contextlib.closing(LocalService(tmp_path)) as local,
        TensorServer(local, port=0) as server,
        TensorClient("127.0.0.1", server.port) as client,
    ):
        end = time.monotonic() + 1.6
        number = 0
        while time.monotonic() < end:
            number += 1
            found = client.infer(InferRequest("double", {"x": X * number})).first
            assert np.array_equal(found, X * number * 2)
        assert metric(server, "eig_requests_total") == number
        (status,) = local.status()
        assert (status.requests, status.errors) == (number, 0)


def test_what_a_socket_takes_at_once_is_sent_and_the_rest_is_left() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        parts = [b"head", memoryview(np.arange(4_000_000, dtype=np.uint8)), b"tail"]
        rest = write_now(ours.fileno(), parts)
        left = sum(map(len, rest))
        assert 0 < left < 4_000_008
        found = bytearray()
        while len(found) < 4_000_008 - left:
            found += theirs.recv(1 << 20)
        assert found + b"".join(rest) == b"".join(parts)
        full = [b"x" * 10]
        while write_now(ours.fileno(), full) == []:
            pass
        assert write_now(ours.fileno(), full) == full
    assert write_now(-1, [b"a"]) == [b"a"]


def test_nothing_is_sent_past_encryption() -> None:
    class Transport:
        def get_extra_info(self, name: str) -> object:
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if name == "sslcontext" else None

    assert descriptor_of(Transport()) == -1
    assert unread(-1) == 0
