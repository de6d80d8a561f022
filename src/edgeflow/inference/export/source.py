"""A trained model as it was read: what a board needs of it, and how to ask the model itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgeflow.errors import ConfigError
from edgeflow.protocols.model_file import Layer, LstmWeights

__all__ = ["Answer", "Floats", "Source", "agree_on_steps", "as_answers", "unusable"]

Floats: TypeAlias = npt.NDArray[np.float32]
Answer: TypeAlias = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Source:
    """A model that has been read.

    Attributes:
        form: what it was, for people.
        weights: of an LSTM with a linear head, or layers.
        steps, features, horizon: T, F, H.
        answer: the model itself: float32 (N, T, F) to (N, H), run by what it was trained with.
    """

    form: str
    weights: LstmWeights | tuple[Layer, ...]
    steps: int
    features: int
    horizon: int
    answer: Answer


def unusable(place: str, what: str, hint: str) -> ConfigError:
    """Return the error of a model that no board runs."""
    return ConfigError(f"{place}: {what}", hint=hint)


def agree_on_steps(place: str, asked: int | None, found: int | None) -> int:
    """Return T, from ``--steps`` or the file.

    Raises:
        ConfigError: neither says it, or they differ.
    """
    if asked is not None and found is not None and asked != found:
        raise unusable(place, f"takes {found} time steps, not {asked}", "leave --steps out")
    steps = asked if asked is not None else found
    if steps is None:
        raise unusable(
            place, "does not tell how many time steps a sample has", "say it with --steps"
        )
    return steps


def as_answers(place: str, values: npt.NDArray[np.generic], count: int, horizon: int) -> Floats:
    """Return what a model gave for ``count`` samples as float32 (count, horizon).

    Raises:
        ConfigError: it gave another number of values.
    """
    if values.size != count * horizon:
        raise unusable(
            place,
            f"gives {values.shape} for {count} samples, not ({count}, {horizon})",
            "it must take (N, T, F), the batch first, and give the head's answer to the last step",
        )
    return np.ascontiguousarray(values, np.float32).reshape(count, horizon)
