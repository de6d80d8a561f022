"""Boards behind the doors that every model has: engine, servers, pipelines."""

import threading
import time

import numpy as np
import pytest
import tritonclient.http as triton
from flow_parts import running

from edgeflow._native.model import NativeModel
from edgeflow.errors import (
    ConfigError,
    EdgeFlowError,
    EngineError,
    TensorError,
    UnknownModelError,
    UnreachableError,
)
from edgeflow.inference.client.sync import TensorClient
from edgeflow.inference.engines.open import open_engine
from edgeflow.inference.local import LocalService
from edgeflow.inference.requests import InferRequest
from edgeflow.inference.servers.http import HttpServer
from edgeflow.inference.servers.tensor import TensorServer
from edgeflow.pipelines.message import EdgeMessage
from wired_boards import FEATURES, HORIZON, STEPS, WiredBoard, container, model_file, samples

FILE = model_file()
MODEL = NativeModel(FILE)
GIVEN = samples(6)
TRUTH = np.stack([MODEL.run(each) for each in GIVEN])

LIST = """\
models:
  - id: forecaster
    engine: serial://{port}?faster=none
"""

FLOW = """\
version: 1
dashboard: false
connectors:
  - {id: feed, type: parts.Feed, pipeline: forecast}
pipelines:
  - id: forecast
    preprocess: window.of
    model: forecaster
    postprocess: parts.total
    agents: [watch]
agents:
  watch: {type: parts.Watch, metric: total, above: -1000, dispatcher: keep, target: door}
actions:
  keep: {type: parts.Keep}
"""

WINDOW = """\
import numpy as np

def of(message, payload):
    return np.array([payload["rows"]], np.float32)
"""


@pytest.fixture
def wired(tmp_path):
    with WiredBoard(tmp_path, file=FILE) as wired:
        yield wired


@pytest.fixture
def service(tmp_path, wired):
    path = tmp_path / "models.yaml"
    path.write_text(LIST.format(port=wired.port))
    service = LocalService(path)
    yield service
    service.close()


def test_a_board_is_an_engine(wired):
    with open_engine(f"serial://{wired.port}") as engine:
        assert str(engine.spec.inputs[0]) == f"input: float32[?, {STEPS}, {FEATURES}]"
        assert str(engine.spec.outputs[0]) == f"forecast: float32[?, {HORIZON}]"
        assert (engine.kind, engine.device, engine.parallel) == ("board", wired.port, 16)
        engine.warm_up()
        np.testing.assert_array_equal(engine.infer({"input": GIVEN})["forecast"], TRUTH)
        assert engine.infer({"input": GIVEN[:0]})["forecast"].shape == (0, HORIZON)
        many = np.concatenate([GIVEN] * 60)
        np.testing.assert_array_equal(engine.infer({"input": many})["forecast"][-6:], TRUTH)
        with pytest.raises(TensorError):
            engine.infer({"input": GIVEN[0]})
        with pytest.raises(TensorError, match="finite"):
            engine.infer({"input": np.full((1, STEPS, FEATURES), np.inf, np.float32)})
    with pytest.raises(EngineError, match="closed"):
        engine.infer({"input": GIVEN})


def test_a_board_without_an_axis_for_the_batch(wired):
    with open_engine(f"serial://{wired.port}", batch=False) as engine:
        assert str(engine.spec.inputs[0]) == f"input: float32[{STEPS}, {FEATURES}]"
        np.testing.assert_array_equal(engine.infer({"input": GIVEN[0]})["forecast"], TRUTH[0])


def test_several_boards_are_one_engine(tmp_path):
    with WiredBoard(tmp_path, file=FILE) as first, WiredBoard(tmp_path, file=FILE) as second:
        with open_engine(f"serial+glob://{tmp_path}/board*") as engine:
            many = np.concatenate([GIVEN] * 40)
            np.testing.assert_array_equal(engine.infer({"input": many})["forecast"][:6], TRUTH)
            first.unplug()
            np.testing.assert_array_equal(engine.infer({"input": GIVEN})["forecast"], TRUTH)
            second.unplug()
            with pytest.raises(EngineError, match=r"gone|no board|no such"):
                engine.infer({"input": GIVEN})
        second.plug()
        with open_engine(f"serial://{second.port}", boards=[]) as engine:
            np.testing.assert_array_equal(engine.infer({"input": GIVEN})["forecast"], TRUTH)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("serial:///nowhere/tty0", UnreachableError),
        ("serial+glob:///nowhere/tty*", UnreachableError),
        ("serial+usb://NOBODY", UnreachableError),
        ("socket://127.0.0.1", ConfigError),
        ("serial://{port}?speed=1", ConfigError),
        ("serial://{port}?baud=fast", ConfigError),
        ("serial://{port}?values=int4", ConfigError),
        ("serial://{port}?model=x", ConfigError),
        ("serial://{port}?model=1", UnknownModelError),
        ("serial://{port}?model=7", UnknownModelError),
    ],
)
def test_what_cannot_be_opened_says_why(wired, url, kind):
    with pytest.raises(kind):
        open_engine(url.format(port=wired.port))


def test_a_board_may_take_a_while_to_appear(tmp_path):
    from edgeflow.devices.virtual.board import VirtualBoard

    link = tmp_path / "board"
    late: list[VirtualBoard] = []

    def appear() -> None:
        late.append(VirtualBoard(model=FILE, link=link, instant=True))

    timer = threading.Timer(0.7, appear)
    timer.start()
    try:
        with open_engine(f"serial://{link}?faster=none", appear_s=30.0) as engine:
            answer = engine.infer({"input": GIVEN})["forecast"]
            assert answer.shape == (6, HORIZON)
    finally:
        timer.join()
        for board in late:
            board.close()


def test_one_that_never_appears_is_given_up(tmp_path):
    with pytest.raises(UnreachableError):
        open_engine(f"serial://{tmp_path / 'none'}", appear_s=0.2)


def test_a_tensor_client_and_a_triton_client_ask_a_board(service):
    request = InferRequest("forecaster", {"input": GIVEN})
    with TensorServer(service, port=0) as server:
        client = TensorClient(port=server.port, timeout=30)
        np.testing.assert_array_equal(client.infer(request).outputs["forecast"], TRUTH)
        client.close()
    with (
        HttpServer(service, port=0) as server,
        triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client,
    ):
        described = client.get_model_metadata("forecaster")
        assert described["platform"] == "board"
        assert described["inputs"][0]["shape"] == [-1, STEPS, FEATURES]
        tensor = triton.InferInput("input", GIVEN.shape, "FP32")
        tensor.set_data_from_numpy(GIVEN)
        answer = client.infer("forecaster", [tensor])
        np.testing.assert_array_equal(answer.as_numpy("forecast"), TRUTH)


def test_clients_at_once_fill_the_window(service):
    wrong, errors = [], []

    def work(number):
        try:
            for _ in range(20):
                given = {"input": GIVEN[number : number + 1]}
                got = service.infer(InferRequest("forecaster", given)).first
                wrong.extend([] if np.array_equal(got[0], TRUTH[number]) else [number])
        except EdgeFlowError as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number % 6,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong and not errors


def test_other_dimensions_after_a_swap_are_taken_over(wired, service):
    service.infer(InferRequest("forecaster", {"input": GIVEN}))
    wired.unplug()
    wired.file = model_file(9, steps=5, features=2)
    wired.flash = None
    wired.plug()
    given = samples(1, steps=5, features=2)
    end = time.monotonic() + 30
    while True:
        try:
            got = service.infer(InferRequest("forecaster", {"input": given})).first
            break
        except EdgeFlowError:
            assert time.monotonic() < end
            time.sleep(0.02)
    np.testing.assert_array_equal(got[0], NativeModel(wired.file).run(given[0]))
    spec = service.info("forecaster").spec
    assert spec.inputs[0].shape == (None, 5, 2)


def test_a_model_swapped_through_the_engine(wired):
    new = container(4, name="new", steps=6)
    with open_engine(f"serial://{wired.port}") as engine:
        engine.board.swap(new)
        assert engine.spec.inputs[0].shape == (None, 6, FEATURES)
        given = samples(1, steps=6)
        expected = NativeModel(new).run(given[0])
        np.testing.assert_array_equal(engine.infer({"input": given})["forecast"][0], expected)


def test_a_pipeline_names_a_board_as_its_model(tmp_path, service):
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "window.py").write_text(WINDOW)
    with running(tmp_path, FLOW, service) as flow:
        payload = {"rows": GIVEN[0].tolist()}
        flow.send(EdgeMessage(sensor_id="s1", payload=payload, encoding="json"))
        [(_, pipeline, action)] = flow.until(lambda: list(flow.rig.dispatched))
        assert pipeline == "forecast"
        assert action.payload["value"] == pytest.approx(float(TRUTH[0].sum()), abs=1e-5)
