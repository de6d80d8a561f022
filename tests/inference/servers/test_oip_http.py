"""The HTTP server as the public client and as strangers see it."""

import asyncio
import gzip
import http.client
import json
import socket
import threading
import time
import zlib

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from edgeflow.inference.servers.http import HttpServer
from edgeflow.inference.servers.http_exchange import Limits
from oip_service import EVERY, every_input, gate, models, running

SMALL = Limits(body=100_000, memory=150_000, body_seconds=0.5, answer_seconds=20)
PAIR = np.array([[1, 2]], np.float32)


@pytest.fixture
def server():
    with running(HttpServer) as server:
        yield server


@pytest.fixture
def client(server):
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}", concurrency=4) as client:
        yield client


def given(arrays, *, binary=True, package=triton):
    found = []
    for name, array in arrays.items():
        tensor = package.InferInput(name, array.shape, np_to_triton_dtype(array.dtype))
        if package is triton:
            tensor.set_data_from_numpy(array, binary_data=binary)
        else:
            tensor.set_data_from_numpy(array)
        found.append(tensor)
    return found


def ask(server, method, path, body=b"", headers=None):
    """Return the status, headers and body of one request by a plain client."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def infer(server, model, head, tail=b"", **headers):
    text = json.dumps(head).encode()
    if tail:
        headers["Inference-Header-Content-Length"] = str(len(text))
    return ask(server, "POST", f"/v2/models/{model}/infer", text + tail, headers)


def pair(datatype="FP32", shape=(1, 2), data=(1, 2)):
    return {"inputs": [{"name": "x", "datatype": datatype, "shape": shape, "data": data}]}


@pytest.mark.parametrize("binary", [True, False])
def test_every_datatype_goes_in_and_comes_out(client, binary):
    inputs = every_input(rows=3)
    if not binary:  # the public client writes no FP16 as JSON
        name = "in_fp16"
        values = [float(value) for value in inputs[name].ravel()]
        half = triton.InferInput(name, [3, 2], "FP16")
        half._raw_data, half._data = None, values
        half._parameters.pop("binary_data_size", None)
        tensors = [*given({k: v for k, v in inputs.items() if k != name}, binary=False), half]
    else:
        tensors = given(inputs)
    wanted = [triton.InferRequestedOutput(n.replace("in_", "out_"), binary) for n in EVERY]
    result = client.infer("echo", tensors, outputs=wanted, request_id="42")
    assert result.get_response()["id"] == "42"
    for name, array in inputs.items():
        back = result.as_numpy(name.replace("in_", "out_"))
        assert back.dtype == array.dtype or not binary
        assert np.array_equal(back, array), name


def test_outputs_are_those_asked_for(client):
    inputs = {"INPUT0": np.full((2, 4), 5, "f4"), "INPUT1": np.ones((2, 4), "f4")}
    both = client.infer("add_sub", given(inputs))
    assert both.as_numpy("OUTPUT0").tolist() == [[6] * 4] * 2
    assert both.as_numpy("OUTPUT1").tolist() == [[4] * 4] * 2
    wanted = [triton.InferRequestedOutput("OUTPUT1", binary_data=False)]
    one = client.infer("add_sub", given(inputs), outputs=wanted)
    assert one.as_numpy("OUTPUT0") is None
    assert one.get_output("OUTPUT1")["data"] == [4] * 8


def test_versions_are_answered_by_name(client):
    assert client.infer("halve", given({"x": PAIR})).get_response()["model_version"] == "2"
    old = client.infer("halve", given({"x": PAIR}), model_version="1")
    assert old.get_response()["model_version"] == "1"
    with pytest.raises(InferenceServerException, match="9") as caught:
        client.infer("halve", given({"x": PAIR}), model_version="9")
    assert caught.value.status() == "404"


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_packed_requests_are_unpacked(client, packing):
    result = client.infer(
        "halve",
        given({"x": np.ones((40_000, 2), "f4")}),
        request_compression_algorithm=packing,
        response_compression_algorithm=packing,
    )
    assert result.as_numpy("y").sum() == 40_000


def test_what_is_told_about_server_and_models(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    about = client.get_model_metadata("add_sub")
    assert about["versions"] == ["1"]
    assert about["inputs"][1] == {"name": "INPUT1", "datatype": "FP32", "shape": [-1, 4]}
    assert client.get_model_metadata("halve", "1")["versions"] == ["1", "2"]
    config = client.get_model_config("echo")
    assert config["max_batch_size"] == 0
    assert {each["data_type"] for each in config["input"]} >= {"TYPE_BOOL", "TYPE_FP16"}
    with pytest.raises(InferenceServerException, match="did you mean 'halve'"):
        client.get_model_metadata("halv")


def test_models_are_loaded_and_unloaded(client):
    assert not client.is_model_ready("halve")
    client.load_model("halve")
    assert client.is_model_ready("halve")
    assert client.is_model_ready("halve", "2")
    assert not client.is_model_ready("nobody")
    states = {(m["name"], m["version"]): m["state"] for m in client.get_model_repository_index()}
    assert states["halve", "2"] == "READY"
    assert states["echo", "1"] == "UNAVAILABLE"
    assert client.get_inference_statistics("echo") is not None
    assert not client.is_model_ready("echo")
    client.unload_model("halve")
    assert not client.is_model_ready("halve")
    with pytest.raises(InferenceServerException, match="no model 'nobody'"):
        client.load_model("nobody")
    with pytest.raises(InferenceServerException, match="configuration cannot be sent"):
        client.load_model("halve", config="{}")


def test_statistics_count_what_was_done(client):
    for _ in range(3):
        client.infer("halve", given({"x": PAIR}))
    with pytest.raises(InferenceServerException):
        client.infer("halve", given({"x": np.ones((1, 3), "f4")}))
    found = client.get_inference_statistics("halve", "2")["model_stats"][0]
    assert found["inference_count"] == found["execution_count"] == 3
    assert found["inference_stats"]["success"]["count"] == 3
    assert found["inference_stats"]["fail"]["count"] == 1
    assert found["inference_stats"]["compute_infer"]["ns"] > 0
    assert abs(found["last_inference"] / 1000 - time.time()) < 60
    names = {each["name"] for each in client.get_inference_statistics()["model_stats"]}
    assert "halve" in names


def test_many_clients_at_once_each_get_their_own(client):
    requests = [
        client.async_infer("halve", given({"x": np.full((1, 2), number, "f4")}))
        for number in range(60)
    ]
    for number, request in enumerate(requests):
        assert request.get_result(timeout=20).as_numpy("y").tolist() == [[number / 2] * 2]


def test_the_public_asyncio_client_works(server):
    async def run():
        async with triton_aio.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
            assert await client.is_server_ready()
            results = await asyncio.gather(
                *(client.infer("halve", given({"x": PAIR * n})) for n in range(8))
            )
            assert [r.as_numpy("y")[0, 0] for r in results] == [n / 2 for n in range(8)]

    asyncio.run(run())


def test_whoever_comes_in_is_told_where_to_go(server):
    status, headers, body = ask(server, "GET", "/")
    assert (status, headers["content-type"]) == (200, "application/json")
    document = json.loads(body)
    assert document["name"] == "edgeflow"
    for where in document["links"].values():
        method, _, path = where.rpartition(" ")
        assert ask(server, method or "GET", path)[0] == 200


def test_probes_and_metrics(server):
    assert ask(server, "GET", "/healthz")[0::2] == (200, b"ok\n")
    assert ask(server, "GET", "/readyz")[0::2] == (200, b"ready\n")
    infer(server, "halve", pair())
    infer(server, "made-up", pair())
    infer(server, "halve", {"inputs": 3})
    status, headers, page = ask(server, "GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain")
    text = page.decode()
    line = 'edgeflow_inference_requests_total{model="%s",outcome="%s",protocol="http"} 1.0'
    assert line % ("halve", "ok") in text
    assert line % ("", "unknown_model") in text
    assert line % ("", "malformed") in text
    assert "made-up" not in text
    assert 'edgeflow_model_ready{model="halve",version="2"} 1.0' in text
    assert 'edgeflow_inference_seconds_count{model="halve",protocol="http"} 1.0' in text


def test_ready_means_that_pinned_models_are_loaded():
    with running(HttpServer, service=models(pinned=("halve",))) as server:
        deadline = time.monotonic() + 20
        while ask(server, "GET", "/readyz")[0] != 200:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert ask(server, "POST", "/v2/repository/models/halve/unload")[0] == 200
        assert ask(server, "GET", "/readyz")[0] == 503
        assert ask(server, "GET", "/v2/health/ready")[0] == 503
        assert ask(server, "GET", "/healthz")[0] == 200


@pytest.mark.parametrize(
    ("model", "head", "status", "said"),
    [
        ("nobody", pair(), 404, "no model 'nobody'"),
        ("raises", pair(), 500, "bad mood"),
        ("halve", pair(datatype="FP64"), 400, "'x' takes float32"),
        ("halve", pair(shape=[1, 3], data=[1, 2, 3]), 400, "'x' takes float32"),
        ("halve", pair(shape=[1, 3]), 400, "data has 2 numbers"),
        ("halve", pair(datatype="BYTES"), 400, "BYTES"),
        ("halve", pair() | {"outputs": [{"name": "z"}]}, 400, "'z'"),
        ("halve", {"inputs": []}, 400, "'x' is missing"),
        ("halve", [], 400, "request"),
    ],
)
def test_mistakes_are_told_with_their_status(server, model, head, status, said):
    got, headers, body = infer(server, model, head)
    assert got == status
    assert said in json.loads(body)["error"]
    assert headers["content-type"] == "application/json"
    assert infer(server, "halve", pair())[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v3", 404),
        ("GET", "/v2/models", 404),
        ("GET", "/v2/models/halve/versions/1/what", 404),
        ("GET", "/v2/models/halve/infer", 405),
        ("DELETE", "/v2/models/halve", 405),
        ("GET", "/v2/models/%00/config", 404),
        ("GET", "/v2/models/halve/versions/9/ready", 404),
        ("POST", "/v2/models//infer", 404),
        ("GET", "/v2/models/" + "x" * 5000, 404),
        ("HEAD", "/v2", 200),
    ],
)
def test_paths_that_are_not_there(server, method, path, status):
    got, _, body = ask(
        server, method, path, json.dumps(pair()).encode() if method == "POST" else b""
    )
    assert got == status
    if status >= 400:
        assert json.loads(body)["error"]


def test_bodies_are_bounded():
    with running(HttpServer, limits=SMALL) as server:
        status, headers, body = infer(server, "halve", pair(), bytes(200_000))
        assert (status, headers["connection"]) == (413, "close")
        assert "100000 allowed" in json.loads(body)["error"]
        assert infer(server, "halve", pair())[0] == 200

        def pieces():
            for _ in range(11):
                yield bytes(10_000)

        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("POST", "/v2/models/halve/infer", pieces(), encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked"})  # fmt: skip
        assert connection.getresponse().status == 413
        connection.close()


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_a_bomb_does_not_go_off(packing):
    pack = {"gzip": gzip.compress, "deflate": zlib.compress}[packing]
    bomb = pack(pack(bytes(50_000_000)))
    assert len(bomb) < 100_000
    with running(HttpServer, limits=SMALL) as server:
        for body in (pack(bytes(50_000_000)), bomb):
            path, headers = "/v2/models/halve/infer", {"Content-Encoding": packing}
            status, _, text = ask(server, "POST", path, body, headers)
            assert status in (400, 413), text
        assert infer(server, "halve", pair())[0] == 200


@pytest.mark.parametrize(
    ("encoding", "body", "status", "said"),
    [
        ("br", b"x", 415, "br"),
        ("gzip", b"this is none", 400, "unpacked"),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-3], 400, "cut off"),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"rest", 400, "follow"),
        ("deflate", b"", 400, "cut off"),
    ],
)
def test_bad_packing_is_refused(server, encoding, body, status, said):
    headers = {"Content-Encoding": encoding}
    got, _, text = ask(server, "POST", "/v2/models/halve/infer", body, headers)
    assert got == status
    assert said in json.loads(text)["error"]


def test_a_body_that_does_not_come_is_not_waited_for():
    with running(HttpServer, limits=SMALL) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(
                b"POST /v2/models/halve/infer HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Length: 50000\r\n\r\n{"
            )
            assert b" 408 " in connection.recv(1000)
        assert infer(server, "halve", pair())[0] == 200


@pytest.mark.parametrize(
    "piece", [b"x" * 50_000, b"Name: value\r\n" * 4000], ids=["one header", "many headers"]
)
def test_a_head_that_does_not_end_is_cut_off(server, piece):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(b"GET /v2 HTTP/1.1\r\nHost: localhost\r\nX: ")
        with pytest.raises(OSError):
            for _ in range(2000):
                connection.sendall(piece)
    assert infer(server, "halve", pair())[0] == 200


def test_a_trailer_that_does_not_end_is_cut_off(server):
    head = b"POST /v2/models/halve/infer HTTP/1.1\r\nHost: localhost\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ")
        with pytest.raises(OSError):
            for _ in range(2000):
                connection.sendall(b"y" * 50_000)
    assert infer(server, "halve", pair())[0] == 200


def test_connections_that_say_nothing_are_hung_up_on(monkeypatch):
    monkeypatch.setattr("edgeflow.inference.servers.http_connection.HEAD_SECONDS", 0.3)
    with running(HttpServer) as server:
        for start in (b"", b"GET /v2 HT"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as silent:
                silent.sendall(start)
                assert silent.recv(100) == b""
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow:
            slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert slow.recv(1000).startswith(b"HTTP/1.1 200")
            slow.sendall(b"GET /healthz HT")
            while slow.recv(1000):
                pass


@pytest.mark.parametrize(
    "said",
    [b"\x00\x01\x02\r\n\r\n", b"GET /v2\r\n\r\n", b"GET \xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
     b"POST /v2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
     b"POST /v2 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"],
)  # fmt: skip
def test_what_is_no_http_is_answered_and_hung_up_on(server, said):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as stranger:
        stranger.sendall(said)
        stranger.shutdown(socket.SHUT_WR)
        got = b""
        while piece := stranger.recv(1000):
            got += piece
    assert b"HTTP/1.1 40" in got
    assert infer(server, "halve", pair())[0] == 200


def test_memory_of_all_bodies_is_bounded():
    slow_body = Limits(body=100_000, memory=150_000, body_seconds=20)
    with running(HttpServer, limits=slow_body) as server:
        head = (
            b"POST /v2/models/halve/infer HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: 100000\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as holder:
            holder.sendall(head + bytes(99_000))
            deadline = time.monotonic() + 20
            status = 0
            while status != 503:
                assert time.monotonic() < deadline
                status, headers, _ = infer(server, "halve", pair(), bytes(60_000))
            assert headers["retry-after"] == "1"
        deadline = time.monotonic() + 20
        while infer(server, "halve", pair(), bytes(60_000))[0] != 400:
            assert time.monotonic() < deadline


@pytest.mark.parametrize("how", ["parameter", "header"])
def test_a_late_request_is_answered_so_and_not_computed(server, how):
    blockers = [threading.Thread(target=infer, args=(server, "slow", pair())) for _ in range(2)]
    for blocker in blockers:
        blocker.start()
        assert gate.entered.acquire(timeout=20)
    if how == "parameter":
        got = infer(server, "slow", pair() | {"parameters": {"timeout": 50_000}})
    else:
        got = infer(server, "slow", pair(), **{"Request-Timeout-Ms": "50"})
    assert got[0] == 504
    gate.opened.set()
    for blocker in blockers:
        blocker.join(20)
    assert infer(server, "slow", pair())[0] == 200
    assert gate.calls == 3


def test_a_client_that_leaves_withdraws_its_request(server):
    blockers = [threading.Thread(target=infer, args=(server, "slow", pair())) for _ in range(2)]
    for blocker in blockers:
        blocker.start()
        assert gate.entered.acquire(timeout=20)
    body = json.dumps(pair()).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as leaving:
        leaving.sendall(
            b"POST /v2/models/slow/infer HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        wait_for(server, 'edgeflow_model_queue_depth{model="slow"} 1.0')
    wait_for(server, 'edgeflow_model_cancelled_total{model="slow"} 1.0')
    gate.opened.set()
    for blocker in blockers:
        blocker.join(20)
    assert gate.calls == 2


def wait_for(server, line):
    deadline = time.monotonic() + 20
    while line not in ask(server, "GET", "/metrics")[2].decode():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_stopping_ends_requests_under_way():
    service = models()
    server = HttpServer(service, port=0).start()
    got = []
    asking = threading.Thread(target=lambda: got.append(_ends(server)))
    asking.start()
    assert gate.entered.acquire(timeout=20)
    started = time.monotonic()
    server.stop()
    server.stop()
    assert time.monotonic() - started < 6  # under 3 s on an idle machine
    gate.opened.set()
    asking.join(20)
    service.close()
    assert got[0] in ("cut", 500, 503)


def _ends(server):
    try:
        return infer(server, "slow", pair())[0]
    except (OSError, http.client.HTTPException):
        return "cut"
