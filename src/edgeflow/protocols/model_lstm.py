"""The weights of an LSTM as bytes, in float32 and int8, and how the one becomes the other."""

import numpy as np
import numpy.typing as npt

from edgeflow.protocols.model_parts import (
    Floats,
    Int8LstmWeights,
    LstmWeights,
    array_of,
    check_finite,
    lstm_parameters,
    padded,
    refuse,
)

__all__ = [
    "decode_float32",
    "decode_int8",
    "encode_float32",
    "encode_int8",
    "int8_bytes",
    "quantise_lstm",
]


def encode_float32(weights: LstmWeights) -> bytes:
    """Return the floats in the order of the reference file."""
    parts = [weights.input, weights.recurrent, weights.bias, weights.head, weights.head_bias]
    return b"".join(part.astype("<f4").tobytes() for part in parts)


def decode_float32(data: bytes, features: int, horizon: int, hidden: int) -> LstmWeights:
    """Return the weights that ``data`` is.

    Raises:
        ConfigError: it has another length than the dimensions say, or values that are not finite.
    """
    wanted = 4 * lstm_parameters(features, horizon, hidden)
    if len(data) != wanted:
        raise refuse(
            f"{len(data)} bytes of weights, and F {features}, H {horizon}, hidden {hidden} need "
            f"{wanted}",
            "the dimensions and the weights belong to different models; export again",
        )
    rows = 4 * hidden
    inputs, at = array_of(data, 0, (rows, features))
    recurrent, at = array_of(data, at, (rows, hidden))
    bias, at = array_of(data, at, (rows,))
    head, at = array_of(data, at, (horizon, hidden))
    head_bias, _ = array_of(data, at, (horizon,))
    weights = LstmWeights(inputs, recurrent, bias, head, head_bias)
    weights.dimensions()
    return weights


def int8_bytes(features: int, horizon: int, hidden: int) -> int:
    """Return how long the int8 form is."""
    floats = features + 12 * hidden + 2 * horizon
    blocks = [4 * hidden * features, 4 * hidden * hidden, horizon * hidden]
    return 4 * floats + sum(count + -count % 4 for count in blocks)


def encode_int8(weights: Int8LstmWeights) -> bytes:
    """Return scales and biases, then the int8 blocks."""
    floats = [
        weights.input_scale,
        weights.scale_input,
        weights.scale_recurrent,
        weights.bias,
        weights.scale_head,
        weights.head_bias,
    ]
    blocks = [weights.input, weights.recurrent, weights.head]
    return b"".join(part.astype("<f4").tobytes() for part in floats) + b"".join(
        padded(block.tobytes()) for block in blocks
    )


def decode_int8(data: bytes, features: int, horizon: int, hidden: int) -> Int8LstmWeights:
    """Return the weights that ``data`` is.

    Raises:
        ConfigError: it has another length than the dimensions say, or bad scales.
    """
    wanted = int8_bytes(features, horizon, hidden)
    if len(data) != wanted:
        raise refuse(
            f"{len(data)} bytes of int8 weights, and the dimensions need {wanted}",
            "the dimensions and the weights belong to different models; export again",
        )
    rows, at, floats = 4 * hidden, 0, []
    for count in (features, rows, rows, rows, horizon, horizon):
        array, at = array_of(data, at, (count,))
        floats.append(array)
    inputs, at = array_of(data, at, (rows, features), "i1")
    recurrent, at = array_of(data, at + -at % 4, (rows, hidden), "i1")
    head, _ = array_of(data, at + -at % 4, (horizon, hidden), "i1")
    input_scale, scale_input, scale_recurrent, bias, scale_head, head_bias = floats
    weights = Int8LstmWeights(
        input_scale,
        scale_input,
        scale_recurrent,
        bias,
        scale_head,
        head_bias,
        inputs,
        recurrent,
        head,
    )
    weights.dimensions()
    return weights


def quantise_lstm(weights: LstmWeights, input_scale: npt.ArrayLike) -> Int8LstmWeights:
    """Return int8 weights with one scale per row.

    Args:
        weights: float32 weights.
        input_scale: float32 (F,), the value of one int8 step of each feature: the largest size a
            feature has in calibration data, over 127.

    Raises:
        ConfigError: shapes or values are wrong.
    """
    features, _, _ = weights.dimensions()
    scale = np.asarray(input_scale, np.float32)
    if scale.shape != (features,) or not (np.isfinite(scale) & (scale > 0)).all():
        raise refuse(f"the input scale is no {features} floats above 0", "calibrate again")
    inputs, scale_input = _rows(weights.input.astype(np.float64) * scale)
    recurrent, scale_recurrent = _rows(weights.recurrent.astype(np.float64) / 127.0)
    head, scale_head = _rows(weights.head.astype(np.float64) / 127.0)
    return Int8LstmWeights(
        scale,
        scale_input,
        scale_recurrent,
        weights.bias.astype(np.float32),
        scale_head,
        weights.head_bias.astype(np.float32),
        inputs,
        recurrent,
        head,
    )


def _rows(values: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.int8], Floats]:
    """Return int8 rows and their scales, float32."""
    scale = (np.abs(values).max(axis=1) / 127.0).astype(np.float32)
    check_finite(scale, "scales of the rows")
    safe = np.where(scale > 0, scale, np.float32(1.0))
    steps = np.clip(np.rint(values / safe[:, None]), -127, 127)
    return steps.astype(np.int8), scale
