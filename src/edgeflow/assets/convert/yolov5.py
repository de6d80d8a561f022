"""Put NanoDet behind the tensors of YOLOv5: what feeds and decodes the one serves the other.

The result takes ``images``: float16 [1, 3, 640, 640], RGB from 0 to 1, and gives ``output0``:
float16 [1, 3549, 85]: centre x and y, width and height in pixels of the 640, objectness, and a
score per class; objectness times class score is NanoDet's score. All are already probabilities, as
in YOLOv5's own exports: no sigmoid is to be applied again.

Source: NanoDet's preprocessing (mean and standard deviation per channel, BGR) and its boxes: per
side, the expectation over 11 bins, times the stride, counted from the centre of the cell.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeflow.errors import AssetError, MissingExtraError

__all__ = ["wrap"]

SIZE, INNER = 640, 416
STRIDES = (8, 16, 32)
CLASSES, BINS = 80, 11
_MEAN = np.array([103.53, 116.28, 123.675], np.float32)
_DEVIATION = np.array([57.375, 57.12, 58.395], np.float32)
_SMALLEST = 1e-4
"""Keeps the class scores finite where there is nothing; float16 still has it."""


def wrap(sources: Mapping[str, Path], target: Path) -> None:
    """Write the wrapped model.

    Args:
        sources: NanoDet at 416 x 416 as ``model``.
        target: file to write.

    Raises:
        AssetError: the model is not NanoDet.
        MissingExtraError: the package ``onnx`` is not installed.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        raise MissingExtraError("onnx", "convert") from None
    model = onnx.load(str(sources["model"]))
    surgery = _Surgery(model)
    surgery.replace_input()
    surgery.replace_outputs()
    onnx.checker.check_model(model, full_check=True)
    target.write_bytes(model.SerializeToString(deterministic=True))


class _Surgery:
    """Adds nodes before and after those of a model."""

    def __init__(self, model: Any) -> None:
        from onnx import TensorProto, helper, numpy_helper

        self._helper, self._numpy, self._types = helper, numpy_helper, TensorProto
        self._graph = model.graph
        self._heads = {
            tuple(size.dim_value for size in each.type.tensor_type.shape.dim): each.name
            for each in self._graph.output
        }
        self._before: list[Any] = []
        self._after: list[Any] = []

    def replace_input(self) -> None:
        """Scale, reorder and normalise the picture as NanoDet wants it."""
        wanted = self._graph.input[0].name
        del self._graph.input[:]
        self._graph.input.append(
            self._helper.make_tensor_value_info(
                "images", self._types.FLOAT16, [1, len(_MEAN), SIZE, SIZE]
            )
        )
        add = self._before
        self._emit(add, "Cast", ["images"], "picture", to=self._types.FLOAT)
        size = self._value("inner_size", np.array([1, len(_MEAN), INNER, INNER]))
        resized = ["picture", "", "", size]
        self._emit(add, "Resize", resized, "small", mode="linear")
        self._emit(
            add, "Gather", ["small", self._value("bgr", np.array([2, 1, 0]))], "bgr_", axis=1
        )
        scale = self._value("scale", (255 / _DEVIATION).reshape(1, -1, 1, 1))
        shift = self._value("shift", (_MEAN / _DEVIATION).reshape(1, -1, 1, 1))
        self._emit(add, "Mul", ["bgr_", scale], "scaled")
        self._emit(add, "Sub", ["scaled", shift], wanted)

    def replace_outputs(self) -> None:
        """Decode the boxes and put all cells of all strides into one list."""
        add = self._after
        for stride in STRIDES:
            self._decode(stride)
        boxes = [f"box_{stride}" for stride in STRIDES]
        scores = [self._head(stride, CLASSES) for stride in STRIDES]
        self._emit(add, "Concat", boxes, "boxes", axis=1)
        self._emit(add, "Concat", scores, "scores", axis=1)
        self._emit(add, "ReduceMax", ["scores", self._value("last", np.array([-1]))], "best")
        floor = self._value("smallest", np.array(_SMALLEST, np.float32))
        self._emit(add, "Max", ["best", floor], "objectness")
        self._emit(add, "Div", ["scores", "objectness"], "classes")
        self._emit(add, "Concat", ["boxes", "objectness", "classes"], "all", axis=2)
        self._emit(add, "Cast", ["all"], "output0", to=self._types.FLOAT16)
        cells = sum((INNER // stride) ** 2 for stride in STRIDES)
        del self._graph.output[:]
        self._graph.output.append(
            self._helper.make_tensor_value_info(
                "output0", self._types.FLOAT16, [1, cells, 5 + CLASSES]
            )
        )
        nodes = [*self._before, *self._graph.node, *self._after]
        del self._graph.node[:]
        self._graph.node.extend(nodes)

    def _decode(self, stride: int) -> None:
        """Turn the bins of one stride into centre and size, in pixels of the large picture."""
        add, cells = self._after, (INNER // stride) ** 2
        unit = stride * SIZE / INNER
        shape = self._value(f"sides_{stride}", np.array([1, cells, 4, BINS]))
        bins = self._value(f"bins_{stride}", np.arange(BINS, dtype=np.float32) * np.float32(unit))
        self._emit(add, "Reshape", [self._head(stride, 4 * BINS), shape], f"bins_of_{stride}")
        self._emit(add, "Softmax", [f"bins_of_{stride}"], f"chance_{stride}", axis=-1)
        self._emit(add, "MatMul", [f"chance_{stride}", bins], f"side_{stride}")
        self._emit(
            add,
            "Split",
            [f"side_{stride}"],
            f"near_{stride}",
            f"far_{stride}",
            axis=2,
            num_outputs=2,
        )
        self._emit(add, "Sub", [f"far_{stride}", f"near_{stride}"], f"twice_off_{stride}")
        half = self._value(f"half_{stride}", np.array(0.5, np.float32))
        self._emit(add, "Mul", [f"twice_off_{stride}", half], f"off_{stride}")
        centres = self._value(f"centres_{stride}", _centres(stride))
        self._emit(add, "Add", [f"off_{stride}", centres], f"middle_{stride}")
        self._emit(add, "Add", [f"far_{stride}", f"near_{stride}"], f"extent_{stride}")
        self._emit(add, "Concat", [f"middle_{stride}", f"extent_{stride}"], f"box_{stride}", axis=2)

    def _head(self, stride: int, width: int) -> str:
        shape = (1, (INNER // stride) ** 2, width)
        if shape not in self._heads:
            raise AssetError(f"the model has no output {list(shape)}: it is not NanoDet at {INNER}")
        return str(self._heads[shape])

    def _emit(
        self, nodes: list[Any], op: str, inputs: list[str], *outputs: str, **attributes: Any
    ) -> None:
        nodes.append(self._helper.make_node(op, inputs, outputs, outputs[0], **attributes))

    def _value(self, name: str, value: npt.NDArray[Any]) -> str:
        self._graph.initializer.append(self._numpy.from_array(value, name))
        return name


def _centres(stride: int) -> npt.NDArray[np.float32]:
    """Return the centre of every cell, row by row: [1, cells, 2]."""
    side = INNER // stride
    rows, columns = np.divmod(np.arange(side * side), side)
    centres = (np.stack([columns, rows], axis=1) + 0.5) * stride * SIZE / INNER
    return centres[None].astype(np.float32)
