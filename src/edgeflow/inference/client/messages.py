"""A request as the bytes of either protocol version, and the answer back; sans-I/O."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeflow.errors import DeadlineError, EdgeFlowError, EngineError, ProtocolError, TensorError
from edgeflow.inference.engines.base import EngineSpec, TensorSpec
from edgeflow.inference.requests import Array, InferRequest, InferResponse
from edgeflow.protocols.tensor import v1, v2
from edgeflow.protocols.tensor.wire import Buffer, Limits, Status, error_of

__all__ = ["CLIENT_LIMITS", "encode", "infer_response_v1", "infer_response_v2", "protocol_of"]

CLIENT_LIMITS = Limits(frame_bytes=1 << 30, tensors=1024)
"""What a client accepts from the server that it chose."""

_MAX_DEADLINE_MS = 0xFFFFFFFF


def encode(
    request: InferRequest, number: int, protocol: int, declared: EngineSpec | None = None
) -> list[Buffer]:
    """Return the message that asks for an inference, as parts to send in turn.

    Args:
        request: its deadline is sent as the time that is left now.
        number: the id under which version 2 answers.
        protocol: 1 or 2.
        declared: the model's tensors; orders named inputs for version 1.

    Raises:
        DeadlineError: it has passed.
        TensorError, ProtocolError: the request has no form in that version.
    """
    left = 0
    if request.deadline is not None:
        left = int((request.deadline - time.monotonic()) * 1000)
        if left <= 0:
            raise DeadlineError(f"{request.model}: the deadline has passed before it was sent")
    if protocol == 1:
        return _encode_v1(request, declared)
    return v2.encode_request(
        v2.Request(
            number,
            request.model,
            request.inputs,
            version=request.version or "",
            deadline_ms=min(left, _MAX_DEADLINE_MS),
            priority=max(-32768, min(32767, request.priority)),
            client=request.client,
            outputs=request.outputs or (),
        )
    )


def protocol_of(frame: Buffer) -> int:
    """Return the version of an answer: those of version 1 have no magic."""
    return 2 if bytes(frame[:6]) == b"TRT\x01\x02\x00" else 1


def infer_response_v2(response: v2.Response, request: InferRequest) -> InferResponse:
    """Return the answer of a version-2 server.

    Raises:
        EdgeFlowError: what the server says went wrong.
    """
    if response.status != Status.OK:
        raise error_of(response.status, response.text or f"{request.model}: {response.status}")
    return InferResponse(
        response.model,
        response.version,
        dict(response.outputs),
        request.request_id,
        response.queue_us / 1e6,
        response.compute_us / 1e6,
        response.batch,
    )


def infer_response_v1(
    frame: Buffer, request: InferRequest, declared: EngineSpec | None
) -> InferResponse:
    """Return the answer of a version-1 server, whose bytes say nothing of names and dtypes.

    Without ``declared`` the outputs are bytes (uint8) named ``output0``, ``output1``...

    Raises:
        EdgeFlowError: the status is not 0, or the outputs are not those declared.
    """
    response = v1.decode_response(frame, CLIENT_LIMITS)
    if response.status != Status.OK:
        raise _error_v1(response.status, request.model)
    blobs = response.outputs
    if declared is None:
        outputs: dict[str, Array] = {
            f"output{index}": np.frombuffer(blob, np.uint8) for index, blob in enumerate(blobs)
        }
    elif len(blobs) != len(declared.outputs):
        raise EngineError(
            f"{request.model} gave {len(blobs)} outputs, {len(declared.outputs)} are declared"
        )
    else:
        pairs = zip(declared.outputs, blobs, strict=True)
        outputs = {spec.name: _shaped(spec, blob) for spec, blob in pairs}
    if request.outputs:
        missing = [name for name in request.outputs if name not in outputs]
        if missing:
            raise TensorError(f"{request.model} has no output {missing[0]!r}")
        outputs = {name: outputs[name] for name in request.outputs}
    return InferResponse(request.model, "", outputs, request.request_id)


def _encode_v1(request: InferRequest, declared: EngineSpec | None) -> list[Buffer]:
    if request.version is not None:
        raise ProtocolError(
            f"{request.model}: version 1 of the protocol cannot ask for a version of a model"
        )
    inputs = request.inputs
    if not isinstance(inputs, Mapping):
        return v1.encode_request(request.model, inputs)
    if declared is None:
        return v1.encode_request(request.model, list(inputs.values()))
    names = [tensor.name for tensor in declared.inputs]
    if sorted(names) != sorted(inputs):
        raise TensorError(f"{request.model} takes {names}, not {list(inputs)}")
    return v1.encode_request(request.model, [inputs[name] for name in names])


def _error_v1(status: int, model: str) -> EdgeFlowError:
    meaning = {
        Status.MALFORMED: "the server could not read the request",
        Status.UNKNOWN_MODEL: f"the server has no model {model!r}, or cannot load it",
        Status.TENSOR: f"the tensors do not fit the model {model!r}",
        Status.OVERLOADED: f"{model}: the server is overloaded",
        Status.DEADLINE: f"{model}: too late",
    }
    known = Status(status) if status in list(Status) else Status.FAILED
    return error_of(status, meaning.get(known, f"{model}: the server answered {status}"))


def _shaped(spec: TensorSpec, blob: memoryview) -> Array:
    """Return bytes as the declared tensor, its one free axis computed; flat if several are free."""
    if len(blob) % spec.dtype.itemsize:
        raise EngineError(f"{len(blob)} bytes are no {spec.dtype}", hint=f"declared is {spec}")
    flat: np.ndarray[Any, Any] = np.frombuffer(blob, spec.dtype)
    if spec.shape.count(None) > 1:
        return flat
    try:
        return flat.reshape([-1 if size is None else size for size in spec.shape])
    except ValueError:
        raise EngineError(
            f"{flat.size} numbers do not make the declared output", hint=f"declared is {spec}"
        ) from None
