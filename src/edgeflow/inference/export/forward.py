"""Run float32 layers with NumPy, to learn how large the values between them get."""

from collections.abc import Iterator

import numpy as np

from edgeflow.inference.export.source import Floats
from edgeflow.protocols.model_file import Activation, Layer, Op

__all__ = ["inputs_of_layers"]


def inputs_of_layers(layers: tuple[Layer, ...], samples: Floats) -> Iterator[Floats]:
    """Yield what each layer is given: float32 (N, steps, channels).

    Args:
        layers: of float32.
        samples: float32 (N, T, F).
    """
    values = samples
    for layer in layers:
        yield values
        values = _activated(layer.activation, _run(layer, values)).astype(np.float32)


def _run(layer: Layer, values: Floats) -> Floats:
    count = len(values)
    if layer.op is Op.FLATTEN:
        return values.reshape(count, 1, -1)
    if layer.op is Op.GLOBAL_AVERAGE_POOL:
        means: Floats = values.mean(axis=1, keepdims=True)
        return means
    if layer.weights is not None and layer.op is Op.DENSE:
        dense: Floats = values.reshape(count, -1) @ layer.weights.T + layer.bias
        return dense[:, None]
    if layer.padding:
        values = np.pad(values, ((0, 0), (layer.padding, layer.padding), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(values, layer.kernel, axis=1)
    windows = windows[:, :: layer.stride]
    if layer.weights is None:
        pooled: Floats = windows.max(-1) if layer.op is Op.MAX_POOL else windows.mean(-1)
        return pooled
    convolved: Floats = np.einsum("nsik,oki->nso", windows, layer.weights) + layer.bias
    return convolved


def _activated(activation: Activation, values: Floats) -> Floats:
    if activation is Activation.RELU:
        return np.maximum(values, 0)
    if activation is Activation.SIGMOID:
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * values), np.float32)
    if activation is Activation.TANH:
        return np.tanh(values)
    if activation is Activation.SOFTMAX:
        powers = np.exp(values - values.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)
    return values
