"""The int8 LSTM against numpy, bit for bit, and against its float32 model within a bound."""

import numpy as np
import pytest

from edgeflow._native.library import lib
from edgeflow._native.model import NativeModel
from edgeflow.protocols.model_file import (
    Int8LstmWeights,
    LstmWeights,
    SelfTestVector,
    efm1,
    lstm_file,
    quantise_lstm,
)

F32 = np.float32
SIGMOID = np.vectorize(lib.ef_sigmoid, otypes=[F32])
TANH = np.vectorize(lib.ef_tanh, otypes=[F32])


def weights(features: int, horizon: int, hidden: int) -> LstmWeights:
    random, rows, bound = np.random.default_rng(hidden), 4 * hidden, hidden**-0.5

    def draw(*shape: int) -> np.ndarray:
        return random.uniform(-bound, bound, shape).astype(F32)

    return LstmWeights(
        draw(rows, features), draw(rows, hidden), draw(rows), draw(horizon, hidden), draw(horizon)
    )


def nearest(values: np.ndarray) -> np.ndarray:
    """Round half away from zero, within -127..127."""
    clipped = np.clip(values, F32(-127), F32(127))
    whole = np.trunc(clipped)
    return (whole + np.sign(clipped) * (np.abs(clipped - whole) >= 0.5)).astype(np.int64)


def reference(model: Int8LstmWeights, sample: np.ndarray) -> np.ndarray:
    hidden = model.recurrent.shape[1]
    h, c = np.zeros(hidden, F32), np.zeros(hidden, F32)
    for row in sample:
        inputs = (model.input.astype(np.int64) @ nearest(row / model.input_scale)).astype(F32)
        states = (model.recurrent.astype(np.int64) @ nearest(F32(127) * h)).astype(F32)
        gates = model.scale_input * inputs + model.scale_recurrent * states + model.bias
        i, f, g, o = gates.reshape(4, hidden)
        c = SIGMOID(f) * c + SIGMOID(i) * TANH(g)
        h = SIGMOID(o) * TANH(c)
    sums = (model.head.astype(np.int64) @ nearest(F32(127) * h)).astype(F32)
    return model.scale_head * sums + model.head_bias


@pytest.mark.parametrize("dimensions", [(4, 8, 32), (3, 2, 7), (1, 1, 1), (9, 6, 65)])
def test_int8_is_the_reference_bit_for_bit(dimensions: tuple[int, int, int]) -> None:
    features, _, hidden = dimensions
    small = quantise_lstm(weights(*dimensions), np.full(features, 0.025))
    model = NativeModel(efm1(small, steps=12))
    random = np.random.default_rng(5)
    for size in (1.0, 10.0):
        sample = (size * random.normal(size=(12, features))).astype(F32)
        assert np.array_equal(model.run(sample), reference(small, sample))
    assert model.info.arena_bytes == 8 * hidden + (hidden + 3) // 4 * 4 + (features + 3) // 4 * 4


def test_halves_are_rounded_away_from_zero() -> None:
    one = np.ones((1, 1), np.int8)
    unit = np.ones(1, F32)
    zeros = np.zeros((4, 1), np.int8)
    only_cell = zeros.copy()
    only_cell[2] = 1
    small = Int8LstmWeights(
        unit,
        np.full(4, 0.01, F32),
        np.ones(4, F32),
        np.array([9, -9, 0, 9], F32),
        np.full(1, 1 / 127, F32),
        np.zeros(1, F32),
        only_cell,
        zeros,
        one,
    )
    model = NativeModel(efm1(small, steps=1))
    for value in (0.5, 1.5, 2.5, 126.5, 127.5, 1e30, 0.49999997, -0.5, -2.5, -126.5, -1e30):
        sample = np.array([[value]], F32)
        assert np.array_equal(model.run(sample), reference(small, sample))


def test_int8_stays_near_float32() -> None:
    exact = weights(4, 8, 32)
    random = np.random.default_rng(6)
    samples = random.normal(size=(20, 32, 4)).astype(F32)
    scale = np.abs(samples).max(axis=(0, 1)) / 127
    small = NativeModel(efm1(quantise_lstm(exact, scale), steps=32))
    full = NativeModel(lstm_file(exact, steps=32))
    answers = np.array([full.run(sample) for sample in samples])
    errors = np.array([small.run(sample) for sample in samples]) - answers
    assert np.sqrt((errors**2).mean()) < 0.02 * answers.std()


@pytest.mark.parametrize("place", [0, 3, 7])
@pytest.mark.parametrize("int8", [False, True])
def test_the_embedded_vector_finds_another_answer(int8: bool, place: int) -> None:
    exact = weights(4, 8, 32)
    held = quantise_lstm(exact, np.full(4, 0.03)) if int8 else exact
    sample = np.random.default_rng(7).normal(size=(32, 4)).astype(F32)
    answer = NativeModel(efm1(held, steps=32)).run(sample)
    good = efm1(held, steps=32, test=SelfTestVector(sample, answer, 0.0))
    result = NativeModel(good).self_test()
    assert result.present and result.passed and result.error == 0.0
    answer[place] += 0.25 if place else -0.25
    result = NativeModel(
        efm1(held, steps=32, test=SelfTestVector(sample, answer, 0.125))
    ).self_test()
    assert result.present and not result.passed and abs(result.error - 0.25) < 1e-5
    assert not NativeModel(efm1(held, steps=32)).self_test().present
