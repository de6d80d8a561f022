"""Teaching small perceptrons by gradients, all members at once, without torch's overhead."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from edgeflow.climate.learning.examples import Floats

__all__ = ["fit", "gradients"]

Singles = npt.NDArray[np.float32]
RATE, DECAY = 0.01, 1e-5
FIRST, SECOND, TINY = 0.9, 0.999, 1e-8
"""Adam's (Kingma and Ba 2015): how long both moments are remembered, and what keeps it finite."""
HUBER = 10.0
"""Beyond so many points an error counts linearly, so that one wrong label does not rule."""


def gradients(
    layers: Sequence[tuple[Singles, Singles]], rows: Singles, wanted: Singles, shares: Singles
) -> list[tuple[Singles, Singles]]:
    """How the loss changes with each layer's weights and biases: of the same shapes.

    The loss is Huber's of the positions, each times its share, summed over all.

    Args:
        layers: weights (members, into, out) and biases (members, 1, out); relu between them, and
            100 times a sigmoid at the end.
        rows: scaled features, (n, into).
        wanted: points, (n,).
        shares: (members, n).
    """
    values: list[Singles] = [rows[None]]
    for weight, bias in layers:
        given = values[-1] if len(values) == 1 else np.maximum(values[-1], 0.0)
        values[-1] = given
        values.append(np.matmul(given, weight) + bias)
    said = 100.0 / (1.0 + np.exp(-values.pop()[:, :, 0]))
    slope = np.clip(said - wanted, -HUBER, HUBER) * shares * said * (1.0 - said / 100.0)
    back: Singles = slope[:, :, None].astype(np.float32)
    found: list[tuple[Singles, Singles]] = []
    for (weight, _), given in zip(reversed(layers), reversed(values), strict=True):
        found.append((np.matmul(given.swapaxes(1, 2), back), back.sum(axis=1, keepdims=True)))
        if given is not values[0]:
            back = np.matmul(back, weight.swapaxes(1, 2)) * (given > 0)
    return found[::-1]


def fit(
    weights: Mapping[str, Singles], rows: Singles, wanted: Floats, shares: Floats, epochs: int
) -> None:
    """Change ``weight0``, ``bias0``, ``weight1``... in place by Adam over all rows at once.

    Args:
        weights: as ``gradients`` has its layers.
        rows: as ``gradients`` has them.
        wanted: points, (n,).
        shares: (n, members).
        epochs: steps.
    """
    count = sum(name.startswith("weight") for name in weights)
    names = [name for at in range(count) for name in (f"weight{at}", f"bias{at}")]
    flat = np.concatenate([weights[name].ravel() for name in names])
    borders = np.cumsum([weights[name].size for name in names])[:-1]
    parts = [
        part.reshape(weights[name].shape)
        for part, name in zip(np.split(flat, borders), names, strict=True)
    ]
    layers = list(zip(parts[::2], parts[1::2], strict=True))
    points, columns = wanted.astype(np.float32), np.ascontiguousarray(shares.T, np.float32)
    first, second = np.zeros_like(flat), np.zeros_like(flat)
    for step in range(1, epochs + 1):
        found = gradients(layers, rows, points, columns)
        slope = np.concatenate([each.ravel() for pair in found for each in pair]) + DECAY * flat
        first += (1.0 - FIRST) * (slope - first)
        second += (1.0 - SECOND) * (slope**2 - second)
        scale = np.sqrt(second / (1.0 - SECOND**step)) + TINY
        flat -= RATE / (1.0 - FIRST**step) * first / scale
    for name, part in zip(names, parts, strict=True):
        weights[name][...] = part
