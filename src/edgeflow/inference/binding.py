"""Fit the tensors of a request to a model: names for positions, dtypes, shapes."""

from collections.abc import Mapping, Sequence

import numpy as np

from edgeflow.errors import TensorError, did_you_mean
from edgeflow.inference.engines.base import EngineSpec, TensorSpec
from edgeflow.inference.requests import Array

__all__ = ["Binding"]


class Binding:
    """What one model takes, prepared for checking many requests.

    Args:
        model: its name, for messages.
        spec: its tensors.
    """

    __slots__ = ("_inputs", "_known", "_model", "_names", "_outputs", "spec")

    def __init__(self, model: str, spec: EngineSpec) -> None:
        self.spec = spec
        self._model = model
        self._inputs = spec.inputs
        self._names = [tensor.name for tensor in spec.inputs]
        self._known = frozenset(self._names)
        self._outputs = tuple(tensor.name for tensor in spec.outputs)

    def inputs(self, given: Mapping[str, Array] | Sequence[Array]) -> dict[str, Array]:
        """Return the inputs by name, in the model's order.

        Raises:
            TensorError: a name, a dtype or a shape does not fit; the message has both.
        """
        if not isinstance(given, (dict, Mapping)):  # dict first: it is the quicker question
            given = self._named(given)
        elif given.keys() != self._known:
            raise self._misnamed(given)
        fitting = {}
        for tensor in self._inputs:
            value = given[tensor.name]
            if value.dtype != tensor.dtype or not tensor.accepts(value.shape):
                raise self._misfit(tensor, value)
            fitting[tensor.name] = value
        return fitting

    def outputs(self, wanted: Sequence[str] | None) -> tuple[str, ...] | None:
        """Return the outputs that are wanted, None for all.

        Raises:
            TensorError: the model has no such output.
        """
        if not wanted:
            return None
        for name in wanted:
            if name not in self._outputs:
                raise TensorError(
                    f"model {self._model!r} has no output {name!r}",
                    hint=did_you_mean(name, self._outputs),
                )
        return tuple(wanted)

    def _named(self, given: Sequence[Array]) -> dict[str, Array]:
        if len(given) != len(self._names):
            raise TensorError(
                f"model {self._model!r} takes {len(self._names)} inputs, got {len(given)}",
                hint=self._wanted(),
            )
        return dict(zip(self._names, given, strict=True))

    def _misnamed(self, given: Mapping[str, Array]) -> TensorError:
        for name in given:
            if name not in self._names:
                return TensorError(
                    f"model {self._model!r} has no input {name!r}",
                    hint=did_you_mean(name, self._names),
                )
        missing = next(name for name in self._names if name not in given)
        return TensorError(
            f"model {self._model!r}: input {missing!r} is missing", hint=self._wanted()
        )

    def _misfit(self, tensor: TensorSpec, value: Array) -> TensorError:
        return TensorError(
            f"model {self._model!r} input {tensor.name!r} takes "
            f"{_form(tensor.dtype, tensor.shape)}, got {_form(value.dtype, value.shape)}"
        )

    def _wanted(self) -> str:
        return "it takes " + ", ".join(str(tensor) for tensor in self._inputs)


def _form(dtype: "np.dtype[np.generic]", shape: Sequence[int | None]) -> str:
    return f"{dtype}[{','.join('?' if size is None else str(size) for size in shape)}]"
