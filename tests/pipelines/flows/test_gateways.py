"""Where the models of a file run."""

from contextlib import ExitStack, contextmanager

import numpy as np
import pytest

from edgeflow.errors import ConfigError, UnknownModelError
from edgeflow.inference.local import LocalService
from edgeflow.inference.requests import InferRequest
from edgeflow.inference.servers.tensor import TensorServer
from edgeflow.pipelines.gateways import open_service
from edgeflow.pipelines.schema.document import Document
from servers import free_port
from small_models import save_scale

PARTS = {"connectors": [{"id": "c", "type": "x"}], "pipelines": [{"id": "p"}]}
X = np.ones((1, 4), np.float32)


@contextmanager
def serving(folder, **factors):
    for name, factor in factors.items():
        save_scale(folder / f"{name}.onnx", factor)
    service = LocalService(folder)
    server = TensorServer(service, port=0)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()
        service.close()


@contextmanager
def opened(folder, **sections):
    service = open_service(Document(**PARTS, **sections), folder)
    try:
        yield service
    finally:
        service.close()


def ask(service, model):
    return float(service.infer(InferRequest(model, [X])).first[0, 0])


@pytest.fixture
def ports(tmp_path):
    with ExitStack() as stack:
        yield [
            stack.enter_context(serving(tmp_path / name, both=factor, **{name: factor}))
            for name, factor in (("first", 2.0), ("second", 3.0))
        ]


def test_models_go_to_the_gateways_that_affinity_names(tmp_path, ports):
    sections = {
        "gateway": {"port": ports[0]},
        "gateways": {"other": {"port": ports[1]}},
        "model_affinity": {"sec*": "other", "*": ["default", "other"]},
    }
    with opened(tmp_path, **sections) as service:
        assert (ask(service, "first"), ask(service, "second"), ask(service, "both")) == (2, 3, 2)
        assert service.is_ready("second")


def test_a_fallback_answers_for_a_gateway_that_is_away(tmp_path, ports):
    sections = {
        "gateway": {"port": free_port(), "fallback": {"first": "second"}, "retries": 0},
        "gateways": {"other": {"port": ports[1]}},
        "model_affinity": {"first": "default", "second": "other"},
    }
    with opened(tmp_path, **sections) as service:
        assert ask(service, "first") == 3


def test_models_of_this_process_beside_those_of_a_gateway(tmp_path, ports):
    save_scale(tmp_path / "own" / "both.onnx", 7.0)
    sections = {
        "gateway": {"models": "own"},
        "gateways": {"other": {"port": ports[1]}},
        "model_affinity": {"second": "other"},
    }
    with opened(tmp_path, **sections) as service:
        assert (ask(service, "both"), ask(service, "second")) == (7, 3)
        assert {status.name for status in service.status()} >= {"both", "second"}
        assert service.info("both").spec.inputs[0].shape == (None, 4)
        with pytest.raises(UnknownModelError):
            ask(service, "nothing")


def test_a_folder_of_models_has_to_exist(tmp_path):
    with pytest.raises(ConfigError), opened(tmp_path, gateway={"models": "none"}):
        pass
