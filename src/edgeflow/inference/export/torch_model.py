"""Read Torch models: a ``state_dict``, a TorchScript archive, or an exported program (``.pt2``).

A ``state_dict`` is read without running anything of it. The other two hold code, which is run to
compare answers: export models of people you trust.
"""

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgeflow.errors import ConfigError, MissingExtraError
from edgeflow.inference.export.aten import layers_of_program, layers_of_script
from edgeflow.inference.export.layer_chain import Chain
from edgeflow.inference.export.lstm_tensors import find_lstm, is_lstm
from edgeflow.inference.export.source import (
    Answer,
    Floats,
    Source,
    agree_on_steps,
    as_answers,
    unusable,
)
from edgeflow.protocols.model_file import LstmWeights

__all__ = ["read_torch"]

_NESTED = ("state_dict", "model_state_dict", "model")
_HINT = "save it with torch.save(model.state_dict(), ...), torch.jit or torch.export"


def read_torch(file: Path, steps: int | None = None) -> Source:
    """Read a Torch model.

    Args:
        file: a state_dict, or what ``torch.jit.save`` or ``torch.export.save`` wrote.
        steps: T, where the file does not tell it.

    Raises:
        MissingExtraError: Torch is not installed.
        ConfigError: it is something else, or no board runs it.
    """
    try:
        import torch
    except ModuleNotFoundError:
        raise MissingExtraError("torch", "torch") from None
    place = file.name
    with warnings.catch_warnings():
        # Torch advises exports instead of TorchScript; that is for those who make the file.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            members = _members(file)
            if any(name.partition("/")[2].startswith("code/") for name in members):
                return _read_script(torch, file, steps)
            if _is_program(members):
                return _read_program(torch, file, steps)
            return _read_state(torch, file, steps)
        except ConfigError:
            raise
        except Exception as error:  # loaders raise whatever their parts raise
            first = str(error).strip().partition("\n")[0][:200]
            raise unusable(place, f"cannot be read as a Torch model: {first}", _HINT) from error


def _members(file: Path) -> list[str]:
    if not zipfile.is_zipfile(file):
        return []
    with zipfile.ZipFile(file) as archive:
        return archive.namelist()


def _is_program(members: list[str]) -> bool:
    return any(name.endswith((".json", "/archive_format", "archive_format")) for name in members)


def _read_state(torch: Any, file: Path, steps: int | None) -> Source:
    state = torch.load(file, map_location="cpu", weights_only=True)
    for key in _NESTED:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    tensors = _arrays(torch, state) if isinstance(state, Mapping) else {}
    if not tensors:
        raise unusable(file.name, "holds no state_dict", _HINT)
    if not is_lstm(tensors):
        raise unusable(
            file.name,
            "is a state_dict without an LSTM, which does not tell what its layers do",
            "give the model itself: torch.export.save, or ONNX",
        )
    weights = find_lstm(file.name, tensors)
    features, horizon, _ = weights.dimensions()
    steps = agree_on_steps(file.name, steps, None)
    answer = _rebuilt(torch, weights)
    return Source("Torch state_dict", weights, steps, features, horizon, answer)


def _arrays(torch: Any, state: Mapping[Any, Any]) -> dict[str, Floats]:
    return {
        str(name): value.detach().float().cpu().numpy()
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }


def _rebuilt(torch: Any, weights: LstmWeights) -> Answer:
    """Return Torch's own LSTM and linear layer with these weights."""
    features, horizon, hidden = weights.dimensions()
    lstm = torch.nn.LSTM(features, hidden, batch_first=True)
    head = torch.nn.Linear(hidden, horizon)
    pairs = [
        (lstm.weight_ih_l0, weights.input),
        (lstm.weight_hh_l0, weights.recurrent),
        (lstm.bias_ih_l0, weights.bias),
        (lstm.bias_hh_l0, np.zeros_like(weights.bias)),
        (head.weight, weights.head),
        (head.bias, weights.head_bias),
    ]

    def answer(samples: Floats) -> Floats:
        with torch.inference_mode():
            given = head(lstm(torch.from_numpy(samples))[0][:, -1])
        return np.ascontiguousarray(given.numpy())

    with torch.no_grad():
        for parameter, values in pairs:
            parameter.copy_(torch.from_numpy(np.array(values)))
    return answer


def _read_script(torch: Any, file: Path, steps: int | None) -> Source:
    module = torch.jit.load(str(file), map_location="cpu").eval()
    tensors = _arrays(torch, module.state_dict())
    if is_lstm(tensors):
        steps = agree_on_steps(file.name, steps, None)
        return _with_lstm(torch, "TorchScript", module, find_lstm(file.name, tensors), steps)
    return _layered(torch, "TorchScript", module, layers_of_script(module, steps))


def _read_program(torch: Any, file: Path, steps: int | None) -> Source:
    from edgeflow.inference.engines.torch import refuse_pickles

    refuse_pickles(torch, file)
    program = torch.export.load(str(file))
    taken = program.graph_signature.user_inputs
    nodes = {node.name: node for node in program.graph.nodes}
    if len(taken) != 1:
        raise unusable(file.name, f"takes {len(taken)} inputs", "a board takes one tensor")
    shape = [size if isinstance(size, int) else None for size in nodes[taken[0]].meta["val"].shape]
    tensors = _arrays(torch, program.state_dict)
    module = program.module()
    if is_lstm(tensors):
        steps = agree_on_steps(file.name, steps, shape[1] if len(shape) == 3 else None)
        return _with_lstm(torch, "Torch export", module, find_lstm(file.name, tensors), steps)
    chain = layers_of_program(program, shape, steps)
    return _layered(torch, "Torch export", module, chain)


def _with_lstm(torch: Any, form: str, module: Any, weights: LstmWeights, steps: int) -> Source:
    features, horizon, _ = weights.dimensions()
    answer = _called(torch, form, module, horizon, lambda samples: samples)
    return Source(form, weights, steps, features, horizon, answer)


def _layered(torch: Any, form: str, module: Any, chain: Chain) -> Source:
    layers = chain.finished()
    horizon = layers[-1].steps_out * layers[-1].channels_out
    answer = _called(torch, form, module, horizon, chain.as_taken)
    return Source(form, layers, chain.steps, chain.features, horizon, answer)


def _called(torch: Any, place: str, module: Any, horizon: int, arrange: Answer) -> Answer:
    """Return the module itself, called once per sample: its batch may be fixed to one."""

    def run(sample: Floats) -> Floats:
        try:
            given = module(torch.from_numpy(sample[None].copy()))
            leaf = torch.utils._pytree.tree_leaves(given)[0]
            values = leaf.float().numpy()
        except Exception as error:  # Torch raises what its operators raise
            first = str(error).strip().splitlines()[-1:] or [type(error).__name__]
            raise unusable(place, f"does not run: {first[0][:200]}", "check --steps") from error
        return as_answers(place, values, 1, horizon)

    def answer(samples: Floats) -> Floats:
        with torch.inference_mode():
            return np.concatenate([run(sample) for sample in arrange(samples)])

    return answer
