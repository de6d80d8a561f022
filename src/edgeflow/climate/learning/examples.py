"""What a model learns from: features with the position that was wanted; a rule to begin with."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeflow.errors import ConfigError

__all__ = ["SPANS", "Examples", "Floats", "joined", "starting_examples"]

Floats = npt.NDArray[np.float64]
SPANS = np.array([5.0, 15.0, 15.0])
"""Degrees, per cent and decibels that make two situations different ones."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Pairs to learn from.

    Attributes:
        features: float64 (n, 3): degrees Celsius, per cent, dBFS.
        positions: float64 (n,): per cent open.
        weights: float64 (n,): how much each counts.

    Raises:
        ConfigError: the arrays do not fit together, or hold what is not finite.
    """

    features: Floats
    positions: Floats
    weights: Floats

    def __post_init__(self) -> None:
        count = len(self.positions)
        if self.features.shape != (count, 3) or self.weights.shape != (count,):
            raise ConfigError(
                f"examples: features {self.features.shape}, positions {self.positions.shape}",
                hint="three features and one weight for each position",
            )
        if not all(
            np.isfinite(each).all() for each in (self.features, self.positions, self.weights)
        ):
            raise ConfigError("examples: a number is not finite", hint="leave such rows out")

    def __len__(self) -> int:
        return len(self.positions)

    def at(self, index: npt.NDArray[np.intp]) -> "Examples":
        """Those at some places."""
        return Examples(self.features[index], self.positions[index], self.weights[index])

    def split(self, share: float, seed: int) -> tuple["Examples", "Examples"]:
        """A share of them by chance, and the others."""
        order = np.random.default_rng(seed).permutation(len(self))
        border = round(share * len(self))
        return self.at(order[:border]), self.at(order[border:])


def joined(*parts: Examples) -> Examples:
    """All of them as one."""
    return Examples(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.positions for part in parts]),
        np.concatenate([part.weights for part in parts]),
    )


def starting_examples(count: int = 1000, seed: int = 1) -> Examples:
    """What a model knows before anybody has said anything: warm opens, humid and noisy closes.

    Temperatures are normal about 22 degrees, humidities beta about 50 per cent, volumes gamma
    above -75 dBFS; the position is 50 % of the warmth, less 30 % of the humidity, less 20 % of the
    noise, each over its range, plus 40, with a deviation of 5.
    """
    rng = np.random.default_rng(seed)
    temperature = np.clip(rng.normal(22.0, 7.0, count), 5.0, 40.0)
    humidity = np.clip(100.0 * rng.beta(4.0, 4.0, count), 10.0, 95.0)
    volume = np.clip(-75.0 + rng.gamma(2.0, 10.0, count), -80.0, -25.0)
    warm, humid, noisy = (temperature - 5) / 35, (humidity - 10) / 85, (volume + 80) / 55
    position = np.clip(100 * (0.5 * warm - 0.3 * humid - 0.2 * noisy + 0.4), 0, 100)
    position = np.clip(position + rng.normal(0, 5, count), 0, 100)
    return Examples(
        np.stack([temperature, humidity, volume], axis=1), position, np.full(count, 1.0)
    )
