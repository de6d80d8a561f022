"""The layers of a small classifier (kind 2 of EFM1): the table, its checks, the weights."""

import math
import struct
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edgeflow.protocols.model_parts import Floats, array_of, check_finite, padded, refuse

__all__ = [
    "MAX_LAYERS",
    "MAX_VALUES",
    "Activation",
    "Layer",
    "Op",
    "check_chain",
    "decode_layers",
    "encode_layers",
    "layer_operations",
    "layer_parameters",
    "quantise_layer",
    "widest",
]

MAX_LAYERS: Final = 32
MAX_VALUES: Final = 65535  # of an activation, and of the window of a convolution
# What float32 holds.
SMALLEST_SCALE: Final = 2.0**-149
LARGEST_SCALE: Final = (2.0 - 2.0**-23) * 2.0**127
_ROW: Final = struct.Struct("<4B6H2IfI")
_HINT: Final = "the layers are described in docs/model_format.md"


class Op(IntEnum):
    """What a layer does."""

    DENSE = 1
    CONV1D = 2
    MAX_POOL = 3
    AVERAGE_POOL = 4
    GLOBAL_AVERAGE_POOL = 5
    FLATTEN = 6


class Activation(IntEnum):
    """What follows a layer; softmax is over the channels of each step."""

    NONE = 0
    RELU = 1
    SIGMOID = 2
    TANH = 3
    SOFTMAX = 4


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer; what its operation does not use is 0 or None.

    Attributes:
        steps_in, channels_in, steps_out, channels_out: shapes of its input and output.
        kernel, stride: of conv1d and the pools; padding: of conv1d, zeros on both sides.
        weights: float32 or int8 (out, in) of dense, (out, kernel, in) of conv1d; bias: (out,).
        scales: float32 (out,), with int8 only; input_scale: float, likewise.
    """

    op: Op
    steps_in: int
    channels_in: int
    steps_out: int
    channels_out: int
    activation: Activation = Activation.NONE
    kernel: int = 0
    stride: int = 0
    padding: int = 0
    weights: npt.NDArray[Any] | None = None
    bias: Floats | None = None
    scales: Floats | None = None
    input_scale: float = 0.0

    @property
    def has_weights(self) -> bool:
        """Dense and conv1d have."""
        return self.op in {Op.DENSE, Op.CONV1D}

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """(out, in) of dense, (out, kernel, in) of conv1d."""
        if self.op is Op.DENSE:
            return (self.channels_out, self.steps_in * self.channels_in)
        return (self.channels_out, self.kernel, self.channels_in)


def layer_parameters(layers: tuple[Layer, ...]) -> int:
    """Return how many weights and biases there are."""
    return sum(
        int(np.prod(layer.weight_shape)) + layer.channels_out
        for layer in layers
        if layer.has_weights
    )


def layer_operations(layers: tuple[Layer, ...]) -> tuple[int, int]:
    """Return the multiply-adds, and the values through a sigmoid, tanh or softmax, of one run."""
    multiply_adds = activations = 0
    for layer in layers:
        values = layer.steps_out * layer.channels_out
        if layer.has_weights:
            multiply_adds += values * math.prod(layer.weight_shape[1:])
        if layer.activation >= Activation.SIGMOID:
            activations += values
    return multiply_adds, activations


def widest(layers: tuple[Layer, ...]) -> int:
    """Return the largest number of values between two layers."""
    sizes = [layer.steps_out * layer.channels_out for layer in layers]
    return max([layers[0].steps_in * layers[0].channels_in, *sizes])


def _expected(layer: Layer) -> tuple[int, int] | str:
    """Return (steps, channels) out, or what is wrong with the layer's own numbers."""
    if layer.op in {Op.CONV1D, Op.MAX_POOL, Op.AVERAGE_POOL}:
        return _expected_of_window(layer)
    if layer.kernel or layer.stride or layer.padding:
        return "kernel, stride or padding is set, and is not used"
    if layer.op is Op.GLOBAL_AVERAGE_POOL:
        return 1, layer.channels_in
    values = layer.steps_in * layer.channels_in
    return 1, values if layer.op is Op.FLATTEN else layer.channels_out


def _expected_of_window(layer: Layer) -> tuple[int, int] | str:
    pads = layer.op is Op.CONV1D and 0 <= layer.padding < min(layer.kernel, 256)
    if layer.kernel < 1 or not 1 <= layer.stride <= 255 or not (pads or layer.padding == 0):
        return f"kernel {layer.kernel}, stride {layer.stride}, padding {layer.padding}"
    room = layer.steps_in + 2 * layer.padding - layer.kernel
    if room < 0 or layer.kernel * layer.channels_in > MAX_VALUES:
        return f"the kernel is longer than the input, or above {MAX_VALUES} values"
    channels = layer.channels_out if layer.op is Op.CONV1D else layer.channels_in
    return room // layer.stride + 1, channels


def check_chain(layers: tuple[Layer, ...], steps: int, features: int, horizon: int) -> None:
    """Refuse layers that do not lead from (steps, features) to ``horizon`` values.

    Raises:
        ConfigError: naming the layer and what does not fit.
    """
    if not 1 <= len(layers) <= MAX_LAYERS:
        raise refuse(f"{len(layers)} layers; 1 to {MAX_LAYERS} are possible", _HINT)
    before = (steps, features)
    for number, layer in enumerate(layers):
        place = f"layer {number} ({layer.op.name.lower()})"
        if (layer.steps_in, layer.channels_in) != before:
            taken = (layer.steps_in, layer.channels_in)
            raise refuse(f"{place} takes {taken}, and gets {before}", _HINT)
        if not 1 <= before[0] * before[1] <= MAX_VALUES:
            raise refuse(f"{place} takes {before}; 1 to {MAX_VALUES} values are possible", _HINT)
        expected = _expected(layer)
        if isinstance(expected, str):
            raise refuse(f"{place}: {expected}", _HINT)
        before = (layer.steps_out, layer.channels_out)
        if before != expected or not 1 <= before[0] * before[1] <= MAX_VALUES:
            raise refuse(f"{place} gives {before}, and should give {expected}", _HINT)
    if before[0] * before[1] != horizon:
        raise refuse(
            f"the last layer gives {before[0] * before[1]} values, and H is {horizon}", _HINT
        )


def _check_weights(layer: Layer, place: str, int8: bool) -> None:
    wanted: dict[str, tuple[tuple[int, ...], Any] | None] = dict.fromkeys(
        ("weights", "bias", "scales")
    )
    if layer.has_weights:
        wanted["weights"] = (layer.weight_shape, np.int8 if int8 else np.float32)
        wanted["bias"] = ((layer.channels_out,), np.float32)
        wanted["scales"] = ((layer.channels_out,), np.float32) if int8 else None
    for name, want in wanted.items():
        array = getattr(layer, name)
        have = None if array is None else (array.shape, array.dtype)
        if have != want:
            raise refuse(f"{place}: {name} is {have}, not {want}", _HINT)
        if array is not None and array.dtype == np.float32:
            check_finite(array, f"{place}, {name}")
    scale = layer.input_scale
    if not (SMALLEST_SCALE <= scale <= LARGEST_SCALE if int8 and layer.has_weights else scale == 0):
        raise refuse(f"{place}: the input scale is {scale}", _HINT)


def encode_layers(layers: tuple[Layer, ...], *, int8: bool) -> bytes:
    """Return table and weights.

    Raises:
        ConfigError: weights are missing, or have a wrong shape, dtype or value.
    """
    rows, blocks = b"", b""
    start = 4 + _ROW.size * len(layers)
    for number, layer in enumerate(layers):
        _check_weights(layer, f"layer {number}", int8)
        block = b""
        if layer.weights is not None and layer.bias is not None:
            weights, bias = layer.weights.tobytes(), layer.bias.astype("<f4").tobytes()
            scales = b"" if layer.scales is None else layer.scales.astype("<f4").tobytes()
            block = scales + bias + padded(weights) if int8 else weights + bias
        offset = start + len(blocks) if block else 0
        rows += _ROW.pack(
            layer.op,
            layer.activation,
            layer.stride,
            layer.padding,
            layer.steps_in,
            layer.channels_in,
            layer.steps_out,
            layer.channels_out,
            layer.kernel,
            0,
            offset,
            len(block),
            layer.input_scale,
            0,
        )
        blocks += block
    return struct.pack("<I", len(layers)) + rows + blocks


def decode_layers(
    data: bytes, steps: int, features: int, horizon: int, *, int8: bool
) -> tuple[Layer, ...]:
    """Return the layers that ``data``, the model's own part of the payload, holds.

    Raises:
        ConfigError: naming the layer and what is wrong.
    """
    count = int.from_bytes(data[:4], "little")
    if not 1 <= count <= MAX_LAYERS or len(data) < 4 + _ROW.size * count:
        raise refuse(f"{count} layers in {len(data)} bytes", _HINT)
    rows = [_ROW.unpack_from(data, 4 + _ROW.size * index) for index in range(count)]
    layers = tuple(_from_row(number, row) for number, row in enumerate(rows))
    check_chain(layers, steps, features, horizon)
    return tuple(
        _with_weights(data, layer, number, rows[number], int8)
        for number, layer in enumerate(layers)
    )


def _from_row(number: int, row: tuple[Any, ...]) -> Layer:
    op, activation, stride, padding = row[:4]
    kernel, zero, _, _, scale, last = row[8:]
    if op not in set(Op) or activation not in set(Activation) or zero or last:
        raise refuse(f"layer {number}: unknown operation {op} or activation {activation}", _HINT)
    steps_in, channels_in, steps_out, channels_out = row[4:8]
    return Layer(
        Op(op),
        steps_in,
        channels_in,
        steps_out,
        channels_out,
        activation=Activation(activation),
        kernel=kernel,
        stride=stride,
        padding=padding,
        input_scale=scale,
    )


def _with_weights(
    data: bytes, layer: Layer, number: int, row: tuple[Any, ...], int8: bool
) -> Layer:
    place = f"layer {number}"
    offset, size = row[10], row[11]
    if layer.has_weights:
        count, out = int(np.prod(layer.weight_shape)), layer.channels_out
        wanted = 8 * out + count + -count % 4 if int8 else 4 * (count + out)
        first = 4 + _ROW.size * int.from_bytes(data[:4], "little")
        if size != wanted or offset % 4 or offset < first or offset + size > len(data):
            raise refuse(f"{place}: {size} bytes of weights at {offset}, not {wanted}", _HINT)
        scales = None
        if int8:
            scales, offset = array_of(data, offset, (out,))
            bias, offset = array_of(data, offset, (out,))
            weights, offset = array_of(data, offset, layer.weight_shape, "i1")
        else:
            weights, offset = array_of(data, offset, layer.weight_shape)
            bias, offset = array_of(data, offset, (out,))
        layer = replace(layer, weights=weights, bias=bias, scales=scales)
    elif offset or size:
        raise refuse(f"{place} has weights, and needs none", _HINT)
    _check_weights(layer, place, int8)
    return layer


def quantise_layer(layer: Layer, input_scale: float) -> Layer:
    """Return a layer with int8 weights, one scale per output; layers without weights as they are.

    Args:
        layer: a float32 layer.
        input_scale: the value of one int8 step of its input: the largest size that the input has in
            calibration data, over 127.
    """
    if layer.weights is None:
        return layer
    values = layer.weights.astype(np.float64) * np.float32(input_scale)
    rows = values.reshape(layer.channels_out, -1)
    scales = (np.abs(rows).max(axis=1) / 127.0).astype(np.float32)
    check_finite(scales, "scales of a layer")
    safe = np.where(scales > 0, scales, np.float32(1.0))
    steps = np.clip(np.rint(rows / safe[:, None]), -127, 127).astype(np.int8)
    weights = steps.reshape(layer.weight_shape)
    return replace(
        layer, weights=weights, scales=scales, input_scale=float(np.float32(input_scale))
    )
