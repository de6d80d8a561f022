import socket
import threading
import time

import numpy as np
import pytest

from edgeflow.inference.client import blocking
from edgeflow.inference.client.backoff import Retry
from edgeflow.inference.client.blocking import SLICE_SECONDS, let_wait, send_some
from edgeflow.inference.client.sync import TensorClient
from edgeflow.inference.requests import InferRequest
from edgeflow.inference.servers.tensor import TensorServer
from tensor_peers import NumpyService


def test_receiving_waits_for_a_while_and_sending_does_not() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        let_wait(ours)
        begun = time.monotonic()
        with pytest.raises(BlockingIOError):
            ours.recv(1)
        assert time.monotonic() - begun > SLICE_SECONDS / 2
        threading.Timer(0.02, theirs.send, (b"x",)).start()
        assert ours.recv(1) == b"x"
        with pytest.raises(BlockingIOError):
            while True:
                send_some(ours, [b"x" * 100_000])


def test_what_does_not_go_at_once_is_returned() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        data = np.arange(1_000_000, dtype=np.float32)
        parts = [b"head", data.data, bytearray(b"tail")]
        rest = send_some(ours, parts)
        left = sum(map(len, rest))
        assert 0 < left < data.nbytes + 8
        found = bytearray()
        while len(found) < data.nbytes + 8 - left:
            found += theirs.recv(1 << 20)
        assert bytes(found) + b"".join(rest) == b"head" + data.tobytes() + b"tail"
        assert send_some(theirs, [b"all"]) == []


def test_a_system_that_writes_times_otherwise_is_asked_without_waiting(monkeypatch) -> None:
    monkeypatch.setattr(blocking, "_SLICE", b"odd")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        let_wait(ours)
        assert ours.gettimeout() == 0
    service = NumpyService()
    service.add("double", "x:f4:?", "y:f4:?", lambda x: (x * 2,))
    request = InferRequest("double", [np.ones(1, np.float32)])
    try:
        with (
            TensorServer(service, port=0) as server,
            TensorClient(port=server.port, timeout=20) as client,
        ):
            assert client.infer(request).first.tolist() == [2]
    finally:
        service.close()


def test_a_server_that_leaves_right_after_an_answer_is_found_again() -> None:
    service = NumpyService()
    service.add("double", "x:f4:?", "y:f4:?", lambda x: (x * 2,))
    request = InferRequest("double", [np.ones(1, np.float32)])
    try:
        with TensorServer(service, port=0) as server:
            client = TensorClient(port=server.port, timeout=20, retry=Retry(attempts=8))
            assert client.infer(request).first.tolist() == [2]
        assert client.is_open
        with TensorServer(service, port=server.port):
            assert client.infer(request).first.tolist() == [2]
        client.close()
    finally:
        service.close()
