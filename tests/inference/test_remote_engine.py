import threading

import numpy as np
import pytest

from edgeflow.errors import (
    ConfigError,
    EngineError,
    TensorError,
    UnknownModelError,
    UnreachableError,
)
from edgeflow.inference.engines.open import open_engine
from edgeflow.inference.servers.http import HttpServer
from edgeflow.inference.servers.tensor import TensorServer
from servers import free_port
from tensor_peers import NumpyService, VersionOneServer


@pytest.fixture
def server():
    service = NumpyService()
    service.add("double", "x:f4:1,?", "y:f4:1,?", lambda x: (x * 2,))
    service.add("a/b", "x:f4:1", "y:f4:1", lambda x: (x,))
    with TensorServer(service, port=0) as running:
        yield running
    service.close()


def test_a_model_on_a_server_is_an_engine(server):
    with open_engine(f"tcp://127.0.0.1:{server.port}/double", timeout_s=20.0) as engine:
        assert str(engine.spec.inputs[0]) == "x: float32[1, ?]"
        assert engine.device == f"127.0.0.1:{server.port}"
        engine.warm_up()
        values = np.array([[1, 2]], np.float32)
        assert engine.infer({"x": values})["y"].tolist() == [[2, 4]]
        with pytest.raises(EngineError, match="takes"):
            engine.infer({"x": values.astype(np.float64)})
    with pytest.raises(EngineError, match="closed"):
        engine.infer({"x": values})
    open_engine(f"tcp://127.0.0.1:{server.port}/a%2Fb", timeout_s=20.0).close()


def test_threads_call_it_at_once_and_reuse_connections(server):
    failures = []
    with open_engine(f"tcp://127.0.0.1:{server.port}/double", timeout_s=20.0) as engine:

        def work(number: int) -> None:
            try:
                for _ in range(20):
                    got = engine.infer({"x": np.full((1, 3), number, np.float32)})["y"]
                    assert got.tolist() == [[2 * number] * 3]
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert failures == []
        assert len(server._desk.connections) <= 4


def test_version_1_needs_declared_tensors():
    old = VersionOneServer()
    try:
        url = f"tcp://127.0.0.1:{old.port}/double"
        with pytest.raises(ConfigError, match="inputs and outputs"):
            open_engine(url, timeout_s=5.0)
    finally:
        old.close()
    old = VersionOneServer()
    try:
        url = f"tcp://127.0.0.1:{old.port}/double?protocol=1"
        declared = {"inputs": "x: fp32[?]", "outputs": "y: fp32[?]"}
        with open_engine(url, timeout_s=20.0, **declared) as engine:
            assert engine.infer({"x": np.ones(2, np.float32)})["y"].tolist() == [2, 2]
    finally:
        old.close()


@pytest.fixture
def http():
    service = NumpyService()
    service.add("double", "x:f4:1,? k:i8:1", "y:f4:1,? h:f2:?", _double)
    service.add("broken", "x:f4:1", "y:f4:1", lambda x: 1 / 0)
    with HttpServer(service, port=0) as running:
        yield running
    service.close()


def _double(x, k):
    return x * 2 + k.astype(np.float32), np.arange(3, dtype=np.float16)


@pytest.mark.parametrize("path", ["double", "v2/models/double", "v2/models/double/versions/1"])
def test_a_model_behind_the_open_inference_protocol(http, path):
    with open_engine(f"http://127.0.0.1:{http.port}/{path}", timeout_s=20.0) as engine:
        assert [str(each) for each in engine.spec.inputs] == ["x: float32[1, ?]", "k: int64[1]"]
        for number in range(3):
            x = np.full((1, 30_000), number, np.float32)
            got = engine.infer({"x": x, "k": np.array([5])})
            assert got["y"].shape == (1, 30_000)
            assert got["y"][0, -1] == 2 * number + 5
            assert got["h"].dtype == np.float16
    with pytest.raises(EngineError, match="closed"):
        engine.infer({"x": x, "k": np.array([5])})


def test_what_an_http_server_says(http):
    here = f"http://127.0.0.1:{http.port}"
    with pytest.raises(UnknownModelError, match="nobody"):
        open_engine(here + "/nobody", timeout_s=20.0)
    with (
        open_engine(here + "/broken", timeout_s=20.0) as engine,
        pytest.raises(EngineError, match="division"),
    ):
        engine.infer({"x": np.ones(1, np.float32)})
    declared = {"inputs": "x: fp32[?]", "outputs": "y: fp32[?]"}
    with (
        open_engine(here + "/double", timeout_s=20.0, **declared) as engine,
        pytest.raises(TensorError),
    ):
        engine.infer({"x": np.ones(1, np.float32)})
    with pytest.raises(UnreachableError):
        open_engine(f"http://127.0.0.1:{free_port()}/double")


def test_what_cannot_be_opened(server):
    here = f"tcp://127.0.0.1:{server.port}"
    for url in (here, here + "/", "ftp://h/m", "tcp://h:99999/m", here + "/double?protocol=3"):
        with pytest.raises(ConfigError):
            open_engine(url)
    with pytest.raises(ConfigError, match="decides"):
        open_engine(here + "/double", device="cuda")
    with pytest.raises(UnknownModelError):
        open_engine(here + "/nobody", timeout_s=20.0)
    with pytest.raises(UnreachableError):
        open_engine(f"tcp://127.0.0.1:{free_port()}/m", timeout_s=0.2)
