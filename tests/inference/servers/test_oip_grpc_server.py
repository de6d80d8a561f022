"""The gRPC server as the public client sees it, in the same process."""

import asyncio
import queue
import threading
import time
from contextlib import contextmanager

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from edgeflow.errors import ConfigError
from edgeflow.inference.servers.grpc import GrpcLimits, GrpcServer
from edgeflow.inference.servers.statistics import Statistics
from oip_service import EVERY, every_input, gate, models, running

PAIR = np.array([[1, 2]], np.float32)


@pytest.fixture
def server():
    with running(GrpcServer) as server:
        yield server


@pytest.fixture
def client(server):
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        yield client


def given(arrays, package=triton):
    found = []
    for name, array in arrays.items():
        tensor = package.InferInput(name, array.shape, np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array)
        found.append(tensor)
    return found


def wait_until(true):
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_every_datatype_goes_in_and_comes_out(client):
    inputs = every_input(rows=3)
    result = client.infer("echo", given(inputs), request_id="42")
    assert result.get_response().id == "42"
    for name, array in inputs.items():
        back = result.as_numpy(name.replace("in_", "out_"))
        assert back.dtype == array.dtype
        assert np.array_equal(back, array)


def test_outputs_are_those_asked_for(client):
    inputs = {"INPUT0": np.full((2, 4), 5, "f4"), "INPUT1": np.ones((2, 4), "f4")}
    both = client.infer("add_sub", given(inputs))
    assert both.as_numpy("OUTPUT0").tolist() == [[6] * 4] * 2
    one = client.infer("add_sub", given(inputs), outputs=[triton.InferRequestedOutput("OUTPUT1")])
    assert one.as_numpy("OUTPUT0") is None
    assert one.as_numpy("OUTPUT1").tolist() == [[4] * 4] * 2


def test_numbers_may_be_typed_contents(server):
    tensor = service_pb2.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[1, 2])
    tensor.contents.fp32_contents.extend([4, 8])
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        answer = stub.ModelInfer(
            service_pb2.ModelInferRequest(model_name="halve", model_version="1", inputs=[tensor])
        )
    assert np.frombuffer(answer.raw_output_contents[0], "<f4").tolist() == [2, 4]
    assert answer.model_version == "1"


def test_what_is_told_about_server_and_models(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.get_server_metadata().name == "edgeflow"
    about = client.get_model_metadata("add_sub", as_json=True)
    assert about["inputs"][1] == {"name": "INPUT1", "datatype": "FP32", "shape": ["-1", "4"]}
    config = client.get_model_config("echo").config
    assert config.instance_group[0].count == 2
    assert len({each.data_type for each in config.input}) == len(EVERY)
    assert not client.is_model_ready("halve")
    client.load_model("halve")
    assert client.is_model_ready("halve", "2")
    index = client.get_model_repository_index().models
    assert ("halve", "2", "READY") in [(m.name, m.version, m.state) for m in index]
    client.unload_model("halve")
    assert not client.is_model_ready("halve")
    with pytest.raises(InferenceServerException, match="configuration cannot be sent"):
        client.load_model("halve", config="{}")


def test_statistics_are_shared_with_other_servers():
    statistics = Statistics()
    with (
        running(GrpcServer, statistics=statistics) as server,
        triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client,
    ):
        client.infer("halve", given({"x": PAIR}))
        found = client.get_inference_statistics("halve").model_stats[0]
        assert (found.version, found.inference_stats.success.count) == ("2", 1)
        assert found.batch_stats[0].batch_size == 1
        with pytest.raises(InferenceServerException):
            client.infer("raises", given({"x": PAIR}))
    assert statistics.counts() == {("grpc", "halve", "ok"): 1, ("grpc", "raises", "failed"): 1}


@pytest.mark.parametrize(
    ("model", "inputs", "code", "said"),
    [
        ("nobody", {"x": PAIR}, "NOT_FOUND", "no model 'nobody'"),
        ("raises", {"x": PAIR}, "INTERNAL", "bad mood"),
        ("halve", {"x": PAIR.astype("f8")}, "INVALID_ARGUMENT", "'x' takes float32"),
        ("halve", {"x": PAIR[:, :1]}, "INVALID_ARGUMENT", "'x' takes float32"),
        ("halve", {"y": PAIR}, "INVALID_ARGUMENT", "'y'"),
        ("halve", {"x": np.array([b"text"], object)}, "INVALID_ARGUMENT", "BYTES"),
    ],
)
def test_mistakes_are_told_with_their_code(client, model, inputs, code, said):
    with pytest.raises(InferenceServerException, match=said) as caught:
        client.infer(model, given(inputs))
    assert caught.value.status() == f"StatusCode.{code}"
    assert client.infer("halve", given({"x": PAIR})).as_numpy("y").tolist() == [[0.5, 1]]


def test_bytes_that_are_no_request_are_refused(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        for data in (b"\xff", b"\x3a\xff\xff\xff\xff\x0f", b"\x0a\x02\xff\xff"):
            with pytest.raises(grpc.RpcError) as caught:
                infer(data, timeout=20)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        other = channel.unary_unary("/inference.GRPCInferenceService/TraceSetting")
        with pytest.raises(grpc.RpcError) as caught:
            other(b"", timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_messages_are_bounded():
    with (
        running(GrpcServer, limits=GrpcLimits(message=10_000)) as server,
        triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client,
    ):
        with pytest.raises(InferenceServerException, match="larger than max") as caught:
            client.infer("halve", given({"x": np.ones((5000, 2), "f4")}))
        assert caught.value.status() == "StatusCode.RESOURCE_EXHAUSTED"
        assert client.infer("halve", given({"x": np.ones((50, 2), "f4")})).as_numpy("y").size == 100


def test_a_stream_answers_each_request(client):
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for number in range(200):
        x = np.full((1, 2), number, "f4")
        client.async_stream_infer("halve", given({"x": x}), request_id=str(number))
    client.async_stream_infer("nobody", given({"x": PAIR}), request_id="bad")
    found = {}
    for _ in range(201):
        result, error = answers.get(timeout=20)
        if error is None:
            found[int(result.get_response().id)] = result.as_numpy("y")[0, 0]
        else:
            assert "no model 'nobody'" in error.message()
    client.stop_stream()
    assert found == {number: number / 2 for number in range(200)}


def test_the_public_asyncio_client_works(server):
    async def requests():
        for number in range(20):
            yield {
                "model_name": "halve",
                "inputs": given({"x": PAIR * number}, triton_aio),
                "request_id": str(number),
            }

    async def run():
        async with triton_aio.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
            assert await client.is_model_ready("halve") is False
            results = await asyncio.gather(
                *(client.infer("halve", given({"x": PAIR * n}, triton_aio)) for n in range(8))
            )
            assert [r.as_numpy("y")[0, 0] for r in results] == [n / 2 for n in range(8)]
            seen = set()
            async for result, error in client.stream_infer(requests()):
                assert error is None
                seen.add(int(result.get_response().id))
            assert seen == set(range(20))

    asyncio.run(run())


def block(server):
    """Keep both instances of ``slow`` busy; return the threads that wait for them."""

    def ask():
        with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
            client.infer("slow", given({"x": PAIR}))

    blockers = [threading.Thread(target=ask) for _ in range(2)]
    for blocker in blockers:
        blocker.start()
        assert gate.entered.acquire(timeout=20)
    return blockers


def release(blockers):
    gate.opened.set()
    for blocker in blockers:
        blocker.join(20)


def slow_status(service):
    return next(each for each in service.status() if each.name == "slow")


@pytest.mark.parametrize("how", ["of the call", "of the request"])
def test_a_late_request_is_answered_so_and_not_computed(how):
    service = models()
    with running(GrpcServer, service=service) as server:
        blockers = block(server)
        with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
            limit = {"client_timeout": 0.2} if how == "of the call" else {"timeout": 200_000}
            with pytest.raises(InferenceServerException) as caught:
                client.infer("slow", given({"x": PAIR}), **limit)
            assert caught.value.status() == "StatusCode.DEADLINE_EXCEEDED"
            release(blockers)
            client.infer("slow", given({"x": PAIR}))
        assert gate.calls == 3


def wire(model="halve"):
    """Return a request as bare messages write it."""
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 2]}
    return service_pb2.ModelInferRequest(
        model_name=model, inputs=[tensor], raw_input_contents=[PAIR.tobytes()]
    )


@contextmanager
def stub_of(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield service_pb2_grpc.GRPCInferenceServiceStub(channel)


@pytest.mark.parametrize("how", ["call", "stream"])
def test_a_client_that_leaves_withdraws_its_requests(how):
    service = models()
    with running(GrpcServer, service=service) as server, stub_of(server) as stub:
        blockers = block(server)
        if how == "call":
            under_way = stub.ModelInfer.future(wire("slow"))
        else:
            under_way = stub.ModelStreamInfer(iter([wire("slow")]))
        wait_until(lambda: slow_status(service).queue_depth == 1)
        under_way.cancel()
        wait_until(lambda: slow_status(service).cancelled == 1)
        release(blockers)
        assert gate.calls == 2


def test_streams_are_bounded():
    limits = GrpcLimits(message=10_000, calls=8, streams=1)
    with running(GrpcServer, limits=limits) as server, stub_of(server) as stub:
        sent = queue.SimpleQueue()
        first = stub.ModelStreamInfer(iter(sent.get, None))
        sent.put(wire())
        assert next(first).infer_response.model_version == "2"
        with pytest.raises(grpc.RpcError, match="too many streams"):
            next(stub.ModelStreamInfer(iter([wire()])))
        assert stub.ModelInfer(wire()).model_version == "2"
        sent.put(None)
        assert list(first) == []
        assert len(list(stub.ModelStreamInfer(iter([wire()])))) == 1


def test_bound_wider_it_wants_the_token(monkeypatch):
    monkeypatch.setenv("EDGEFLOW_TOKEN", "open sesame")
    with (
        running(GrpcServer, host="0.0.0.0") as server,
        triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client,
    ):
        assert client.is_server_live()
        for headers in ({}, {"authorization": "Bearer wrong"}):
            with pytest.raises(InferenceServerException, match="authorization: Bearer") as caught:
                client.infer("halve", given({"x": PAIR}), headers=headers)
            assert caught.value.status() == "StatusCode.UNAUTHENTICATED"
        right = {"authorization": "Bearer open sesame"}
        assert client.infer("halve", given({"x": PAIR}), headers=right) is not None


def test_a_port_in_use_is_told_with_the_option(server):
    service = models()
    with pytest.raises(ConfigError, match="--grpc-port"):
        GrpcServer(service, port=server.port)
    service.close()


def test_stopping_ends_requests_under_way():
    service = models()
    server = GrpcServer(service, port=0).start()
    client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
    answers = queue.Queue()
    client.async_infer("slow", given({"x": PAIR}), lambda result, error: answers.put(error))
    assert gate.entered.acquire(timeout=20)
    started = time.monotonic()
    server.stop()
    server.stop()
    assert time.monotonic() - started < 6  # under 3 s on an idle machine
    assert answers.get(timeout=20) is not None
    gate.opened.set()
    client.close()
    service.close()
