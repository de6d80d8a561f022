"""Read ONNX models: one LSTM with a linear head, or a small chain of layers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeflow.errors import ConfigError, MissingExtraError
from edgeflow.inference.export.layer_chain import Chain
from edgeflow.inference.export.onnx_layers import layers_of_graph
from edgeflow.inference.export.onnx_lstm import weights_of_graph
from edgeflow.inference.export.source import (
    Answer,
    Floats,
    Source,
    agree_on_steps,
    as_answers,
    unusable,
)

__all__ = ["read_onnx"]

_MAX_BYTES = 64 << 20


def read_onnx(file: Path, steps: int | None = None) -> Source:
    """Read an ONNX model.

    Args:
        file: with its weights inside.
        steps: T, where the file does not tell it.

    Raises:
        MissingExtraError: the package onnx or onnxruntime is not installed.
        ConfigError: it is something else, or no board runs it.
    """
    try:
        import onnx
    except ModuleNotFoundError:
        raise MissingExtraError("onnx", "convert") from None
    place = file.name
    if file.stat().st_size > _MAX_BYTES:
        raise unusable(place, "is larger than 64 MB", "a board takes a few megabytes at most")
    try:
        model = onnx.load(str(file), load_external_data=False)
        onnx.checker.check_model(model)
        constants = _constants(onnx, place, model.graph)
    except ConfigError:
        raise
    except Exception as error:  # protobuf, the checker and NumPy raise their own
        first = str(error).strip().partition("\n")[0][:200]
        raise unusable(place, f"is no ONNX model: {first}", "export it again") from error
    taken = _taken(place, model.graph, constants)
    if any(node.op_type == "LSTM" for node in model.graph.node):
        return _lstm(file, model.graph, constants, taken, steps)
    chain = Chain(place, taken, steps)
    layers_of_graph(chain, model.graph, constants)
    layers = chain.finished()
    horizon = layers[-1].steps_out * layers[-1].channels_out
    answer = _runner(file, horizon, chain.as_taken)
    return Source("ONNX", layers, chain.steps, chain.features, horizon, answer)


def _constants(onnx: Any, place: str, graph: Any) -> dict[str, Any]:
    """Return every tensor that stands in the file, by name."""
    found = list(graph.initializer)
    for node in graph.node:
        if node.op_type == "Constant":
            values = [each.t for each in node.attribute if each.name == "value"]
            found += [_named(onnx, each, node.output[0]) for each in values]
    for each in found:
        if each.data_location == onnx.TensorProto.EXTERNAL:
            raise unusable(place, "keeps its weights in another file", "save it as one file")
    return {each.name: onnx.numpy_helper.to_array(each) for each in found}


def _named(onnx: Any, tensor: Any, name: str) -> Any:
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    copy.name = name
    return copy


def _taken(place: str, graph: Any, constants: dict[str, Any]) -> list[int | None]:
    """Return the shape of the one input; None for axes that are free."""
    inputs = [each for each in graph.input if each.name not in constants]
    if len(inputs) != 1:
        raise unusable(place, f"takes {len(inputs)} inputs", "a board takes one tensor")
    sizes = inputs[0].type.tensor_type.shape.dim
    return [size.dim_value if size.HasField("dim_value") else None for size in sizes]


def _lstm(
    file: Path,
    graph: Any,
    constants: dict[str, Any],
    taken: Sequence[int | None],
    asked: int | None,
) -> Source:
    weights, steps_first = weights_of_graph(file.name, graph, constants)
    if len(taken) != 3:
        raise unusable(
            file.name, f"takes {len(taken)} dimensions, not 3", "give (batch, steps, features)"
        )
    steps = agree_on_steps(file.name, asked, taken[0] if steps_first else taken[1])
    features, horizon, _ = weights.dimensions()

    def arrange(samples: Floats) -> Floats:
        return samples

    answer = _runner(file, horizon, arrange, batch_axis=1 if steps_first else 0)
    return Source("ONNX", weights, steps, features, horizon, answer)


def _runner(file: Path, horizon: int, arrange: Answer, batch_axis: int = 0) -> Answer:
    """Return ONNX Runtime on the file, called once per sample: its batch may be fixed to one."""
    from edgeflow.inference.engines.onnx import OnnxEngine

    def answer(samples: Floats) -> Floats:
        rows = []
        with OnnxEngine(file, device="cpu") as engine:
            name = engine.spec.inputs[0].name
            output = engine.spec.outputs[0].name
            for sample in arrange(samples):
                given = engine.infer({name: np.expand_dims(sample, batch_axis)})
                rows.append(as_answers(file.name, given[output], 1, horizon))
        return np.concatenate(rows)

    def checked(samples: Floats) -> Floats:
        try:
            return answer(samples)
        except ConfigError:
            raise
        except Exception as error:  # ONNX Runtime raises what its kernels raise
            first = str(error).strip().partition("\n")[0][:200]
            raise unusable(file.name, f"does not run: {first}", "check its input") from error

    return checked
