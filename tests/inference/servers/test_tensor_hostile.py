"""The tensor server under junk, over TLS, and with everybody leaving at once."""

import contextlib
import random
import socket
import ssl
import struct
import subprocess
import threading
import time

import numpy as np
import pytest

from edgeflow.inference.client.gateways import Gateway
from edgeflow.inference.client.remote import RemoteService
from edgeflow.inference.client.sync import TensorClient
from edgeflow.inference.requests import InferRequest
from edgeflow.inference.servers.tensor import TensorServer, TensorServerOptions
from edgeflow.protocols.tensor import v1, v2
from edgeflow.protocols.tensor.wire import Limits
from tensor_peers import NumpyService, PublicClient

ONE = np.ones(3, np.float32)


@pytest.fixture
def service():
    made = NumpyService()
    made.add("double", "x:f4:?", "y:f4:?", lambda x: (x * 2,))
    yield made
    made.close()


def until(condition, seconds: float = 60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


def good_messages() -> list[bytes]:
    return [
        b"".join(v1.encode_request("double", [ONE])),
        b"".join(v1.encode_request("double", [ONE, ONE], descriptors_first=True)),
        b"".join(v1.encode_request("double", [np.ones(20_000, np.float32)])),
        b"".join(v2.encode_request(v2.Request(1, "double", {"x": ONE}, outputs=["y"]))),
        b"".join(v2.encode_request(v2.Request(2, "double", [ONE], deadline_ms=5, priority=-3))),
        *(
            b"".join(v2.encode_request(v2.Request(3, "double", kind=kind)))
            for kind in v2.Kind
        ),
    ]  # fmt: skip


def damaged(draw: random.Random) -> bytes:
    stream = bytearray(b"".join(draw.choices(good_messages(), k=draw.randint(1, 4))))
    for _ in range(draw.randint(1, 6)):
        stream[draw.randrange(min(len(stream), 400))] = draw.choice((0, 1, 2, 127, 255))
    if draw.random() < 0.3:
        del stream[draw.randrange(len(stream)) :]
    return bytes(stream)


def test_a_storm_of_damaged_streams_leaves_nothing_behind(service):
    draw = random.Random(3)
    options = TensorServerOptions(read_timeout_s=0.5, limits=Limits(frame_bytes=1 << 20))
    with TensorServer(service, port=0, options=options) as server:
        for _ in range(250):
            with PublicClient(server.port) as peer, contextlib.suppress(OSError):
                peer.socket.setblocking(False)
                peer.socket.send(damaged(draw))
                if draw.random() < 0.5:
                    peer.socket.setblocking(True)
                    peer.socket.settimeout(0.02)
                    peer.socket.recv(1000)
        with PublicClient(server.port) as peer:
            assert peer.infer("double", ONE)[0] == 0
        until(lambda: not server._desk.connections)
        until(lambda: server._desk.memory == 0)


def test_lying_lengths_of_many_clients_take_no_memory(service):
    options = TensorServerOptions(max_memory=100 << 20)
    liars = []
    with TensorServer(service, port=0, options=options) as server:
        for _ in range(40):
            liar = PublicClient(server.port)
            liar.socket.sendall(struct.pack("<I", 60 << 20) + b"TRT\x01\x01\x00" + bytes(1000))
            liars.append(liar)
        until(lambda: len(server._desk.connections) == 40)
        until(lambda: server._desk.memory == 60 << 20)
        with PublicClient(server.port) as peer:
            assert peer.infer("double", np.ones(100_000, np.float32))[0] == 0
        for liar in liars:
            liar.socket.close()
        until(lambda: server._desk.memory == 0)


def test_frames_that_never_come_give_way_to_those_that_do(service):
    options = TensorServerOptions(max_memory=100 << 20, read_timeout_s=600.0)
    announced = struct.pack("<I", 49 << 20) + b"TRT\x01\x01\x00" + bytes(1000)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(TensorServer(service, port=0, options=options))
        for _ in range(2):
            liar = stack.enter_context(PublicClient(server.port))
            liar.socket.sendall(announced)
        until(lambda: server._desk.memory == 98 << 20)
        peer = stack.enter_context(PublicClient(server.port))
        until(lambda: peer.infer("double", np.ones(1 << 20, np.float32))[0] == 0)
        assert server._desk.memory == 0


def test_what_a_withdrawal_carries_is_not_kept(service):
    cancel = v2.Request(1, "double", {"x": np.ones(1 << 20, np.float32)}, kind=v2.Kind.CANCEL)
    message = b"".join(v2.encode_request(cancel))
    with TensorServer(service, port=0) as server, PublicClient(server.port) as peer:
        for _ in range(3):
            peer.socket.sendall(message)
        assert peer.infer("double", ONE)[0] == 0
        assert server._desk.memory == 0


def test_everybody_leaves_in_the_middle(service):
    with TensorServer(service, port=0) as server:
        image = np.ones(150_000, np.float32)
        message = PublicClient.request("double", image)
        for cut in (3, 100, 5_000, 300_000, len(message) - 1, len(message)):
            peers = [PublicClient(server.port) for _ in range(5)]
            for peer in peers:
                peer.socket.sendall(message[:cut])
            for peer in peers:
                linger = struct.pack("ii", 1, 0)
                peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                peer.socket.close()
        until(lambda: not server._desk.connections)
        until(lambda: server._desk.memory == 0)
        with PublicClient(server.port) as peer:
            assert peer.infer("double", image)[0] == 0


def test_starting_and_stopping_under_load(service):
    for _ in range(3):
        server = TensorServer(service, port=0).start()
        over = threading.Event()

        def work(port: int = server.port, over: threading.Event = over) -> None:
            with contextlib.suppress(OSError), PublicClient(port) as peer:
                while not over.is_set():
                    peer.infer("double", ONE)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        until(lambda server=server: server._desk.succeeded > 20)
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 6  # under 3 s on an idle machine
        over.set()
        for thread in threads:
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture
def certificate(tmp_path):
    path = tmp_path / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    path.write_text((tmp_path / "key.pem").read_text() + (tmp_path / "cert.pem").read_text())
    return path


def test_all_of_it_over_tls(service, certificate):
    front = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    front.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    image = np.ones(150_000, np.float32)
    with TensorServer(service, port=0, tls=front) as server:
        with TensorClient(port=server.port, timeout=20.0, tls=trusting) as client:
            for _ in range(3):
                assert client.infer(InferRequest("double", [image])).first[-1] == 2
            asked = [InferRequest("double", [ONE * number]) for number in range(100)]
            assert [each.first[0] for each in client.stream(asked)] == list(range(0, 200, 2))
        remote = RemoteService([Gateway(port=server.port, timeout_s=20.0, tls=trusting)])
        assert remote.infer(InferRequest("double", [image])).first[-1] == 2
        remote.close()
        with PublicClient(server.port) as plain, contextlib.suppress(OSError):
            plain.socket.sendall(PublicClient.request("double", ONE))
            assert plain.socket.recv(1)[:1] != b"\x10"
