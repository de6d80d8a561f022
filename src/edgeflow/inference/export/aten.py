"""Torch's operators, one after the other, as layers of a board."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from edgeflow.inference.export.layer_chain import Chain
from edgeflow.protocols.model_file import Activation, Op

__all__ = ["layers_of_program", "layers_of_script"]

Arguments: TypeAlias = Sequence[Any]

_SIZES = frozenset({"size", "sym_size", "NumToTensor", "Int"})
"""Operators that only find out how large the batch is, for a reshape."""


def layers_of_program(program: Any, taken: Sequence[int | None], steps: int | None) -> Chain:
    """Return the layers of an exported program.

    Raises:
        ConfigError: boards do not have one of its operators, or it branches.
    """
    chain = Chain("the exported program", taken, steps)
    signature = program.graph_signature
    kept = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    state = {**program.state_dict, **program.constants}
    values: dict[str, Any] = {name: state[kept[name]] for name in kept}
    current = signature.user_inputs[0]
    for node in program.graph.nodes:
        if node.op != "call_function":
            continue
        given = [_resolve(argument, values) for argument in node.args]
        name = str(node.target).split(".")[1] if "." in str(node.target) else str(node.target)
        if name in _SIZES:
            continue
        _follow(chain, name, _name_of(node.args), current)
        _apply(chain, name, given)
        current = node.name
    chain.finish()
    return chain


def _resolve(argument: Any, values: dict[str, Any]) -> Any:
    name = getattr(argument, "name", None)
    return values.get(name) if isinstance(name, str) else argument


def _name_of(arguments: Arguments) -> str:
    return getattr(arguments[0], "name", "") if arguments else ""


def layers_of_script(module: Any, steps: int | None) -> Chain:
    """Return the layers of a TorchScript module.

    Raises:
        ConfigError: boards do not have one of its operators, or it branches.
    """
    import torch

    chain = Chain("the TorchScript module", None, steps)
    graph = torch.jit.freeze(module).graph
    current = list(graph.inputs())[-1].debugName()
    lists: dict[str, list[Any]] = {}
    for node in graph.nodes():
        kind, inputs = node.kind(), list(node.inputs())
        if kind == "prim::Constant":
            continue
        given = [lists.get(each.debugName(), each.toIValue()) for each in inputs]
        output = node.output().debugName()
        if kind == "prim::ListConstruct":
            lists[output] = given
            continue
        first = inputs[0].debugName() if inputs else ""
        name = kind.partition("::")[2]
        if name in _SIZES:
            continue
        _follow(chain, name, first, current)
        _apply(chain, name, given)
        current = output
    chain.finish()
    return chain


def _follow(chain: Chain, name: str, first: str, current: str) -> None:
    """Refuse an operator whose input is not what the one before gave."""
    if first != current:
        raise chain.refuse(f"branches at {name}")


def _apply(chain: Chain, name: str, given: Arguments) -> None:
    operator = _OPERATORS.get(name.rstrip("_"))
    if operator is None:
        raise chain.refuse(f"has the operator {name}")
    operator(chain, [_plain(each) for each in given])


def _plain(value: Any) -> Any:
    """Return a tensor as an array, anything else as it is."""
    return value.detach().float().numpy() if hasattr(value, "detach") else value


def _at(given: Arguments, index: int, default: Any) -> Any:
    """Return an argument; of a list of one its only item."""
    value = given[index] if index < len(given) else default
    if isinstance(value, list | tuple):
        return value[0] if value else default
    return value


def _conv1d(chain: Chain, given: Arguments) -> None:
    weights, padding = given[1], _at(given, 4, 0)
    if isinstance(padding, str):
        even = weights.shape[2] % 2 == 0
        if padding == "same" and even:
            raise chain.refuse("pads unevenly")
        padding = weights.shape[2] // 2 if padding == "same" else 0
    chain.conv1d(
        weights,
        given[2] if len(given) > 2 else None,
        stride=_at(given, 3, 1),
        padding=padding,
        dilation=_at(given, 5, 1),
        groups=_at(given, 6, 1),
    )


def _traced_convolution(chain: Chain, given: Arguments) -> None:
    """Read ``_convolution``, which also knows transposition and an output padding."""
    if given[6]:
        raise chain.refuse("has a transposed convolution")
    _conv1d(chain, [*given[:6], given[8]])


def _linear(chain: Chain, given: Arguments) -> None:
    chain.linear(given[1], given[2] if len(given) > 2 else None)


def _pool(op: Op) -> Callable[[Chain, Arguments], None]:
    def add(chain: Chain, given: Arguments) -> None:
        kernel = _at(given, 1, 1)
        dilation = _at(given, 4, 1) if op is Op.MAX_POOL else 1
        rounded_up = _at(given, 5 if op is Op.MAX_POOL else 4, False)
        plain = _at(given, 3, 0) == 0 and dilation == 1 and not rounded_up
        chain.pool(op, kernel, _at(given, 2, kernel), plain=plain)

    return add


def _global_average(chain: Chain, given: Arguments) -> None:
    if _at(given, 1, 0) != 1:
        raise chain.refuse(f"has an adaptive pool to {given[1]} steps")
    chain.global_average()


def _reshape(chain: Chain, given: Arguments) -> None:
    if len(given) < 2 or len(given[1]) != 2:
        raise chain.refuse("has a reshape to something else than one row")
    chain.flatten()


def _flatten(chain: Chain, given: Arguments) -> None:
    if _at(given, 1, 0) != 1 or _at(given, 2, -1) not in (-1, 2):
        raise chain.refuse("flattens something else than all but the batch")
    chain.flatten()


def _mean(chain: Chain, given: Arguments) -> None:
    axes, keep = given[1], _at(given, 2, False)
    if not isinstance(axes, list | tuple) or len(axes) != 1 or keep:
        raise chain.refuse("averages over several axes")
    chain.mean(axes[0])


def _swap(chain: Chain, given: Arguments) -> None:
    axes = (
        list(given[1]) if isinstance(given[1], list | tuple) else sorted(x % 3 for x in given[1:])
    )
    if axes not in ([0, 2, 1], [1, 2]):
        raise chain.refuse(f"orders its axes by {axes}")
    chain.swap_axes()


def _batch_norm(chain: Chain, given: Arguments) -> None:
    weight, bias, mean, variance, training = given[1:6]
    if training or mean is None or variance is None:
        raise chain.refuse("has a batch norm that still trains; call eval() before the export")
    factor = 1 / np.sqrt(variance + _at(given, 7, 1e-5))
    factor = factor if weight is None else factor * weight
    chain.scale(factor, (0 if bias is None else bias) - mean * factor)


def _softmax(chain: Chain, given: Arguments) -> None:
    if _at(given, 1, -1) not in (-1, 1):
        raise chain.refuse("has a softmax over another axis than the last")
    chain.activate(Activation.SOFTMAX)


def _activation(kind: Activation) -> Callable[[Chain, Arguments], None]:
    return lambda chain, _given: chain.activate(kind)


def _nothing(chain: Chain, given: Arguments) -> None:
    """Do what a dropout does when it does not train."""


_OPERATORS: dict[str, Callable[[Chain, Arguments], None]] = {
    "_convolution": _traced_convolution,
    "_convolution_mode": _conv1d,
    "adaptive_avg_pool1d": _global_average,
    "avg_pool1d": _pool(Op.AVERAGE_POOL),
    "batch_norm": _batch_norm,
    "conv1d": _conv1d,
    "detach": _nothing,
    "dropout": _nothing,
    "flatten": _flatten,
    "linear": _linear,
    "max_pool1d": _pool(Op.MAX_POOL),
    "mean": _mean,
    "permute": _swap,
    "relu": _activation(Activation.RELU),
    "reshape": _reshape,
    "sigmoid": _activation(Activation.SIGMOID),
    "softmax": _softmax,
    "squeeze": lambda chain, _given: chain.flatten(),
    "tanh": _activation(Activation.TANH),
    "transpose": _swap,
    "view": _reshape,
}
