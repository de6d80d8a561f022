"""A model behind the Open Inference Protocol over HTTP, with tensors as binary data."""

from typing import Any
from urllib.parse import quote

import msgspec
import numpy as np
import numpy.typing as npt

from edgeflow.errors import (
    DeadlineError,
    EdgeFlowError,
    EngineError,
    MissingExtraError,
    OverloadedError,
    ProtocolError,
    TensorError,
    UnknownModelError,
    UnreachableError,
)
from edgeflow.inference.engines.base import EngineSpec, Tensors, TensorSpec
from edgeflow.protocols.oip import datatype_of, dtype_of, view
from edgeflow.protocols.tensor.wire import Buffer, array_bytes, little_endian

__all__ = ["HttpModel"]

_HEADER = "Inference-Header-Content-Length"
_MAX_TEXT = 1 << 20
_MAX_BODY = 1 << 30
_ERRORS: dict[int, type[EdgeFlowError]] = {
    400: TensorError,
    404: UnknownModelError,
    429: OverloadedError,
    503: OverloadedError,
    504: DeadlineError,
}


class _Tensor(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = {}


class _Metadata(msgspec.Struct):
    inputs: list[_Tensor]
    outputs: list[_Tensor]


class _Answer(msgspec.Struct):
    outputs: list[_Tensor]


class HttpModel:
    """Asks one model over kept connections; any thread may call it.

    Args:
        server: ``http://host:port``.
        model, version: which; the active version if None.
        timeout: seconds for one call.
        token: for servers that want one.

    Raises:
        MissingExtraError: httpx is not installed.
    """

    def __init__(
        self, server: str, model: str, version: str | None, timeout: float, token: str | None
    ) -> None:
        try:
            import httpx
        except ModuleNotFoundError:
            raise MissingExtraError("httpx", "pipelines") from None
        self._path = f"/v2/models/{quote(model, safe='')}"
        if version is not None:
            self._path += f"/versions/{quote(version, safe='')}"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._label = f"{server}{self._path}"
        self._client = httpx.Client(
            base_url=server, timeout=timeout, headers=headers, trust_env=False
        )

    def spec(self) -> EngineSpec:
        """Ask for the model's tensors.

        Raises:
            EdgeFlowError: as ``infer``.
        """
        body, _ = self._ask("GET", self._path, _MAX_TEXT)
        found = self._read(body, _Metadata)
        return EngineSpec(
            tuple(_spec(each) for each in found.inputs),
            tuple(_spec(each) for each in found.outputs),
        )

    def infer(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        """Run the model.

        Raises:
            UnknownModelError, TensorError, OverloadedError, DeadlineError, EngineError: what the
                server says, by its HTTP status.
            UnreachableError: it does not answer.
            ProtocolError: its answer cannot be read.
        """
        described, parts = [], []
        for name, value in inputs.items():
            array = little_endian(value)
            described.append(
                {
                    "name": name,
                    "datatype": datatype_of(array.dtype),
                    "shape": list(array.shape),
                    "parameters": {"binary_data_size": array.nbytes},
                }
            )
            parts.append(array_bytes(array))
        head = msgspec.json.encode(
            {"inputs": described, "parameters": {"binary_data_output": True}}
        )
        headers = {_HEADER: str(len(head)), "Content-Type": "application/octet-stream"}
        content = b"".join((head, *parts))
        body, length = self._ask("POST", f"{self._path}/infer", _MAX_BODY, content, headers)
        return self._outputs(memoryview(body), len(body) if length is None else length)

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def _ask(
        self,
        method: str,
        path: str,
        limit: int,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[bytearray, int | None]:
        """Return the body of an answer, and how much of it is JSON if the server says so."""
        import httpx

        try:
            with self._client.stream(method, path, content=content, headers=headers) as answer:
                body = bytearray()
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > limit:
                        raise ProtocolError(f"{self._label}: the answer exceeds {limit} bytes")
                if answer.is_success:
                    return body, _length(answer.headers.get(_HEADER), len(body))
                raise self._error(answer.status_code, bytes(body[:_MAX_TEXT]))
        except httpx.TimeoutException:
            raise DeadlineError(f"{self._label}: no answer in time") from None
        except httpx.HTTPError as error:
            raise UnreachableError(f"{self._label}: {error}") from error
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"{self._label}: {error}") from error

    def _error(self, status: int, body: bytes) -> EdgeFlowError:
        try:
            text = str(msgspec.json.decode(body, type=dict[str, Any]).get("error", ""))
        except msgspec.DecodeError:
            text = ""
        return _ERRORS.get(status, EngineError)(f"{self._label}: {text or f'HTTP {status}'}")

    def _outputs(self, body: memoryview, length: int) -> dict[str, npt.NDArray[Any]]:
        outputs, at = {}, length
        for tensor in self._read(body[:length], _Answer).outputs:
            size = tensor.parameters.get("binary_data_size")
            if not isinstance(size, int) or not 0 <= size <= len(body) - at:
                raise ProtocolError(f"{self._label}: output {tensor.name!r} has no binary data")
            data = body[at : at + size]
            outputs[tensor.name] = view(data, tensor.datatype, tensor.shape, tensor.name)
            at += size
        if at != len(body):
            raise ProtocolError(f"{self._label}: {len(body) - at} bytes follow the last output")
        return outputs

    def _read(self, text: Buffer, kind: Any) -> Any:
        try:
            return msgspec.json.decode(text, type=kind)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ProtocolError(f"{self._label}: {error}") from None


def _length(header: str | None, size: int) -> int | None:
    if header is None:
        return None
    if not header.isdecimal() or len(header) > 15 or int(header) > size:
        raise ProtocolError(f"{_HEADER} is {header[:40]!r}, the body has {size} bytes")
    return int(header)


def _spec(tensor: _Tensor) -> TensorSpec:
    shape = tuple(None if size < 0 else size for size in tensor.shape)
    return TensorSpec(tensor.name, np.dtype(dtype_of(tensor.datatype, tensor.name)), shape)
