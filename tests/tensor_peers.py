"""For tests of the tensor protocol: a real small service, and a client written from its page."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from edgeflow.core.status import ModelStatus
from edgeflow.errors import (
    CancelledError,
    DeadlineError,
    EdgeFlowError,
    EngineError,
    OverloadedError,
    TensorError,
    UnknownModelError,
)
from edgeflow.inference.engines.base import EngineSpec, TensorSpec
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.inference.service import InferenceService, ModelInfo

__all__ = ["NumpyService", "PublicClient", "ServerProcess", "VersionOneServer", "spec_of"]


def spec_of(inputs: str, outputs: str) -> EngineSpec:
    """Return a spec from ``"a:f4:2,?  b:i4:3"``."""

    def tensors(text: str):
        for word in text.split():
            name, dtype, shape = word.split(":")
            sizes = tuple(None if size == "?" else int(size) for size in shape.split(",") if size)
            yield TensorSpec(name, np.dtype(dtype), sizes)

    return EngineSpec(tuple(tensors(inputs)), tuple(tensors(outputs)))


class _Job:
    def __init__(self, request, function, done) -> None:
        self.request, self.function, self.done = request, function, done
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        self.cancelled.set()


class NumpyService(InferenceService):
    """Runs functions over arrays in two threads, behind a bounded queue."""

    def __init__(self, capacity: int = 1000) -> None:
        self.models: dict[str, tuple[EngineSpec, Callable]] = {}
        self.cancelled: list[InferRequest] = []
        self.seen: list[InferRequest] = []
        self.computed = 0
        self._capacity = capacity
        self._waiting = 0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(2)

    def add(self, name: str, inputs: str, outputs: str, function: Callable) -> None:
        """Add a model: ``function(*inputs)`` gives a tuple of outputs."""
        self.models[name] = (spec_of(inputs, outputs), function)

    def submit(self, request: InferRequest, done):
        job = _Job(request, None, done)
        try:
            spec, job.function = self._find(request.model)
            request.inputs = self._checked(spec, request.inputs)
            with self._lock:
                if self._waiting >= self._capacity:
                    raise OverloadedError(f"{self._waiting} requests wait")
                self._waiting += 1
                self.seen.append(request)
        except EdgeFlowError as error:
            done(error)
            return job
        self._pool.submit(self._run, job, spec)
        return job

    def _run(self, job: _Job, spec: EngineSpec) -> None:
        with self._lock:
            self._waiting -= 1
        job.done(self._outcome(job, spec))

    def _outcome(self, job: _Job, spec: EngineSpec):
        request = job.request
        if job.cancelled.is_set():
            self.cancelled.append(request)
            return CancelledError("the client has left")
        if request.deadline is not None and time.monotonic() > request.deadline:
            return DeadlineError("too late")
        started = time.perf_counter()
        try:
            values = job.function(*request.inputs.values())
        except Exception as error:
            return EngineError(f"{request.model}: {error}")
        self.computed += 1
        names = [tensor.name for tensor in spec.outputs]
        outputs = dict(zip(names, values, strict=True))
        if request.outputs:
            if not set(request.outputs) <= set(outputs):
                return TensorError(f"outputs are {names}")
            outputs = {name: outputs[name] for name in request.outputs}
        return InferResponse(
            request.model, "1", outputs, request.request_id,
            compute_s=time.perf_counter() - started,
        )  # fmt: skip

    @staticmethod
    def _checked(spec: EngineSpec, inputs):
        if not isinstance(inputs, dict):
            if len(inputs) != len(spec.inputs):
                raise TensorError(f"{len(inputs)} inputs, {len(spec.inputs)} wanted")
            inputs = {each.name: array for each, array in zip(spec.inputs, inputs, strict=True)}
        for each in spec.inputs:
            array = inputs.get(each.name)
            if array is None or array.dtype != each.dtype or not each.accepts(array.shape):
                raise TensorError(f"the model takes {each}")
        return inputs

    def _find(self, model: str):
        if model not in self.models:
            raise UnknownModelError(f"no model {model!r}")
        return self.models[model]

    def info(self, model: str, version: str | None = None) -> ModelInfo:
        return ModelInfo(model, "1", ("1",), "numpy", self._find(model)[0], labels=("cat", "dog"))

    def status(self) -> list[ModelStatus]:
        return [ModelStatus(name=name, state="ready", version="1") for name in self.models]

    def load(self, model: str, version: str | None = None) -> None:
        self._find(model)

    def unload(self, model: str) -> None:
        self._find(model)
        del self.models[model]

    def is_ready(self, model: str | None = None) -> bool:
        return model is None or model in self.models

    def close(self) -> None:
        self._pool.shutdown()


CODES = {np.dtype("f4"): 0, np.dtype("f2"): 1, np.dtype("i1"): 2, np.dtype("i4"): 3}


class PublicClient:
    """Version 1 as the public clients write it: interleaved, one request at a time."""

    def __init__(self, port: int, timeout: float = 20.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)

    @staticmethod
    def request(model: str, *arrays: np.ndarray) -> bytes:
        body = struct.pack("<4sHHIII", b"TRT\x01", 1, 0, len(model.encode()), len(arrays), 0)
        body += model.encode()
        for array in arrays:
            body += struct.pack("<BB", CODES[array.dtype], array.ndim)
            body += struct.pack(f"<{array.ndim}i", *array.shape)
            body += struct.pack("<I", array.nbytes) + array.tobytes()
        return struct.pack("<I", len(body)) + body

    def receive(self) -> tuple[int, list[bytes]]:
        frame = self._exactly(struct.unpack("<I", self._exactly(4))[0])
        _, status, count = struct.unpack_from("<III", frame)
        sizes = struct.unpack_from(f"<{count}I", frame, 12)
        at, blobs = 12 + 4 * count, []
        for size in sizes:
            blobs.append(frame[at : at + size])
            at += size
        assert at == len(frame)
        return status, blobs

    def infer(self, model: str, *arrays: np.ndarray) -> tuple[int, list[bytes]]:
        self.socket.sendall(self.request(model, *arrays))
        return self.receive()

    def is_closed(self) -> bool:
        """Wait for the server to hang up."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self.socket.recv(min(count - len(data), 1 << 20))
            if not piece:
                raise ConnectionError(f"closed after {len(data)} of {count} bytes")
            data += piece
        return data

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


class VersionOneServer:
    """Behaves as the public server: version 1 only, one connection at a time, no word on errors.

    Its one model doubles a vector of float32.
    """

    def __init__(self) -> None:
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._peer: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                self._peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with self._peer, contextlib.suppress(OSError, ConnectionError):
                while self._serve(self._peer):
                    pass

    def _serve(self, peer: socket.socket) -> bool:
        frame = self._exactly(peer, struct.unpack("<I", self._exactly(peer, 4))[0])
        if frame[:6] != b"TRT\x01\x01\x00":
            return False
        name_len, count = struct.unpack_from("<II", frame, 8)
        if frame[20 : 20 + name_len] != b"double" or count != 1:
            peer.sendall(struct.pack("<IIII", 12, 0, 2 if count == 1 else 4, 0))
            return True
        at = 20 + name_len
        size = struct.unpack_from("<I", frame, at + 2 + 4 * frame[at + 1])[0]
        values = np.frombuffer(frame[len(frame) - size :], np.float32) * 2
        head = struct.pack("<IIIII", 16 + size, 0, 0, 1, size)
        peer.sendall(head + values.astype(np.float32).tobytes())
        return True

    @staticmethod
    def _exactly(peer: socket.socket, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = peer.recv(count - len(data))
            if not piece:
                raise ConnectionError
            data += piece
        return data

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._peer is not None:
            with contextlib.suppress(OSError):
                self._peer.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)


class ServerProcess:
    """A tensor server in a process of its own: models ``double`` (after ``delay``), ``other``."""

    def __init__(self, port: int = 0, delay: float = 0.0) -> None:
        script = Path(__file__).with_name("tensor_server_process.py")
        self.process = subprocess.Popen(
            [sys.executable, script, str(port), str(delay)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def kill9(self) -> None:
        """Kill it without warning."""
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()

    def pause(self) -> None:
        """Make it hang."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def resume(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)
