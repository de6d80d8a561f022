"""Small models as their trainers save them: Torch in three forms, ONNX built node by node."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STEPS, FEATURES, HORIZON, HIDDEN = 12, 3, 5, 7


def forecaster(seed: int = 0, **options: Any) -> Any:
    """Return a Torch module: an LSTM and a linear head on its last step."""
    import torch

    torch.manual_seed(seed)

    class Forecaster(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = torch.nn.LSTM(FEATURES, HIDDEN, batch_first=True, **options)
            self.fc = torch.nn.Linear(HIDDEN, HORIZON)

        def forward(self, samples: torch.Tensor) -> torch.Tensor:
            states, _ = self.lstm(samples)
            return self.fc(states[:, -1])

    return Forecaster().eval()


def save_torch(module: Any, file: Path, form: str, example: tuple[int, ...]) -> Path:
    """Save it as ``state``, ``script``, ``trace`` or ``export``."""
    import torch

    inputs = torch.zeros(example)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing and saving warn of much
        if form == "state":
            torch.save(module.state_dict(), file)
        elif form == "script":
            torch.jit.script(module).save(str(file))
        elif form == "trace":
            torch.jit.trace(module, inputs).save(str(file))
        else:
            torch.export.save(torch.export.export(module, (inputs,)), file)
    return file


def samples(count: int = 40, steps: int = STEPS, features: int = FEATURES) -> np.ndarray:
    random = np.random.default_rng(4)
    return random.normal(0, 1, (count, steps, features)).astype(np.float32)


def save_onnx_lstm(
    file: Path,
    *,
    layout: int = 0,
    matmul: bool = False,
    extra_inputs: tuple[str, ...] = (),
    **attributes: Any,
) -> Path:
    """Write an ONNX LSTM with a head; with layout 0 it takes (steps, batch, features)."""
    random = np.random.default_rng(1)

    def tensor(name: str, *shape: int) -> Any:
        return numpy_helper.from_array(random.normal(0, 0.4, shape).astype(np.float32), name)

    weights = [
        tensor("W", 1, 4 * HIDDEN, FEATURES),
        tensor("R", 1, 4 * HIDDEN, HIDDEN),
        tensor("B", 1, 8 * HIDDEN),
        tensor("head", HIDDEN, HORIZON) if matmul else tensor("head", HORIZON, HIDDEN),
        tensor("bias", HORIZON),
        numpy_helper.from_array(np.array([-1], np.int64), "last"),
        numpy_helper.from_array(np.array([1 if layout else 0], np.int64), "axis"),
    ]
    weights += [tensor(name, 1, 1, HIDDEN) for name in extra_inputs if name]
    # With layout 1 the states are (batch, direction, hidden).
    nodes = [
        helper.make_node(
            "LSTM",
            ["x", "W", "R", "B", *extra_inputs],
            ["", "state"],
            hidden_size=HIDDEN,
            **({"layout": layout} if layout else {}),
            **attributes,
        ),
        helper.make_node("Squeeze", ["state", "axis"], ["row"]),
    ]
    if matmul:
        nodes.append(helper.make_node("MatMul", ["row", "head"], ["product"]))
        nodes.append(helper.make_node("Add", ["product", "bias"], ["y"]))
    else:
        nodes.append(helper.make_node("Gemm", ["row", "head", "bias"], ["y"], transB=1))
    shape = ["n", STEPS, FEATURES] if layout else [STEPS, "n", FEATURES]
    return save_graph(file, nodes, weights, shape, ["n", HORIZON])


def save_graph(
    file: Path, nodes: list[Any], weights: list[Any], taken: list[Any], given: list[Any]
) -> Path:
    """Write nodes from ``x`` to ``y`` as a model."""
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, taken)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, given)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    file.write_bytes(model.SerializeToString())
    onnx.checker.check_model(model)
    return file
