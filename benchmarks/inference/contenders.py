"""What can be measured: ONNX Runtime in the client's process, our servers, and the peers'."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.inference.callers import CALLERS, CallError
from benchmarks.inference.environments import python_of
from benchmarks.inference.models import MODELS
from benchmarks.machine import family, free_port

__all__ = ["CONTENDERS", "GRPC", "HTTP", "IN_PROCESS", "TCP", "Contender", "Running", "StartError"]

PEERS = Path(__file__).parent / "peers"
ROOT = Path(__file__).resolve().parents[2]
START_SECONDS, STOP_SECONDS = 90.0, 10.0

IN_PROCESS = "in-process ONNX Runtime"
TCP, HTTP, GRPC = "edgeflow TCP", "edgeflow HTTP", "edgeflow gRPC"


class StartError(Exception):
    """A server did not start, or gave wrong answers."""


@dataclass(frozen=True)
class Launch:
    """How a server is started: its command, more environment, and the port that is asked."""

    command: list[str]
    port: int
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contender:
    """Something that runs models.

    Attributes:
        caller: key of ``CALLERS``.
        launch: given the folder of models and an empty one, how its server is started; None for
            no server.
        environment: of a peer, key of ``REQUIREMENTS``; made before anything is measured.
    """

    label: str
    caller: str
    launch: Callable[[Path, Path], Launch] | None = None
    environment: str = ""
    ours: bool = False

    def prepare(self) -> None:
        """Install what it needs."""
        if self.environment:
            python_of(self.environment)


class Running:
    """A contender's server from entry to exit.

    Attributes:
        address: for callers; pid: of its first process, 0 for none.
    """

    def __init__(self, contender: Contender, folder: Path) -> None:
        self.contender, self._folder = contender, folder
        self.address, self.pid = str(folder), 0
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch = Path(tempfile.mkdtemp(prefix="bench-inference-"))

    def __enter__(self) -> "Running":
        if self.contender.launch is None:
            return self
        launch = self.contender.launch(self._folder, self._scratch)
        with (self._scratch / "output.txt").open("wb") as output:
            self._process = subprocess.Popen(
                launch.command,
                cwd=self._scratch,
                env=os.environ | {"OMP_NUM_THREADS": "1"} | launch.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        self.address, self.pid = f"127.0.0.1:{launch.port}", self._process.pid
        try:
            self._await()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            started = family([self._process.pid])
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
            for pid in started:
                with contextlib.suppress(psutil.NoSuchProcess):
                    psutil.Process(pid).kill()
            self._process.wait(STOP_SECONDS)
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _await(self) -> None:
        """Wait until every model answers."""
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        for name, model in MODELS.items():
            while True:
                try:
                    caller = CALLERS[self.contender.caller](self.address, name, model.sample())
                    caller.numbers(caller.call())
                    caller.close()
                    break
                except (OSError, CallError, ValueError) as error:
                    if self._process.poll() is not None or time.monotonic() > deadline:
                        said = (self._scratch / "output.txt").read_text(errors="replace")
                        raise StartError(
                            f"{self.contender.label}: {error}\n{said[-3000:]}"
                        ) from error
                time.sleep(0.2)


def _ours(protocol: str) -> Callable[[Path, Path], Launch]:
    def launch(folder: Path, _: Path) -> Launch:
        ports = {each: free_port() for each in ("tcp", "http", "grpc")}
        edgeflow = Path(sys.executable).with_name("edgeflow")
        command = [str(edgeflow), "serve", "--models", str(folder)]
        for each, port in ports.items():
            command += [f"--{each}-port", str(port)]
        return Launch(command, ports[protocol])

    return launch


def _litserve(workers: int) -> Callable[[Path, Path], Launch]:
    def launch(folder: Path, _: Path) -> Launch:
        port = free_port()
        script = [str(python_of("litserve")), str(PEERS / "lit_serve.py")]
        return Launch([*script, str(folder), str(port), str(workers)], port)

    return launch


def _bentoml(workers: int) -> Callable[[Path, Path], Launch]:
    def launch(folder: Path, scratch: Path) -> Launch:
        port = free_port()
        bentoml = python_of("bentoml").with_name("bentoml")
        command = [str(bentoml), "serve", "bento:Models", "--host", "127.0.0.1"]
        command += ["--port", str(port), "--working-dir", str(PEERS)]
        environment = {
            "FOLDER": str(folder),
            "WORKERS": str(workers),
            "BENTOML_HOME": str(scratch / "home"),
            "BENTOML_DO_NOT_TRACK": "true",
        }
        return Launch(command, port, environment)

    return launch


def _mlserver(workers: int) -> Callable[[Path, Path], Launch]:
    def launch(folder: Path, scratch: Path) -> Launch:
        ports = {each: free_port() for each in ("http_port", "grpc_port", "metrics_port")}
        settings = {"host": "127.0.0.1", "parallel_workers": workers, "debug": False, **ports}
        (scratch / "settings.json").write_text(json.dumps(settings))
        for name in MODELS:
            (scratch / name).mkdir()
            about = {
                "name": name,
                "implementation": "ml_server.Onnx",
                "parameters": {"uri": str(folder / f"{name}.onnx")},
            }
            (scratch / name / "model-settings.json").write_text(json.dumps(about))
        command = [str(python_of("mlserver").with_name("mlserver")), "start", str(scratch)]
        return Launch(command, ports["grpc_port"], {"PYTHONPATH": str(PEERS)})

    return launch


def _ray(replicas: int) -> Callable[[Path, Path], Launch]:
    def launch(folder: Path, _: Path) -> Launch:
        port = free_port()
        script = [str(python_of("ray")), str(PEERS / "ray_serve.py")]
        environment = {"RAY_USAGE_STATS_ENABLED": "0"}
        return Launch([*script, str(folder), str(port), str(replicas)], port, environment)

    return launch


CONTENDERS: Sequence[Contender] = (
    Contender(TCP, "tensor", _ours("tcp"), ours=True),
    Contender(IN_PROCESS, "in_process"),
    Contender(HTTP, "oip_http", _ours("http"), ours=True),
    Contender(GRPC, "oip_grpc", _ours("grpc"), ours=True),
    Contender("MLServer, no workers", "oip_grpc", _mlserver(0), "mlserver"),
    Contender("MLServer, 2 workers", "oip_grpc", _mlserver(2), "mlserver"),
    Contender("LitServe, 1 worker", "litserve", _litserve(1), "litserve"),
    Contender("LitServe, 2 workers", "litserve", _litserve(2), "litserve"),
    Contender("BentoML, 1 worker", "bentoml", _bentoml(1), "bentoml"),
    Contender("BentoML, 2 workers", "bentoml", _bentoml(2), "bentoml"),
    Contender("Ray Serve, 1 replica", "raw_http", _ray(1), "ray"),
    Contender("Ray Serve, 2 replicas", "raw_http", _ray(2), "ray"),
)
