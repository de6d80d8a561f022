"""Convert a TensorFlow.js graph model to ONNX, without TensorFlow.

TensorFlow has channels last and ONNX has them first, so every convolution comes with
transpositions; those that undo each other are left out. Constant arithmetic on shapes is done here.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeflow.assets.convert.tfjs import Graph, Node, read_graph
from edgeflow.errors import AssetError, MissingExtraError

__all__ = ["OPSET", "convert"]

OPSET = 18

_IR = 9
_TO_FIRST, _TO_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def convert(sources: Mapping[str, Path], target: Path) -> None:
    """Write the model as ONNX.

    Args:
        sources: the JSON file as ``graph`` and the binary file as ``weights``.
        target: file to write.

    Raises:
        AssetError: a file is broken, or has an operator that is not known here.
        MissingExtraError: the package ``onnx`` is not installed.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        raise MissingExtraError("onnx", "convert") from None
    name = sources["graph"].name
    graph = read_graph(sources["graph"], sources["weights"])
    try:
        model = _Builder(graph).build(target.stem)
        onnx.checker.check_model(model, full_check=True)
    except AssetError:
        raise
    except Exception as error:  # what the checker raises depends on where it looks
        first = str(error).strip().splitlines()
        raise AssetError(
            f"{name}: cannot be converted: {first[0] if first else error!r}"
        ) from error
    target.write_bytes(model.SerializeToString(deterministic=True))


class _Builder:
    """Makes ONNX nodes, one TensorFlow node after the other."""

    def __init__(self, graph: Graph) -> None:
        from onnx import helper, numpy_helper

        self._helper, self._numpy = helper, numpy_helper
        self._graph = graph
        self._nodes: list[Any] = []
        self._values: dict[str, npt.NDArray[Any]] = {}
        self._names: dict[str, str] = {name: name for name in graph.inputs}
        self._views: dict[str, tuple[str, tuple[int, ...]]] = {}
        self._convolutions: dict[str, Any] = {}

    def build(self, name: str) -> Any:
        """Return the model."""
        for node in _in_order(self._graph):
            self._add(node)
        helper, kind = self._helper, 1  # TensorProto.FLOAT
        outputs = []
        for output in self._graph.outputs:
            self._emit("Identity", [self._tensor(output)], output, alias=False)
            outputs.append(helper.make_tensor_value_info(output, kind, None))
        inputs = [
            helper.make_tensor_value_info(each, kind, shape)
            for each, shape in self._graph.inputs.items()
        ]
        nodes = self._needed()
        used = {each for node in nodes for each in node.input}
        constants = [
            self._numpy.from_array(value, each)
            for each, value in self._values.items()
            if each in used
        ]
        return self._with_shapes(helper.make_graph(nodes, name, inputs, outputs, constants))

    def _with_shapes(self, graph: Any) -> Any:
        """Return the model of ``graph`` with the inferred shapes of its outputs, and only those."""
        from onnx import shape_inference

        model = self._helper.make_model(
            graph,
            opset_imports=[self._helper.make_opsetid("", OPSET)],
            ir_version=_IR,
            producer_name="edgeflow",
        )
        inferred = shape_inference.infer_shapes(
            model, check_type=True, strict_mode=True, data_prop=True
        )
        del model.graph.output[:]
        model.graph.output.extend(inferred.graph.output)
        return model

    def _needed(self) -> list[Any]:
        """Return the nodes that an output depends on."""
        wanted = set(self._graph.outputs)
        kept = []
        for node in reversed(self._nodes):
            if wanted.intersection(node.output):
                kept.append(node)
                wanted.update(node.input)
        return kept[::-1]

    def _add(self, node: Node) -> None:
        if node.op in ("Const", "Placeholder"):
            return
        operator = _OPERATORS.get(node.op)
        if operator is None:
            raise AssetError(
                f"node {node.name!r}: operator {node.op} cannot be converted",
                hint=f"known: {', '.join(sorted(_OPERATORS))}",
            )
        operator(self, node)

    def constant(self, node: Node, index: int) -> npt.NDArray[Any]:
        """Return the value of an input that must be constant."""
        name = node.inputs[index].partition(":")[0]
        value = self._graph.constants.get(name)
        value = self._values.get(name) if value is None else value
        if value is None:
            raise AssetError(f"node {node.name!r}: its input {node.inputs[index]!r} changes")
        return value

    def is_constant(self, node: Node) -> bool:
        """True when all inputs are."""
        names = [name.partition(":")[0] for name in node.inputs]
        return all(name in self._graph.constants or name in self._values for name in names)

    def fold(self, node: Node, value: npt.NDArray[Any]) -> None:
        """Make a node a constant."""
        self._values[node.name] = value

    def _tensor(self, name: str) -> str:
        name = name.removesuffix(":0")
        if name in self._graph.constants and name not in self._values:
            self._values[name] = self._graph.constants[name]
        return self._names.get(name, name)

    def inputs(self, node: Node, count: int | None = None) -> list[str]:
        """Return the ONNX tensors of a node's first inputs."""
        return [self._tensor(name) for name in node.inputs[:count]]

    def _emit(
        self, op: str, inputs: Sequence[str], name: str, *, alias: bool = True, **attributes: Any
    ) -> str:
        output = f"{name}/{op}" if alias else name
        self._nodes.append(self._helper.make_node(op, inputs, [output], output, **attributes))
        return output

    def give(self, node: Node, op: str, inputs: Sequence[str], **attributes: Any) -> None:
        """Make one ONNX node and let it stand for ``node``."""
        self._names[node.name] = self._emit(op, inputs, node.name, **attributes)

    def value(self, name: str, value: npt.NDArray[Any]) -> str:
        """Return the name of a constant of our own."""
        self._values[name] = value
        return name

    def transpose(self, tensor: str, order: tuple[int, ...]) -> str:
        """Return a tensor with its axes in another order; orders that undo each other vanish."""
        if tensor in self._views:
            tensor, before = self._views[tensor]
            order = tuple(before[axis] for axis in order)
        if order == tuple(range(len(order))):
            return tensor
        made = f"{tensor}/{''.join(map(str, order))}"
        if made not in self._views:
            self._nodes.append(
                self._helper.make_node("Transpose", [tensor], [made], made, perm=list(order))
            )
            self._views[made] = (tensor, order)
        return made

    def part_of_shape(self, node: Node, count: int) -> str:
        """Return the first sizes of a node's input, channels first."""
        tensor = self.transpose(self.inputs(node, 1)[0], _TO_FIRST)
        return self._emit("Shape", [tensor], node.name, start=0, end=count)

    def join(self, name: str, tensors: Sequence[str]) -> str:
        """Return one-dimensional tensors one after the other."""
        return self._emit("Concat", tensors, name, axis=0)

    def transpose_node(self, node: Node) -> None:
        order = tuple(int(axis) for axis in self.constant(node, 1))
        self._names[node.name] = self.transpose(self.inputs(node, 1)[0], order)

    def channels_first(
        self, node: Node, op: str, more: Sequence[str] = (), **attributes: Any
    ) -> None:
        """Make an operator whose first input has its channels last in TensorFlow."""
        tensor = self.transpose(self.inputs(node, 1)[0], _TO_FIRST)
        made = self._emit(op, [tensor, *more], node.name, **attributes)
        if op == "Conv":
            self._convolutions[made] = self._nodes[-1]
        self._names[node.name] = self.transpose(made, _TO_LAST)

    def add_bias(self, node: Node) -> bool:
        """Put a constant that is added to a convolution into it; False if it is none."""
        if self._graph.users.get(node.inputs[0]) != 1 or self.is_constant(node):
            return False
        source, order = self._views.get(self.inputs(node, 1)[0], ("", ()))
        convolution = self._convolutions.get(source)
        bias = self._graph.constants.get(node.inputs[1])
        if convolution is None or bias is None or bias.ndim != 1 or order != _TO_LAST:
            return False
        if len(convolution.input) != 2:
            return False
        convolution.input.append(self._tensor(node.inputs[1]))
        self._names[node.name] = self.inputs(node, 1)[0]
        return True

    def split(self, node: Node) -> None:
        sizes, axis = self.constant(node, 1), int(self.constant(node, 2))
        names = [f"{node.name}/Split_{at}" for at in range(len(sizes))]
        parts = self.value(f"{node.name}/sizes", sizes.astype(np.int64))
        self._nodes.append(
            self._helper.make_node("Split", [self.inputs(node, 1)[0], parts], names, axis=axis)
        )
        for at, made in enumerate(names):
            self._names[f"{node.name}:{at}" if at else node.name] = made


def _in_order(graph: Graph) -> list[Node]:
    """Return the nodes that the outputs need, each after what it takes.

    Raises:
        AssetError: they go round in a circle.
    """
    ordered: dict[str, Node] = {}
    open_: set[str] = set()
    stack = list(graph.outputs[::-1])
    while stack:
        name = stack[-1]
        if name in ordered:
            stack.pop()
            continue
        needed = [each.partition(":")[0] for each in graph.nodes[name].inputs]
        missing = [each for each in needed if each not in ordered]
        if not missing:
            ordered[stack.pop()] = graph.nodes[name]
            open_.discard(name)
        elif name in open_:
            raise AssetError(f"node {name!r} needs its own output")
        else:
            open_.add(name)
            stack.extend(missing)
    return list(ordered.values())


def _convolve(builder: _Builder, node: Node) -> None:
    kernel = builder.constant(node, 1).transpose(3, 2, 0, 1)
    weights = builder.value(f"{node.inputs[1]}/kernel", np.ascontiguousarray(kernel))
    _only_valid(node)
    builder.channels_first(
        node,
        "Conv",
        [weights],
        strides=node.attributes["strides"][1:3],
        dilations=(node.attributes.get("dilations") or [1, 1, 1, 1])[1:3],
    )


def _pool(builder: _Builder, node: Node) -> None:
    _only_valid(node)
    builder.channels_first(
        node,
        "MaxPool",
        kernel_shape=node.attributes["ksize"][1:3],
        strides=node.attributes["strides"][1:3],
    )


def _only_valid(node: Node) -> None:
    padding, layout = node.attributes["padding"], node.attributes.get("data_format", "NHWC")
    if padding != "VALID" or layout != "NHWC":
        raise AssetError(
            f"node {node.name!r}: {node.op} with padding {padding} in {layout} cannot be converted",
            hint="known: VALID in NHWC",
        )


def _resize(builder: _Builder, node: Node) -> None:
    if node.attributes.get("align_corners") or not node.attributes.get("half_pixel_centers"):
        raise AssetError(
            f"node {node.name!r}: only ResizeBilinear with half_pixel_centers is known"
        )
    size = builder.value(f"{node.name}/size", builder.constant(node, 1).astype(np.int64))
    # With the attribute ``axes`` instead, ONNX Runtime mixes up sizes when it moves transpositions.
    batch = builder.part_of_shape(node, 2)
    sizes = builder.join(f"{node.name}/sizes", [batch, size])
    builder.channels_first(node, "Resize", ["", "", sizes], mode="linear")


def _pad(builder: _Builder, node: Node) -> None:
    pads = builder.constant(node, 1).T.ravel().astype(np.int64)
    more = [builder.value(f"{node.name}/pads", pads)]
    if node.op == "PadV2":
        more.append(builder.value(f"{node.name}/with", builder.constant(node, 2)))
    builder.give(node, "Pad", [*builder.inputs(node, 1), *more])


def _add(builder: _Builder, node: Node) -> None:
    if builder.is_constant(node):
        builder.fold(node, np.asarray(builder.constant(node, 0) + builder.constant(node, 1)))
    elif not builder.add_bias(node):
        builder.give(node, "Add", builder.inputs(node))


def _concatenate(builder: _Builder, node: Node) -> None:
    last = len(node.inputs) - 1
    builder.give(node, "Concat", builder.inputs(node, last), axis=int(builder.constant(node, last)))


def _reshape(builder: _Builder, node: Node) -> None:
    shape = builder.value(f"{node.name}/shape", builder.constant(node, 1).astype(np.int64))
    builder.give(node, "Reshape", [*builder.inputs(node, 1), shape])


def _to_dense(builder: _Builder, node: Node) -> None:
    places, shape, values, default = (builder.constant(node, at) for at in range(4))
    dense = np.full(shape.tolist(), default)
    dense[tuple(places.T)] = values
    builder.fold(node, dense)


_OPERATORS: dict[str, Callable[[_Builder, Node], None]] = {
    "Add": _add,
    "AddV2": _add,
    "ConcatV2": _concatenate,
    "Conv2D": _convolve,
    "Identity": lambda builder, node: builder.give(node, "Identity", builder.inputs(node, 1)),
    "LeakyRelu": lambda builder, node: builder.give(
        node, "LeakyRelu", builder.inputs(node, 1), alpha=float(node.attributes["alpha"])
    ),
    "MaxPool": _pool,
    "Pad": _pad,
    "PadV2": _pad,
    "Reshape": _reshape,
    "ResizeBilinear": _resize,
    "Sigmoid": lambda builder, node: builder.give(node, "Sigmoid", builder.inputs(node, 1)),
    "SparseToDense": _to_dense,
    "SplitV": lambda builder, node: builder.split(node),
    "Transpose": lambda builder, node: builder.transpose_node(node),
}
