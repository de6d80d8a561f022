"""Loosen the fixed sizes written into an ONNX file, on its bytes, without the ``onnx`` package.

Many exports carry the example's sizes (``[10, 3, 32, 32]``) although every operator in them takes
any. ``make_dynamic`` gives all axes but those that ``keep`` names a free size, and takes
initialisers out of the list of inputs, where exporters of IR version 3 had to put them and where
they stop ONNX Runtime from folding constants.

Source: field numbers of ``onnx.proto`` (ModelProto, GraphProto, ValueInfoProto, TypeProto,
TensorShapeProto) and the protobuf wire format: a key ``field << 3 | wire type``, then a varint
(0), 8 bytes (1), a length and bytes (2) or 4 bytes (5).
"""

import itertools
from collections.abc import Callable, Collection, Iterator
from typing import TypeAlias

__all__ = ["make_dynamic"]

_MODEL_IR_VERSION, _MODEL_GRAPH = 1, 7
_GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_VALUE_INFO = 5, 11, 12, 13
_TENSOR_NAME, _VALUE_NAME, _VALUE_TYPE = 8, 1, 2
_TYPE_TENSOR, _TENSOR_SHAPE, _SHAPE_DIM = 1, 2, 1
_DIM_PARAM = 2
_VARINT, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}
_IR_WITH_SEPARATE_INITIALIZERS = 4

Value: TypeAlias = bytes | int


def make_dynamic(model: bytes, keep: Collection[int] = (1,)) -> bytes:
    """Return the model with free sizes on every axis of its inputs and outputs but ``keep``.

    Args:
        model: an ONNX file.
        keep: axes whose size stays as written; by default the channels of NCHW.

    Raises:
        ValueError: the bytes are not an ONNX model.
    """
    graphs = 0

    def edit(number: int, value: Value) -> Value:
        nonlocal graphs
        if number == _MODEL_GRAPH and isinstance(value, bytes):
            graphs += 1
            return _loosen_graph(value, keep)
        if number == _MODEL_IR_VERSION and isinstance(value, int):
            return max(value, _IR_WITH_SEPARATE_INITIALIZERS)
        return value

    loosened = _rewrite(model, edit)
    if graphs != 1:
        raise ValueError(f"there are {graphs} graphs in it, not one")
    return loosened


def _loosen_graph(graph: bytes, keep: Collection[int]) -> bytes:
    constants = {
        _find(value, _TENSOR_NAME)
        for number, _, value in _fields(graph)
        if number == _GRAPH_INITIALIZER and isinstance(value, bytes)
    }

    def edit(number: int, value: Value) -> Value | None:
        if number == _GRAPH_VALUE_INFO:
            return None  # sizes of inner tensors, inferred from the ones that go
        if number not in (_GRAPH_INPUT, _GRAPH_OUTPUT) or isinstance(value, int):
            return value
        name = _find(value, _VALUE_NAME) or b"axis"
        if number == _GRAPH_INPUT and name in constants:
            return None
        return _loosen_value(value, (_VALUE_TYPE, _TYPE_TENSOR, _TENSOR_SHAPE), name, keep)

    return _rewrite(graph, edit)


def _loosen_value(
    message: bytes, way: tuple[int, ...], name: bytes, keep: Collection[int]
) -> bytes:
    """Follow ``way`` from a ValueInfo down to its shape, and free the axes there."""
    if not way:
        return _loosen_shape(message, name, keep)

    def edit(number: int, value: Value) -> Value:
        if number == way[0] and isinstance(value, bytes):
            return _loosen_value(value, way[1:], name, keep)
        return value

    return _rewrite(message, edit)


def _loosen_shape(shape: bytes, name: bytes, keep: Collection[int]) -> bytes:
    axes = itertools.count()

    def edit(number: int, value: Value) -> Value:
        if number != _SHAPE_DIM or (axis := next(axes)) in keep:
            return value
        size = bytearray()
        _append(size, _DIM_PARAM, _BYTES, b"%s_%d" % (name, axis))
        return bytes(size)

    return _rewrite(shape, edit)


def _rewrite(message: bytes, edit: Callable[[int, Value], Value | None]) -> bytes:
    """Return the message with every field's value replaced by ``edit``'s; None removes it."""
    out = bytearray()
    for number, wire, value in _fields(message):
        changed = edit(number, value)
        if changed is not None:
            _append(out, number, wire, changed)
    return bytes(out)


def _find(message: bytes, wanted: int) -> bytes | None:
    for number, _, value in _fields(message):
        if number == wanted and isinstance(value, bytes):
            return value
    return None


def _fields(message: bytes) -> Iterator[tuple[int, int, Value]]:
    """Yield (field number, wire type, value) of one protobuf message."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise ValueError(f"byte {at}: there is no field 0")
        if wire == _VARINT:
            value, at = _read_varint(message, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            length, at = _read_varint(message, at)
        elif wire in _FIXED:
            length = _FIXED[wire]
        else:
            raise ValueError(f"byte {at}: unknown wire type {wire}")
        if length > len(message) - at:
            raise ValueError(f"byte {at}: {length} bytes announced, {len(message) - at} left")
        yield number, wire, message[at : at + length]
        at += length


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError(f"byte {at}: the message ends inside a number")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError(f"byte {at}: a number of more than 10 bytes")


def _append(out: bytearray, number: int, wire: int, value: Value) -> None:
    _append_varint(out, number << 3 | wire)
    if isinstance(value, int):
        _append_varint(out, value)
        return
    if wire == _BYTES:
        _append_varint(out, len(value))
    out += value


def _append_varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
