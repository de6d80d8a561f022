"""Native TensorRT engines (``.plan``, ``.engine``): built for one kind of GPU and one version.

A plan holds code for the GPU: load plans from people you trust.
"""

import ctypes
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from edgeflow.errors import ConfigError, EngineError, MissingExtraError
from edgeflow.inference.engines.base import Engine, EngineSpec, Tensors, TensorSpec
from edgeflow.inference.engines.places import Places

__all__ = ["PlanEngine"]

log = structlog.get_logger(__name__)


class PlanEngine(Engine):
    """A serialised TensorRT engine.

    Every call that runs at once has an execution context, a stream, and buffers of its own, on the
    device and pinned on the host.

    Args:
        model: the file.
        device: ``auto`` or ``cuda``, ``cuda:1`` for the second GPU. There is nothing to fall back
            to.
        threads: not used; the GPU computes.
        parallel: calls that may run at once.

    Raises:
        MissingExtraError: TensorRT or CUDA's bindings for Python are not installed.
        ConfigError: there is no such device.
        EngineError: the file is missing, was built for another GPU or version, has tensors that
            are no plain arrays, or there is no GPU.
    """

    kind = "tensorrt"
    platform = "tensorrt_plan"

    def __init__(
        self,
        model: Path | str,
        *,
        device: str = "auto",
        threads: int = 1,
        parallel: int = 2,
    ) -> None:
        path = Path(model)
        self.name = path.name
        number = _device_number(self.name, device)
        self._tensorrt = _import_tensorrt()
        self._cuda = _Cuda(self.name, number)
        self.device = f"cuda:{number}"
        if not path.is_file():
            raise EngineError(f"{path}: there is no such file")
        self._cuda.use()
        self._log = _new_log(self._tensorrt, self.name)
        self._tensorrt.init_libnvinfer_plugins(self._log, "")
        self._runtime = self._tensorrt.Runtime(self._log)
        self._engine = self._runtime.deserialize_cuda_engine(path.read_bytes())
        if self._engine is None:
            raise EngineError(
                f"{path}: cannot be loaded as a TensorRT engine: {self._log.last}",
                hint="build it with this version of TensorRT, on this kind of GPU",
            )
        self.spec = self._describe()
        self._places = Places(
            self.name, self._new_context(), self._new_context, max(1, parallel), _Context.close
        )
        log.info("model_loaded", model=self.name, device=self.device, parallel=parallel)

    def close(self) -> None:
        """Let go of the model; calls that are running finish. Idempotent."""
        self._places.close()
        self._engine = None  # contexts that run keep it alive

    def _run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        with self._places.borrow() as context:
            self._cuda.use()
            return context.run(inputs)

    def _new_context(self) -> "_Context":
        self._cuda.use()
        engine = self._engine
        if engine is None:
            raise EngineError(f"{self.name}: the engine is closed")
        made = engine.create_execution_context()
        if made is None:
            raise EngineError(f"{self.name}: no execution context: {self._log.last}")
        return _Context(self.name, made, self.spec, self._cuda, self._log)

    def _describe(self) -> EngineSpec:
        engine, mode = self._engine, self._tensorrt.TensorIOMode
        names = [engine.get_tensor_name(at) for at in range(engine.num_io_tensors)]
        return EngineSpec(
            inputs=self._tensors(n for n in names if engine.get_tensor_mode(n) == mode.INPUT),
            outputs=self._tensors(n for n in names if engine.get_tensor_mode(n) == mode.OUTPUT),
        )

    def _tensors(self, names: Iterable[str]) -> tuple[TensorSpec, ...]:
        return tuple(self._tensor(name) for name in names)

    def _tensor(self, name: str) -> TensorSpec:
        if self._engine.is_shape_inference_io(name):
            raise EngineError(
                f"{self.name}: {name!r} holds a shape, not data",
                hint="build the engine with its shapes inside",
            )
        try:
            dtype = np.dtype(self._tensorrt.nptype(self._engine.get_tensor_dtype(name)))
        except TypeError as error:
            raise EngineError(
                f"{self.name}: {name!r} is of a type that NumPy has not: {error}",
                hint="build the engine with float32 or float16 inputs and outputs",
            ) from None
        sizes = tuple(self._engine.get_tensor_shape(name))
        return TensorSpec(name, dtype, tuple(size if size >= 0 else None for size in sizes))


class _Context:
    """One execution context with its stream and buffers; serves one call at a time."""

    def __init__(self, name: str, context: Any, spec: EngineSpec, cuda: "_Cuda", log: Any) -> None:
        self._name, self._context, self._spec, self._cuda = name, context, spec, cuda
        self._log = log
        self._stream = cuda.new_stream()
        self._buffers = {each.name: _Buffer(cuda) for each in (*spec.inputs, *spec.outputs)}

    def close(self) -> None:
        """Free stream and buffers."""
        self._cuda.use()
        self._context = None
        for buffer in self._buffers.values():
            buffer.free()
        self._cuda.free_stream(self._stream)

    def run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        """Copy the inputs over, compute, copy the outputs back, and wait for all that."""
        for tensor in self._spec.inputs:
            value = np.ascontiguousarray(inputs[tensor.name])
            if not self._context.set_input_shape(tensor.name, value.shape):
                raise EngineError(
                    f"{self._name}: input {tensor.name!r} cannot be {list(value.shape)}",
                    hint=self._log.last or "its profile allows other shapes only",
                )
            buffer = self._buffers[tensor.name]
            buffer.hold(value.nbytes)
            buffer.view(value.dtype, value.shape)[...] = value
            buffer.to_device(self._stream)
            self._context.set_tensor_address(tensor.name, buffer.device)
        shapes = self._prepare_outputs()
        if not self._context.execute_async_v3(self._stream_handle):
            raise EngineError(f"{self._name}: {self._log.last or 'the GPU did not run it'}")
        for tensor in self._spec.outputs:
            self._buffers[tensor.name].to_host(self._stream)
        self._cuda.wait(self._stream)
        return {
            tensor.name: self._buffers[tensor.name].view(tensor.dtype, shapes[tensor.name]).copy()
            for tensor in self._spec.outputs
        }

    @property
    def _stream_handle(self) -> int:
        return int(self._stream)

    def _prepare_outputs(self) -> dict[str, tuple[int, ...]]:
        shapes = {}
        for tensor in self._spec.outputs:
            shape = tuple(self._context.get_tensor_shape(tensor.name))
            if any(size < 0 for size in shape):
                raise EngineError(
                    f"{self._name}: the shape of output {tensor.name!r} depends on the data",
                    hint="build the engine with outputs whose shapes follow from the inputs'",
                )
            buffer = self._buffers[tensor.name]
            buffer.hold(math.prod(shape) * tensor.dtype.itemsize)
            self._context.set_tensor_address(tensor.name, buffer.device)
            shapes[tensor.name] = shape
        return shapes


class _Buffer:
    """Memory on the device with its twin on the host; it only grows."""

    def __init__(self, cuda: "_Cuda") -> None:
        self._cuda = cuda
        self._size = 0
        self._used = 0
        self.device = 0
        self._host = 0

    def hold(self, size: int) -> None:
        """Make room for ``size`` bytes."""
        self._used = size
        wanted = max(size, 1)
        if wanted > self._size:
            self.free()
            self.device = self._cuda.allocate(wanted)
            self._host = self._cuda.allocate_pinned(wanted)
            self._size = wanted

    def view(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
        """Return the host's side as an array; it is valid until the buffer grows."""
        memory: Any = (ctypes.c_byte * self._used).from_address(self._host)
        return np.frombuffer(memory, dtype).reshape(shape) if self._used else np.empty(shape, dtype)

    def to_device(self, stream: Any) -> None:
        self._cuda.copy(self.device, self._host, self._used, stream, to_device=True)

    def to_host(self, stream: Any) -> None:
        self._cuda.copy(self._host, self.device, self._used, stream, to_device=False)

    def free(self) -> None:
        if self._size:
            self._cuda.free(self.device, self._host)
            self._size = 0


class _Cuda:
    """The few calls of CUDA's runtime that are needed, with errors that say which one failed."""

    def __init__(self, name: str, number: int) -> None:
        try:
            from cuda.bindings import runtime
        except ModuleNotFoundError:
            raise MissingExtraError("cuda-bindings", "tensorrt") from None
        self._runtime, self._name, self._number = runtime, name, number
        self.use()

    def use(self) -> None:
        """Make this thread's calls go to the GPU."""
        self._call("cudaSetDevice", self._number)

    def new_stream(self) -> Any:
        return self._call("cudaStreamCreateWithFlags", self._runtime.cudaStreamNonBlocking)

    def free_stream(self, stream: Any) -> None:
        self._call("cudaStreamDestroy", stream)

    def wait(self, stream: Any) -> None:
        self._call("cudaStreamSynchronize", stream)

    def allocate(self, size: int) -> int:
        return int(self._call("cudaMalloc", size))

    def allocate_pinned(self, size: int) -> int:
        return int(self._call("cudaMallocHost", size))

    def free(self, device: int, host: int) -> None:
        self._call("cudaFree", device)
        self._call("cudaFreeHost", host)

    def copy(self, to: int, source: int, size: int, stream: Any, *, to_device: bool) -> None:
        kinds = self._runtime.cudaMemcpyKind
        kind = kinds.cudaMemcpyHostToDevice if to_device else kinds.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", to, source, size, kind, stream)

    def _call(self, function: str, *arguments: Any) -> Any:
        code, *values = getattr(self._runtime, function)(*arguments)
        if int(code) != 0:
            text = self._runtime.cudaGetErrorString(code)[1]
            said = text.decode() if isinstance(text, bytes) else str(code)
            raise EngineError(
                f"{self._name}: {function}: {said}",
                hint="'nvidia-smi' shows whether GPU and driver are there",
            )
        return values[0] if values else None


def _device_number(name: str, device: str) -> int:
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cuda") or not (number or "0").isdecimal():
        raise ConfigError(
            f"{name}: there is no device {device!r} for a TensorRT engine",
            hint="known: cuda, cuda:1",
        )
    return int(number or 0)


def _import_tensorrt() -> Any:
    try:
        import tensorrt
    except ModuleNotFoundError:
        raise MissingExtraError("tensorrt", "tensorrt") from None
    return tensorrt


def _new_log(tensorrt: Any, model: str) -> Any:
    """Return a logger for TensorRT that remembers the last error, which it tells nowhere else."""

    class Log(tensorrt.ILogger):  # type: ignore[misc]  # the package has no types
        def __init__(self) -> None:
            tensorrt.ILogger.__init__(self)
            self.last = ""

        def log(self, severity: Any, message: str) -> None:
            if severity in (tensorrt.ILogger.INTERNAL_ERROR, tensorrt.ILogger.ERROR):
                self.last = message
                log.error("tensorrt_failed", model=model, error=message)
            elif severity == tensorrt.ILogger.WARNING:
                log.warning("tensorrt_warned", model=model, message=message)

    return Log()
