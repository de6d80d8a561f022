"""Build the layers of a board from the operations of a trained model, one after the other.

Boards keep values as (steps, channels); Torch and ONNX convolve (channels, steps). The chain knows
how the model would hold them, and turns weights where that matters.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgeflow.errors import ConfigError
from edgeflow.inference.export.source import Floats, agree_on_steps, unusable
from edgeflow.protocols.model_file import Activation, Layer, Op

__all__ = ["CAN", "Chain"]

CAN = (
    "boards run Conv1d, Linear, MaxPool1d, AvgPool1d, AdaptiveAvgPool1d(1), Flatten, BatchNorm1d, "
    "ReLU, Sigmoid, Tanh and Softmax, one after the other"
)


class Chain:
    """The layers so far.

    Args:
        place: for messages.
        taken: the shape that the model takes, its batch first; None where it does not tell.
        asked: T, if the user said it.
    """

    def __init__(
        self, place: str, taken: Sequence[int | None] | None, asked: int | None = None
    ) -> None:
        self._place, self._taken, self._asked = place, taken, asked
        self._layers: list[Layer] = []
        self._started = self._swapped = False
        self._turned = self._channels_first = self._flat = self._row = False
        self._order: np.ndarray | None = None
        self._now = (0, 0)
        self.steps = self.features = 0

    def finished(self) -> tuple[Layer, ...]:
        """Return the layers.

        Raises:
            ConfigError: there are none.
        """
        if not self._layers:
            raise self.refuse("has no layers")
        return tuple(self._layers)

    def as_taken(self, samples: Floats) -> Floats:
        """Return samples (N, T, F) as the model takes them."""
        if self._turned:
            return np.ascontiguousarray(samples.transpose(0, 2, 1))
        return samples.reshape(len(samples), -1) if self._row else samples

    def refuse(self, what: str) -> ConfigError:
        """Return the error of a model that no board runs."""
        return unusable(self._place, what, CAN)

    def conv1d(
        self,
        weights: Floats,
        bias: Floats | None,
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        """Add a convolution; weights (out, in, kernel)."""
        if weights.ndim != 3 or dilation != 1 or groups != 1:
            raise self.refuse("has a convolution with dilation, groups or two dimensions")
        self._start(channels_first=True, channels=weights.shape[1])
        if self._flat or not self._channels_first:
            raise self.refuse("has a convolution of values that are not (channels, steps)")
        self._convolve(weights.transpose(0, 2, 1), bias, stride, padding)

    def linear(self, weights: Floats, bias: Floats | None) -> None:
        """Add a linear layer; weights (out, in)."""
        if weights.ndim != 2:
            raise self.refuse(f"has a linear layer with weights {weights.shape}")
        self._start(channels_first=False, channels=weights.shape[1])
        if not self._flat:
            if self._channels_first:
                raise self.refuse("has a linear layer over the steps of every channel")
            self._convolve(weights[:, None, :], bias, 1, 0)
            return
        if self._order is not None:
            weights = weights[:, self._order]
            self._order = None
        out = len(weights)
        self._add(Op.DENSE, (1, out), weights=_floats(weights), bias=_bias(bias, out))

    def pool(self, op: Op, kernel: int, stride: int, *, plain: bool = True) -> None:
        """Add a max or average pool; ``plain``: no padding, dilation or rounding up."""
        if not plain or kernel < 1 or stride < 1:
            raise self.refuse("has a pool with padding, dilation, ceil_mode or two dimensions")
        self._start(channels_first=True, channels=None)
        if self._flat or not self._channels_first:
            raise self.refuse("has a pool of values that are not (channels, steps)")
        steps, channels = self._now
        out = (steps - kernel) // stride + 1
        self._add(op, (out, channels), kernel=kernel, stride=stride)

    def global_average(self) -> None:
        """Add an average over all steps; its answer still counts as (channels, 1)."""
        self._start(channels_first=True, channels=None)
        if self._flat:
            raise self.refuse("averages what has no steps")
        self._add(Op.GLOBAL_AVERAGE_POOL, (1, self._now[1]))

    def mean(self, axis: int) -> None:
        """Add an average over one axis of three, which must be the steps; a flat row is left."""
        if not self._started:
            raise self.refuse("begins with an average")
        if self._flat or axis % 3 != (2 if self._channels_first else 1):
            raise self.refuse("averages over something else than the steps")
        self.global_average()
        self._flat = True

    def flatten(self) -> None:
        """Make one row of all values. The layer that follows takes them in the model's order."""
        if self._taken is None and not self._started:
            return  # the linear layer that follows tells how many values there are
        self._start(channels_first=False, channels=None)
        steps, channels = self._now
        if self._flat:
            return
        if self._channels_first and steps > 1:
            order = np.arange(steps * channels).reshape(channels, steps).T
            self._order = order.ravel()
        self._flat = True
        if self._layers:
            self._add(Op.FLATTEN, (1, steps * channels))

    def swap_axes(self) -> None:
        """Note that the model turns (steps, channels) around, or back."""
        if self._taken is None and not self._started:
            self._swapped = not self._swapped
            return  # the layer that follows tells how many channels there are
        self._start(channels_first=False, channels=None)
        if self._flat:
            raise self.refuse("turns the axes of a flat row")
        self._channels_first = not self._channels_first

    def activate(self, activation: Activation) -> None:
        """Put an activation behind the last layer."""
        last = self._last("an activation before the first layer")
        if last.activation is not Activation.NONE:
            raise self.refuse("has two activations in a row")
        if activation is Activation.SOFTMAX and not self._flat:
            raise self.refuse("has a softmax that is not over one row of values")
        if self._order is not None and activation is Activation.SOFTMAX:
            raise self.refuse("has a softmax over flattened steps")
        self._layers[-1] = replace(last, activation=activation)

    def scale(self, factor: Floats, shift: Floats) -> None:
        """Fold ``y * factor + shift`` per channel, what a batch norm does, into the last layer."""
        last = self._last("a norm before the first layer")
        if last.weights is None or last.bias is None or last.activation is not Activation.NONE:
            raise self.refuse("has a norm that does not follow a Conv1d or Linear at once")
        if factor.shape != (last.channels_out,) or shift.shape != (last.channels_out,):
            raise self.refuse(f"adds or scales by {shift.shape} behind {last.channels_out} values")
        shape = (-1,) + (1,) * (last.weights.ndim - 1)
        self._layers[-1] = replace(
            last,
            weights=_floats(last.weights * factor.reshape(shape)),
            bias=_floats(last.bias * factor + shift),
        )

    def finish(self) -> None:
        """Check that the answer's order is the board's.

        Raises:
            ConfigError: it ends with a flattening that mixes channels and steps.
        """
        if self._order is not None:
            raise self.refuse("ends with Flatten over several channels and steps")

    def _last(self, what: str) -> Layer:
        if not self._layers:
            raise self.refuse(f"has {what}")
        return self._layers[-1]

    def _start(self, *, channels_first: bool, channels: int | None) -> None:
        """Settle T and F with the first operation."""
        if self._started:
            return
        self._started = True
        taken = [None, None, None] if self._taken is None else list(self._taken)
        if self._taken is None and not channels_first:
            taken = [None, channels]
        if len(taken) == 3:
            self._channels_first = channels_first
            self._turned = channels_first and not self._swapped
            found, features = (taken[2], taken[1]) if self._turned else (taken[1], taken[2])
            self.steps = agree_on_steps(self._place, self._asked, found)
            features = channels if features is None else features
        elif len(taken) == 2:
            self._flat = self._row = True
            self.steps = self._asked or 1
            width = taken[1] if taken[1] is not None else channels
            features = None if width is None or width % self.steps else width // self.steps
        else:
            raise self.refuse(f"takes {len(taken)} dimensions")
        if features is None:
            raise self.refuse("does not tell how many features a step has")
        self.features = features
        self._now = (self.steps, features)

    def _convolve(self, weights: Floats, bias: Floats | None, stride: int, padding: int) -> None:
        out, kernel, _ = weights.shape
        if stride < 1:
            raise self.refuse(f"has a stride of {stride}")
        steps = (self._now[0] + 2 * padding - kernel) // stride + 1
        self._add(
            Op.CONV1D,
            (steps, out),
            kernel=kernel,
            stride=stride,
            padding=padding,
            weights=_floats(weights),
            bias=_bias(bias, out),
        )

    def _add(
        self,
        op: Op,
        after: tuple[int, int],
        *,
        kernel: int = 0,
        stride: int = 0,
        padding: int = 0,
        weights: Floats | None = None,
        bias: Floats | None = None,
    ) -> None:
        layer = Layer(
            op,
            *self._now,
            *after,
            kernel=kernel,
            stride=stride,
            padding=padding,
            weights=weights,
            bias=bias,
        )
        if weights is not None and weights.shape != layer.weight_shape:
            raise self.refuse(f"has weights {weights.shape} where {layer.weight_shape} fit")
        self._layers.append(layer)
        self._now = after


def _floats(values: Floats) -> Floats:
    return np.ascontiguousarray(values, np.float32)


def _bias(bias: Floats | None, out: int) -> Floats:
    return np.zeros(out, np.float32) if bias is None else _floats(bias)
