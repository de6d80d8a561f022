"""The core's LSTM against PyTorch's, and the same model step by step."""

import struct

import numpy as np
import pytest
import torch

from edgeflow._native.model import NativeModel
from edgeflow.errors import ConfigError, TensorError

DIMENSIONS = [(32, 4, 8, 32), (5, 3, 2, 7), (1, 1, 1, 1), (64, 8, 24, 128), (96, 1, 6, 16)]


class Forecaster:
    """PyTorch's LSTM and linear head, and the reference file of the same weights."""

    def __init__(self, steps: int, features: int, horizon: int, hidden: int, scale: float = 1.0):
        torch.manual_seed(steps * hidden + features)
        self.lstm = torch.nn.LSTM(features, hidden, batch_first=True)
        self.head = torch.nn.Linear(hidden, horizon)
        with torch.no_grad():
            for parameter in [*self.lstm.parameters(), *self.head.parameters()]:
                parameter.mul_(scale)
        parts = [
            self.lstm.weight_ih_l0,
            self.lstm.weight_hh_l0,
            self.lstm.bias_ih_l0 + self.lstm.bias_hh_l0,
            self.head.weight,
            self.head.bias,
        ]
        self.file = b"LST0" + struct.pack("<HHHHI", steps, features, horizon, hidden, 0)
        self.file += b"".join(part.detach().numpy().tobytes() for part in parts)

    def __call__(self, sample: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return self.head(self.lstm(torch.from_numpy(sample)[None])[0][0, -1]).numpy()


@pytest.mark.parametrize("scale", [1.0, 4.0])
@pytest.mark.parametrize("dimensions", DIMENSIONS)
def test_float32_answers_like_pytorch(dimensions: tuple[int, ...], scale: float) -> None:
    forecaster = Forecaster(*dimensions, scale=scale)
    model = NativeModel(forecaster.file)
    generator = np.random.default_rng(1)
    for _ in range(3):
        sample = generator.normal(size=dimensions[:2]).astype(np.float32)
        assert np.abs(model.run(sample) - forecaster(sample)).max() < 2e-5


def test_steps_are_the_run() -> None:
    model = NativeModel(Forecaster(32, 4, 8, 32).file)
    sample = np.random.default_rng(2).normal(size=(32, 4)).astype(np.float32)
    state = None
    for row in sample:
        answer, state = model.step(row, state)
    assert np.array_equal(answer, model.run(sample))


def test_info_counts_what_a_run_costs() -> None:
    info = NativeModel(Forecaster(32, 4, 8, 32).file).info
    assert (info.steps, info.features, info.horizon, info.hidden) == (32, 4, 8, 32)
    assert info.parameters == 5000
    assert info.file_bytes == 20016
    assert info.multiply_adds == 32 * 4 * 32 * (4 + 32) + 8 * 32
    assert info.activations == 5 * 32 * 32


def test_bytes_behind_the_file_are_ignored() -> None:
    file = Forecaster(5, 3, 2, 7).file
    assert NativeModel(file + b"\xff" * 999).info == NativeModel(file).info


def test_wrong_samples_are_refused() -> None:
    model = NativeModel(Forecaster(5, 3, 2, 7).file)
    with pytest.raises(TensorError, match=r"\(3, 5\), not \(5, 3\)"):
        model.run(np.zeros((3, 5)))
    with pytest.raises(TensorError, match="NaN"):
        model.run(np.full((5, 3), np.nan))


def test_no_model_file_is_refused() -> None:
    for file in [b"", b"LST", b"LST0" + bytes(11), b"LST1" + bytes(200), b"EFM1" + bytes(124)]:
        with pytest.raises(ConfigError):
            NativeModel(file)
