"""Whose turn a request takes, by the server that it came through."""

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http

from edgeflow.inference.client import TensorClient
from edgeflow.inference.local import LocalService
from edgeflow.inference.requests import InferRequest
from edgeflow.inference.servers.grpc import GrpcServer
from edgeflow.inference.servers.http import HttpServer
from edgeflow.inference.servers.tensor import TensorServer
from oip_service import running
from small_models import save_scale


class Noting(LocalService):
    """Keeps whose the requests were."""

    def __init__(self, folder):
        super().__init__(folder, reload_s=None)
        self.clients = []

    def submit(self, request, done):
        self.clients.append(request.client)
        return super().submit(request, done)


@pytest.fixture
def service(tmp_path):
    save_scale(tmp_path / "m.onnx")
    return Noting(tmp_path)


ROW = np.ones((1, 4), np.float32)


def test_what_a_tensor_client_calls_itself_counts_within_its_connection(service):
    names = ("", "me", "127.0.0.1/1", "../../other")
    with running(TensorServer, service=service) as server:
        for _ in range(2):
            with TensorClient("127.0.0.1", server.port) as client:
                for name in names:
                    client.infer(InferRequest("m", [ROW], client=name))
    hosts, connections, parts = zip(
        *(each.split("/", 2) for each in service.clients if each.count("/") > 1), strict=True
    )
    assert set(hosts) == {"127.0.0.1"}
    assert len(set(connections)) == 2
    assert parts == names[1:] * 2
    assert {each for each in service.clients if each.count("/") == 1} == {
        f"127.0.0.1/{connection}" for connection in connections
    }


@pytest.mark.parametrize(
    ("server_type", "package"), [(HttpServer, triton_http), (GrpcServer, triton_grpc)]
)
def test_a_connection_of_the_other_protocols_is_a_part_of_its_host(service, server_type, package):
    with running(server_type, service=service) as server:
        for _ in range(2):
            with package.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
                spec = client.get_model_metadata("m", **as_json(package))["inputs"][0]
                tensor = package.InferInput(spec["name"], [1, 4], "FP32")
                tensor.set_data_from_numpy(ROW)
                client.infer("m", [tensor])
    assert all(each.startswith("127.0.0.1/") for each in service.clients)
    assert all(each.count("/") == 1 for each in service.clients)


def as_json(package):
    return {"as_json": True} if package is triton_grpc else {}
