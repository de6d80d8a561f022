"""The weights of an ONNX LSTM and the linear head behind it, in the order of boards."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeflow.inference.export.source import Floats, unusable
from edgeflow.protocols.model_file import LstmWeights

__all__ = ["weights_of_graph"]

_HINT = "a board runs one LSTM layer, forward, and one linear head on its last step"
_SHAPING = frozenset(
    {
        "Cast",
        "Concat",
        "Constant",
        "ConstantOfShape",
        "Expand",
        "Flatten",
        "Gather",
        "Identity",
        "Reshape",
        "Shape",
        "Slice",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)
_MUST_BE: Mapping[str, tuple[object, ...]] = {
    "direction": (b"forward",),
    "input_forget": (0,),
    "layout": (0, 1),
}


def weights_of_graph(
    place: str, graph: Any, constants: Mapping[str, Any]
) -> tuple[LstmWeights, bool]:
    """Return the weights, and whether the model takes (steps, batch, features).

    Raises:
        ConfigError: it computes something else, or in another way.
    """
    nodes: dict[str, list[Any]] = {"LSTM": [], "Gemm": [], "MatMul": [], "Add": []}
    for node in graph.node:
        if node.op_type in nodes:
            nodes[node.op_type].append(node)
        elif node.op_type not in _SHAPING:
            raise unusable(place, f"has the operator {node.op_type}", _HINT)
    heads = nodes["Gemm"] + nodes["MatMul"]
    if len(nodes["LSTM"]) != 1 or len(heads) != 1 or len(nodes["Add"]) > len(nodes["MatMul"]):
        raise unusable(
            place, f"has {len(nodes['LSTM'])} LSTM layers and {len(heads)} linear ones", _HINT
        )
    lstm = nodes["LSTM"][0]
    inputs, recurrent, bias = _gates(place, lstm, constants)
    head, head_bias = _head(place, heads[0], nodes["Add"], constants)
    weights = LstmWeights(inputs, recurrent, bias, head, head_bias)
    weights.dimensions()
    layout = next((each.i for each in lstm.attribute if each.name == "layout"), 0)
    first = next(each.name for each in graph.input if each.name not in constants)
    return weights, layout == 0 and lstm.input[0] == first


def _gates(place: str, node: Any, constants: Mapping[str, Any]) -> tuple[Floats, Floats, Floats]:
    """Return W, R and B with ONNX's rows i, o, f, c put into the order i, f, c, o."""
    _check_attributes(place, node)
    given = list(node.input) + [""] * (8 - len(node.input))
    for at, name in ((4, "sequence_lens"), (7, "peepholes")):
        if given[at]:
            raise unusable(place, f"its LSTM uses {name}", _HINT)
    for at in (5, 6):
        if given[at] in constants and np.any(constants[given[at]]):
            raise unusable(place, "its LSTM does not start at zero", _HINT)
    parts = [_constant(place, constants, given[at], 3) for at in (1, 2)]
    inputs, recurrent = parts
    if inputs.shape[0] != 1 or recurrent.shape[1] != 4 * recurrent.shape[2]:
        raise unusable(place, f"its LSTM has weights {inputs.shape}, {recurrent.shape}", _HINT)
    hidden = recurrent.shape[2]
    order = np.arange(4 * hidden).reshape(4, hidden)[[0, 2, 3, 1]].ravel()
    bias = np.zeros(4 * hidden, np.float32)
    if given[3]:
        both = _constant(place, constants, given[3], 2)
        if both.shape != (1, 8 * hidden):
            raise unusable(place, f"its LSTM has biases {both.shape}", _HINT)
        bias = both[0, : 4 * hidden] + both[0, 4 * hidden :]
    return (
        np.ascontiguousarray(inputs[0][order]),
        np.ascontiguousarray(recurrent[0][order]),
        np.ascontiguousarray(bias[order]),
    )


def _check_attributes(place: str, node: Any) -> None:
    for each in node.attribute:
        if each.name in ("hidden_size",):
            continue
        if each.name == "activations":
            good = [name.lower() for name in each.strings] == [b"sigmoid", b"tanh", b"tanh"]
        elif each.name in _MUST_BE:
            good = (each.s or each.i) in _MUST_BE[each.name]
        else:
            good = False
        if not good:
            raise unusable(place, f"its LSTM has the attribute {each.name} that boards lack", _HINT)


def _head(
    place: str, node: Any, adds: list[Any], constants: Mapping[str, Any]
) -> tuple[Floats, Floats]:
    attributes = {each.name: each for each in node.attribute}
    head = _constant(place, constants, node.input[1], 2)
    if node.op_type == "MatMul":
        head = head.T
    else:
        plain = all(attributes[name].f == 1 for name in ("alpha", "beta") if name in attributes)
        if not plain or ("transA" in attributes and attributes["transA"].i):
            raise unusable(place, "its Gemm has alpha, beta or transA", _HINT)
        head = head if "transB" in attributes and attributes["transB"].i else head.T
    bias = np.zeros(len(head), np.float32)
    names = list(node.input[2:]) + [name for add in adds for name in add.input if name in constants]
    if adds and len(names) != 1:
        raise unusable(place, "adds something else than one bias", _HINT)
    for name in names:
        if name:
            bias = bias + _constant(place, constants, name, 1)
    return np.ascontiguousarray(head), bias


def _constant(place: str, constants: Mapping[str, Any], name: str, dimensions: int) -> Floats:
    value = constants.get(name)
    if value is None or value.ndim != dimensions:
        raise unusable(place, f"{name!r} is no constant of {dimensions} dimensions", _HINT)
    return np.asarray(value, np.float32)
