"""The same model for every engine: ``y = 2 x``, float32 [?, 3]."""

import warnings
from pathlib import Path

import numpy as np

X, Y = "x: float32[?, 3]", "y: float32[?, 3]"


def write_onnx(folder: Path) -> Path:
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "double",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
    )
    file = folder / "double.onnx"
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), str(file))
    return file


def write_script(folder: Path, extra: dict[str, str] | None = None) -> Path:
    import torch

    class Double(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + x

    file = folder / "double.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(Double()), str(file), _extra_files=extra or {})
    return file


def write_exported(folder: Path) -> Path:
    import torch

    class Double(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"y": x + x}

    file = folder / "double.pt2"
    axes = {"x": {0: torch.export.Dim("n", min=1, max=1024)}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(Double(), (torch.zeros(2, 3),), dynamic_shapes=axes)
        torch.export.save(program, str(file))
    return file


def write_tflite(folder: Path) -> Path:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str) -> "schema.TensorT":
        made = schema.TensorT()
        made.name, made.type, made.buffer = name, schema.TensorType.FLOAT32, 0
        made.shape, made.shapeSignature = [1, 3], [-1, 3]
        return made

    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.ADD
    code.version = 1
    add = schema.OperatorT()
    add.opcodeIndex, add.inputs, add.outputs = 0, [0, 0], [1]
    add.builtinOptionsType, add.builtinOptions = (
        schema.BuiltinOptions.AddOptions,
        schema.AddOptionsT(),
    )
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = [tensor("x"), tensor("y")], [add]
    graph.inputs, graph.outputs = [0], [1]
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    file = folder / "double.tflite"
    file.write_bytes(builder.Output())
    return file


def double(inputs: dict[str, np.ndarray]) -> np.ndarray:
    return inputs["x"] * 2


double.inputs, double.outputs = X, Y
