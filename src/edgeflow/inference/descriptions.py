"""What version 2 of the tensor protocol tells about models, as JSON."""

from typing import Any

import msgspec
import numpy as np

from edgeflow.core.status import ModelStatus
from edgeflow.errors import ProtocolError
from edgeflow.inference.engines.base import EngineSpec, TensorSpec
from edgeflow.inference.service import ModelInfo

__all__ = ["describe_info", "describe_statuses", "read_info", "read_statuses"]

_MAX_TENSORS = 4096


class _Tensor(msgspec.Struct):
    name: str
    dtype: str
    shape: list[int | None]


class _Info(msgspec.Struct):
    name: str
    version: str
    versions: list[str]
    platform: str
    inputs: list[_Tensor]
    outputs: list[_Tensor]
    max_batch: int = 0
    labels: list[str] = []


def describe_info(info: ModelInfo) -> str:
    """Return a model's description as JSON."""
    return msgspec.json.encode(
        _Info(
            info.name,
            info.version,
            list(info.versions),
            info.platform,
            [_tensor(each) for each in info.spec.inputs],
            [_tensor(each) for each in info.spec.outputs],
            info.max_batch,
            list(info.labels),
        )
    ).decode()


def read_info(text: str) -> ModelInfo:
    """Read a model's description.

    Raises:
        ProtocolError: it is not one.
    """
    found = _read(text, _Info)
    if len(found.inputs) + len(found.outputs) > _MAX_TENSORS:
        raise ProtocolError(f"the description of {found.name!r} has too many tensors")
    spec = EngineSpec(tuple(map(_spec, found.inputs)), tuple(map(_spec, found.outputs)))
    return ModelInfo(
        found.name,
        found.version,
        tuple(found.versions),
        found.platform,
        spec,
        found.max_batch,
        tuple(found.labels),
    )


def describe_statuses(statuses: list[ModelStatus]) -> str:
    """Return the state of models as JSON."""
    return msgspec.json.encode(statuses).decode()


def read_statuses(text: str) -> list[ModelStatus]:
    """Read the state of models.

    Raises:
        ProtocolError: it is not that.
    """
    return list(_read(text, list[ModelStatus]))


def _read(text: str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProtocolError(f"the gateway's description cannot be read: {error}") from None


def _tensor(spec: TensorSpec) -> _Tensor:
    return _Tensor(spec.name, spec.dtype.name, list(spec.shape))


def _spec(tensor: _Tensor) -> TensorSpec:
    try:
        dtype = np.dtype(tensor.dtype)
    except TypeError:
        raise ProtocolError(f"tensor {tensor.name!r} has no known dtype") from None
    return TensorSpec(tensor.name, dtype, tuple(tensor.shape))
