"""Read a TensorFlow.js graph model: a JSON file with nodes, and a binary file with weights.

Source: the ``model.json`` of TensorFlow.js graph models: ``modelTopology.node`` is a TensorFlow
GraphDef as JSON (byte strings in base64, integers as strings); ``weightsManifest`` lists the
weights in the order in which they lie in the binary file, some of them stored in a smaller type.
"""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from edgeflow.errors import AssetError

__all__ = ["Graph", "Node", "read_graph"]

Array: TypeAlias = npt.NDArray[Any]

MAX_GRAPH_BYTES = 64 * 1024**2
MAX_NODES = 100_000

_DTYPES = {"float32": "<f4", "int32": "<i4", "uint8": "<u1", "bool": "|b1"}


@dataclass(frozen=True, slots=True)
class Node:
    """One operation.

    Attributes:
        inputs: names of nodes; ``name:1`` for their second output.
        attributes: decoded: strings, numbers, truth values, and lists of them.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Graph:
    """A model.

    Attributes:
        nodes: by name, in no order.
        constants: the value of every ``Const``.
        inputs: name and shape of every placeholder.
        outputs: names, in the order of the model's signature.
    """

    nodes: Mapping[str, Node]
    constants: Mapping[str, Array]
    inputs: Mapping[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    users: Mapping[str, int] = field(default_factory=dict)


def read_graph(topology: Path, weights: Path) -> Graph:
    """Read a model.

    Raises:
        AssetError: one of the files is not what a graph model has.
    """
    try:
        if topology.stat().st_size > MAX_GRAPH_BYTES:
            raise ValueError(f"more than {MAX_GRAPH_BYTES} bytes")
        model = json.loads(topology.read_bytes())
        constants = _read_weights(model["weightsManifest"], weights.read_bytes())
        raw = model["modelTopology"]["node"]
        if len(raw) > MAX_NODES:
            raise ValueError(f"more than {MAX_NODES} nodes")
        nodes = {node.name: node for node in map(_read_node, raw)}
        outputs = tuple(name.partition(":")[0] for name in model["signature"]["outputs"])
        return _linked(nodes, constants, outputs)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise AssetError(
            f"{topology.name}: is no graph model of TensorFlow.js: {type(error).__name__}: {error}"
        ) from None


def _linked(
    nodes: Mapping[str, Node], constants: Mapping[str, Array], outputs: tuple[str, ...]
) -> Graph:
    users: dict[str, int] = {}
    for node in nodes.values():
        if node.op == "Const" and node.name not in constants:
            raise ValueError(f"constant {node.name!r} has no weights")
        for name in node.inputs:
            if name.partition(":")[0] not in nodes:
                raise ValueError(f"{node.name!r} takes {name!r}, which is not there")
            users[name] = users.get(name, 0) + 1
    for name in outputs:
        if name not in nodes:
            raise ValueError(f"output {name!r} is not there")
    inputs = {
        node.name: tuple(int(size) for size in node.attributes["shape"])
        for node in nodes.values()
        if node.op == "Placeholder"
    }
    return Graph(nodes, constants, inputs, outputs, users)


def _read_node(raw: Mapping[str, Any]) -> Node:
    inputs = tuple(name for name in raw.get("input", ()) if not name.startswith("^"))
    attributes = {name: _read_attribute(value) for name, value in raw.get("attr", {}).items()}
    return Node(str(raw["name"]), str(raw["op"]), inputs, attributes)


def _read_attribute(raw: Mapping[str, Any]) -> Any:
    """Decode one AttrValue; kinds that no operator here needs become None."""
    for kind, value in raw.items():
        if kind == "s":
            return _read_text(value)
        if kind == "i":
            return int(value)
        if kind in ("f", "b"):
            return value
        if kind == "shape":
            return [int(each.get("size", 0)) for each in value.get("dim", ())]
        if kind == "list":
            return [int(each) for each in value.get("i", ())]
    return None


def _read_text(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except binascii.Error as error:
        raise ValueError(f"a string is not in base64: {error}") from None


def _read_weights(manifest: list[Any], data: bytes) -> dict[str, Array]:
    weights: dict[str, Array] = {}
    at = 0
    for group in manifest:
        for entry in group["weights"]:
            value, length = _read_weight(entry, data, at)
            weights[entry["name"]] = value
            at += length
    if at != len(data):
        raise ValueError(f"the weights have {len(data)} bytes, {at} are declared")
    return weights


def _read_weight(entry: Mapping[str, Any], data: bytes, at: int) -> tuple[Array, int]:
    wanted = np.dtype(_DTYPES[entry["dtype"]])
    shape = [int(size) for size in entry["shape"]]
    if any(size < 0 for size in shape):
        raise ValueError(f"{entry['name']!r}: a size is negative")
    quantization = entry.get("quantization") or {}
    kind = quantization.get("dtype")
    if kind not in (None, "float16"):
        raise ValueError(f"{entry['name']!r}: weights stored as {kind} are not supported")
    stored = np.dtype("<f2") if kind else wanted
    length = math.prod(shape) * stored.itemsize
    if length > len(data) - at:
        raise ValueError(f"{entry['name']!r}: {length} bytes declared, {len(data) - at} left")
    values = np.frombuffer(data, stored, math.prod(shape), at).reshape(shape)
    return values.astype(wanted), length
