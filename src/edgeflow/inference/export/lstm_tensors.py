"""Find one LSTM layer and its linear head among the named tensors of a Torch model."""

from collections.abc import Mapping

import numpy as np

from edgeflow.errors import ConfigError
from edgeflow.inference.export.source import Floats, unusable
from edgeflow.protocols.model_file import LstmWeights

__all__ = ["find_lstm", "is_lstm"]

_ONE = "a board runs one LSTM layer and one linear head: lstm.weight_ih_l0 ... fc.weight, fc.bias"
_ROLES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def is_lstm(tensors: Mapping[str, Floats]) -> bool:
    """True if the tensors have an LSTM's names, or one's shapes."""
    return any(name.endswith("weight_hh_l0") for name in tensors) or _recurrent(tensors) is not None


def find_lstm(place: str, tensors: Mapping[str, Floats]) -> LstmWeights:
    """Return the weights, told by their names or else by their shapes.

    Raises:
        ConfigError: they are not those of one LSTM layer with a linear head.
    """
    named = next((name for name in tensors if name.endswith("weight_hh_l0")), None)
    rest = dict(tensors)
    if named is not None:
        prefix = named.removesuffix("weight_hh_l0")
        roles = {role: rest.pop(prefix + role, None) for role in _ROLES}
    else:
        roles = _by_shape(place, rest)
    inputs, recurrent = roles["weight_ih_l0"], roles["weight_hh_l0"]
    if inputs is None or recurrent is None or recurrent.ndim != 2:
        raise unusable(place, "has no weight_ih_l0 of its LSTM", _ONE)
    rows, hidden = recurrent.shape
    if rows != 4 * hidden:
        raise unusable(
            place,
            f"weight_hh_l0 is {recurrent.shape}, not (4 hidden, hidden)",
            "GRUs, plain RNNs and LSTMs with projections do not run on boards",
        )
    bias = np.zeros(rows, np.float32)
    for role in ("bias_ih_l0", "bias_hh_l0"):
        given = roles[role]
        if given is not None:
            bias = bias + given
    head, head_bias = _head(place, rest, hidden)
    weights = LstmWeights(inputs, recurrent, bias, head, head_bias)
    try:
        weights.dimensions()
    except ConfigError as error:
        raise unusable(place, error.message, _ONE) from error
    return weights


def _recurrent(tensors: Mapping[str, Floats]) -> str | None:
    """Return the only name of a (4n, n) matrix beside which another has 4n rows, the last such."""
    matrices = {name: each.shape for name, each in tensors.items() if each.ndim == 2}
    found = [
        name
        for name, (rows, columns) in matrices.items()
        if rows == 4 * columns
        and any(other != name and shape[0] == rows for other, shape in matrices.items())
    ]
    return found[-1] if found else None


def _by_shape(place: str, rest: dict[str, Floats]) -> dict[str, Floats | None]:
    """Take the LSTM's tensors out of ``rest``; the input's weights come before the recurrent."""
    name = _recurrent(rest)
    if name is None:
        raise unusable(place, f"holds no LSTM: {_listed(rest)}", _ONE)
    recurrent = rest.pop(name)
    rows = len(recurrent)
    inputs = [each for each, value in rest.items() if value.ndim == 2 and len(value) == rows]
    biases = [each for each, value in rest.items() if value.shape == (rows,)][:2]
    roles: dict[str, Floats | None] = dict.fromkeys(_ROLES)
    roles["weight_ih_l0"], roles["weight_hh_l0"] = rest.pop(inputs[0]), recurrent
    for role, each in zip(_ROLES[2:], biases, strict=False):
        roles[role] = rest.pop(each)
    return roles


def _head(place: str, rest: dict[str, Floats], hidden: int) -> tuple[Floats, Floats]:
    """Return weights and bias of the head: all that is left, or refuse what is more."""
    matrices = [name for name, value in rest.items() if value.ndim == 2]
    if len(matrices) != 1:
        raise unusable(place, f"has {_listed(rest)} beside the LSTM layer", _ONE)
    head = rest.pop(matrices[0])
    biases = [name for name, value in rest.items() if value.shape == (len(head),)]
    bias = rest.pop(biases[0]) if biases else np.zeros(len(head), np.float32)
    if rest or head.shape[1] != hidden:
        raise unusable(
            place,
            f"{matrices[0]} is {head.shape}, hidden is {hidden}, and there are {_listed(rest)}",
            _ONE,
        )
    return head, bias


def _listed(tensors: Mapping[str, Floats]) -> str:
    """Return the first names and shapes."""
    names = [f"{name[:60]} {value.shape}" for name, value in list(tensors.items())[:6]]
    more = len(tensors) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "") if names else "no other tensor"
