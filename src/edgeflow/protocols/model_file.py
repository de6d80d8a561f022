"""Model files of boards: the reference file LST0 with its ``model_meta.json``, the container EFM1.

``parse_model`` takes both, checks everything that the firmware core checks, and says what is wrong;
``lstm_file``, ``lstm_meta`` and ``efm1`` write them. Source: ``docs/model_format.md``.
"""

import hashlib
import json
import struct
import zlib
from typing import Any, Final

from edgeflow.errors import ConfigError
from edgeflow.protocols.model_container import CONTAINER_MAGIC, ModelFile, decode, efm1
from edgeflow.protocols.model_layers import Activation, Layer, Op, layer_operations, quantise_layer
from edgeflow.protocols.model_lstm import decode_float32, encode_float32, quantise_lstm
from edgeflow.protocols.model_parts import (
    Int8LstmWeights,
    LstmWeights,
    SelfTestVector,
    check_dimensions,
    lstm_operations,
    lstm_parameters,
    refuse,
)

__all__ = [
    "CONTAINER_MAGIC",
    "MAX_META_BYTES",
    "REFERENCE_MAGIC",
    "Activation",
    "Int8LstmWeights",
    "Layer",
    "LstmWeights",
    "ModelFile",
    "Op",
    "SelfTestVector",
    "check_meta",
    "efm1",
    "lstm_file",
    "lstm_meta",
    "operations",
    "parse_model",
    "quantise_layer",
    "quantise_lstm",
]

REFERENCE_MAGIC: Final = b"LST0"
MAX_META_BYTES: Final = 65536
_REFERENCE: Final = struct.Struct("<4s4HI")


def lstm_file(weights: LstmWeights, *, steps: int) -> bytes:
    """Return the reference file ``model_fp32.bin`` of an LSTM that takes ``steps`` time steps.

    Raises:
        ConfigError: shapes, sizes or values are wrong.
    """
    features, horizon, hidden = weights.dimensions()
    check_dimensions(steps, features, horizon, hidden)
    header = _REFERENCE.pack(REFERENCE_MAGIC, steps, features, horizon, hidden, 0)
    return header + encode_float32(weights)


def lstm_meta(model: ModelFile) -> bytes:
    """Return the ``model_meta.json`` that belongs to a model."""
    meta = {"T": model.steps, "F": model.features, "H": model.horizon, "hidden": model.hidden}
    return json.dumps(meta | {"parameters": model.parameters}, indent=2).encode() + b"\n"


def parse_model(file: bytes) -> ModelFile:
    """Read and check a model file of either format.

    Raises:
        ConfigError: it is no model file, or contradicts itself; the message names the place.
    """
    file = bytes(file)
    if file[:4] == CONTAINER_MAGIC:
        return decode(file)
    if file[:4] != REFERENCE_MAGIC:
        raise refuse(
            f"it starts with {file[:4]!r}, not with LST0 or EFM1",
            "give a model_fp32.bin or a container; edgeflow mcu export writes both",
        )
    return _parse_reference(file)


def _parse_reference(file: bytes) -> ModelFile:
    if len(file) < _REFERENCE.size:
        raise refuse(f"{len(file)} bytes; a header has {_REFERENCE.size}", "the file is cut off")
    _, steps, features, horizon, hidden, _ = _REFERENCE.unpack_from(file)
    check_dimensions(steps, features, horizon, hidden)
    parameters = lstm_parameters(features, horizon, hidden)
    size = _REFERENCE.size + 4 * parameters
    if len(file) < size:
        raise refuse(
            f"{len(file)} bytes; T {steps}, F {features}, H {horizon}, hidden {hidden} need {size}",
            "the file is cut off, or its header belongs to another model",
        )
    payload = file[_REFERENCE.size : size]
    return ModelFile(
        kind="lstm",
        dtype="float32",
        steps=steps,
        features=features,
        horizon=horizon,
        hidden=hidden,
        parameters=parameters,
        file_bytes=size,
        crc32=zlib.crc32(payload),
        sha256=hashlib.sha256(payload).hexdigest(),
        weights=decode_float32(payload, features, horizon, hidden),
        reference=True,
    )


def operations(model: ModelFile) -> tuple[int, int]:
    """Return the multiply-adds, and the sigmoids, tanhs and exponentials, of one run."""
    if isinstance(model.weights, tuple):
        return layer_operations(model.weights)
    return lstm_operations(model.steps, model.features, model.horizon, model.hidden)


def check_meta(meta: bytes, model: ModelFile) -> dict[str, Any]:
    """Compare ``model_meta.json`` with the model that it came with, and return it.

    Raises:
        ConfigError: it is no JSON object, lacks T, F, H or hidden, or says something else than the
            binary does.
    """
    read = _read_meta(meta)
    own = {"T": model.steps, "F": model.features, "H": model.horizon, "hidden": model.hidden}
    for key, value in own.items():
        if key not in read:
            raise _wrong_meta(f"{key} is missing", f"add {key!r}: {value}")
        _compare(key, read[key], value)
    for key in ("parameters", "parameter_count"):
        if key in read:
            _compare(key, read[key], model.parameters)
    return read


def _read_meta(meta: bytes) -> dict[str, Any]:
    if len(meta) > MAX_META_BYTES:
        raise _wrong_meta(f"{len(meta)} bytes; at most {MAX_META_BYTES}", "give the right file")
    try:
        read = json.loads(meta)
    except (ValueError, RecursionError) as error:
        raise _wrong_meta(f"no JSON: {error}", "give an object with T, F, H and hidden") from error
    if not isinstance(read, dict):
        raise _wrong_meta("no object", "give an object with T, F, H and hidden")
    return read


def _compare(key: str, found: Any, own: int) -> None:
    if isinstance(found, bool) or not isinstance(found, int) or found != own:
        text = repr(found)[:40]
        raise _wrong_meta(
            f"{key} is {text}, and the binary says {own}",
            "give the meta and the binary of the same export",
        )


def _wrong_meta(what: str, hint: str) -> ConfigError:
    return ConfigError(f"model_meta.json: {what}", hint=hint)
