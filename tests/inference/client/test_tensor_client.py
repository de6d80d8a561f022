import threading
import time

import numpy as np
import pytest

from edgeflow.errors import (
    DeadlineError,
    EngineError,
    OverloadedError,
    ProtocolError,
    UnknownModelError,
    UnreachableError,
)
from edgeflow.inference.client.backoff import Retry
from edgeflow.inference.client.sync import TensorClient
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.inference.servers.tensor import TensorServer, TensorServerOptions
from servers import free_port
from tensor_peers import NumpyService, ServerProcess, VersionOneServer, spec_of

LONG = 20.0


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def request(model: str = "double", *values: float, **more) -> InferRequest:
    return InferRequest(model, [floats(*(values or (1.0,)))], **more)


@pytest.fixture
def service():
    made = NumpyService()
    made.add("double", "x:f4:?", "y:f4:?", lambda x: (x * 2,))
    made.add("image", "x:f4:1,3,224,224", "y:f4:1,3,224,224", lambda x: (x + 1,))
    made.add("slow", "x:f4:?", "y:f4:?", lambda x: (time.sleep(1), (x,))[1])
    yield made
    made.close()


@pytest.fixture
def server(service):
    with TensorServer(service, port=0) as running:
        yield running


@pytest.mark.parametrize("protocol", [None, 1, 2])
def test_it_answers(server, protocol):
    declared = {"double": spec_of("x:f4:?", "y:f4:?")}
    with TensorClient(
        port=server.port, timeout=LONG, protocol=protocol, declared=declared
    ) as client:
        for turn in range(50):
            assert client.infer(request("double", turn, 1)).outputs["y"].tolist() == [2 * turn, 2]
        with pytest.raises(UnknownModelError):
            client.infer(request("nobody"))
        assert len(server._desk.connections) == 1
        assert client.protocol == (protocol or 2)


def test_large_tensors_come_back_as_views(server):
    image = np.random.default_rng(2).random((1, 3, 224, 224), np.float32)
    with TensorClient(port=server.port, timeout=LONG) as client:
        answer = client.infer(InferRequest("image", {"x": image}))
    assert np.array_equal(answer.first, image + 1)
    assert not answer.first.flags.owndata
    assert answer.first.flags.aligned


def test_descriptions(server, service):
    with TensorClient(port=server.port, timeout=LONG) as client:
        assert client.info("double").spec == service.info("double").spec
        with pytest.raises(UnknownModelError):
            client.info("nobody")
    with (
        TensorClient(port=server.port, protocol=1) as client,
        pytest.raises(ProtocolError, match="version 1"),
    ):
        client.info("double")


@pytest.mark.parametrize("protocol", [1, 2])
def test_a_stream_keeps_the_order_and_tells_errors_in_place(server, protocol):
    with TensorClient(port=server.port, timeout=LONG, protocol=protocol) as client:
        asked = [
            request("nobody" if number % 7 == 3 else "double", number) for number in range(500)
        ]
        outcomes = list(client.stream(asked, window=40))
        for number, outcome in enumerate(outcomes):
            if number % 7 == 3:
                assert isinstance(outcome, UnknownModelError)
            else:
                assert outcome.first.view(np.float32)[0] == 2 * number
        assert len(outcomes) == 500
        assert client.infer(request()).first.view(np.float32)[0] == 2


def test_a_stream_of_large_tensors_both_ways_does_not_stall(service):
    image = np.ones((1, 3, 224, 224), np.float32)
    options = TensorServerOptions(max_in_flight=4)
    with (
        TensorServer(service, port=0, options=options) as server,
        TensorClient(port=server.port, timeout=LONG) as client,
    ):
        outcomes = list(client.stream([InferRequest("image", [image])] * 60, window=50))
    assert all(isinstance(each, InferResponse) and each.first[0, 0, 0, 0] == 2 for each in outcomes)


def test_a_stream_that_is_left_early_does_not_confuse_the_next_call(server):
    with TensorClient(port=server.port, timeout=LONG) as client:
        stream = client.stream((request("double", number) for number in range(100)), window=10)
        assert next(stream).first[0] == 0
        stream.close()
        assert client.infer(request("double", 7)).first[0] == 14


def test_version_1_is_found_out(server):
    old = VersionOneServer()
    try:
        with TensorClient(port=old.port, timeout=LONG) as client:
            assert client.infer(request("double", 4)).outputs["output0"].view(np.float32)[0] == 8
            assert client.protocol == 1
            with pytest.raises(EngineError):
                client.infer(InferRequest("double", [floats(1), floats(2)]))
    finally:
        old.close()


def test_time_limits(server, service):
    with TensorClient(port=server.port, timeout=0.2) as client:
        with pytest.raises(DeadlineError):
            client.infer(request("slow"))
        with pytest.raises((DeadlineError, UnreachableError)):
            client.infer(request(deadline=time.monotonic() - 1))
        until = time.monotonic() + LONG
        assert client.infer(request("slow", 3, deadline=until)).first[0] == 3


def test_nobody_there():
    client = TensorClient(port=free_port(), timeout=0.3, retry=Retry(first_s=0.02, factor=1))
    started = time.monotonic()
    with pytest.raises(UnreachableError):
        client.infer(request())
    assert time.monotonic() - started < LONG / 2


def test_a_server_that_is_killed_and_comes_back(server):
    first = ServerProcess()
    with TensorClient(
        port=first.port, timeout=LONG, retry=Retry(attempts=1000, first_s=0.05, factor=1)
    ) as client:
        assert client.infer(request()).first[0] == 2
        first.kill9()
        started: list[ServerProcess] = []
        back = threading.Timer(0.2, lambda: started.append(ServerProcess(first.port)))
        back.start()
        assert client.infer(request("double", 4)).first[0] == 8
        back.join()
        started[0].kill9()


def test_a_server_without_room_says_so(service):
    with (
        TensorServer(service, port=0, options=TensorServerOptions(max_clients=1)) as server,
        TensorClient(port=server.port, timeout=LONG) as first,
        TensorClient(port=server.port, timeout=LONG) as second,
    ):
        first.infer(request())
        with pytest.raises(OverloadedError, match="clients"):
            second.infer(request())


def test_threads_take_turns(server):
    failures = []
    with TensorClient(port=server.port, timeout=LONG) as client:

        def work(number: int) -> None:
            try:
                for _ in range(50):
                    assert client.infer(request("double", number)).first[0] == 2 * number
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
    assert failures == []
