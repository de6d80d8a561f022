"""What model files of boards are made of: weights as arrays, and bounded reading of bytes."""

from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeflow.errors import ConfigError

__all__ = [
    "MAX_FEATURES",
    "MAX_HIDDEN",
    "MAX_HORIZON",
    "MAX_STEPS",
    "Floats",
    "Int8LstmWeights",
    "LstmWeights",
    "SelfTestVector",
    "array_of",
    "check_dimensions",
    "check_finite",
    "lstm_operations",
    "lstm_parameters",
    "padded",
    "refuse",
]

MAX_STEPS: Final = 4096
MAX_FEATURES: Final = 1024
MAX_HORIZON: Final = 4096
MAX_HIDDEN: Final = 1024

Floats: TypeAlias = npt.NDArray[np.float32]
Int8s: TypeAlias = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class LstmWeights:
    """One LSTM layer and its linear head, float32; gate rows in the order i, f, g, o.

    Attributes:
        input: (4 hidden, F); recurrent: (4 hidden, hidden); bias: (4 hidden,), both biases added.
        head: (H, hidden); head_bias: (H,).
    """

    input: Floats
    recurrent: Floats
    bias: Floats
    head: Floats
    head_bias: Floats

    def dimensions(self) -> tuple[int, int, int]:
        """Return (F, H, hidden), having checked every shape, dtype and value.

        Raises:
            ConfigError: an array contradicts the others, or holds NaN or infinity.
        """
        for name in ("input", "head"):
            if getattr(self, name).ndim != 2:
                raise refuse(f"{name} has {getattr(self, name).ndim} dimensions, not 2", SHAPES)
        features, (horizon, hidden) = self.input.shape[1], self.head.shape
        rows = 4 * hidden
        _check_array("input", self.input, (rows, features))
        _check_array("recurrent", self.recurrent, (rows, hidden))
        _check_array("bias", self.bias, (rows,))
        _check_array("head", self.head, (horizon, hidden))
        _check_array("head_bias", self.head_bias, (horizon,))
        return features, horizon, hidden


@dataclass(frozen=True, slots=True)
class Int8LstmWeights:
    """The same with int8 weights; ``docs/model_format.md`` says what each scale means.

    Attributes:
        input_scale: (F,), above 0; scale_input, scale_recurrent, bias: (4 hidden,).
        scale_head, head_bias: (H,).
        input: int8 (4 hidden, F); recurrent: int8 (4 hidden, hidden); head: int8 (H, hidden).
    """

    input_scale: Floats
    scale_input: Floats
    scale_recurrent: Floats
    bias: Floats
    scale_head: Floats
    head_bias: Floats
    input: Int8s
    recurrent: Int8s
    head: Int8s

    def dimensions(self) -> tuple[int, int, int]:
        """Return (F, H, hidden), having checked every shape, dtype and value.

        Raises:
            ConfigError: an array contradicts the others, or holds NaN or infinity.
        """
        for name in ("input", "head"):
            if getattr(self, name).ndim != 2:
                raise refuse(f"{name} has {getattr(self, name).ndim} dimensions, not 2", SHAPES)
        features, (horizon, hidden) = self.input.shape[1], self.head.shape
        rows = 4 * hidden
        _check_array("input_scale", self.input_scale, (features,))
        for name in ("scale_input", "scale_recurrent", "bias"):
            _check_array(name, getattr(self, name), (rows,))
        for name in ("scale_head", "head_bias"):
            _check_array(name, getattr(self, name), (horizon,))
        _check_array("input", self.input, (rows, features), np.int8)
        _check_array("recurrent", self.recurrent, (rows, hidden), np.int8)
        _check_array("head", self.head, (horizon, hidden), np.int8)
        if not (self.input_scale > 0).all():
            raise refuse("input_scale holds values that are not above 0", "calibrate again")
        return features, horizon, hidden


@dataclass(frozen=True, slots=True)
class SelfTestVector:
    """What a board checks itself with.

    Attributes:
        input: float32 (T, F); output: float32 (H,), the answer expected.
        tolerance: largest absolute error allowed.
    """

    input: Floats
    output: Floats
    tolerance: float = field(default=1e-4)


SHAPES: Final = "the shapes are listed in docs/model_format.md"


def refuse(what: str, hint: str) -> ConfigError:
    """Return the error of a model file that is wrong."""
    return ConfigError(f"model file: {what}", hint=hint)


def _check_array(
    name: str, array: npt.NDArray[Any], shape: tuple[int, ...], dtype: Any = np.float32
) -> None:
    if array.shape != shape or array.dtype != dtype:
        raise refuse(f"{name} is {array.dtype}{array.shape}, not {np.dtype(dtype)}{shape}", SHAPES)
    if dtype is np.float32:
        check_finite(array, name)


def check_finite(array: Floats, place: str) -> None:
    """Refuse NaN and infinity, naming the first.

    Raises:
        ConfigError: there are some.
    """
    finite = np.isfinite(array)
    if not finite.all():
        at = int(np.flatnonzero(~finite.ravel())[0])
        raise refuse(
            f"{place}: value {at} is {array.ravel()[at]}", "train or export the model again"
        )


def check_dimensions(
    steps: int, features: int, horizon: int, hidden: int, widest: int = MAX_HIDDEN
) -> None:
    """Refuse dimensions that no board takes.

    Raises:
        ConfigError: one of T, F, H, hidden is out of its range.
    """
    named = [
        ("T", steps, MAX_STEPS),
        ("F", features, MAX_FEATURES),
        ("H", horizon, MAX_HORIZON),
        ("hidden", hidden, widest),
    ]
    for name, value, most in named:
        if not 1 <= value <= most:
            raise refuse(f"{name} is {value}; 1 to {most} are possible", "use a smaller model")


def lstm_parameters(features: int, horizon: int, hidden: int) -> int:
    """Return how many floats an LSTM and its head have."""
    return 4 * hidden * (features + hidden + 1) + horizon * (hidden + 1)


def lstm_operations(steps: int, features: int, horizon: int, hidden: int) -> tuple[int, int]:
    """Return the multiply-adds, and the sigmoids and tanhs, of one run."""
    return steps * 4 * hidden * (features + hidden) + horizon * hidden, 5 * steps * hidden


def padded(data: bytes) -> bytes:
    """Return the bytes filled up with zeros to a multiple of 4."""
    return data + bytes(-len(data) % 4)


def array_of(
    data: bytes, offset: int, shape: tuple[int, ...], dtype: str = "<f4"
) -> tuple[npt.NDArray[Any], int]:
    """Return a read-only array that lies in ``data``, and the offset behind it."""
    count = int(np.prod(shape))
    array = np.frombuffer(data, dtype, count, offset).reshape(shape)
    return array, offset + array.nbytes
