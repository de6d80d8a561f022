"""Gradients by hand are those that torch finds."""

import numpy as np
import torch

from edgeflow.climate.learning.fitting import fit, gradients


def test_gradients_are_torchs() -> None:
    rng = np.random.default_rng(3)
    shapes = [(4, 3, 6), (4, 1, 6), (4, 6, 1), (4, 1, 1)]
    given = [rng.normal(0, 0.5, shape).astype(np.float32) for shape in shapes]
    rows = rng.uniform(-0.5, 1.5, (40, 3)).astype(np.float32)
    wanted = rng.uniform(0, 100, 40).astype(np.float32)
    shares = rng.uniform(0, 1, (4, 40)).astype(np.float32)
    found = gradients([(given[0], given[1]), (given[2], given[3])], rows, wanted, shares)

    own = [torch.tensor(each, requires_grad=True) for each in given]
    hidden = torch.relu(torch.tensor(rows) @ own[0] + own[1])
    said = 100.0 * torch.sigmoid(hidden @ own[2] + own[3])[:, :, 0]
    huber = torch.nn.HuberLoss(reduction="none", delta=10.0)
    loss = (huber(said, torch.tensor(wanted).expand(4, -1)) * torch.tensor(shares)).sum()
    expected = torch.autograd.grad(loss, own)
    for ours, theirs in zip([each for pair in found for each in pair], expected, strict=True):
        assert np.allclose(ours, theirs.numpy(), rtol=1e-3, atol=1e-3)


def test_fitting_goes_down_to_what_is_wanted() -> None:
    rng = np.random.default_rng(4)
    weights = {
        "weight0": rng.normal(0, 1, (2, 1, 8)).astype(np.float32),
        "bias0": np.zeros((2, 1, 8), np.float32),
        "weight1": rng.normal(0, 0.5, (2, 8, 1)).astype(np.float32),
        "bias1": np.zeros((2, 1, 1), np.float32),
    }
    rows = np.linspace(0, 1, 50, dtype=np.float32)[:, None]
    fit(weights, rows, 20.0 + 60.0 * rows[:, 0], np.full((50, 2), 0.02), 400)
    hidden = np.maximum(rows @ weights["weight0"] + weights["bias0"], 0.0)
    said = 100.0 / (1.0 + np.exp(-(hidden @ weights["weight1"] + weights["bias1"])))
    assert np.abs(said[:, :, 0] - (20.0 + 60.0 * rows[:, 0])).mean() < 3.0
