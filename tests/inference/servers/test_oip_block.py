"""Models whose queues block: their clients wait, and none is refused."""

import threading
import time

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from tritonclient.utils import InferenceServerException

from edgeflow.inference.servers.grpc import GrpcServer
from edgeflow.inference.servers.http import HttpServer
from oip_service import gate, models, running

PAIR = np.array([[1, 2]], np.float32)
CLIENTS = 14
RUNNING, CAPACITY = 2, 2


def ask(package, server, **options):
    tensor = package.InferInput("x", [1, 2], "FP32")
    tensor.set_data_from_numpy(PAIR)
    with package.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        return client.infer("slow", [tensor], **options).as_numpy("y").tolist()


def depth(service):
    return next(each for each in service.status() if each.name == "slow").queue_depth


def wait_for_depth(service, wanted):
    deadline = time.monotonic() + 30
    while depth(service) != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("server_type", "package", "late"),
    [(HttpServer, triton_http, "504|gave no answer"), (GrpcServer, triton_grpc, "DEADLINE")],
)
def test_clients_above_the_capacity_are_held_back(server_type, package, late):
    service = models(capacity=CAPACITY, policy="block")
    answers = []
    with running(server_type, service=service) as server:
        clients = [
            threading.Thread(target=lambda: answers.append(ask(package, server)))
            for _ in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        wait_for_depth(service, CLIENTS - RUNNING)
        with pytest.raises(InferenceServerException, match=late):
            ask(package, server, timeout=100_000)
        gate.opened.set()
        for client in clients:
            client.join(30)
    assert answers == [PAIR.tolist()] * CLIENTS


def test_no_more_is_read_of_a_stream_above_the_capacity():
    service = models(capacity=CAPACITY, policy="block")
    service.load("slow")
    answers = []
    with running(GrpcServer, service=service) as server:
        client = triton_grpc.InferenceServerClient(f"127.0.0.1:{server.port}")
        client.start_stream(lambda result, error: answers.append((result, error)))
        tensor = triton_grpc.InferInput("x", [1, 2], "FP32")
        tensor.set_data_from_numpy(PAIR)
        for _ in range(CLIENTS):
            client.async_stream_infer("slow", [tensor])
        wait_for_depth(service, CAPACITY + 1)
        assert client.get_model_metadata("halve").name == "halve"
        assert depth(service) == CAPACITY + 1
        gate.opened.set()
        client.close()
    assert len(answers) == CLIENTS
    assert all(error is None for _, error in answers)
