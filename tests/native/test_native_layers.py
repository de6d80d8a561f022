"""The core's layers against PyTorch's, and in int8 against numpy, bit for bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow._native.library import lib
from edgeflow._native.model import NativeModel
from edgeflow.protocols.model_file import Activation, Layer, Op, efm1, parse_model, quantise_layer

RANDOM = np.random.default_rng(3)


def floats(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def conv(
    steps: int, inputs: int, outputs: int, kernel: int, stride: int, padding: int
) -> tuple[Layer, torch.nn.Conv1d]:
    module = torch.nn.Conv1d(inputs, outputs, kernel, stride, padding)
    weights = module.weight.detach().numpy().transpose(0, 2, 1).copy()
    layer = Layer(
        Op.CONV1D,
        steps,
        inputs,
        (steps + 2 * padding - kernel) // stride + 1,
        outputs,
        Activation.RELU,
        kernel=kernel,
        stride=stride,
        padding=padding,
        weights=weights,
        bias=module.bias.detach().numpy(),
    )
    return layer, module


def dense(values: int, outputs: int, activation: Activation) -> tuple[Layer, torch.nn.Linear]:
    module = torch.nn.Linear(values, outputs)
    layer = Layer(
        Op.DENSE,
        1,
        values,
        1,
        outputs,
        activation,
        weights=module.weight.detach().numpy(),
        bias=module.bias.detach().numpy(),
    )
    return layer, module


@pytest.mark.parametrize("op", [Op.MAX_POOL, Op.AVERAGE_POOL])
@pytest.mark.parametrize("activation", list(Activation))
def test_a_classifier_answers_like_pytorch(op: Op, activation: Activation) -> None:
    first, conv1 = conv(33, 3, 8, 5, 2, 2)
    pool = Layer(op, 17, 8, 8, 8, kernel=3, stride=2)
    second, conv2 = conv(8, 8, 4, 3, 1, 0)
    last, linear = dense(24, 6, activation)
    layers = (first, pool, second, Layer(Op.FLATTEN, 6, 4, 1, 24), last)
    model = NativeModel(efm1(layers, steps=33, features=3))
    pools = torch.nn.MaxPool1d if op is Op.MAX_POOL else torch.nn.AvgPool1d
    functions = {
        Activation.NONE: lambda x: x,
        Activation.RELU: torch.relu,
        Activation.SIGMOID: torch.sigmoid,
        Activation.TANH: torch.tanh,
        Activation.SOFTMAX: lambda x: torch.softmax(x, -1),
    }
    for _ in range(3):
        sample = floats(33, 3)
        with torch.no_grad():
            values = torch.relu(conv1(torch.from_numpy(sample.T.copy())[None]))
            values = torch.relu(conv2(pools(3, 2)(values)))
            wanted = functions[activation](linear(values.transpose(1, 2).reshape(1, -1)))[0]
        assert np.abs(model.run(sample) - wanted.numpy()).max() < 2e-6


def test_global_average_and_softmax_of_each_step() -> None:
    pool = Layer(Op.GLOBAL_AVERAGE_POOL, 7, 5, 1, 5)
    sample = floats(7, 5)
    answer = NativeModel(efm1((pool,), steps=7, features=5)).run(sample)
    assert np.abs(answer - sample.mean(0)).max() < 1e-6
    same = Layer(Op.MAX_POOL, 7, 5, 7, 5, Activation.SOFTMAX, kernel=1, stride=1)
    rows = NativeModel(efm1((same,), steps=7, features=5)).run(100 * sample).reshape(7, 5)
    wanted = torch.softmax(torch.from_numpy(100 * sample), -1).numpy()
    assert np.abs(rows - wanted).max() < 1e-6


def quantised(values: np.ndarray, scale: np.float32) -> np.ndarray:
    clipped = np.clip(values / scale, np.float32(-127), np.float32(127))
    whole = np.trunc(clipped)
    return (whole + np.sign(clipped) * (np.abs(clipped - whole) >= 0.5)).astype(np.int64)


def reference(layer: Layer, values: np.ndarray) -> np.ndarray:
    """One int8 layer in numpy."""
    assert layer.weights is not None and layer.bias is not None and layer.scales is not None
    steps = quantised(values, np.float32(layer.input_scale))
    weights = layer.weights.astype(np.int64)
    if layer.op is Op.DENSE:
        sums = (weights @ steps.ravel())[None]
    else:
        wide = np.pad(steps, ((layer.padding, layer.padding), (0, 0)))
        windows = [
            wide[at * layer.stride : at * layer.stride + layer.kernel]
            for at in range(layer.steps_out)
        ]
        sums = np.array([[(window * row).sum() for row in weights] for window in windows])
    answer = layer.scales * sums.astype(np.float32) + layer.bias
    if layer.activation is Activation.RELU:
        return np.where(answer < 0, np.float32(0), answer)
    if layer.activation is Activation.TANH:
        return np.vectorize(lib.ef_tanh, otypes=[np.float32])(answer)
    return answer


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_int8_layers_are_the_reference_bit_for_bit(data: st.DataObject) -> None:
    kernel = data.draw(st.integers(1, 6))
    padding = data.draw(st.integers(0, kernel - 1))
    steps = data.draw(st.integers(max(1, kernel - 2 * padding), 12))
    inputs, outputs = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    first, _ = conv(steps, inputs, outputs, kernel, data.draw(st.integers(1, 4)), padding)
    values = first.steps_out * outputs
    last, _ = dense(values, 3, Activation.TANH)
    small = (
        quantise_layer(first, 0.02),
        Layer(Op.FLATTEN, first.steps_out, outputs, 1, values),
        quantise_layer(last, 0.03),
    )
    model = NativeModel(efm1(small, steps=steps, features=inputs))
    sample = floats(steps, inputs)
    between = reference(small[0], sample)
    assert np.array_equal(model.run(sample), reference(small[2], between)[0])


def test_info_counts_what_a_run_costs() -> None:
    first, _ = conv(33, 3, 8, 5, 2, 2)
    last, _ = dense(8, 2, Activation.SIGMOID)
    layers = (first, Layer(Op.GLOBAL_AVERAGE_POOL, 17, 8, 1, 8), last)
    file = efm1(layers, steps=33, features=3)
    info = NativeModel(file).info
    assert info.multiply_adds == 17 * 8 * 15 + 16
    assert info.activations == 2
    assert info.parameters == parse_model(file).parameters == 8 * 16 + 2 * 9
    assert info.hidden == 136 and info.arena_bytes == 2 * 4 * 136
