"""How one client asks one server, again and again: the same bytes each time, made before.

Requests are prepared once, so that what is measured is the server and not how quickly a client
writes JSON. An answer is read whole; its numbers are compared once, before the measurement.
"""

import base64
import json
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["CALLERS", "CallError", "Caller"]

Array = npt.NDArray[np.float32]
TIMEOUT = 60.0


class CallError(Exception):
    """An answer that is none."""


class Caller(Protocol):
    """One connection. Used by one thread."""

    def call(self) -> Any:
        """Send the request and return the raw answer.

        Raises:
            CallError: the server says that it failed.
            OSError: it is not there, or left.
        """

    def numbers(self, answer: Any) -> Array:
        """Return the model's output in an answer."""

    def close(self) -> None: ...


class Tensor:
    """The binary protocol, version 2, over TCP."""

    def __init__(self, address: str, model: str, x: Array) -> None:
        from edgeflow.protocols.tensor import v2

        parts = v2.encode_request(v2.Request(7, model, {"x": x}))
        self._request = b"".join(bytes(part) for part in parts)
        self._socket = _connect(address)
        self._buffer = bytearray(1 << 16)

    def call(self) -> memoryview:
        self._socket.sendall(self._request)
        return self.receive()

    def send(self) -> None:
        """Send without waiting: for pipelining."""
        self._socket.sendall(self._request)

    def receive(self) -> memoryview:
        """Wait for the next answer."""
        (size,) = struct.unpack("<I", _receive(self._socket, self._buffer, 4))
        if size > len(self._buffer):
            self._buffer = bytearray(size)
        return _receive(self._socket, self._buffer, size)

    def numbers(self, answer: memoryview) -> Array:
        from edgeflow.protocols.tensor import v2
        from edgeflow.protocols.tensor.wire import Limits

        response = v2.decode_response(bytes(answer), Limits())
        if response.status != 0:
            raise CallError(response.text)
        return np.asarray(next(iter(response.outputs.values())))

    def close(self) -> None:
        self._socket.close()


class Http:
    """One POST over a connection that stays open."""

    def __init__(self, address: str, path: str, headers: dict[str, str], body: bytes) -> None:
        lines = [f"POST {path} HTTP/1.1", f"Host: {address}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._request = "\r\n".join([*lines, "", ""]).encode() + body
        self._socket = _connect(address)
        self._file = self._socket.makefile("rb")

    def call(self) -> tuple[dict[bytes, bytes], bytes]:
        self._socket.sendall(self._request)
        status = self._file.readline()
        headers = {}
        while line := self._file.readline().strip():
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip()
        body = self._body(headers)
        if status.split(b" ", 2)[1:2] != [b"200"]:
            raise CallError(f"{status!r} {body[:300]!r}")
        return headers, body

    def _body(self, headers: dict[bytes, bytes]) -> bytes:
        if b"content-length" in headers:
            return self._file.read(int(headers[b"content-length"]))
        parts = []
        while size := int(self._file.readline(), 16):
            parts.append(self._file.read(size))
            self._file.readline()
        self._file.readline()
        return b"".join(parts)

    def numbers(self, answer: tuple[dict[bytes, bytes], bytes]) -> Array:
        headers, body = answer
        start = int(headers.get(b"inference-header-content-length", 0))
        return np.frombuffer(body, np.float32, offset=start)

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def oip_http(address: str, model: str, x: Array) -> Http:
    """Open Inference Protocol with binary tensors."""
    data = x.tobytes()
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": "x",
                    "shape": list(x.shape),
                    "datatype": "FP32",
                    "parameters": {"binary_data_size": len(data)},
                }
            ],
            "parameters": {"binary_data_output": True},
        }
    ).encode()
    headers = {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(head)),
    }
    return Http(address, f"/v2/models/{model}/infer", headers, head + data)


def json_http(path: str) -> "Callable[[str, str, Array], Http]":
    """JSON with the tensor in base64."""

    def make(address: str, model: str, x: Array) -> Http:
        text = base64.b64encode(x.tobytes()).decode()
        body = json.dumps({"model": model, "x": text}).encode()
        return Http(address, path, {"Content-Type": "application/json"}, body)

    return make


def raw_http(address: str, model: str, x: Array) -> Http:
    """The tensor as the whole body."""
    headers = {"Content-Type": "application/octet-stream"}
    return Http(address, f"/?model={model}", headers, x.tobytes())


class Grpc:
    """Open Inference Protocol over gRPC, with raw contents; the messages are bytes made before."""

    def __init__(self, address: str, model: str, x: Array) -> None:
        import grpc
        from tritonclient.grpc import service_pb2

        request = service_pb2.ModelInferRequest(model_name=model)
        tensor = request.inputs.add(name="x", datatype="FP32", shape=list(x.shape))
        assert tensor.name == "x"
        request.raw_input_contents.append(x.tobytes())
        self._request = request.SerializeToString()
        # A connection of its own: channels of one process share one otherwise.
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
        ]
        self._channel = grpc.insecure_channel(address, options)
        self._method = self._channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

    def call(self) -> bytes:
        import grpc

        try:
            answer: bytes = self._method(self._request, timeout=TIMEOUT)
        except grpc.RpcError as error:
            raise CallError(str(error.details())) from None
        return answer

    def numbers(self, answer: bytes) -> Array:
        from tritonclient.grpc import service_pb2

        response = service_pb2.ModelInferResponse.FromString(answer)
        if response.raw_output_contents:
            return np.frombuffer(response.raw_output_contents[0], np.float32)
        return np.array(response.outputs[0].contents.fp32_contents, np.float32)

    def close(self) -> None:
        self._channel.close()


class InProcess:
    """ONNX Runtime in this process, without anything of ours around it."""

    _sessions: dict[str, Any] = {}
    _lock = threading.Lock()

    def __init__(self, address: str, model: str, x: Array) -> None:
        import onnxruntime

        with self._lock:
            if model not in self._sessions:
                options = onnxruntime.SessionOptions()
                options.intra_op_num_threads = 1
                options.add_session_config_entry("session.intra_op.allow_spinning", "0")
                self._sessions[model] = onnxruntime.InferenceSession(
                    str(Path(address) / f"{model}.onnx"),
                    options,
                    providers=["CPUExecutionProvider"],
                )
        self._session, self._inputs = self._sessions[model], {"x": x}

    def call(self) -> Any:
        return self._session.run(None, self._inputs)

    def numbers(self, answer: Any) -> Array:
        return np.asarray(answer[0])

    def close(self) -> None:
        pass


CALLERS: dict[str, Callable[[str, str, Array], Caller]] = {
    "in_process": InProcess,
    "tensor": Tensor,
    "oip_http": oip_http,
    "oip_grpc": Grpc,
    "litserve": json_http("/predict"),
    "bentoml": json_http("/infer"),
    "raw_http": raw_http,
}


def _connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    made = socket.create_connection((host, int(port)), TIMEOUT)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _receive(connection: socket.socket, buffer: bytearray, size: int) -> memoryview:
    """Read exactly so many bytes into the buffer."""
    view = memoryview(buffer)[:size]
    at = 0
    while at < size:
        count = connection.recv_into(view[at:])
        if count == 0:
            raise CallError("the server hung up")
        at += count
    return view
