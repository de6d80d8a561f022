"""ONNX models on ONNX Runtime."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import structlog

from edgeflow.errors import EngineError, MissingExtraError
from edgeflow.inference.engines.base import Engine, EngineSpec, Tensors, TensorSpec
from edgeflow.inference.engines.onnx_shapes import make_dynamic

__all__ = ["Device", "OnnxEngine"]

log = structlog.get_logger(__name__)

Device = Literal["auto", "cuda", "openvino", "cpu"]

_PROVIDERS: dict[str, str] = {
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""Best first: ``auto`` takes the first that the installed ONNX Runtime has."""

_DTYPES = {
    "tensor(bool)": np.bool_,
    "tensor(double)": np.float64,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int16)": np.int16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(int8)": np.int8,
    "tensor(uint16)": np.uint16,
    "tensor(uint32)": np.uint32,
    "tensor(uint64)": np.uint64,
    "tensor(uint8)": np.uint8,
}

_ONLY_ERRORS = 3


class OnnxEngine(Engine):
    """A model in the ONNX format.

    Args:
        model: the file.
        device: where to run. What is not there falls back to the CPU, with a warning.
        threads: size of the pool that computes one call. ONNX Runtime's own default, one per
            core, lets two engines thrash a small machine.
        dynamic: free the sizes written into the file on all axes but the second (channels), for
            models that take any.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        EngineError: the file is missing or not a model that can run.
    """

    kind = "onnx"
    platform = "onnxruntime_onnx"

    def __init__(
        self, model: Path | str, *, device: Device = "auto", threads: int = 1, dynamic: bool = False
    ) -> None:
        path = Path(model)
        self.name = path.name
        self._session: Any = _load(path, device, threads, dynamic)
        self.device = _device_of(self._session)
        if device not in ("auto", self.device):
            log.warning(
                "provider_fell_back",
                model=self.name,
                wanted=device,
                got=self.device,
                hint=f"install an onnxruntime build with {_PROVIDERS[device]}, and its driver",
            )
        self.spec = EngineSpec(
            inputs=tuple(self._tensor(each) for each in self._session.get_inputs()),
            outputs=tuple(self._tensor(each) for each in self._session.get_outputs()),
        )
        self._outputs = [tensor.name for tensor in self.spec.outputs]
        log.info("model_loaded", model=self.name, device=self.device, threads=threads)

    def close(self) -> None:
        """Let go of the model; calls that are running finish. Idempotent."""
        self._session = None

    def _run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        session = self._session
        if session is None:
            raise EngineError(f"{self.name}: the engine is closed")
        try:
            values = session.run(self._outputs, dict(inputs))
        except Exception as error:  # the runtime's exceptions share no base of their own
            raise EngineError(f"{self.name}: {_first_line(error)}") from error
        return dict(zip(self._outputs, values, strict=True))

    def _tensor(self, node: Any) -> TensorSpec:
        dtype = _DTYPES.get(node.type)
        if dtype is None:
            raise EngineError(
                f"{self.name}: {node.name!r} is of type {node.type}",
                hint="only plain tensors of numbers are supported; export the model without "
                "strings, sequences and maps",
            )
        shape = tuple(size if isinstance(size, int) and size > 0 else None for size in node.shape)
        return TensorSpec(node.name, np.dtype(dtype), shape)


def _load(path: Path, device: Device, threads: int, dynamic: bool) -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise MissingExtraError("onnxruntime", "onnx") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ONLY_ERRORS
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        source = make_dynamic(path.read_bytes()) if dynamic else str(path.resolve(strict=True))
        providers = _providers(device, onnxruntime.get_available_providers())
        return onnxruntime.InferenceSession(source, options, providers=providers)
    except FileNotFoundError:
        raise EngineError(f"{path}: there is no such file") from None
    except Exception as error:  # the runtime's exceptions share no base of their own
        raise EngineError(
            f"{path}: cannot be loaded as an ONNX model: {_first_line(error)}"
        ) from error


def _providers(device: Device, available: list[str]) -> list[str]:
    """Return the providers to ask for, best first; the CPU is always the last of them."""
    wanted = _PROVIDERS.values() if device == "auto" else (_PROVIDERS[device], _PROVIDERS["cpu"])
    return [provider for provider in dict.fromkeys(wanted) if provider in available]


def _device_of(session: Any) -> str:
    first = session.get_providers()[0]
    return next((name for name, provider in _PROVIDERS.items() if provider == first), first)


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
