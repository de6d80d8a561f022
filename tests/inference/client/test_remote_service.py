import socket
import threading
import time

import numpy as np
import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from edgeflow.errors import (
    CancelledError,
    DeadlineError,
    EngineError,
    OverloadedError,
    ProtocolError,
    TensorError,
    UnknownModelError,
    UnreachableError,
)
from edgeflow.inference.client.backoff import Retry
from edgeflow.inference.client.breaker import BreakerRule
from edgeflow.inference.client.gateways import Gateway
from edgeflow.inference.client.remote import RemoteService
from edgeflow.inference.client.standing import Standings
from edgeflow.inference.engines.base import Engine
from edgeflow.inference.requests import InferRequest
from edgeflow.inference.servers.tensor import TensorServer, TensorServerOptions
from edgeflow.observe.activity import ActivityBook
from servers import free_port
from tensor_peers import NumpyService, ServerProcess, VersionOneServer, spec_of

LONG = 20.0


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def request(model: str = "double", *values: float, **more) -> InferRequest:
    return InferRequest(model, {"x": floats(*(values or (1.0,)))}, **more)


def until(condition, seconds: float = LONG):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)
    return found


@pytest.fixture
def local():
    made = NumpyService()
    made.gate = threading.Event()

    def wait(x):
        assert made.gate.wait(LONG)
        return (x,)

    made.add("double", "x:f4:?", "y:f4:?", lambda x: (x * 2,))
    made.add("wait", "x:f4:?", "y:f4:?", wait)
    made.add("broken", "x:f4:?", "y:f4:?", lambda x: 1 / 0)
    made.add("long", "x:i8:?", "y:i8:? n:?:1", lambda x: (x + 1, np.array([True])))
    yield made
    made.gate.set()
    made.close()


@pytest.fixture
def server(local):
    options = TensorServerOptions(control=True)
    with TensorServer(local, port=0, options=options) as running:
        yield running


@pytest.fixture
def book():
    return ActivityBook()


@pytest.fixture
def connect(book):
    opened = []

    def build(*ports: int, timeout: float = LONG, gateway=None, rule=None, **options):
        gateways = [
            Gateway(port=port, name=f"g{index}", timeout_s=timeout, **(gateway or {}))
            for index, port in enumerate(ports)
        ]
        opened.append(RemoteService(gateways, standings=Standings(rule, book.add), **options))
        return opened[-1]

    yield build
    for service in opened:
        service.close()


def test_it_answers_as_the_gateway_does(connect, server, local):
    service = connect(server.port)
    answer = service.infer(request("double", 1, 2, request_id="mine", client="me", priority=2))
    assert answer.outputs["y"].tolist() == [2, 4]
    assert (answer.model, answer.version, answer.request_id) == ("double", "1", "mine")
    assert local.seen[-1].priority == 2
    got = service.infer(InferRequest("long", [np.array([2**40])], outputs=["y"]))
    assert got.outputs["y"].tolist() == [2**40 + 1]
    assert list(got.outputs) == ["y"]
    for wrong, kind in {
        "nobody": UnknownModelError, "long": TensorError, "broken": EngineError,
    }.items():  # fmt: skip
        with pytest.raises(kind):
            service.infer(request(wrong))


def test_what_it_tells_of_models(connect, server, local):
    service = connect(server.port)
    info = service.info("long")
    assert info.spec == local.info("long").spec
    assert info.labels == ("cat", "dog")
    with pytest.raises(UnknownModelError):
        service.info("nobody")
    states = {status.name: status for status in service.status()}
    assert set(states) == {"double", "wait", "broken", "long"}
    assert (states["double"].engine, states["double"].device) == ("remote", "g0")
    assert states["double"].breaker == "closed"
    assert service.is_ready()
    assert service.is_ready("double")
    assert not service.is_ready("nobody")
    service.load("double")
    service.unload("double")
    assert not service.is_ready("double")
    with pytest.raises(UnknownModelError):
        service.load("double")


def test_many_threads_share_few_connections(connect, server):
    service = connect(server.port, gateway={"pool_size": 3})
    failures = []

    def work(number: int) -> None:
        try:
            for turn in range(30):
                assert service.infer(request("double", number, turn)).first[0] == 2 * number
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert 1 <= len(server._desk.connections) <= 3


def test_a_request_that_is_withdrawn_is_withdrawn_at_the_gateway(connect, server, local):
    service = connect(server.port)
    outcomes = []
    for _ in range(2):
        service.submit(request("wait"), outcomes.append)
    until(lambda: len(local.seen) == 2)
    ticket = service.submit(request("double"), outcomes.append)
    until(lambda: len(local.seen) == 3)
    ticket.cancel()
    ticket.cancel()
    until(lambda: outcomes)
    assert isinstance(outcomes[0], CancelledError)
    time.sleep(0.05)
    local.gate.set()
    until(lambda: len(outcomes) == 3)
    until(lambda: local.cancelled)
    assert local.cancelled[0].model == "double"


def test_deadlines(connect, server, local):
    service = connect(server.port, timeout=0.3)
    with pytest.raises(DeadlineError, match="before it was sent"):
        service.infer(request(deadline=time.monotonic() - 1))
    started = time.monotonic()
    with pytest.raises(DeadlineError, match="within"):
        service.infer(request("wait"))
    with pytest.raises(DeadlineError, match="within"):
        service.infer(request("wait", deadline=time.monotonic() + 0.2))
    assert time.monotonic() - started < LONG / 2
    local.gate.set()
    assert service.infer(request()).first[0] == 2


def test_a_version_1_gateway_is_found_out_and_served_over_one_connection(connect):
    old = VersionOneServer()
    try:
        service = connect(old.port, timeout=5.0)
        outcomes = []
        for number in range(10):
            service.submit(request("double", number), outcomes.append)
        until(lambda: len(outcomes) == 10)
        values = sorted(answer.outputs["output0"].view(np.float32)[0] for answer in outcomes)
        assert values == [2 * number for number in range(10)]
        assert old.connections == 2
        with pytest.raises(UnknownModelError):
            service.infer(request("nobody"))
        with pytest.raises(TensorError, match="version 1"):
            service.infer(InferRequest("double", [np.array([2**40])]))
        with pytest.raises(ProtocolError, match="version of a model"):
            service.infer(request(version="3"))
        with pytest.raises(EngineError, match="does not describe"):
            service.info("double")
        with pytest.raises(EngineError, match="cannot load"):
            service.load("double")
        assert service.is_ready("double")
        states = {status.name: status for status in service.status()}
        assert states["double"].state == "ready"
        assert states["double"].inputs == []
    finally:
        old.close()


def test_declared_tensors_give_version_1_names_and_shapes(connect, server):
    old = VersionOneServer()
    try:
        service = connect(old.port, declared={"double": spec_of("x:f4:1,?", "y:f4:1,?")})
        answer = service.infer(InferRequest("double", {"x": floats(1, 2)[None]}, outputs=["y"]))
        assert answer.outputs["y"].tolist() == [[2, 4]]
        assert service.info("double").spec.outputs[0].name == "y"
        with pytest.raises(TensorError, match="takes"):
            service.infer(InferRequest("double", {"z": floats(1)}))
        with pytest.raises(TensorError, match="no output"):
            service.infer(InferRequest("double", [floats(1)], outputs=["z"]))
    finally:
        old.close()


def test_version_1_can_be_asked_for(connect, server):
    service = connect(server.port, gateway={"protocol": 1, "pool_size": 4})
    declared = connect(
        server.port, gateway={"protocol": 1}, declared={"double": spec_of("x:f4:?", "y:f4:2,?")}
    )
    assert service.infer(request("double", 3)).outputs["output0"].view(np.float32)[0] == 6
    assert declared.infer(request("double", 3, 4)).outputs["y"].tolist() == [[6], [8]]
    with pytest.raises(EngineError, match="declared"):
        declared.infer(request("double", 3))


def test_a_killed_gateway_is_tried_again_until_it_is_back(connect):
    first = ServerProcess(delay=0.2)
    patient = BreakerRule(failures=1000)  # a new process may take its time
    retry = Retry(attempts=1000, first_s=0.05, factor=1)
    service = connect(first.port, rule=patient, retry=retry, timeout=90.0)
    assert service.infer(request()).first[0] == 2
    outcomes = []
    for number in range(6):
        service.submit(request("double", number), outcomes.append)
    time.sleep(0.1)
    first.kill9()
    second = ServerProcess(first.port)
    try:
        until(lambda: len(outcomes) == 6, 90.0)
        assert sorted(answer.first[0] for answer in outcomes) == [0, 2, 4, 6, 8, 10]
        (standing,) = service._client.standings
        assert standing.retries > 0
    finally:
        second.kill9()


def test_without_a_gateway_it_gives_up_within_the_deadline(connect):
    service = connect(free_port(), retry=Retry(attempts=1000, first_s=0.02, factor=1))
    started = time.monotonic()
    with pytest.raises((UnreachableError, OverloadedError)):
        service.infer(request(deadline=started + 0.3))
    assert time.monotonic() - started < LONG / 2
    assert not service.is_ready()
    (status,) = service.status()
    assert (status.name, status.state) == ("double", "unreachable")
    with pytest.raises(UnreachableError):
        service.info("double")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_breaker_opens_is_told_and_closes_again(connect, book):
    port = free_port()
    clock = Clock()
    rule = BreakerRule(failures=3, rest_s=60, clock=clock)
    service = connect(port, retry=Retry(attempts=1), rule=rule)
    for _ in range(3):
        with pytest.raises(UnreachableError):
            service.infer(request())
    with pytest.raises(OverloadedError, match="circuit breaker"):
        service.infer(request())
    assert service.status()[0].breaker == "open"
    registry = CollectorRegistry(auto_describe=False)
    registry.register(type("Door", (), {"collect": lambda _: service.collect()})())
    lines = generate_latest(registry).decode().splitlines()
    assert 'edgeflow_gateway_breaker_state{gateway="g0",model="double"} 2.0' in lines
    assert 'edgeflow_gateway_breaker_trips_total{gateway="g0",model="double"} 1.0' in lines
    assert 'edgeflow_gateway_errors_total{gateway="g0",model="double"} 3.0' in lines
    back = ServerProcess(port)
    try:
        clock.now += 61
        assert service.infer(request()).first[0] == 2
    finally:
        back.kill9()
    states = [entry.detail["state"] for entry in book.activities()]
    assert states == ["open", "half-open", "closed"]
    assert {entry.kind for entry in book.activities()} == {"breaker"}


def test_a_model_that_fails_trips_only_its_own_breaker(connect, server):
    rule = BreakerRule(failures=2, rest_s=60)
    service = connect(server.port, rule=rule, retry=Retry(attempts=2, first_s=0.01))
    for _ in range(2):
        with pytest.raises(EngineError, match="division"):
            service.infer(request("broken"))
    with pytest.raises(OverloadedError, match="circuit breaker"):
        service.infer(request("broken"))
    for _ in range(5):
        with pytest.raises(UnknownModelError):
            service.infer(request("nobody"))
    assert service.infer(request()).first[0] == 2


def test_a_gateway_that_hangs_is_given_up_and_found_again(connect):
    process = ServerProcess()
    try:
        service = connect(process.port)
        assert service.infer(request()).first[0] == 2
        process.pause()
        with pytest.raises(DeadlineError):
            service.infer(request(deadline=time.monotonic() + 0.3))
        process.resume()
        assert service.infer(request()).first[0] == 2
    finally:
        process.kill9()


def test_one_lost_connection_is_one_failure(connect):
    process = ServerProcess(delay=5)
    service = connect(
        process.port, retry=Retry(attempts=1), rule=BreakerRule(failures=2),
        gateway={"pool_size": 1},
    )  # fmt: skip
    outcomes = []
    for _ in range(4):
        service.submit(request(), outcomes.append)
    (pool,) = until(lambda: list(service._client.pools.values()))
    until(lambda: pool.connections)
    time.sleep(0.1)
    process.kill9()
    until(lambda: len(outcomes) == 4)
    assert {type(outcome) for outcome in outcomes} == {UnreachableError}
    (standing,) = service._client.standings
    assert standing.errors == 4
    assert standing.breaker.state == "closed"


def test_affinity_chooses_the_gateway_and_failure_the_next(connect, local):
    with TensorServer(local, port=0) as left, TensorServer(local, port=0) as right:
        service = connect(
            left.port, right.port,
            affinity={"double": "g1", "long": ["g0", "g1"]},
            retry=Retry(attempts=1),
        )  # fmt: skip
        for _ in range(5):
            service.infer(request())
        assert (left._desk.succeeded, right._desk.succeeded) == (0, 5)
        service.infer(InferRequest("long", [np.array([1])]))
        assert left._desk.succeeded == 1
        left.stop()
        service.infer(InferRequest("long", [np.array([1])]))
        assert right._desk.succeeded == 6
        right.stop()
        with pytest.raises(UnreachableError):
            service.infer(request())


def test_an_overloaded_gateway_hands_over_to_the_next(connect, local):
    full = NumpyService(capacity=0)
    full.add("double", "x:f4:?", "y:f4:?", lambda x: (x,))
    with TensorServer(full, port=0) as left, TensorServer(local, port=0) as right:
        service = connect(left.port, right.port, affinity={"*": ["g0", "g1"]})
        assert service.infer(request()).first[0] == 2
        alone = connect(left.port)
        with pytest.raises(OverloadedError, match="wait"):
            alone.infer(request())
    full.close()


class Constant(Engine):
    name = "constant"
    spec = spec_of("x:f4:?", "y:f4:?")

    def _run(self, inputs):
        return {"y": np.full_like(inputs["x"], 5)}

    def close(self) -> None: ...


def test_fallbacks_to_a_model_an_engine_and_a_service(connect, server, local):
    local.add("cheap", "x:f4:?", "y:f4:?", lambda x: (x + 100,))
    service = connect(
        server.port,
        fallbacks={"broken": "cheap", "gone": Constant(), "nobody": "cheap"},
    )
    answer = service.infer(request("broken"))
    assert (answer.model, answer.first[0]) == ("cheap", 101)
    with pytest.raises(UnknownModelError):
        service.infer(request("nobody"))
    away = connect(
        free_port(), retry=Retry(attempts=1),
        fallbacks={"double": Constant(), "long": local, "broken": "cheap"},
    )  # fmt: skip
    answer = away.infer(InferRequest("double", [floats(1)], request_id="7", outputs=["y"]))
    assert (answer.model, answer.first[0], answer.request_id) == ("constant", 5, "7")
    with pytest.raises(TensorError):
        away.infer(InferRequest("double", [floats(1), floats(2)]))
    assert away.infer(InferRequest("long", [np.array([1])])).outputs["y"][0] == 2
    with pytest.raises(UnreachableError):
        away.infer(request("broken"))
    assert {each.fallbacks for each in away._client.standings if each.model == "double"} == {2}


def test_closing_ends_what_is_under_way(connect, server, local):
    service = connect(server.port)
    outcomes = []
    service.submit(request("wait"), outcomes.append)
    until(lambda: local.seen)
    started = time.monotonic()
    service.close()
    assert time.monotonic() - started < 6  # under 3 s on an idle machine
    assert isinstance(outcomes[0], EngineError | UnreachableError)
    service.submit(request(), outcomes.append)
    assert isinstance(outcomes[1], CancelledError)
    with pytest.raises(CancelledError):
        service.info("double")
    service.close()


def test_questions_from_inside_an_outcome_are_refused(connect, server):
    service = connect(server.port)
    problems = []

    def done(_) -> None:
        try:
            service.info("double")
        except EngineError as error:
            problems.append(str(error))

    service.submit(request(), done)
    until(lambda: problems)
    assert "done callback" in problems[0]


@pytest.mark.parametrize("reply", [b"\xff\xff\xff\xff" + bytes(100), b"\x04\0\0\0abcd", b""])
def test_a_peer_that_talks_nonsense_is_an_error(connect, reply):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        over = threading.Event()

        def talk() -> None:
            while not over.is_set():
                try:
                    peer, _ = listener.accept()
                except TimeoutError:
                    continue
                with peer:
                    peer.settimeout(LONG)
                    peer.recv(10)
                    peer.sendall(reply)

        thread = threading.Thread(target=talk)
        thread.start()
        service = connect(listener.getsockname()[1], retry=Retry(attempts=1))
        with pytest.raises((ProtocolError, UnreachableError)):
            service.infer(request())
        over.set()
        thread.join(5)


def test_a_late_answer_costs_nobody_else_the_connection(connect, server, local):
    service = connect(server.port, gateway={"pool_size": 1})
    outcomes = []
    service.submit(request("wait"), outcomes.append)
    until(lambda: local.seen)
    for _ in range(3):
        with pytest.raises(DeadlineError):
            service.infer(request("wait", deadline=time.monotonic() + 0.1))
    assert {status.name for status in service.status()} >= {"wait", "double"}
    assert len(server._desk.connections) == 1
    local.gate.set()
    until(lambda: outcomes)
    assert outcomes[0].first[0] == 1
    (standing,) = service._client.standings
    assert standing.retries == 0


def test_only_so_many_requests_wait_for_a_gateway(server, local):
    outcomes: list[object] = []
    service = RemoteService([Gateway(port=server.port, timeout_s=LONG)], max_waiting=20)
    try:
        for _ in range(50):
            service.submit(request("wait"), outcomes.append)
        assert len(outcomes) == 30
        assert all(isinstance(each, OverloadedError) for each in outcomes)
        local.gate.set()
        until(lambda: len(outcomes) == 50)
        assert service.infer(request(), timeout=LONG).first[0] == 2
    finally:
        service.close()
