"""LiteRT (TensorFlow Lite) models, on the CPU, an Edge TPU or through any other delegate."""

import ctypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog

from edgeflow.errors import ConfigError, EngineError, MissingExtraError
from edgeflow.inference.engines.base import Engine, EngineSpec, Tensors, TensorSpec
from edgeflow.inference.engines.places import Places

__all__ = ["EDGE_TPU", "LiteRtEngine"]

log = structlog.get_logger(__name__)

EDGE_TPU = "libedgetpu.so.1"
"""The library of Coral's delegate."""

_KINDS = "biuf"


class LiteRtEngine(Engine):
    """A ``.tflite`` model. Quantised tensors are taken and given as they are stored.

    An interpreter runs one call at a time, so there are several of them.

    Args:
        model: the file.
        device: ``auto`` or ``cpu``; ``edgetpu`` (``edgetpu:usb``, ``edgetpu:pci:1``...) for
            Coral's delegate. What is not there falls back to the CPU, with a warning.
        threads: threads that compute one call.
        parallel: calls that may run at once, each with memory of its own; one on an Edge TPU.
        strict: fail where it would fall back.
        delegate: shared library of another delegate.
        delegate_options: its options.

    Raises:
        MissingExtraError: LiteRT is not installed.
        ConfigError: there is no such device.
        EngineError: the file is missing or not a model that can run, or ``strict`` and the
            delegate cannot be loaded.
    """

    kind = "litert"
    platform = "tflite"

    def __init__(
        self,
        model: Path | str,
        *,
        device: str = "auto",
        threads: int = 1,
        parallel: int = 2,
        strict: bool = False,
        delegate: Path | str | None = None,
        delegate_options: Mapping[str, Any] | None = None,
    ) -> None:
        path = Path(model)
        self.name = path.name
        kind, _, unit = device.partition(":")
        if kind not in ("auto", "cpu", "edgetpu"):
            raise ConfigError(
                f"{self.name}: there is no device {device!r}", hint="known: auto, cpu, edgetpu"
            )
        self._library = _import_litert()
        if not path.is_file():
            raise EngineError(f"{path}: there is no such file")
        self._content = path.read_bytes()
        self._threads = threads
        options = dict(delegate_options or {})
        if kind == "edgetpu":
            delegate = delegate or EDGE_TPU
            options |= {"device": unit} if unit else {}
        self._delegates = self._load_delegate(delegate, options, strict)
        where = "edgetpu" if kind == "edgetpu" else "delegate"
        self.device = where if self._delegates else "cpu"
        first = _Interpreter(self._new(path))
        self._inputs, self._outputs = _details(first.inner)
        self.spec = EngineSpec(
            inputs=tuple(self._tensor(name, each) for name, each in self._inputs.items()),
            outputs=tuple(self._tensor(name, each) for name, each in self._outputs.items()),
        )
        count = 1 if self.device == "edgetpu" else max(1, parallel)
        self._places = Places(self.name, first, lambda: _Interpreter(self._new(self.name)), count)
        log.info("model_loaded", model=self.name, device=self.device, threads=threads)

    def close(self) -> None:
        """Let go of the model; calls that are running finish. Idempotent."""
        self._places.close()

    def _run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        with self._places.borrow() as interpreter:
            try:
                return interpreter.run(inputs, self._inputs, self._outputs)
            except (RuntimeError, ValueError) as error:
                raise EngineError(f"{self.name}: {_first_line(error)}") from error

    def _new(self, where: Path | str) -> Any:
        try:
            made = self._library.Interpreter(
                model_content=self._content,
                num_threads=self._threads,
                experimental_delegates=self._delegates,
            )
            made.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise EngineError(
                f"{where}: cannot be loaded as a LiteRT model: {_first_line(error)}",
                hint="a model compiled for the Edge TPU runs on it only"
                if b"edgetpu-custom-op" in self._content
                else "",
            ) from error
        return made

    def _load_delegate(
        self, library: Path | str | None, options: Mapping[str, Any], strict: bool
    ) -> list[Any] | None:
        if library is None:
            return None
        try:
            _check_delegate(str(library))
            return [self._library.load_delegate(str(library), dict(options))]
        except (OSError, ValueError, RuntimeError) as error:
            hint = f"install {library}, and connect what it drives"
            if strict:
                raise EngineError(
                    f"{self.name}: cannot load {library}: {_first_line(error)}", hint=hint
                ) from error
            log.warning(
                "provider_fell_back",
                model=self.name,
                wanted=str(library),
                got="cpu",
                error=_first_line(error),
                hint=hint,
            )
            return None

    def _tensor(self, name: str, detail: Mapping[str, Any]) -> TensorSpec:
        dtype = np.dtype(detail["dtype"])
        if dtype.kind not in _KINDS:
            raise EngineError(f"{self.name}: {name!r} is of type {dtype}, not a tensor of numbers")
        shape = detail.get("shape_signature", detail["shape"])
        return TensorSpec(name, dtype, tuple(int(n) if n >= 0 else None for n in shape))


class _Interpreter:
    """One of LiteRT's interpreters, and the shapes that it has memory for."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self._shapes = {
            each["index"]: tuple(map(int, each["shape"])) for each in inner.get_input_details()
        }

    def run(
        self, inputs: Tensors, taken: Mapping[str, Any], given: Mapping[str, Any]
    ) -> dict[str, npt.NDArray[Any]]:
        """Run it once; memory is made anew only when a shape has changed."""
        wanted = {detail["index"]: inputs[name].shape for name, detail in taken.items()}
        if wanted != self._shapes:
            self._shapes = {}
            for index, shape in wanted.items():
                self.inner.resize_tensor_input(index, shape)
            self.inner.allocate_tensors()
            self._shapes = wanted
        for name, detail in taken.items():
            self.inner.set_tensor(detail["index"], inputs[name])
        self.inner.invoke()
        return {name: self.inner.get_tensor(detail["index"]) for name, detail in given.items()}


def _details(interpreter: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return inputs and outputs by name: those of its signature, if it has exactly one."""
    signatures = list(interpreter.get_signature_list())
    if len(signatures) == 1:
        runner = interpreter.get_signature_runner(signatures[0])
        return dict(runner.get_input_details()), dict(runner.get_output_details())
    return (
        {each["name"]: each for each in interpreter.get_input_details()},
        {each["name"]: each for each in interpreter.get_output_details()},
    )


def _check_delegate(library: str) -> None:
    """Raise before LiteRT does, whose half-made delegate would complain once more when it goes."""
    if not hasattr(ctypes.CDLL(library), "tflite_plugin_create_delegate"):
        raise OSError(f"{library} is no delegate")


def _import_litert() -> Any:
    try:
        from ai_edge_litert import interpreter
    except ModuleNotFoundError:
        raise MissingExtraError("ai-edge-litert", "litert") from None
    return interpreter


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
