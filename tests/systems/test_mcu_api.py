"""The HTTP API of boards: fields, refusals, swaps, several boards, unplugged ones."""

import io
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np
import pytest

from edgeflow._native.model import NativeModel
from edgeflow.devices.virtual.board import VirtualBoard
from edgeflow.systems.mcu import McuOptions, McuServer
from wired_boards import FEATURES, HORIZON, STEPS, container, model_file, samples

OLD, NEW = model_file(1), model_file(2)
SHAPE = {"T": STEPS, "F": FEATURES, "H": HORIZON, "hidden": 4}


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def truth(model: bytes, inputs: np.ndarray) -> np.ndarray:
    native = NativeModel(model)
    return np.array([native.run(sample) for sample in inputs])


def wait_for(condition, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def board(tmp_path: Path) -> Iterator[VirtualBoard]:
    with VirtualBoard(model=OLD, instant=True, link=tmp_path / "desk") as running:
        yield running


@pytest.fixture
def api(board: VirtualBoard) -> Iterator[httpx.Client]:
    options = McuOptions((f"desk={board.port}",), http_port=0)
    with (
        McuServer(options) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client,
    ):
        wait_for(lambda: client.get("/health").status_code == 200)
        yield client


def infer(api: httpx.Client, inputs: np.ndarray, **files: bytes) -> httpx.Response:
    uploads = {"input_npy": npy(inputs), **files}
    return api.post("/v2/infer", files={name: (name, data) for name, data in uploads.items()})


def test_health_and_info_have_the_documented_fields(api: httpx.Client, board: VirtualBoard) -> None:
    expected = {"ok": True, "device": SHAPE, "port": board.port}
    assert api.get("/health").json() == expected
    assert api.get("/v2/info").json() == expected | {"model": "v2"}
    assert api.get("/readyz").status_code == 200


def test_many_samples(api: httpx.Client) -> None:
    inputs = samples(40)
    answer = infer(api, inputs).json()
    assert set(answer) == {"ok", "device", "timing_ms", "pred"}
    assert answer["device"] == SHAPE
    assert set(answer["timing_ms"]) == {"flash", "total", "mean_per_sample"}
    assert answer["timing_ms"]["flash"] == 0.0
    np.testing.assert_array_equal(np.float32(answer["pred"]), truth(OLD, inputs))


def test_one_sample_and_none(api: httpx.Client) -> None:
    one = samples(1)
    np.testing.assert_array_equal(np.float32(infer(api, one[0]).json()["pred"]), truth(OLD, one))
    assert infer(api, one[:0]).json()["pred"] == []


def test_npy_answers(api: httpx.Client) -> None:
    inputs = samples(3)
    answer = api.post("/v2/infer_npy", files={"input_npy": npy(inputs.astype(np.float64))})
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.content[6:8] == b"\x01\x00"
    predictions = np.load(io.BytesIO(answer.content), allow_pickle=False)
    assert predictions.dtype == np.dtype("<f4")
    np.testing.assert_array_equal(predictions, truth(OLD, inputs))


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"nothing of the kind", 400, "failed to read .npy"),
        (b"", 400, "failed to read .npy"),
        (b"PK\x03\x04" + bytes(20), 400, "did not decode into an ndarray"),
        (npy(samples(2))[:-9], 400, "failed to read .npy"),
        (npy(np.array([{"a": 1}], dtype=object)), 400, "failed to read .npy"),
        (npy(samples(2)[:, :, :2]), 422, "shape (2, 8, 2)"),
        (npy(samples(2).reshape(1, 2, STEPS, FEATURES)), 422, "shape"),
        (npy(samples(2).astype(complex)), 422, "complex128"),
        (npy(np.full((STEPS, FEATURES), np.nan)), 422, "[0, 0, 0] is nan"),
        (npy(np.full((STEPS, FEATURES), 1e300)), 422, "not finite"),
    ],
)
def test_bad_inputs_have_a_status_and_words(
    api: httpx.Client, data: bytes, status: int, words: str
) -> None:
    answer = api.post("/v2/infer", files={"input_npy": data})
    assert answer.status_code == status
    assert words in answer.json()["detail"]


def test_a_missing_field_is_told_as_fastapi_does(api: httpx.Client) -> None:
    answer = api.post("/v2/infer")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "input_npy"]


def test_unknown_devices_models_and_pages(api: httpx.Client) -> None:
    asked = {"input_npy": npy(samples(1))}
    assert api.get("/health", params={"device": "desc"}).json()["hint"] == "did you mean 'desk'?"
    assert api.post("/v2/infer", files=asked, data={"device": "x"}).status_code == 404
    assert api.post("/v2/infer", files=asked, data={"model": "9"}).status_code == 404
    assert api.post("/v2/infer", files=asked, data={"model": "1"}).status_code == 503
    assert api.get("/v2/swaps/swap-7").status_code == 404


def test_a_new_model_in_the_same_request(api: httpx.Client) -> None:
    inputs = samples(2)
    meta = json.dumps(SHAPE).encode()
    answer = infer(api, inputs, model_bin=NEW, model_meta=meta).json()
    np.testing.assert_array_equal(np.float32(answer["pred"]), truth(NEW, inputs))
    assert 0.0 < answer["timing_ms"]["flash"] < answer["timing_ms"]["total"]


def test_nothing_is_written_when_something_does_not_fit(
    api: httpx.Client, board: VirtualBoard
) -> None:
    before = board.stats.erases
    short = samples(1, steps=STEPS - 1)
    bad_meta = json.dumps(SHAPE | {"H": 9}).encode()
    flipped = bytearray(container(2))
    flipped[300] ^= 4
    for files, words in [
        ({"model_bin": model_file(2)}, "shape"),
        ({"model_bin": NEW, "model_meta": bad_meta}, "H"),
        ({"model_bin": NEW, "model_meta": b"[]"}, "model_meta.json"),
        ({"model_bin": NEW[:-4]}, "bytes"),
        ({"model_bin": bytes(flipped)}, "CRC"),
        ({"model_bin": b"ELF"}, "not with LST0 or EFM1"),
        ({"model_bin": model_file(2, steps=4096, hidden=200)}, "restarts after 10 s"),
    ]:
        inputs = short if words == "shape" else samples(1)
        answer = infer(api, inputs, **files)
        assert answer.status_code == 422, files
        assert words.lower() in answer.text.lower(), answer.text
    assert board.stats.erases == before
    np.testing.assert_array_equal(
        np.float32(infer(api, samples(1)).json()["pred"]), truth(OLD, samples(1))
    )


def test_a_model_that_misses_its_own_test_is_refused(api: httpx.Client) -> None:
    answer = infer(api, samples(1), model_bin=container(2, wrong=0.5))
    assert answer.status_code == 409
    assert "self-test" in answer.json()["detail"]
    np.testing.assert_array_equal(
        np.float32(infer(api, samples(1)).json()["pred"]), truth(OLD, samples(1))
    )


def test_uploads_are_bounded(api: httpx.Client) -> None:
    answer = infer(api, samples(1), model_bin=bytes((4 << 20) + 1))
    assert answer.status_code == 413


def swapped(api: httpx.Client, place: str) -> list[tuple[str, dict[str, object]]]:
    events = []
    with api.stream("GET", f"{place}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in stream.iter_lines():
            if line.startswith("event: "):
                name = line[7:]
            if line.startswith("data: "):
                events.append((name, json.loads(line[6:])))
    return events


def test_a_swap_tells_its_steps_and_can_be_undone(api: httpx.Client) -> None:
    begun = api.post("/v2/models/0", files={"model_bin": container(2, name="next", version=7)})
    assert begun.status_code == 202
    events = swapped(api, begun.headers["location"])
    steps = [name for name, _ in events]
    assert steps[0] == "validate"
    assert "write" in steps
    assert steps[-1] == "done"
    assert api.get(begun.headers["location"]).json()["ok"] is True
    model = api.get("/v2/models").json()["desk"][0]
    assert (model["name"], model["version"], model["slot"]) == ("next", 7, "A")
    back = api.post("/v2/models/0/rollback")
    assert swapped(api, back.headers["location"])[-1][0] == "done"
    np.testing.assert_array_equal(
        np.float32(infer(api, samples(1)).json()["pred"]), truth(OLD, samples(1))
    )


def test_a_board_is_ready_while_a_new_model_comes(tmp_path: Path) -> None:
    with (
        VirtualBoard(model=OLD, baud=9600, link=tmp_path / "slow") as board,
        McuServer(McuOptions((f"serial://{board.port}?faster=none",), 9600, http_port=0)) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client,
    ):
        wait_for(lambda: client.get("/readyz").status_code == 200)
        begun = client.post("/v2/models/0", files={"model_bin": NEW}).json()
        wait_for(lambda: client.get("/v2/devices").json()[0]["state"] == "swapping")
        assert client.get("/readyz").status_code == 200
        told = client.get("/metrics").text
        assert re.search(r"^edgeflow_board_ready\{.*\} 1\.0$", told, re.MULTILINE)
        assert not client.get(f"/v2/swaps/{begun['swap']}").json()["over"]


def test_whoever_follows_a_swap_hears_of_the_end_of_the_server(tmp_path: Path) -> None:
    events: list[tuple[str, dict[str, object]]] = []
    with (
        VirtualBoard(model=OLD, baud=9600, link=tmp_path / "slow") as board,
        McuServer(McuOptions((f"serial://{board.port}?faster=none",), 9600, http_port=0)) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client,
    ):
        wait_for(lambda: client.get("/health").status_code == 200)
        begun = client.post("/v2/models/0", files={"model_bin": model_file(2, hidden=60)})
        place = begun.headers["location"]
        following = threading.Thread(target=lambda: events.extend(swapped(client, place)))
        following.start()
        wait_for(lambda: any(s["step"] == "write" for s in client.get(place).json()["steps"]))
        started = time.monotonic()
        server.close()
        following.join(10)
        assert time.monotonic() - started < 6.0  # under 3 s on an idle machine
    assert events[-1][0] == "failed"


def test_a_roll_back_to_nothing_fails(api: httpx.Client) -> None:
    begun = api.post("/v2/models/2/rollback")
    events = swapped(api, begun.headers["location"])
    assert events[-1][0] == "failed"
    assert events[-1][1]["error"]


def test_several_models_are_resident(api: httpx.Client) -> None:
    begun = api.post("/v2/models/3", files={"model_bin": container(5, steps=4)})
    assert swapped(api, begun.headers["location"])[-1][0] == "done"
    inputs = samples(2, steps=4)
    answer = api.post("/v2/infer", files={"input_npy": npy(inputs)}, data={"model": "3"}).json()
    np.testing.assert_allclose(answer["pred"], truth(model_file(5, steps=4), inputs))
    np.testing.assert_array_equal(
        np.float32(infer(api, samples(1)).json()["pred"]), truth(OLD, samples(1))
    )


def test_unplugged_boards_are_503_and_come_back(api: httpx.Client, board: VirtualBoard) -> None:
    board.unplug()
    wait_for(lambda: api.get("/health").status_code == 503)
    told = api.get("/health").json()
    assert (told["ok"], told["state"], told["port"]) == (False, "lost", board.port)
    assert infer(api, samples(1)).status_code == 503
    assert api.get("/readyz").status_code == 503
    board.replug()
    wait_for(lambda: api.get("/health").status_code == 200)
    assert infer(api, samples(1)).status_code == 200


def test_unplugged_in_the_middle_of_a_request(tmp_path: Path) -> None:
    with (
        VirtualBoard(model=OLD, baud=9600, link=tmp_path / "slow") as board,
        McuServer(McuOptions((f"serial://{board.port}?faster=none",), 9600, http_port=0)) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client,
    ):
        wait_for(lambda: client.get("/health").status_code == 200)
        cut = threading.Timer(0.5, board.unplug)
        cut.start()
        started = time.monotonic()
        answer = infer(client, samples(500))
        cut.join()
        assert answer.status_code == 503
        assert time.monotonic() - started < 5.0


def test_a_short_queue_only_makes_a_request_slower(tmp_path: Path) -> None:
    inputs = samples(60)
    with (
        VirtualBoard(model=OLD, instant=True, link=tmp_path / "short") as board,
        McuServer(McuOptions((f"serial://{board.port}?capacity=5",), http_port=0)) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client,
    ):
        wait_for(lambda: client.get("/health").status_code == 200)
        answer = infer(client, inputs).json()
        np.testing.assert_array_equal(np.float32(answer["pred"]), truth(OLD, inputs))


def test_samples_of_a_client_that_has_left_are_dropped(tmp_path: Path) -> None:
    with (
        VirtualBoard(model=OLD, baud=9600, link=tmp_path / "slow") as board,
        McuServer(McuOptions((f"serial://{board.port}?faster=none",), 9600, http_port=0)) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client,
    ):
        wait_for(lambda: client.get("/health").status_code == 200)
        with pytest.raises(httpx.ReadTimeout):
            client.post("/v2/infer", files={"input_npy": npy(samples(2000))}, timeout=1.0)
        wait_for(lambda: client.get("/v2/devices").json()[0]["queue_depth"] == 0)
        assert client.get("/v2/devices").json()[0]["requests"] < 200


def test_metrics_and_devices(api: httpx.Client) -> None:
    infer(api, samples(2))
    page = api.get("/metrics").text
    assert 'edgeflow_board_ready{board="desk"} 1.0' in page
    assert 'edgeflow_board_requests_total{board="desk"} 2.0' in page
    device = api.get("/v2/devices").json()[0]
    assert device["state"] == "ready"
    assert len(device["last_forecast"]) == HORIZON
    assert api.get("/api/devices").json()[0]["name"] == "desk"


def test_the_dashboard_swaps_on_a_board_that_is_called_by_its_port(tmp_path: Path) -> None:
    with (
        VirtualBoard(model=OLD, instant=True, link=tmp_path / "tty") as board,
        McuServer(McuOptions((board.port,), http_port=0)) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client,
    ):
        wait_for(lambda: client.get("/health").status_code == 200)
        place = f"/api/devices/{quote(board.port, safe='')}/models/0"
        assert client.put(place, content=container(2, name="next")).status_code == 202
        wait_for(lambda: client.get("/v2/devices").json()[0]["swap"]["step"] == "done")
        assert client.post(f"{place}/rollback").status_code == 202
        wait_for(lambda: client.get("/v2/swaps/roll-back-2").json()["ok"] is True)


def test_boards_are_told_apart(tmp_path: Path) -> None:
    with (
        VirtualBoard(model=OLD, instant=True, link=tmp_path / "a", number=1) as first,
        VirtualBoard(model=NEW, instant=True, link=tmp_path / "b", number=2) as second,
        McuServer(McuOptions((first.port, f"other={second.port}"), http_port=0)) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client,
    ):
        wait_for(lambda: client.get("/readyz").status_code == 200)
        asked = {"input_npy": npy(samples(1))}
        one = client.post("/v2/infer", files=asked).json()["pred"]
        two = client.post("/v2/infer", files=asked, data={"device": "other"}).json()["pred"]
        np.testing.assert_array_equal(np.float32(one), truth(OLD, samples(1)))
        np.testing.assert_array_equal(np.float32(two), truth(NEW, samples(1)))
