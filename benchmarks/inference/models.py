"""Graphs to measure: MobileNetV2 (1.0, 224) and a tiny network, with seeded random weights.

Their results mean nothing; their sizes and operators are those of the real ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["MODELS", "Convolution", "Model", "mobilenet_layers", "write", "write_exported"]

CLASSES, FEATURES = 1000, 1280
SEED = 224
OPSET, IR = 17, 8

_STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
    (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
"""Source: table 2 of the MobileNetV2 paper: expansion, channels, repetitions, stride."""


@dataclass(frozen=True)
class Model:
    """A model and what one request of it is.

    Attributes:
        shape: of one request's input ``x``, float32; the first axis is free.
    """

    name: str
    shape: tuple[int, ...]

    def sample(self) -> "np.ndarray[Any, Any]":
        """Return one request's input."""
        return np.random.default_rng(1).random(self.shape, np.float32)


MODELS = {each.name: each for each in (Model("mnv2", (1, 3, 224, 224)), Model("tiny", (1, 16)))}


@dataclass(frozen=True)
class Convolution:
    """One layer: its weights, and whether it begins or ends what is added to itself."""

    weights: "np.ndarray[Any, Any]"
    bias: "np.ndarray[Any, Any]"
    stride: int = 1
    groups: int = 1
    clipped: bool = True
    opens: bool = False
    adds: bool = False


def mobilenet_layers() -> Iterator[Convolution]:
    """Yield the convolutions in their order."""
    random = np.random.default_rng(SEED)

    def layer(taken: int, given: int, size: int = 1, **how: Any) -> Convolution:
        groups = how.get("groups", 1)
        shape = (given, taken // groups, size, size)
        spread = (2 / (shape[1] * size * size)) ** 0.5
        weights = random.normal(0, spread, shape).astype(np.float32)
        return Convolution(weights, random.normal(0, 0.1, given).astype(np.float32), **how)

    yield layer(3, 32, 3, stride=2)
    channels = 32
    for expansion, given, repetitions, first_stride in _STAGES:
        for at in range(repetitions):
            stride = first_stride if at == 0 else 1
            inner, adds = channels * expansion, stride == 1 and channels == given
            if expansion > 1:
                yield layer(channels, inner, opens=adds)
            yield layer(inner, inner, 3, stride=stride, groups=inner, opens=adds and expansion == 1)
            yield layer(inner, given, clipped=False, adds=adds)
            channels = given
    yield layer(channels, FEATURES)


def _last_weights() -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]":
    random = np.random.default_rng(SEED + 1)
    weights = random.normal(0, 0.02, (FEATURES, CLASSES)).astype(np.float32)
    return weights, np.zeros(CLASSES, np.float32)


def write(name: str, file: Path) -> Path:
    """Write a model as ONNX and return its file."""
    import onnx

    model = {"mnv2": _mobilenet, "tiny": _tiny}[name]()
    onnx.checker.check_model(model, full_check=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(model.SerializeToString(deterministic=True))
    return file


def _model(name: str, nodes: list[Any], given: int, constants: dict[str, Any]) -> Any:
    from onnx import TensorProto, helper, numpy_helper

    shape = ["n", *MODELS[name].shape[1:]]
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", given])],
        [numpy_helper.from_array(value, each) for each, value in constants.items()],
    )
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=IR)


def _mobilenet() -> Any:
    from onnx import helper

    constants: dict[str, Any] = {"low": np.float32(0), "high": np.float32(6)}
    constants = {name: np.array(value) for name, value in constants.items()}
    nodes, tensor, kept = [], "x", "x"
    for at, layer in enumerate(mobilenet_layers()):
        if layer.opens:
            kept = tensor
        constants |= {f"w{at}": layer.weights, f"b{at}": layer.bias}
        pad = layer.weights.shape[2] // 2
        made = f"c{at}"
        nodes.append(
            helper.make_node(
                "Conv", [tensor, f"w{at}", f"b{at}"], [made], group=layer.groups,
                strides=[layer.stride] * 2, pads=[pad] * 4,
            )
        )  # fmt: skip
        if layer.clipped:
            nodes.append(helper.make_node("Clip", [made, "low", "high"], [f"r{at}"]))
            made = f"r{at}"
        if layer.adds:
            nodes.append(helper.make_node("Add", [made, kept], [f"a{at}"]))
            made = f"a{at}"
        tensor = made
    constants["wl"], constants["bl"] = _last_weights()
    nodes += [
        helper.make_node("GlobalAveragePool", [tensor], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "wl", "bl"], ["y"]),
    ]
    return _model("mnv2", nodes, CLASSES, constants)


def _tiny() -> Any:
    from onnx import helper

    random = np.random.default_rng(SEED)
    constants = {
        "w0": random.normal(0, 0.3, (16, 32)).astype(np.float32),
        "b0": np.zeros(32, np.float32),
        "w1": random.normal(0, 0.3, (32, 4)).astype(np.float32),
        "b1": np.zeros(4, np.float32),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "w0", "b0"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "w1", "b1"], ["y"]),
    ]
    return _model("tiny", nodes, 4, constants)


def torch_mobilenet() -> Any:
    """Return the same MobileNetV2 as a Torch module, on the CPU."""
    import torch

    class MobileNet(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.how = list(mobilenet_layers())
            self.layers = torch.nn.ModuleList()
            for layer in self.how:
                given, taken, size, _ = layer.weights.shape
                made = torch.nn.Conv2d(
                    taken * layer.groups, given, size, layer.stride, size // 2, groups=layer.groups
                )
                made.weight.data = torch.from_numpy(layer.weights)
                made.bias.data = torch.from_numpy(layer.bias)
                self.layers.append(made)
            weights, bias = _last_weights()
            self.last = torch.nn.Linear(FEATURES, CLASSES)
            self.last.weight.data = torch.from_numpy(weights.T.copy())
            self.last.bias.data = torch.from_numpy(bias)

        def forward(self, x: Any) -> Any:
            kept = x
            for how, layer in zip(self.how, self.layers, strict=True):
                if how.opens:
                    kept = x
                x = layer(x)
                if how.clipped:
                    x = torch.clamp(x, 0, 6)
                if how.adds:
                    x = x + kept
            return self.last(x.mean(dim=(2, 3)))

    return MobileNet().eval()


def write_exported(file: Path, *, half: bool = False) -> Path:
    """Write MobileNetV2 as an exported Torch program with a free first axis."""
    import torch

    model, sample = torch_mobilenet(), torch.from_numpy(MODELS["mnv2"].sample()).repeat(2, 1, 1, 1)
    if half:
        model, sample = model.half(), sample.half()
    axes = {"x": {0: torch.export.Dim("n", min=1, max=64)}}
    torch.export.save(torch.export.export(model, (sample,), dynamic_shapes=axes), str(file))
    return file
