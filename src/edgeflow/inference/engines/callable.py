"""A Python function as a model."""

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeflow.errors import ConfigError, EdgeFlowError, EngineError
from edgeflow.inference.engines.base import Engine, EngineSpec, Tensors, TensorSpec
from edgeflow.inference.engines.declared import Declared, read_tensors

__all__ = ["CallableEngine"]


class CallableEngine(Engine):
    """A function that takes the inputs by name, and returns its outputs.

    It returns a mapping by name, a tuple in the declared order, or one array. What it returns is
    compared with what is declared.

    Args:
        function: the function, or its dotted path ``module:function``.
        inputs: the tensors it takes; the function's attribute ``inputs`` if not given.
        outputs: the tensors it gives; the function's attribute ``outputs`` if not given.
        parallel: the function may run in several threads at once; otherwise calls wait for
            each other.
        device: ``auto`` or ``cpu``.
        threads: not used; a function runs in its caller's thread.
        name: for messages; the dotted path if not given.

    Raises:
        EngineError: there is no such function.
        ConfigError: its tensors are not declared, or the device is not the CPU.
    """

    kind = "python"
    platform = "python"

    def __init__(
        self,
        function: Callable[[dict[str, npt.NDArray[Any]]], Any] | Path | str,
        *,
        inputs: Declared | Iterable[Declared] | None = None,
        outputs: Declared | Iterable[Declared] | None = None,
        parallel: bool = False,
        device: str = "auto",
        threads: int = 1,
        name: str = "",
    ) -> None:
        if callable(function):
            self.name = name or getattr(function, "__qualname__", "function")
        else:
            self.name = name or str(function)
            function = _import(str(function))
        if device not in ("auto", "cpu"):
            raise ConfigError(f"{self.name}: a Python function runs on the CPU, not on {device!r}")
        self.spec = EngineSpec(
            inputs=self._declared(function, "inputs", inputs),
            outputs=self._declared(function, "outputs", outputs),
        )
        self._function: Callable[[dict[str, npt.NDArray[Any]]], Any] | None = function
        self._turn = nullcontext() if parallel else threading.Lock()

    def close(self) -> None:
        """Let go of the function; calls that are running finish. Idempotent."""
        self._function = None

    def _run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        with self._turn:
            function = self._function
            if function is None:
                raise EngineError(f"{self.name}: the engine is closed")
            try:
                given = function(dict(inputs))
            except EdgeFlowError:
                raise
            except Exception as error:  # whatever a user's function raises
                raise EngineError(f"{self.name}: {type(error).__name__}: {error}") from error
        return self._named(given)

    def _named(self, given: Any) -> dict[str, npt.NDArray[Any]]:
        wanted = self.spec.outputs
        if isinstance(given, Mapping):
            missing = [tensor.name for tensor in wanted if tensor.name not in given]
            if missing:
                raise EngineError(f"{self.name}: gave no output {missing[0]!r}")
            values = [given[tensor.name] for tensor in wanted]
        else:
            values = list(given) if isinstance(given, (tuple, list)) else [given]
            if len(values) != len(wanted):
                raise EngineError(f"{self.name}: gave {len(values)} outputs, not {len(wanted)}")
        return {
            tensor.name: self._checked(tensor, value)
            for tensor, value in zip(wanted, values, strict=True)
        }

    def _checked(self, tensor: TensorSpec, value: Any) -> npt.NDArray[Any]:
        array = np.asarray(value)
        if array.dtype != tensor.dtype or not tensor.accepts(array.shape):
            raise EngineError(
                f"{self.name}: gave {array.dtype}{list(array.shape)} for output {tensor.name!r}",
                hint=f"it is declared as {tensor}",
            )
        return array

    def _declared(
        self, function: Any, what: str, given: Declared | Iterable[Declared] | None
    ) -> tuple[TensorSpec, ...]:
        declared = getattr(function, what, None) if given is None else given
        if declared is None:
            raise ConfigError(
                f"{self.name}: its {what} are not declared",
                hint=f"give the option {what}=, or the function an attribute {what!r}, such as "
                "['x: float32[?, 3]']",
            )
        return read_tensors(declared, self.name)


def _import(path: str) -> Callable[[dict[str, npt.NDArray[Any]]], Any]:
    module, _, names = path.partition(":")
    try:
        found: Any = import_module(module)
        for name in names.split("."):
            found = getattr(found, name)
    except Exception as error:  # whatever a user's module raises while it loads
        raise EngineError(f"{path}: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise EngineError(f"{path}: is a {type(found).__name__}, not a function")
    return found  # type: ignore[no-any-return]  # checked to be callable
