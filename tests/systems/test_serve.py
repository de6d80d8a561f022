"""``edgeflow serve`` as a process, with its three servers asked by foreign clients."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http

from servers import free_port
from small_models import save_scale
from tensor_peers import PublicClient

RUN = "import sys; from edgeflow.cli import main; sys.exit(main())"
ANY = ("--tcp-port", "0", "--http-port", "0", "--grpc-port", "0")
X = np.array([[1, 2, 3, 4]], np.float32)


@contextmanager
def serving(models, *options, **environment):
    """Run ``edgeflow serve``; yield the process and its addresses; end it."""
    process = start(models, *options, **environment)
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield process, json.loads(line)
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=20)


def start(models, *options, run=RUN, **environment):
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            run,
            "serve",
            "--models",
            str(models),
            "--json",
            *options,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


def get(addresses, path, **headers):
    connection = http.client.HTTPConnection(addresses["http"].partition("//")[2], timeout=20)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def wait_for(true):
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def tensor(package):
    found = package.InferInput("x", X.shape, "FP32")
    found.set_data_from_numpy(X)
    return [found]


def test_three_servers_answer_for_one_folder_until_it_is_ended(tmp_path):
    save_scale(tmp_path / "double.onnx")
    with serving(tmp_path, *ANY) as (process, addresses):
        over_http = triton_http.InferenceServerClient(addresses["http"].partition("//")[2])
        assert (
            over_http.infer("double", tensor(triton_http)).as_numpy("y").tolist()
            == (2 * X).tolist()
        )
        over_grpc = triton_grpc.InferenceServerClient(addresses["grpc"])
        assert (
            over_grpc.infer("double", tensor(triton_grpc)).as_numpy("y").tolist()
            == (2 * X).tolist()
        )
        over_tcp = PublicClient(int(addresses["tcp"].rpartition(":")[2]))
        with closing(over_tcp.socket):
            status, outputs = over_tcp.infer("double", X)
        assert status == 0
        assert np.frombuffer(outputs[0], np.float32).tolist() == (2 * X[0]).tolist()
        sums = over_http.get_inference_statistics("double")["model_stats"][0]
        assert sums["inference_stats"]["success"]["count"] == 3
        page = get(addresses, "/metrics")[1]
        for protocol in ("tensor", "http", "grpc"):
            labels = f'model="double",outcome="ok",protocol="{protocol}"'
            assert f"edgeflow_inference_requests_total{{{labels}}} 1.0" in page
        assert page.count("# TYPE eig_requests_total") == 1
        save_scale(tmp_path / "later.onnx")
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: get(addresses, "/v2/models/later")[0] == 200)
        started = time.monotonic()
        process.terminate()
        _, told = process.communicate(timeout=20)
        assert time.monotonic() - started < 6  # under 3 s on an idle machine
        assert process.returncode == 0
        assert addresses["http"] in told
        assert "curl " in told
        assert "gateway_started" in told
        assert "Traceback" not in told
        over_http.close()
        over_grpc.close()


def test_ready_once_pinned_models_are_loaded(tmp_path):
    save_scale(tmp_path / "double.onnx")
    listed = tmp_path / "models.yaml"
    listed.write_text("models: [{id: double, engine: double.onnx, pinned: true}]\n")
    with serving(listed, *ANY) as (_, addresses):
        wait_for(lambda: get(addresses, "/readyz")[0] == 200)
        assert get(addresses, "/v2/models/double/ready")[0] == 200


def test_never_ready_while_a_pinned_model_cannot_be_loaded(tmp_path):
    save_scale(tmp_path / "double.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"this is no model")
    listed = tmp_path / "models.yaml"
    listed.write_text(
        "models:\n"
        "  - {id: broken, engine: broken.onnx, pinned: true}\n"
        "  - {id: double, engine: double.onnx}\n"
    )
    with serving(listed, *ANY) as (_, addresses):
        wait_for(lambda: get(addresses, "/v2/models/double")[0] == 200)
        assert get(addresses, "/healthz")[0] == 200
        assert get(addresses, "/readyz")[0] == 503
        status, text = get(addresses, "/v2/models/broken")
        assert status == 404
        assert "broken" in text


def test_ports_come_from_option_then_environment_then_file(tmp_path):
    save_scale(tmp_path / "double.onnx")
    one, two, three = free_port(), free_port(), free_port()
    listed = tmp_path / "models.yaml"
    listed.write_text(
        f"server: {{host: 127.0.0.1, port: {one}, http_port: {one}, grpc_port: {three}}}\n"
        "models: [{id: double, engine: double.onnx}]\n"
    )
    environment = {"EIG_PORT": str(two), "EIG_HTTP_PORT": str(two)}
    with serving(listed, "--http-port", "0", **environment) as (_, addresses):
        assert addresses["tcp"] == f"127.0.0.1:{two}"
        assert addresses["grpc"] == f"127.0.0.1:{three}"
        assert not addresses["http"].endswith((f":{one}", f":{two}"))


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        (("--tcp-port", "{}", "--http-port", "0", "--grpc-port", "0"), "--tcp-port"),
        (("--tcp-port", "0", "--grpc-port", "0"), "EIG_HTTP_PORT"),
        (("--tcp-port", "0", "--http-port", "0"), "server.grpc_port"),
    ],
)
def test_a_port_in_use_is_told_with_the_setting_it_comes_from(tmp_path, options, setting):
    save_scale(tmp_path / "double.onnx")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        listed = tmp_path / "models.yaml"
        listed.write_text(
            f"server: {{grpc_port: {port}}}\nmodels: [{{id: double, engine: double.onnx}}]\n"
        )
        words = [word.format(port) for word in options]
        process = start(listed, *words, EIG_HTTP_PORT=str(port))
        out, told = process.communicate(timeout=60)
    assert process.returncode == 3
    assert out == ""
    assert setting in told
    assert str(port) in told
    assert "Traceback" not in told


def test_models_that_are_not_there_are_told(tmp_path):
    process = start(tmp_path / "nowhere", *ANY)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "name a folder of models, or a models.yaml" in told


def test_bound_wider_the_token_opens_it(tmp_path):
    save_scale(tmp_path / "double.onnx")
    environment = {"EDGEFLOW_TOKEN": "open sesame"}
    with serving(tmp_path, *ANY, "--host", "0.0.0.0", **environment) as (_, addresses):
        addresses["http"] = addresses["http"].replace("0.0.0.0", "127.0.0.1")
        assert get(addresses, "/readyz")[0] == 200
        assert get(addresses, "/v2/models/double")[0] == 401
        assert get(addresses, "/metrics")[0] == 401
        right = get(addresses, "/v2/models/double", Authorization="Bearer open sesame")
        assert right[0] == 200


BARE = "import sys; sys.modules.update(grpc=None, httptools=None, uvloop=None); " + RUN


def test_without_its_extras_it_serves_what_it_can(tmp_path):
    save_scale(tmp_path / "double.onnx")
    ports = ("--tcp-port", "0", "--http-port", "0")
    with serving(tmp_path, *ports, run=BARE) as (process, addresses):
        assert set(addresses) == {"tcp", "http"}
        over_http = triton_http.InferenceServerClient(addresses["http"].partition("//")[2])
        answer = over_http.infer("double", tensor(triton_http)).as_numpy("y")
        assert answer.tolist() == (2 * X).tolist()
        over_http.close()
        process.terminate()
        assert "pip install 'edgeflow[grpc]'" in process.communicate(timeout=20)[1]
    process = start(tmp_path, *ANY, run=BARE)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "needs the package 'grpc'" in told


def test_a_model_that_hangs_does_not_hold_it_up(tmp_path):
    listed = tmp_path / "models.yaml"
    listed.write_text(
        "models:\n"
        "  - id: slow\n"
        "    engine: oip_service:slow\n"
        "    warm_up: false\n"
        "    options: {inputs: 'x: float32[?, 4]', outputs: 'y: float32[?, 4]'}\n"
    )
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}
    with serving(listed, *ANY, PYTHONPATH=str(Path(__file__).parents[1])) as (process, addresses):
        connection = http.client.HTTPConnection(addresses["http"].partition("//")[2], timeout=20)
        with closing(connection):
            connection.request("POST", "/v2/models/slow/infer", json.dumps(body))
            busy = 'edgeflow_model_ready{model="slow",version="1"} 1.0'
            wait_for(lambda: busy in get(addresses, "/metrics")[1])
            started = time.monotonic()
            process.terminate()
            response = connection.getresponse()
            assert response.status == 503
            assert "ends" in json.loads(response.read())["error"]
        process.communicate(timeout=20)
        assert process.returncode == 0
        assert time.monotonic() - started < 8


def test_tls_covers_all_three(tmp_path):
    save_scale(tmp_path / "models" / "double.onnx")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    files = ("--tls-cert", str(certificate), "--tls-key", str(key))
    trusted = ssl.create_default_context(cafile=certificate)
    with serving(tmp_path / "models", *ANY, *files) as (_, addresses):
        assert addresses["http"].startswith("https://")
        place = addresses["http"].partition("//")[2]
        connection = http.client.HTTPSConnection(place, timeout=20, context=trusted)
        with closing(connection):
            connection.request("GET", "/v2/models/double")
            assert connection.getresponse().status == 200
        with triton_grpc.InferenceServerClient(
            addresses["grpc"], ssl=True, root_certificates=str(certificate)
        ) as over_grpc:
            answer = over_grpc.infer("double", tensor(triton_grpc)).as_numpy("y")
        assert answer.tolist() == (2 * X).tolist()
        port = int(addresses["tcp"].rpartition(":")[2])
        over_tcp = PublicClient(port)
        over_tcp.socket = trusted.wrap_socket(over_tcp.socket, server_hostname="localhost")
        with closing(over_tcp.socket):
            assert over_tcp.infer("double", X)[0] == 0
    process = start(tmp_path / "models", *ANY, *files[:2], "--tls-key", str(certificate))
    _, told = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "TLS with" in told
