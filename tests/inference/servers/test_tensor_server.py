import re
import socket
import struct
import threading
import time

import numpy as np
import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from edgeflow.errors import ConfigError
from edgeflow.inference.servers.tensor import TensorServer, TensorServerOptions
from edgeflow.protocols.tensor import v2
from edgeflow.protocols.tensor.wire import Limits
from tensor_peers import NumpyService, PublicClient

LIMITS = Limits()


@pytest.fixture
def service():
    made = NumpyService()
    gate = made.gate = threading.Event()

    def wait(x):
        assert gate.wait(20)
        return (x,)

    made.add("double", "x:f4:?", "y:f4:?", lambda x: (x * 2,))
    made.add("sum3", "a:f4:2,? b:i4:3 c:f2:1", "s:f4: n:i4:3", lambda a, b, c: (a.sum() + c[0], b))
    made.add("half", "x:f2:?", "y:f2:?", lambda x: (x + np.float16(1),))
    made.add("image", "x:f4:1,3,224,224", "y:f4:?", lambda x: (x.mean(axis=(0, 2, 3)),))
    made.add("wait", "x:f4:?", "y:f4:?", wait)
    made.add("broken", "x:f4:?", "y:f4:?", lambda x: 1 / 0)
    made.add("big", "x:f4:1", "y:f4:?", lambda x: (np.full(1_000_000, x[0]),))
    made.add("text", "x:f4:1", "y:f4:?", lambda x: (np.array(["text"]),))
    yield made
    gate.set()
    made.close()


@pytest.fixture
def server(service):
    with TensorServer(service, port=0) as running:
        yield running


def until(condition, seconds: float = 60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def ask(peer: PublicClient, request: v2.Request) -> v2.Response:
    peer.socket.sendall(b"".join(v2.encode_request(request)))
    return hear(peer)


def hear(peer: PublicClient) -> v2.Response:
    frame = peer._exactly(struct.unpack("<I", peer._exactly(4))[0])
    return v2.decode_response(frame, LIMITS)


THREE = (np.ones((2, 2), np.float32), np.array([1, 2, 3], np.int32), np.array([0.5], np.float16))


def test_public_clients_from_one_and_eight_connections_with_one_and_three_inputs(server):
    failures = []

    def work(number: int) -> None:
        try:
            with PublicClient(server.port) as peer:
                for turn in range(20):
                    status, (blob,) = peer.infer("double", floats(number, turn))
                    assert status == 0
                    assert np.frombuffer(blob, np.float32).tolist() == [2 * number, 2 * turn]
                    status, blobs = peer.infer("sum3", *THREE)
                    assert status == 0
                    assert np.frombuffer(blobs[0], np.float32)[0] == 4.5
                    assert np.frombuffer(blobs[1], np.int32).tolist() == [1, 2, 3]
        except BaseException as error:
            failures.append(error)

    work(0)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []


def test_the_layout_of_the_reference_server_is_understood(server):
    body = struct.pack("<4sHHIII", b"TRT\x01", 1, 0, 4, 3, 0) + b"sum3"
    body += struct.pack("<BBiiI", 0, 2, 2, 2, 16) + struct.pack("<BBiI", 3, 1, 3, 12)
    body += struct.pack("<BBiI", 1, 1, 1, 2) + b"".join(array.tobytes() for array in THREE)
    with PublicClient(server.port) as peer:
        peer.socket.sendall(struct.pack("<I", len(body)) + body)
        status, blobs = peer.receive()
    assert status == 0
    assert np.frombuffer(blobs[0], np.float32)[0] == 4.5


def test_a_frame_that_parses_both_ways_is_settled_by_the_model(service, server):
    service.add("first", "x:i1:2 y:i1:1,0", "s:i4:1", lambda x, y: (x.sum(keepdims=True),))
    service.add("other", "x:i1:2 y:f4:?,0", "s:i4:1", lambda x, y: (x.sum(keepdims=True),))
    inputs = np.array([0, 2], np.int8), np.zeros((1, 0), np.int8)
    with PublicClient(server.port) as peer:
        for model, total in {"first": 2, "other": 0}.items():
            status, (blob,) = peer.infer(model, *inputs)
            assert (status, blob[0]) == (0, total)
        assert peer.infer("nobody", *inputs) == (2, [])
        assert peer.infer("double", *inputs) == (3, [])
        assert peer.infer("double", floats(1))[0] == 0


def test_every_status(service, server):
    with PublicClient(server.port) as peer:
        assert peer.infer("nobody", floats(1)) == (2, [])
        assert peer.infer("double", np.zeros((2, 2), np.float32)) == (3, [])
        assert peer.infer("double", np.zeros(2, np.int32)) == (3, [])
        assert peer.infer("double", floats(1), floats(2)) == (3, [])
        assert peer.infer("double") == (3, [])
        assert peer.infer("broken", floats(1)) == (4, [])
        assert peer.infer("text", floats(1)) == (4, [])
        assert peer.infer("double", floats(3))[0] == 0
    service._capacity = 0
    with PublicClient(server.port) as peer:
        assert peer.infer("double", floats(1)) == (5, [])


def test_late_requests_are_answered_deadline(service, server):
    with PublicClient(server.port) as peer:
        for number in range(2):
            peer.socket.sendall(
                b"".join(v2.encode_request(v2.Request(number, "wait", [floats(1)])))
            )
        until(lambda: len(service.seen) == 2)
        peer.socket.sendall(
            b"".join(v2.encode_request(v2.Request(9, "double", [floats(1)], deadline_ms=1)))
        )
        until(lambda: len(service.seen) == 3)
        time.sleep(0.01)
        service.gate.set()
        answers = {answer.request_id: answer for answer in (hear(peer) for _ in range(3))}
    assert (answers[9].status, answers[9].text) == (6, "too late")
    assert answers[0].status == 0


def test_fp16_and_scalars_travel(server):
    with PublicClient(server.port) as peer:
        status, (blob,) = peer.infer("half", np.arange(3, dtype=np.float16))
        assert (status, np.frombuffer(blob, np.float16).tolist()) == (0, [1, 2, 3])


def test_a_large_tensor_arrives_as_an_aligned_view(service, server):
    image = np.random.default_rng(1).random((1, 3, 224, 224), np.float32)
    with PublicClient(server.port) as peer:
        status, (blob,) = peer.infer("image", image)
    assert status == 0
    assert np.allclose(np.frombuffer(blob, np.float32), image.mean(axis=(0, 2, 3)), atol=1e-5)
    got = service.seen[-1].inputs["x"]
    assert got.base is not None
    assert not got.flags.writeable
    assert got.__array_interface__["data"][0] % 64 == 0


def test_pipelined_version_1_is_answered_in_order(service, server):
    with PublicClient(server.port) as peer:
        peer.socket.sendall(
            peer.request("wait", floats(1)) + peer.request("double", floats(2))
            + peer.request("nobody", floats(3)) + peer.request("double", floats(4))
        )  # fmt: skip
        until(lambda: service.computed == 2)
        service.gate.set()
        got = [peer.receive() for _ in range(4)]
    assert [status for status, _ in got] == [0, 0, 2, 0]
    assert np.frombuffer(got[3][1][0], np.float32).tolist() == [8]


def test_pipelined_version_2_is_answered_as_it_comes(service, server):
    with PublicClient(server.port) as peer:
        peer.socket.sendall(b"".join(v2.encode_request(v2.Request(1, "wait", {"x": floats(1)}))))
        fast = ask(peer, v2.Request(2, "double", {"x": floats(2)}))
        assert (fast.request_id, fast.model, fast.version) == (2, "double", "1")
        assert fast.outputs["y"].tolist() == [4]
        service.gate.set()
        assert hear(peer).request_id == 1


def test_hundreds_of_requests_in_flight_are_all_answered(server):
    count = 1000
    with PublicClient(server.port) as peer:
        stream = b"".join(peer.request("double", floats(number)) for number in range(count))
        sender = threading.Thread(target=peer.socket.sendall, args=(stream,))
        sender.start()
        for number in range(count):
            status, (blob,) = peer.receive()
            assert (status, np.frombuffer(blob, np.float32)[0]) == (0, 2 * number)
        sender.join(10)


def test_version_2_tells_names_versions_and_texts(service, server):
    with PublicClient(server.port) as peer:
        request = v2.Request(
            1, "sum3", dict(zip("abc", THREE, strict=True)), outputs=["n"], client="me", priority=3
        )
        answer = ask(peer, request)
        assert list(answer.outputs) == ["n"]
        seen = service.seen[-1]
        assert re.fullmatch(r"127\.0\.0\.1/\d+/me", seen.client)
        assert seen.priority == 3
        refusal = ask(peer, v2.Request(2, "nobody", [floats(1)]))
        assert (refusal.status, refusal.text) == (2, "no model 'nobody'")
        assert "takes" in ask(peer, v2.Request(3, "double", [THREE[1]])).text
        assert "division" in ask(peer, v2.Request(4, "broken", [floats(1)])).text
        assert "cannot be sent" in ask(peer, v2.Request(5, "text", [floats(1)])).text
        described = ask(peer, v2.Request(6, "double", kind=v2.Kind.DESCRIBE))
        assert '"labels":["cat","dog"]' in described.text
        assert ask(peer, v2.Request(7, "nobody", kind=v2.Kind.DESCRIBE)).status == 2
        assert '"double"' in ask(peer, v2.Request(8, kind=v2.Kind.LIST)).text
        assert '"edgeflow"' in ask(peer, v2.Request(9, kind=v2.Kind.PING)).text
        forbidden = ask(peer, v2.Request(10, "double", kind=v2.Kind.UNLOAD))
        assert forbidden.status == 4
        assert "double" in service.models


def test_control_can_be_allowed(service):
    with (
        TensorServer(service, port=0, options=TensorServerOptions(control=True)) as server,
        PublicClient(server.port) as peer,
    ):
        assert ask(peer, v2.Request(1, "double", kind=v2.Kind.LOAD)).status == 0
        assert ask(peer, v2.Request(2, "double", kind=v2.Kind.UNLOAD)).status == 0
        assert ask(peer, v2.Request(3, "double", kind=v2.Kind.LOAD)).status == 2


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n" + b"x" * 2**20,
        struct.pack("<I", 0),
        struct.pack("<I", 5) + b"TRT\x01\x01",
        struct.pack("<I", 20) + b"TRT\x01" + struct.pack("<HHIII", 9, 0, 0, 0, 0),
        struct.pack("<I", 20) + b"TRT\x01" + struct.pack("<HHIII", 1, 0, 2**31, 0, 0),
        struct.pack("<I", 0xFFFFFFFF) + b"TRT\x01" + struct.pack("<HHIII", 1, 0, 0, 0, 0),
        PublicClient.request("double", floats(1))[:-2] + b"\0\0"
        + PublicClient.request("double", floats(1))[:18] + b"\xff\xff\xff\xff" + b"\0" * 40,
    ],
)  # fmt: skip
def test_malformed_frames_are_answered_and_then_closed(server, raw):
    with PublicClient(server.port) as peer, PublicClient(server.port) as other:
        peer.socket.sendall(raw)
        status, blobs = peer.receive()
        if status == 0:
            status, blobs = peer.receive()
        assert (status, blobs) == (1, [])
        assert peer.is_closed()
        assert other.infer("double", floats(1))[0] == 0


def test_malformed_version_2_keeps_the_connection_where_the_stream_is_in_step(server):
    good = b"".join(v2.encode_request(v2.Request(3, "double", [floats(1)])))
    bad = bytearray(good)
    bad[4 + 6] = 77
    with PublicClient(server.port) as peer:
        peer.socket.sendall(bad + good)
        answers = {answer.status: answer for answer in (hear(peer), hear(peer))}
        assert answers[1].request_id == 3
        assert "kind 77" in answers[1].text
        assert answers[0].request_id == 3
        peer.socket.sendall(struct.pack("<I", 2**32 - 1) + good[4:])
        answer = hear(peer)
        assert (answer.status, answer.request_id) == (1, 3)
        assert "limit" in answer.text
        assert peer.is_closed()


def test_truncated_frames_time_out_but_idle_clients_do_not(service):
    options = TensorServerOptions(read_timeout_s=0.3)
    with (
        TensorServer(service, port=0, options=options) as server,
        PublicClient(server.port) as idle,
        PublicClient(server.port) as cut,
    ):
        assert idle.infer("double", floats(1))[0] == 0
        for part in (b"\x08", PublicClient.request("double", floats(1))[:-1]):
            with PublicClient(server.port) as short:
                short.socket.sendall(part)
                assert short.receive() == (1, [])
                assert short.is_closed()
        cut.socket.sendall(struct.pack("<I", 60_000_000) + b"TRT\x01" + bytes(70_000))
        assert cut.receive() == (1, [])
        assert idle.infer("double", floats(1))[0] == 0


def test_any_number_of_idle_clients_hurts_nobody(server):
    idle = [PublicClient(server.port) for _ in range(100)]
    try:
        with PublicClient(server.port) as peer:
            assert peer.infer("double", floats(1))[0] == 0
    finally:
        for each in idle:
            each.socket.close()


def test_one_client_too_many_is_told_so(service):
    options = TensorServerOptions(max_clients=1)
    with TensorServer(service, port=0, options=options) as server:
        with PublicClient(server.port) as first:
            assert first.infer("double", floats(1))[0] == 0
            with PublicClient(server.port) as second:
                assert second.infer("double", floats(1)) == (5, [])
                assert second.is_closed()
            with PublicClient(server.port) as third:
                answer = ask(third, v2.Request(1, "double", [floats(1)]))
                assert answer.status == 5
                assert "clients" in answer.text
        until(lambda: not server._desk.connections)
        with PublicClient(server.port) as next_one:
            assert next_one.infer("double", floats(1))[0] == 0


def test_a_client_that_leaves_withdraws_what_it_asked_for(service, server):
    with PublicClient(server.port) as peer:
        for _ in range(2):
            peer.socket.sendall(peer.request("wait", floats(1)))
        until(lambda: len(service.seen) == 2)
        for _ in range(5):
            peer.socket.sendall(peer.request("double", floats(1)))
        until(lambda: len(service.seen) == 7)
    until(lambda: not server._desk.connections)
    service.gate.set()
    until(lambda: len(service.cancelled) == 5)
    until(lambda: server._desk.cancelled == 7)
    assert server._desk.memory == 0


def test_a_client_that_does_not_read_is_held_back_and_then_dropped(service):
    options = TensorServerOptions(
        write_timeout_s=0.5, max_in_flight=4, write_buffer_bytes=1 << 16, min_bytes_per_s=1 << 30
    )
    with TensorServer(service, port=0, options=options) as server:
        slow = PublicClient(server.port)
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.socket.sendall(slow.request("big", floats(1)) * 100)
        with PublicClient(server.port) as other:
            until(lambda: service.computed >= 1)
            assert other.infer("double", floats(1))[0] == 0
            until(lambda: len(server._desk.connections) == 1, 60)
            assert service.computed < 30
            assert other.infer("double", floats(1))[0] == 0
        slow.socket.close()


def test_a_slow_reader_gets_everything_in_the_end(service):
    options = TensorServerOptions(max_in_flight=2, write_buffer_bytes=1 << 16)
    with (
        TensorServer(service, port=0, options=options) as server,
        PublicClient(server.port) as slow,
    ):
        slow.socket.sendall(slow.request("big", floats(7)) * 5)
        for _ in range(5):
            time.sleep(0.02)
            status, (blob,) = slow.receive()
            assert (status, len(blob)) == (0, 4_000_000)


def test_requests_of_one_client_in_flight_are_bounded(service):
    options = TensorServerOptions(max_in_flight=3)
    with (
        TensorServer(service, port=0, options=options) as server,
        PublicClient(server.port) as greedy,
        PublicClient(server.port) as other,
    ):
        greedy.socket.sendall(greedy.request("wait", floats(1)) * 50)
        until(lambda: len(service.seen) == 3)
        other.socket.sendall(other.request("double", floats(1)))
        until(lambda: len(service.seen) == 4)
        assert sum(request.model == "wait" for request in service.seen) == 3
        service.gate.set()
        assert other.receive()[0] == 0
        assert [greedy.receive()[0] for _ in range(50)] == [0] * 50


def test_memory_of_all_requests_is_bounded(service):
    image = np.zeros((1, 3, 224, 224), np.float32)
    options = TensorServerOptions(max_memory=500_000)
    with (
        TensorServer(service, port=0, options=options) as server,
        PublicClient(server.port) as peer,
    ):
        assert peer.infer("image", image) == (5, [])
        assert peer.infer("double", np.zeros(50_000, np.float32))[0] == 0
        assert peer.infer("image", image) == (5, [])
        with PublicClient(server.port) as liar:
            liar.socket.sendall(struct.pack("<I", 400_000) + b"TRT\x01\x01\x00" + bytes(600))
            until(lambda: server._desk.memory == 400_000)
            assert peer.infer("double", np.zeros(50_000, np.float32)) == (5, [])
            assert peer.infer("double", floats(1))[0] == 0
        until(lambda: server._desk.memory == 0)
        assert peer.infer("double", np.zeros(50_000, np.float32))[0] == 0


def test_addresses_that_are_not_allowed_are_turned_away(service):
    server = TensorServer(service, "0.0.0.0", 0, options=TensorServerOptions(allow=["10.1.0.0/16"]))
    with server, PublicClient(server.port) as peer:
        assert peer.infer("double", floats(1))[0] == 0
        for host, allowed in {
            "10.1.2.3": True, "::ffff:10.1.2.3": True, "10.2.0.1": False, "fe80::1%eth0": False,
            "::1": True, "nonsense": False,
        }.items():  # fmt: skip
            assert server._desk._is_allowed(host) is allowed, host
    with pytest.raises(ConfigError, match="not a network"):
        TensorServer(service, port=0, options=TensorServerOptions(allow=["home"]))


def test_a_port_in_use_is_named(service, server):
    with pytest.raises(ConfigError, match="no such port"):
        TensorServer(service, port=70_000)
    with pytest.raises(ConfigError, match=str(server.port)):
        TensorServer(service, port=server.port)


def test_stopping_answers_what_is_under_way_and_is_quick(service):
    server = TensorServer(service, port=0).start()
    with PublicClient(server.port) as peer, PublicClient(server.port):
        peer.socket.sendall(peer.request("wait", floats(5)))
        until(lambda: service.seen)
        threading.Timer(0.2, service.gate.set).start()
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 6  # under 3 s on an idle machine
        assert peer.receive()[0] == 0
        assert peer.is_closed()
    server.stop()
    assert not server._thread.is_alive()
    with pytest.raises(OSError):
        PublicClient(server.port, 1)


def test_stopping_does_not_wait_for_ever(service):
    server = TensorServer(service, port=0).start()
    with PublicClient(server.port) as peer:
        peer.socket.sendall(peer.request("wait", floats(5)))
        until(lambda: service.seen)
        server.stop()
        assert not server._thread.is_alive()
        assert peer.is_closed()
    service.gate.set()


def test_metrics(server):
    class Door:
        def collect(self):
            return server.collect()

    with PublicClient(server.port) as peer:
        for _ in range(3):
            peer.infer("double", floats(1))
        peer.infer("broken", floats(1))
        peer.infer("x" * 100, floats(1))
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Door())
        lines = generate_latest(registry).decode().splitlines()
    assert "eig_requests_total 3.0" in lines
    assert "eig_errors_total 2.0" in lines
    name = "edgeflow_tensor_requests_total"
    assert name + '{model="double",protocol="1",status="ok"} 3.0' in lines
    assert name + '{model="broken",protocol="1",status="failed"} 1.0' in lines
    assert name + '{model="",protocol="1",status="unknown_model"} 1.0' in lines
    assert "edgeflow_tensor_request_seconds_count 5.0" in lines
    assert "edgeflow_tensor_clients 1.0" in lines
    assert "edgeflow_tensor_memory_bytes 0.0" in lines
