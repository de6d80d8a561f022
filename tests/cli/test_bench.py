import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeflow.cli import main
from edgeflow.inference.servers.tensor import TensorServer
from servers import free_port
from tensor_peers import NumpyService

CLIENTS = Path(__file__).parents[2] / "clients" / "python"
FIRST = re.compile(r"count=(\d+) total=\d+\.\d{3}s qps=\d+\.\d\d")
SECOND = re.compile(r"latency_ms: mean=\d+\.\d\d p50=\d+\.\d\d p95=\d+\.\d\d p99=\d+\.\d\d")


@pytest.fixture
def server():
    service = NumpyService()
    service.add("tiny", "x:f4:?,16 n:i8:1 b:?:2", "y:f4:?", lambda x, n, b: (x.sum(axis=1),))
    service.add("mobilenet", "x:f4:1,3,224,224", "y:f4:?", lambda x: (x[0, 0, 0],))
    service.add("broken", "x:f4:1", "y:f4:?", lambda x: 1 / 0)
    with TensorServer(service, port=0) as running:
        running.seen = service.seen
        yield running
    service.close()


def bench(server, *options: str) -> int:
    return main(["bench", "infer", "--port", str(server.port), *options])


def test_it_prints_the_lines_of_the_reference(server, capsys):
    assert bench(server, "--model", "tiny", "--warmup", "3", "--count", "20") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert FIRST.fullmatch(first).group(1) == "20"
    assert SECOND.fullmatch(second)
    assert len(server.seen) == 23


def test_many_connections_and_requests_under_way(server, capsys):
    options = ("--concurrency", "3", "--window", "8", "--size", "4", "--warmup", "2", "--json")
    assert bench(server, "--model", "tiny", "--count", "100", *options) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["count"] == 100
    assert 0 < report["p50_ms"] <= report["p99_ms"]
    assert len(server.seen) == 106
    assert server.seen[0].inputs["x"].shape == (4, 16)


def test_version_1_takes_what_the_name_says(server, capsys):
    options = ("--protocol", "1", "--warmup", "0", "--iters", "2")
    assert bench(server, "--model", "mobilenet", *options) == 0
    assert server.seen[0].inputs["x"].shape == (1, 3, 224, 224)
    capsys.readouterr()


def test_failures_are_named(server, capsys):
    assert bench(server, "--model", "nobody") == 1
    assert "EF-ENGINE-002" in capsys.readouterr().err
    assert bench(server, "--model", "broken", "--concurrency", "4") == 1
    assert "division" in capsys.readouterr().err
    assert main(["bench", "infer", "--port", str(free_port()), "--timeout", "0.2"]) == 4


def test_the_clients_of_the_first_gateway(server):
    script = [sys.executable, CLIENTS / "examples" / "benchmark.py", "--port", str(server.port)]
    script += ["--model", "tiny", "--warmup-iters", "1", "--iter", "5"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=True)
    first, second = done.stdout.splitlines()
    assert FIRST.fullmatch(first)
    assert SECOND.fullmatch(second)


def test_gateway_stream_and_client(server, monkeypatch):
    monkeypatch.syspath_prepend(str(CLIENTS))
    from gateway_client import infer
    from gateway_stream import GatewayStream

    image = np.full((1, 3, 224, 224), 0.5, np.float32)
    with GatewayStream("127.0.0.1", server.port, 20.0) as stream:
        for _ in range(2):
            status, (blob,) = stream.infer("mobilenet", [image])
            assert status == 0
            assert np.frombuffer(blob, np.float32).tolist() == [0.5] * 224
        assert stream.infer("nobody", [image]) == (2, [])
    assert infer("127.0.0.1", server.port, "mobilenet", [image])[0] == 0
