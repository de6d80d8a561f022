"""ONNX operators, one after the other, as layers of a board."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from edgeflow.inference.export.layer_chain import Chain
from edgeflow.protocols.model_file import Activation, Op

__all__ = ["layers_of_graph"]

Operator: TypeAlias = "Callable[[Chain, Node], None]"


@dataclass(frozen=True, slots=True)
class Node:
    """One operator: attributes by name, and its other inputs, None where they are no constants."""

    attributes: dict[str, Any]
    constants: list[Any]


def layers_of_graph(chain: Chain, graph: Any, constants: Mapping[str, Any]) -> None:
    """Put the layers of a graph into an empty chain.

    Raises:
        ConfigError: boards do not have one of its operators, or it branches.
    """
    import onnx

    current = next(each.name for each in graph.input if each.name not in constants)
    for node in graph.node:
        if node.op_type == "Constant":
            continue
        operator = _OPERATORS.get(node.op_type)
        if operator is None:
            raise chain.refuse(f"has the operator {node.op_type}")
        given = [name for name in node.input if name not in constants and name]
        if given != [current]:
            raise chain.refuse(f"branches at {node.op_type}")
        attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        others = [constants.get(name) for name in node.input if name != current]
        operator(chain, Node(attributes, others))
        current = node.output[0]
    if [each.name for each in graph.output] != [current]:
        raise chain.refuse(f"gives {len(graph.output)} outputs, or not its last value")
    chain.finish()


def _only(chain: Chain, node: Node, name: str, default: int) -> int:
    """Return an attribute that is one number for the one axis of steps."""
    values = node.attributes.get(name, [default])
    if len(values) != 1:
        raise chain.refuse(f"has {name} of {len(values)} dimensions")
    return int(values[0])


def _padding(chain: Chain, node: Node) -> int:
    pads = list(node.attributes.get("pads", [0, 0]))
    if node.attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID") or len(pads) != 2:
        raise chain.refuse("has automatic padding or two dimensions")
    if pads[0] != pads[1]:
        raise chain.refuse("pads unevenly")
    return int(pads[0])


def _conv(chain: Chain, node: Node) -> None:
    chain.conv1d(
        _tensor(chain, node, 0),
        _tensor(chain, node, 1) if len(node.constants) > 1 else None,
        stride=_only(chain, node, "strides", 1),
        padding=_padding(chain, node),
        dilation=_only(chain, node, "dilations", 1),
        groups=int(node.attributes.get("group", 1)),
    )


def _tensor(chain: Chain, node: Node, index: int) -> Any:
    value = node.constants[index] if index < len(node.constants) else None
    if value is None:
        raise chain.refuse("has weights that are no constants")
    return np.asarray(value, np.float32)


def _gemm(chain: Chain, node: Node) -> None:
    if (
        node.attributes.get("alpha", 1.0) != 1.0
        or node.attributes.get("beta", 1.0) != 1.0
        or node.attributes.get("transA")
    ):
        raise chain.refuse("has a Gemm with alpha, beta or transA")
    weights = _tensor(chain, node, 0)
    bias = _tensor(chain, node, 1).reshape(-1) if len(node.constants) > 1 else None
    chain.linear(weights if node.attributes.get("transB") else weights.T, bias)


def _matmul(chain: Chain, node: Node) -> None:
    chain.linear(_tensor(chain, node, 0).T, None)


def _add(chain: Chain, node: Node) -> None:
    shift = _tensor(chain, node, 0).reshape(-1)
    chain.scale(np.ones_like(shift), shift)


def _batch_norm(chain: Chain, node: Node) -> None:
    factor, shift, mean, variance = (_tensor(chain, node, at) for at in range(4))
    factor = factor / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
    chain.scale(factor, shift - mean * factor)


def _pool(op: Op) -> Operator:
    def add(chain: Chain, node: Node) -> None:
        plain = (
            _padding(chain, node) == 0
            and _only(chain, node, "dilations", 1) == 1
            and not node.attributes.get("ceil_mode")
        )
        kernel = _only(chain, node, "kernel_shape", 1)
        chain.pool(op, kernel, _only(chain, node, "strides", 1), plain=plain)

    return add


def _flatten(chain: Chain, node: Node) -> None:
    if node.attributes.get("axis", 1) != 1:
        raise chain.refuse("flattens something else than all but the batch")
    chain.flatten()


def _reshape(chain: Chain, node: Node) -> None:
    if not node.constants or np.size(node.constants[0]) != 2:
        raise chain.refuse("has a reshape to something else than one row")
    chain.flatten()


def _mean(chain: Chain, node: Node) -> None:
    listed = node.constants[0] if node.constants else node.attributes.get("axes")
    axes = [] if listed is None else np.asarray(listed).ravel().tolist()
    if len(axes) != 1 or node.attributes.get("keepdims", 1):
        raise chain.refuse("averages over several axes, or keeps them")
    chain.mean(int(axes[0]))


def _transpose(chain: Chain, node: Node) -> None:
    if list(node.attributes.get("perm", [])) != [0, 2, 1]:
        raise chain.refuse("orders its axes in another way than (0, 2, 1)")
    chain.swap_axes()


def _softmax(chain: Chain, node: Node) -> None:
    if node.attributes.get("axis", -1) not in (-1, 1):
        raise chain.refuse("has a softmax over another axis than the last")
    chain.activate(Activation.SOFTMAX)


def _activation(kind: Activation) -> Operator:
    return lambda chain, _node: chain.activate(kind)


_OPERATORS: dict[str, Operator] = {
    "Add": _add,
    "AveragePool": _pool(Op.AVERAGE_POOL),
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "Dropout": lambda _chain, _node: None,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda chain, _node: chain.global_average(),
    "Identity": lambda _chain, _node: None,
    "MatMul": _matmul,
    "MaxPool": _pool(Op.MAX_POOL),
    "ReduceMean": _mean,
    "Relu": _activation(Activation.RELU),
    "Reshape": _reshape,
    "Sigmoid": _activation(Activation.SIGMOID),
    "Softmax": _softmax,
    "Squeeze": lambda chain, _node: chain.flatten(),
    "Tanh": _activation(Activation.TANH),
    "Transpose": _transpose,
}
