"""What a loaded model is: named tensors in, named tensors out."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeflow.errors import TensorError, did_you_mean

__all__ = ["Engine", "EngineSpec", "TensorSpec", "Tensors"]

Tensors: TypeAlias = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model.

    Attributes:
        name: how the model calls it.
        dtype: element type.
        shape: size of each axis; None where any size goes.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name}: {self.dtype}[{sizes}]"

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """True when a tensor of ``shape`` fits."""
        if shape == self.shape:
            return True
        return len(shape) == len(self.shape) and all(
            want in (None, got) for want, got in zip(self.shape, shape, strict=True)
        )


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What a model takes and gives, in the model's own order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class Engine(ABC):
    """A loaded model. ``infer`` may be called from several threads at once.

    Attributes:
        name: for messages.
        spec: the tensors it takes and gives.
        device: where it really runs, for people (``cpu``, ``cuda``...).
        kind: what runs it, for people (``onnx``, ``torch``...).
        platform: the same, as clients of the Open Inference Protocol know it.
        parallel: calls at once that keep it busy, where it does not compute here; None if it
            does not tell.
    """

    name: str
    spec: EngineSpec
    device: str = "cpu"
    kind: str = "custom"
    platform: str = "custom"
    parallel: int | None = None

    def infer(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        """Run the model once.

        Args:
            inputs: every input of ``spec`` by name, with exactly its dtype.

        Returns:
            Every output of ``spec`` by name.

        Raises:
            TensorError: the inputs do not match ``spec``.
            EngineError: the engine is closed, or the model failed on them.
        """
        self.check(inputs)
        return self._run(inputs)

    def warm_up(self, example: Tensors | None = None) -> float:
        """Run once, so that the first real call is not the slow one; return its seconds.

        Args:
            example: what to run on; zeros with size 1 on every free axis if not given.

        Raises:
            EngineError: the model cannot run on it.
        """
        if example is None:
            example = {
                tensor.name: np.zeros([size or 1 for size in tensor.shape], tensor.dtype)
                for tensor in self.spec.inputs
            }
        started = time.perf_counter()
        self.infer(example)
        return time.perf_counter() - started

    @abstractmethod
    def close(self) -> None:
        """Let go of the model; calls that are running finish. Idempotent."""

    @abstractmethod
    def _run(self, inputs: Tensors) -> dict[str, npt.NDArray[Any]]:
        """Run the model on inputs that match ``spec``."""

    def check(self, inputs: Tensors) -> None:
        """Compare inputs with ``spec``.

        Raises:
            TensorError: they do not match; the message has what came, the hint what is taken.
        """
        known = [tensor.name for tensor in self.spec.inputs]
        for name in inputs:
            if name not in known:
                raise TensorError(f"{self.name}: no input {name!r}", hint=did_you_mean(name, known))
        for tensor in self.spec.inputs:
            value = inputs.get(tensor.name)
            if value is None:
                raise TensorError(f"{self.name}: input {tensor.name!r} is missing")
            if value.dtype != tensor.dtype or not tensor.accepts(value.shape):
                raise TensorError(
                    f"{self.name}: input {tensor.name!r} got {value.dtype}{list(value.shape)}",
                    hint=f"the model takes {tensor}",
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
