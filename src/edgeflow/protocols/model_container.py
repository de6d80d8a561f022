"""The container EFM1: 128 bytes of header, then the payload."""

import hashlib
import struct
import zlib
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from edgeflow.protocols.model_layers import (
    MAX_VALUES,
    Layer,
    check_chain,
    decode_layers,
    encode_layers,
    layer_parameters,
    widest,
)
from edgeflow.protocols.model_lstm import (
    decode_float32,
    decode_int8,
    encode_float32,
    encode_int8,
)
from edgeflow.protocols.model_parts import (
    MAX_HIDDEN,
    Int8LstmWeights,
    LstmWeights,
    SelfTestVector,
    array_of,
    check_dimensions,
    check_finite,
    lstm_parameters,
    refuse,
)

__all__ = ["CONTAINER_MAGIC", "ModelFile", "Weights", "decode", "efm1"]

CONTAINER_MAGIC: Final = b"EFM1"
HEADER_BYTES: Final = 128
NAME_BYTES: Final = 32
_HEADER: Final = struct.Struct("<4sHHII32sBBH4HIIIII32s12sI")
_KINDS: Final = {1: "lstm", 2: "layers"}
_DTYPES: Final = {0: "float32", 1: "int8"}
_DAMAGED: Final = "the file is damaged; copy or export it again"


Weights: TypeAlias = LstmWeights | Int8LstmWeights | tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file that has been read and checked.

    Attributes:
        kind: ``lstm`` or ``layers``; ``dtype``: ``float32`` or ``int8``.
        steps, features, horizon, hidden: T, F, H and the width.
        weights: read-only arrays that lie in the file's bytes.
        file_bytes: the file's own length; whatever came behind was ignored.
        crc32, sha256: of the payload (hex).
        reference: the file is an LST0.
    """

    kind: str
    dtype: str
    steps: int
    features: int
    horizon: int
    hidden: int
    parameters: int
    file_bytes: int
    crc32: int
    sha256: str
    weights: Weights
    version: int = 0
    name: str = ""
    test: SelfTestVector | None = None
    reference: bool = False


def efm1(
    weights: Weights,
    *,
    steps: int,
    features: int | None = None,
    name: str = "",
    version: int = 0,
    test: SelfTestVector | None = None,
) -> bytes:
    """Return a container of an LSTM (float32 or int8) or of layers.

    Args:
        weights: what it holds; layers are int8 if any of their weights are.
        steps: T of an input.
        features: F of an input; an LSTM's weights say it themselves.
        name: at most 32 bytes of UTF-8.
        version: the user's own number, 0 to 2**32 - 1.
        test: what boards check themselves with.

    Raises:
        ConfigError: shapes, sizes or values are wrong.
    """
    kind, int8, dimensions, parameters, own = _own_part(weights, steps, features)
    vector = b"" if test is None else _encode_test(test, dimensions)
    if not 0 <= version < 2**32:
        raise refuse(f"version is {version}", "give 0 to 4294967295")
    payload = own + vector
    header = _HEADER.pack(
        CONTAINER_MAGIC,
        1,
        HEADER_BYTES,
        len(payload),
        zlib.crc32(payload),
        hashlib.sha256(payload).digest(),
        kind,
        int8,
        0,
        *dimensions,
        version,
        parameters,
        len(own) if vector else 0,
        len(vector),
        len(own),
        _encode_name(name),
        bytes(12),
        0,
    )[:-4]
    return header + struct.pack("<I", zlib.crc32(header)) + payload


def _own_part(
    weights: Weights, steps: int, features: int | None
) -> tuple[int, bool, tuple[int, int, int, int], int, bytes]:
    """Return kind, whether int8, (T, F, H, hidden), parameters, bytes."""
    if isinstance(weights, LstmWeights | Int8LstmWeights):
        inputs, horizon, hidden = weights.dimensions()
        if features not in {None, inputs}:
            raise refuse(f"features is {features}, and the weights take {inputs}", "leave it out")
        check_dimensions(steps, inputs, horizon, hidden)
        int8 = isinstance(weights, Int8LstmWeights)
        own = (
            encode_int8(weights)
            if isinstance(weights, Int8LstmWeights)
            else encode_float32(weights)
        )
        parameters = lstm_parameters(inputs, horizon, hidden)
        return 1, int8, (steps, inputs, horizon, hidden), parameters, own
    if features is None or not weights:
        raise refuse("features or layers are missing", "layers need features=")
    int8 = any(layer.scales is not None for layer in weights)
    horizon = weights[-1].steps_out * weights[-1].channels_out
    check_chain(weights, steps, features, horizon)
    dimensions = (steps, features, horizon, widest(weights))
    check_dimensions(*dimensions, MAX_VALUES)
    own = encode_layers(weights, int8=int8)
    return 2, int8, dimensions, layer_parameters(weights), own


def _encode_test(test: SelfTestVector, dimensions: tuple[int, int, int, int]) -> bytes:
    steps, features, horizon, _ = dimensions
    given = np.ascontiguousarray(test.input, "<f4")
    wanted = np.ascontiguousarray(test.output, "<f4")
    if given.shape != (steps, features) or wanted.shape != (horizon,):
        raise refuse(
            f"the self-test vector is {given.shape} to {wanted.shape}",
            f"give ({steps}, {features}) and ({horizon},)",
        )
    check_finite(given, "input of the self-test vector")
    check_finite(wanted, "output of the self-test vector")
    if not 0 <= test.tolerance < 3e38:
        raise refuse(f"tolerance is {test.tolerance}", "give 0 or more")
    return struct.pack("<f", test.tolerance) + given.tobytes() + wanted.tobytes()


def _encode_name(name: str) -> bytes:
    data = name.encode(errors="surrogatepass")
    if len(data) > NAME_BYTES or not _printable(name):
        raise refuse(
            f"the name {name[:40]!r} has {len(data)} bytes or control characters",
            f"give at most {NAME_BYTES} bytes",
        )
    return data.ljust(NAME_BYTES, b"\0")


def _printable(name: str) -> bool:
    return all(
        character >= " " and character != "\x7f" and not "\ud800" <= character <= "\udfff"
        for character in name
    )


def decode(file: bytes) -> ModelFile:
    """Read and check a container.

    Raises:
        ConfigError: naming the place.
    """
    fields = _header(file)
    payload = file[HEADER_BYTES : HEADER_BYTES + fields["payload"]]
    _check_payload(payload, fields)
    steps, features, horizon, hidden = fields["dimensions"]
    kind, dtype = _KINDS[fields["kind"]], _DTYPES[fields["dtype"]]
    check_dimensions(steps, features, horizon, hidden, MAX_HIDDEN if kind == "lstm" else MAX_VALUES)
    test = _decode_test(payload, fields)
    own = payload[: fields["own"]]
    weights, parameters = _decode_own(own, kind, dtype, fields["dimensions"])
    if parameters != fields["parameters"]:
        raise refuse(
            f"offset 64 says {fields['parameters']} parameters, the dimensions {parameters}",
            _DAMAGED,
        )
    return ModelFile(
        kind=kind,
        dtype=dtype,
        steps=steps,
        features=features,
        horizon=horizon,
        hidden=hidden,
        parameters=parameters,
        file_bytes=HEADER_BYTES + len(payload),
        crc32=fields["crc"],
        sha256=fields["sha256"].hex(),
        weights=weights,
        version=fields["version"],
        name=_decode_name(fields["name"]),
        test=test,
    )


def _header(file: bytes) -> dict[str, Any]:
    if len(file) < HEADER_BYTES:
        raise refuse(f"{len(file)} bytes; a header has {HEADER_BYTES}", "the file is cut off")
    _, form, size, payload, crc, sha256, kind, dtype, flags, *rest = _HEADER.unpack_from(file)
    *dimensions, version, parameters, test_at, test_bytes, own, name, zeros, header_crc = rest
    if zlib.crc32(file[: HEADER_BYTES - 4]) != header_crc:
        raise refuse("offset 124: the CRC-32 of the header is wrong", _DAMAGED)
    if form != 1 or flags != 0 or kind not in _KINDS or dtype not in _DTYPES:
        raise refuse(
            f"format version {form}, kind {kind}, dtype {dtype}, flags {flags} are not known",
            "it may be of a newer EdgeFlow; update, or export again",
        )
    if size != HEADER_BYTES or any(zeros):
        raise refuse("offsets 6 and 112: header bytes are not 128, or padding is not 0", _DAMAGED)
    if payload % 4 or payload > len(file) - HEADER_BYTES:
        raise refuse(
            f"offset 8: a payload of {payload} bytes, and {len(file) - HEADER_BYTES} are there",
            "the file is cut off",
        )
    _decode_name(name)
    return {
        "payload": payload,
        "crc": crc,
        "sha256": sha256,
        "kind": kind,
        "dtype": dtype,
        "dimensions": tuple(dimensions),
        "version": version,
        "parameters": parameters,
        "test_at": test_at,
        "test_bytes": test_bytes,
        "own": own,
        "name": name,
    }


def _check_payload(payload: bytes, fields: dict[str, Any]) -> None:
    if zlib.crc32(payload) != fields["crc"]:
        raise refuse("offset 12: the CRC-32 of the payload is wrong", _DAMAGED)
    if hashlib.sha256(payload).digest() != fields["sha256"]:
        raise refuse("offset 16: the SHA-256 of the payload is wrong", _DAMAGED)
    if fields["own"] > len(payload) or fields["own"] % 4:
        raise refuse(f"offset 76: {fields['own']} bytes in a payload of {len(payload)}", _DAMAGED)


def _decode_name(data: bytes) -> str:
    text, _, behind = data.partition(b"\0")
    try:
        name = text.decode()
    except UnicodeDecodeError as error:
        raise refuse("offset 80: the name is no UTF-8", _DAMAGED) from error
    if any(behind) or not _printable(name):
        raise refuse("offset 80: the name holds control characters", _DAMAGED)
    return name


def _decode_test(payload: bytes, fields: dict[str, Any]) -> SelfTestVector | None:
    steps, features, horizon, _ = fields["dimensions"]
    at, size = fields["test_at"], fields["test_bytes"]
    if size == 0 and at == 0:
        return None
    wanted = 4 * (1 + steps * features + horizon)
    if size != wanted or at % 4 or at < fields["own"] or at + size > len(payload):
        raise refuse(f"offset 68: a self-test vector of {size} bytes at {at}", _DAMAGED)
    first, at = array_of(payload, at, (1,))
    given, at = array_of(payload, at, (steps, features))
    expected, _ = array_of(payload, at, (horizon,))
    for array in (first, given, expected):
        check_finite(array, "the self-test vector")
    if first[0] < 0:
        raise refuse(f"the tolerance of the self-test vector is {first[0]}", _DAMAGED)
    return SelfTestVector(given, expected, float(first[0]))


def _decode_own(
    own: bytes, kind: str, dtype: str, dimensions: tuple[int, int, int, int]
) -> tuple[Weights, int]:
    steps, features, horizon, hidden = dimensions
    if kind == "lstm":
        decode_weights = decode_int8 if dtype == "int8" else decode_float32
        weights = decode_weights(own, features, horizon, hidden)
        return weights, lstm_parameters(features, horizon, hidden)
    layers = decode_layers(own, steps, features, horizon, int8=dtype == "int8")
    if widest(layers) != hidden:
        raise refuse(f"offset 58 says {hidden}, the widest layer has {widest(layers)}", _DAMAGED)
    return layers, layer_parameters(layers)
