"""ONNX models on ONNX Runtime."""

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from edgeflow.errors import EdgeFlowError, EngineError
from edgeflow.inference.engines.base import Engine, EngineSpec, Tensors, TensorSpec
from edgeflow.inference.engines.onnx_providers import (
    PROVIDERS,
    Ask,
    Choice,
    Profile,
    ask,
    device_of,
)
from edgeflow.inference.engines.onnx_runtime import onnx_runtime
from edgeflow.inference.engines.onnx_shapes import make_dynamic

__all__ = ["Device", "OnnxEngine"]

log = structlog.get_logger(__name__)

Device = str
"""``auto``, ``tensorrt``, ``cuda``, ``openvino`` or ``cpu``; ``cuda:1`` is the second GPU."""

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

    Attributes:
        providers: those of ONNX Runtime that really loaded, best first.

    Args:
        model: the file.
        device: where to run. What is not there falls back to the next best, with a warning.
        threads: size of the pool that computes one call. ONNX Runtime's own default, one per
            core, lets two engines thrash a small machine.
        dynamic: free the sizes written into the file on all axes but the second (channels), for
            models that take any.
        strict: fail where it would fall back.
        fp16: TensorRT may compute in half precision.
        cache: folder for the engines and timings that TensorRT makes, which takes minutes; in
            the user's cache if not given.
        profile: shapes that TensorRT is to be ready for, per input with free axes:
            ``{"x": {"min": [1, 3], "opt": [4, 3], "max": [8, 3]}}``.
        options: further options of the provider, in its own terms.

    Raises:
        MissingExtraError: ONNX Runtime is not installed.
        ConfigError: there is no such device.
        EngineError: the file is missing or not a model that can run, or ``strict`` and the device
            is not there.
    """

    kind = "onnx"
    platform = "onnxruntime_onnx"

    def __init__(
        self,
        model: Path | str,
        *,
        device: Device = "auto",
        threads: int = 1,
        dynamic: bool = False,
        strict: bool = False,
        fp16: bool = False,
        cache: Path | str | None = None,
        profile: Profile | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        path = Path(model)
        self.name = path.name
        folder = Path(cache) if cache is not None else None
        choice = Choice(device, threads, fp16, folder, profile or {}, options or {})
        self._session: Any = _load(path, choice, dynamic, strict)
        self.providers = tuple(device_of(each) for each in self._session.get_providers())
        self.device = self.providers[0]
        try:
            self.spec = EngineSpec(
                inputs=tuple(self._tensor(each) for each in self._session.get_inputs()),
                outputs=tuple(self._tensor(each) for each in self._session.get_outputs()),
            )
        except UnicodeDecodeError as error:
            raise EngineError(f"{path}: cannot be loaded as an ONNX model: {error}") from None
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


def _load(path: Path, choice: Choice, dynamic: bool, strict: bool) -> Any:
    onnxruntime = onnx_runtime()
    try:
        source = make_dynamic(path.read_bytes()) if dynamic else str(path.resolve(strict=True))
        asked = ask(choice, onnxruntime.get_available_providers(), dynamic=dynamic)
        session = _open(onnxruntime, source, asked, choice.threads, path.name)
    except EdgeFlowError:
        raise
    except FileNotFoundError:
        raise EngineError(f"{path}: there is no such file") from None
    except Exception as error:  # the runtime's exceptions share no base of their own
        raise EngineError(
            f"{path}: cannot be loaded as an ONNX model: {_first_line(error)}"
        ) from error
    _compare(path.name, choice, asked, device_of(session.get_providers()[0]), strict)
    return session


def _open(onnxruntime: Any, source: bytes | str, asked: Ask, threads: int, name: str) -> Any:
    """Return a session on the first of the providers that loads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ONLY_ERRORS
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if any(provider == PROVIDERS["cuda"] for provider, _ in asked):
        _load_cuda(onnxruntime)
    while True:
        try:
            return onnxruntime.InferenceSession(
                source, options, providers=asked, enable_fallback=False
            )
        except Exception as error:
            # A provider may fail where the next does not; a bad model fails on the last as well.
            if len(asked) == 1:
                raise
            log.warning("provider_failed", model=name, provider=asked[0][0], error=str(error))
            asked = asked[1:]


def _load_cuda(onnxruntime: Any) -> None:
    """Load CUDA's libraries from their own packages, where the loader would not find them."""
    with contextlib.redirect_stdout(sys.stderr):  # it prints what it does not find
        onnxruntime.preload_dlls()


def _compare(name: str, choice: Choice, asked: Ask, got: str, strict: bool) -> None:
    """Say aloud, or raise if ``strict``, that the model runs elsewhere than was asked for."""
    wanted = choice.name if choice.name != "auto" else device_of(asked[0][0])
    if wanted == got:
        return
    hint = f"install an onnxruntime build with {PROVIDERS[wanted]}, and its driver"
    if strict:
        raise EngineError(f"{name}: runs on {got}, not on {wanted}", hint=hint)
    log.warning("provider_fell_back", model=name, wanted=wanted, got=got, hint=hint)


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
