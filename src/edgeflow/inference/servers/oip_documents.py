"""What the Open Inference Protocol tells about a server and its models, for HTTP and gRPC alike.

Plain data with the field names of the protocol.
"""

from collections.abc import Mapping
from importlib.metadata import version as version_of
from typing import Any

from edgeflow.core.status import ModelStatus
from edgeflow.errors import UnknownModelError, did_you_mean
from edgeflow.inference.engines.base import TensorSpec
from edgeflow.inference.servers.statistics import Sums
from edgeflow.inference.service import ModelInfo
from edgeflow.protocols.oip import EXTENSIONS, datatype_of

__all__ = ["config", "find", "index", "metadata", "server", "statistics"]

Document = dict[str, Any]

_STATES = {"ready": "READY", "loading": "LOADING"}


def server() -> Document:
    """Describe the server."""
    return {
        "name": "edgeflow",
        "version": version_of("edgeflow"),
        "extensions": list(EXTENSIONS),
    }


def entrance() -> Document:
    """Name the server, and where to go from here."""
    return {
        "name": "edgeflow",
        "version": version_of("edgeflow"),
        "protocol": "Open Inference Protocol v2",
        "links": {
            "server": "/v2",
            "models": "POST /v2/repository/index",
            "metrics": "/metrics",
            "live": "/healthz",
            "ready": "/readyz",
        },
    }


def metadata(info: ModelInfo) -> Document:
    """Describe a model: versions and tensors. Free axes are -1."""
    return {
        "name": info.name,
        "versions": list(info.versions),
        "platform": info.platform,
        "inputs": [_tensor(tensor) for tensor in info.spec.inputs],
        "outputs": [_tensor(tensor) for tensor in info.spec.outputs],
    }


def config(info: ModelInfo, status: ModelStatus | None) -> Document:
    """Describe how a model is served. With batching, ``dims`` leave out the first axis."""
    skipped = 1 if info.max_batch else 0
    instances = status.instances if status else 1
    on_gpu = status is not None and status.device.startswith(("cuda", "tensorrt"))
    document: Document = {
        "name": info.name,
        "platform": info.platform,
        "backend": info.platform.partition("_")[0],
        "max_batch_size": info.max_batch,
        "version_policy": {"latest": {"num_versions": 1}},
        "input": [_config_tensor(tensor, skipped) for tensor in info.spec.inputs],
        "output": [_config_tensor(tensor, skipped) for tensor in info.spec.outputs],
        "instance_group": [
            {
                "name": info.name,
                "kind": "KIND_GPU" if on_gpu else "KIND_CPU",
                "count": instances,
            }
        ],
    }
    if info.max_batch:
        document["dynamic_batching"] = {}
    return document


def index(models: list[ModelStatus], *, ready_only: bool) -> list[Document]:
    """List every version of every model with its state."""
    found = []
    for model in models:
        for version in model.versions or [model.version]:
            answers = version == model.version
            state = _STATES.get(model.state, "UNAVAILABLE") if answers else "UNAVAILABLE"
            if ready_only and state != "READY":
                continue
            reason = "" if state == "READY" else _reason(model, answers)
            found.append({"name": model.name, "version": version, "state": state, "reason": reason})
    return found


def find(models: list[ModelStatus], name: str, version: str = "") -> ModelStatus:
    """Return the state of a model that has that version, without loading it.

    Raises:
        UnknownModelError: there is none.
    """
    for each in models:
        if each.name == name and version in ("", *each.versions):
            return each
    shown = f"{name[:80]!r} {version[:80]}".rstrip()
    known = [each.name for each in models]
    raise UnknownModelError(f"there is no model {shown}", hint=did_you_mean(name, known))


def statistics(
    models: list[ModelStatus],
    sums: Mapping[tuple[str, str], Sums],
    model: str = "",
    version: str = "",
) -> list[Document]:
    """Tell what versions of models did, of one or of all.

    Versions that did nothing yet are told as such where they would answer.

    Raises:
        UnknownModelError: there is no such model or version.
    """
    if model:
        find(models, model, version)
    found = dict(sums)
    for each in models:
        early = found.pop((each.name, ""), None)  # failures before the first answer
        if each.version:
            found.setdefault((each.name, each.version), early or Sums())
    return [
        _statistics(key, done)
        for key, done in sorted(found.items())
        if model in ("", key[0]) and version in ("", key[1])
    ]


def _statistics(key: tuple[str, str], sums: Sums) -> Document:
    """Times are in nanoseconds, sums since the start."""
    nothing = _duration(0, 0)
    return {
        "name": key[0],
        "version": key[1],
        "last_inference": int(sums.last * 1000),
        "inference_count": sums.successes,
        "execution_count": round(sums.executions),
        "inference_stats": {
            "success": _duration(sums.successes, sums.success_ns),
            "fail": _duration(sums.failures, sums.failure_ns),
            "queue": _duration(sums.successes, sums.queue_ns),
            "compute_input": nothing,
            "compute_infer": _duration(sums.successes, sums.compute_ns),
            "compute_output": nothing,
        },
        "batch_stats": [
            {
                "batch_size": size,
                "compute_input": nothing,
                "compute_infer": _duration(count, ns),
                "compute_output": nothing,
            }
            for size, (count, ns) in sorted(sums.batches.items())
        ],
    }


def _duration(count: int, ns: int) -> Document:
    return {"count": count, "ns": ns}


def _reason(model: ModelStatus, answers: bool) -> str:
    if answers:
        return model.last_error or model.state
    return "another version answers" if model.state == "ready" else "unloaded"


def _shape(tensor: TensorSpec) -> list[int]:
    return [-1 if size is None else size for size in tensor.shape]


def _tensor(tensor: TensorSpec) -> Document:
    return {
        "name": tensor.name,
        "datatype": datatype_of(tensor.dtype),
        "shape": _shape(tensor),
    }


def _config_tensor(tensor: TensorSpec, skipped: int) -> Document:
    return {
        "name": tensor.name,
        "data_type": f"TYPE_{datatype_of(tensor.dtype)}",
        "dims": _shape(tensor)[skipped:],
    }
