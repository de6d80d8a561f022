"""``RemoteService.infer`` on a connection of the thread that asks."""

import threading
import time

import numpy as np
import pytest

from edgeflow.errors import CancelledError, OverloadedError
from edgeflow.inference.client.breaker import BreakerRule
from edgeflow.inference.client.gateways import Gateway
from edgeflow.inference.client.remote import RemoteService
from edgeflow.inference.client.standing import Standings
from edgeflow.inference.requests import InferRequest
from edgeflow.inference.servers.tensor import TensorServer
from servers import free_port
from tensor_peers import NumpyService, ServerProcess

LONG = 20.0


class LeftError(Exception):
    pass


def ask(service, model="double", **more):
    return service.infer(InferRequest(model, {"x": np.ones(1, np.float32)}, **more)).first[0]


def connect(*ports, rule=None, **options):
    gateways = [Gateway(port=port, name=f"g{n}", timeout_s=LONG) for n, port in enumerate(ports)]
    return RemoteService(gateways, standings=Standings(rule), **options)


def figures(service):
    (each,) = service._client.standings
    return each


@pytest.fixture
def local():
    made = NumpyService()
    made.gate = threading.Event()
    made.add("double", "x:f4:?", "y:f4:?", lambda x: (x * 2,))
    made.add("wait", "x:f4:?", "y:f4:?", lambda x: (x,) if made.gate.wait(LONG) else 1 / 0)
    yield made
    made.gate.set()
    made.close()


def test_it_is_taken_once_the_gateway_is_known(local):
    with TensorServer(local, port=0) as server:
        service = connect(server.port)
        assert [ask(service) for _ in range(5)] == [2] * 5
        assert service._direct.connections("g0") == 1
        assert figures(service).requests == 5
        assert figures(service).times.count == 5
        service.close()
        with pytest.raises(CancelledError):
            ask(service)
        assert service._direct.connections("g0") == 0


def test_a_gateway_that_starts_again_is_a_retry_and_no_failure():
    port = free_port()
    service = connect(port, rule=BreakerRule(failures=1))
    for _ in range(2):
        process = ServerProcess(port)
        try:
            assert [ask(service, deadline=time.monotonic() + LONG) for _ in range(3)] == [2] * 3
            assert service._direct.connections("g0") == 1
        finally:
            process.kill9()
    assert figures(service).breaker.state == "closed"
    service.close()


def test_what_the_check_raises_ends_the_wait(local):
    with TensorServer(local, port=0) as server:
        service = connect(server.port)
        ask(service)
        begun = time.monotonic()

        def check():
            if time.monotonic() > begun + 0.1:
                raise LeftError

        with pytest.raises(LeftError):
            service.infer(InferRequest("wait", {"x": np.ones(1, np.float32)}), LONG, check)
        assert time.monotonic() - begun < LONG / 2
        local.gate.set()
        assert ask(service) == 2
        assert figures_of(service, "wait").breaker.state == "closed"
        service.close()


def test_close_ends_who_waits(local):
    with TensorServer(local, port=0) as server:
        service = connect(server.port)
        ask(service)
        found = []

        def work():
            try:
                ask(service, "wait")
            except CancelledError as error:
                found.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        deadline = time.monotonic() + LONG
        while not any(seen.model == "wait" for seen in local.seen):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        service.close()
        thread.join(LONG)
        assert len(found) == 1


def test_an_overloaded_gateway_hands_over_to_the_next_and_is_asked_once(local):
    full = NumpyService(capacity=0)
    full.add("double", "x:f4:?", "y:f4:?", lambda x: (x,))
    with TensorServer(full, port=0) as left, TensorServer(local, port=0) as right:
        service = connect(left.port, right.port, affinity={"*": ["g0", "g1"]})
        assert [ask(service) for _ in range(3)] == [2] * 3
        assert {each.gateway: each.errors for each in service._client.standings} == {
            "g0": 3,
            "g1": 0,
        }
        service.close()
        alone = connect(left.port)
        for _ in range(2):
            with pytest.raises(OverloadedError):
                ask(alone)
        alone.close()
    full.close()


def figures_of(service, model):
    return next(each for each in service._client.standings if each.model == model)
