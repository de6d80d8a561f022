"""The network: small perceptrons that were taught differently, and their normalisation."""

import copy
import functools
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeflow.climate.learning.examples import Examples, Floats
from edgeflow.climate.learning.fitting import fit
from edgeflow.errors import EngineError, MissingExtraError

if TYPE_CHECKING:
    import torch

__all__ = ["MEMBERS", "WindowNetwork"]

MEMBERS = 7
WIDTHS = (3, 16, 8, 1)
LOW, HIGH = 10.0, 90.0
"""Percentiles of a feature that become 0 and 1."""


class WindowNetwork:
    """An ensemble of perceptrons 3-16-8-1 with its normalisation; the same seed gives the same.

    Args:
        examples: tell the range of the features. seed: of the weights.

    Raises:
        MissingExtraError: torch is not installed.
    """

    def __init__(self, examples: Examples, *, seed: int = 1) -> None:
        low, high = np.percentile(examples.features, [LOW, HIGH], axis=0)
        self._module: Any = _make(low, np.maximum(high, low + 1e-3), seed)

    def positions(self, features: Floats) -> Floats:
        """What each member says.

        Args:
            features: (n, 3), as ``Examples`` has them.

        Returns:
            float64 (n, members), 0 to 100.
        """
        # Without torch: a single row takes a quarter of the time. What is damaged is not finite.
        own = self._arrays
        with np.errstate(all="ignore"):
            values = self._scaled(features)[None]
            for at in range(len(WIDTHS) - 1):
                values = np.maximum(values, 0.0) if at else values
                values = np.matmul(values, own[f"weight{at}"]) + own[f"bias{at}"]
            said = 100.0 / (1.0 + np.exp(-values[:, :, 0].T.astype(np.float64)))
        return np.asarray(said, np.float64)

    @functools.cached_property
    def _arrays(self) -> dict[str, Any]:
        """The weights as they are: the same memory, so that what is learnt shows."""
        return {name: value.numpy() for name, value in self._module.state_dict().items()}

    def learn(self, examples: Examples, *, epochs: int, seed: int) -> None:
        """Adam over all examples, of which each member sees its own choice with repetition."""
        fit(
            self._arrays,
            self._scaled(examples.features),
            examples.positions,
            _shares(examples, seed),
            epochs,
        )

    def _scaled(self, features: Floats) -> Any:
        own = self._arrays
        rows = (np.asarray(features, np.float32) - own["low"]) / (own["high"] - own["low"])
        return rows.clip(-0.5, 1.5)

    def copy(self) -> "WindowNetwork":
        """One that can learn on without changing this one."""
        own = object.__new__(WindowNetwork)
        own._module = copy.deepcopy(self._module)
        return own

    def save(self, weights: Path, program: Path | None) -> None:
        """Write the state dict (``.pth``), and the network as an exported program (``.pt2``).

        The program takes ``features`` float32 (n, 3) and gives float32 (n, members).
        """
        torch = _import_torch()
        torch.save(self._module.state_dict(), weights)
        if program is None:
            return
        example = torch.zeros(2, 3)
        rows = torch.export.Dim("rows", min=1, max=4096)
        made = torch.export.export(
            self._module, (example,), dynamic_shapes={"features": {0: rows}}, strict=False
        )
        torch.export.save(made, program)

    @classmethod
    def load(cls, weights: Path) -> "WindowNetwork":
        """Read a state dict; nothing in it is executed.

        Raises:
            EngineError: it is not one of this network.
        """
        torch = _import_torch()
        own = object.__new__(cls)
        own._module = _make(np.zeros(3), np.ones(3), 0)
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            own._module.load_state_dict(state)
        except Exception as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise EngineError(f"{weights}: {reason}", hint="train the model anew") from error
        own._check(weights)
        return own

    def _check(self, path: Path) -> None:
        """Look whether the numbers make sense: finite, and a span for every feature."""
        low, high = self._module.low.numpy(), self._module.high.numpy()
        answers = self.positions(np.stack([low, high]).astype(np.float64))
        if not (low < high).all() or not np.isfinite(answers).all():
            raise EngineError(
                f"{path}: the model is damaged: {low} to {high} gives {answers}",
                hint="train the model anew, or roll back",
            )


def _make(low: Floats, high: Floats, seed: int) -> Any:
    torch = _import_torch()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _network_class(torch)(low, high).eval()


def _network_class(torch: Any) -> Any:
    """The module's class; made here, for torch is imported late."""

    class Network(torch.nn.Module):  # type: ignore[misc]  # torch is imported late, as Any
        def __init__(self, low: Floats, high: Floats) -> None:
            super().__init__()
            self.register_buffer("low", torch.as_tensor(low, dtype=torch.float32))
            self.register_buffer("high", torch.as_tensor(high, dtype=torch.float32))
            for at, (into, out) in enumerate(itertools.pairwise(WIDTHS)):
                weight = torch.randn(MEMBERS, into, out) * (2.0 / into) ** 0.5
                self.register_parameter(f"weight{at}", torch.nn.Parameter(weight))
                self.register_parameter(
                    f"bias{at}", torch.nn.Parameter(torch.zeros(MEMBERS, 1, out))
                )

        def forward(self, features: "torch.Tensor") -> "torch.Tensor":
            scaled = ((features - self.low) / (self.high - self.low)).clamp(-0.5, 1.5)
            values = scaled.expand(MEMBERS, -1, -1)
            values = torch.relu(torch.baddbmm(self.bias0, values, self.weight0))
            values = torch.relu(torch.baddbmm(self.bias1, values, self.weight1))
            values = torch.baddbmm(self.bias2, values, self.weight2)
            return 100.0 * torch.sigmoid(values[:, :, 0].transpose(0, 1))

    return Network


def _shares(examples: Examples, seed: int) -> Floats:
    """How much each example counts for each member: drawn with repetition, columns sum to one."""
    rng = np.random.default_rng(seed)
    count = len(examples)
    drawn = rng.poisson(1.0, (count, MEMBERS)) * examples.weights[:, None]
    total = drawn.sum(axis=0)
    even = examples.weights[:, None] / examples.weights.sum()
    return np.where(total > 0, drawn / np.where(total > 0, total, 1.0), even)


def _import_torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "climate") from error
    return torch
