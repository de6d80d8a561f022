"""Small ONNX models, built on the spot."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

Shape = Sequence[int | str]


def save_scale(
    path: Path, factor: float = 2.0, shape: Shape = ("n", 4), dtype: int = TensorProto.FLOAT
) -> Path:
    """Write a model ``y = x * factor``; its folder is made."""
    kind = helper.tensor_dtype_to_np_dtype(dtype)
    constant = onnx.numpy_helper.from_array(np.array(factor, kind), "factor")
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "factor"], ["y"])],
        "scale",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_tensor_value_info("y", dtype, shape)],
        [constant],
    )
    return _save(path, graph)


def save_sum(path: Path, shape: Shape = (3,)) -> Path:
    """Write a model with three inputs ``a``, ``b`` and ``c``; ``total`` and ``first`` come out."""
    given = [helper.make_tensor_value_info(each, TensorProto.FLOAT, shape) for each in "abc"]
    graph = helper.make_graph(
        [
            helper.make_node("Sum", ["a", "b", "c"], ["total"]),
            helper.make_node("Identity", ["a"], ["first"]),
        ],
        "sum",
        given,
        [
            helper.make_tensor_value_info(each, TensorProto.FLOAT, shape)
            for each in ("total", "first")
        ],
    )
    return _save(path, graph)


def _save(path: Path, graph: onnx.GraphProto) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(model.SerializeToString())
    return part.rename(path)
