"""Train a small network that tells the quality of the air, and write it as ONNX.

It takes ``input``: float32 [n, 3]: CO2 in ppm, relative humidity in percent and temperature in
degrees Celsius, the order of their names ``co2_ppm``, ``humidity_pct``, ``temperature_c``; and
gives ``logits``: float32 [n, 3] for good, stuffy and bad.

There are no measurements behind it: rooms are drawn at random and labelled by thresholds, those
near a threshold with some doubt, as people would. On rooms it has not seen it agrees with the
thresholds for 98 of 100, and with doubtful people for 93. The seed is fixed.
"""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeflow.errors import MissingExtraError

__all__ = ["label", "rooms", "train"]

Floats: TypeAlias = npt.NDArray[np.float64]
Layer: TypeAlias = tuple[Floats, Floats]

CLASSES, HIDDEN = 3, 16
_LOW, _HIGH = np.array([200.0, 15.0, 14.0]), np.array([2200.0, 90.0, 36.0])
_STUFFY, _BAD = 800.0, 1400.0
"""CO2 in ppm."""
_DOUBT = 0.04
"""Spread of the thresholds between people, as a part of them."""
_SAMPLES, _EPOCHS, _BATCH, _RATE, _SEED = 8000, 40, 200, 0.02, 7
_KEEP, _KEEP_SQUARE, _TINY = 0.9, 0.999, 1e-8


def rooms(count: int, random: np.random.Generator) -> Floats:
    """Return measured values of rooms, each drawn evenly from its range: [count, 3]."""
    return random.uniform(_LOW, _HIGH, (count, len(_LOW)))


def label(values: Floats, random: np.random.Generator | None = None) -> npt.NDArray[np.int64]:
    """Return 0 for good, 1 for stuffy and 2 for bad air per row; with doubt if given ``random``.

    Air is stuffy above 800 ppm, below 25 or above 65 % humidity, or above 26 degrees, and bad above
    1400 ppm, or above 80 % or 31 degrees.
    """
    doubt = np.zeros(values.shape) if random is None else random.normal(0, _DOUBT, values.shape)
    co2, humidity, temperature = (values * (1 + doubt)).T
    stuffy = (co2 > _STUFFY) | (humidity > 65) | (humidity < 25) | (temperature > 26)
    bad = (co2 > _BAD) | (humidity > 80) | (temperature > 31)
    return np.where(bad, 2, np.where(stuffy, 1, 0))


def train(_sources: Mapping[str, Path], target: Path) -> None:
    """Train the network and write it to ``target``; it needs no sources.

    Raises:
        MissingExtraError: the package ``onnx`` is not installed.
    """
    random = np.random.default_rng(_SEED)
    values = rooms(_SAMPLES, random)
    layers = _fit(_scaled(values), label(values, random), random)
    _write(layers, target)


def _scaled(values: Floats) -> Floats:
    scaled: Floats = (values - _LOW) / (_HIGH - _LOW) * 2 - 1
    return scaled


def _fit(
    values: Floats, classes: npt.NDArray[np.int64], random: np.random.Generator
) -> list[Layer]:
    """Return the layers that Adam finds for the cross entropy."""
    widths = [values.shape[1], HIDDEN, HIDDEN, CLASSES]
    parameters: list[Floats] = []
    for before, after in itertools.pairwise(widths):
        parameters += [random.normal(0, (2 / before) ** 0.5, (before, after)), np.zeros(after)]
    moments = [(np.zeros_like(each), np.zeros_like(each)) for each in parameters]
    step, steps = 0, _EPOCHS * (len(values) // _BATCH)
    for _ in range(_EPOCHS):
        order = random.permutation(len(values))
        for batch in order.reshape(-1, _BATCH):
            step += 1
            rate = _RATE * (1 - step / (steps + 1))
            gradients = _gradients(parameters, values[batch], classes[batch])
            for parameter, gradient, moment in zip(parameters, gradients, moments, strict=True):
                np.subtract(parameter, rate * _adam(gradient, *moment, step), out=parameter)
    return list(zip(parameters[::2], parameters[1::2], strict=True))


def _adam(gradient: Floats, mean: Floats, square: Floats, step: int) -> Floats:
    """Return the direction to go, and bring the two running means up to date."""
    np.add(mean, (1 - _KEEP) * (gradient - mean), out=mean)
    np.add(square, (1 - _KEEP_SQUARE) * (gradient**2 - square), out=square)
    spread = np.sqrt(square / (1 - _KEEP_SQUARE**step)) + _TINY
    direction: Floats = mean / (1 - _KEEP**step) / spread
    return direction


def _gradients(
    parameters: list[Floats], values: Floats, classes: npt.NDArray[np.int64]
) -> list[Floats]:
    """Return the gradient of the mean cross entropy for every parameter, in their order."""
    layers = list(zip(parameters[::2], parameters[1::2], strict=True))
    activations = [values]
    for at, (weights, bias) in enumerate(layers):
        made = activations[-1] @ weights + bias
        activations.append(np.maximum(made, 0) if at < len(layers) - 1 else made)
    chances = np.exp(activations[-1] - activations[-1].max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    chances[np.arange(len(classes)), classes] -= 1
    error = chances / len(classes)
    gradients: list[Floats] = []
    for at in reversed(range(len(layers))):
        gradients += [error.sum(axis=0), activations[at].T @ error]
        error = (error @ layers[at][0].T) * (activations[at] > 0)
    return gradients[::-1]


def _write(layers: list[Layer], target: Path) -> None:
    """Write the network with its scaling inside."""
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ModuleNotFoundError:
        raise MissingExtraError("onnx", "convert") from None
    scale = 2 / (_HIGH - _LOW)
    constants = {"scale": scale, "shift": _LOW * scale + 1}
    nodes = [
        helper.make_node("Mul", ["input", "scale"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "shift"], ["layer_0"]),
    ]
    for at, (weights, bias) in enumerate(layers):
        last = at == len(layers) - 1
        made = "logits" if last else f"sum_{at}"
        constants |= {f"weights_{at}": weights, f"bias_{at}": bias}
        inputs = [f"layer_{at}", f"weights_{at}", f"bias_{at}"]
        nodes.append(helper.make_node("Gemm", inputs, [made]))
        if not last:
            nodes.append(helper.make_node("Relu", [made], [f"layer_{at + 1}"]))
    graph = helper.make_graph(
        nodes,
        "air_quality",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", len(_LOW)])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", CLASSES])],
        [_constant(numpy_helper, name, value) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="edgeflow"
    )
    onnx.checker.check_model(model, full_check=True)
    target.write_bytes(model.SerializeToString(deterministic=True))


def _constant(numpy_helper: Any, name: str, value: Floats) -> Any:
    return numpy_helper.from_array(value.astype(np.float32), name)
