"""The gRPC messages of the Open Inference Protocol, made from ``open_inference.proto``.

They live in a pool of their own: protobuf refuses two definitions of one name in the shared pool,
and the public clients bring theirs.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeflow.errors import MissingExtraError

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

__all__ = ["SERVICE", "Rpc", "message", "rpcs"]

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"

_SCALARS = {
    "double": 1, "float": 2, "int64": 3, "uint64": 4, "int32": 5, "bool": 8, "string": 9,
    "bytes": 12, "uint32": 13,
}  # fmt: skip
_OPTIONAL, _REPEATED = 1, 3
_MESSAGE, _ENUM = 11, 14

_COMMENT = re.compile(r"//[^\n]*")
_STATEMENT = re.compile(r"\s*(?:([^{};]+?)\s*([{;])|(\}))")
_FIELD = re.compile(r"(repeated )?(?:map<string, (\w+)>|(\w+)) (\w+) = (\d+)")
_RPC = re.compile(r"rpc (\w+)\((stream )?(\w+)\) returns \((?:stream )?(\w+)\)")


class Rpc(NamedTuple):
    """One call of the service."""

    name: str
    streams: bool
    request: str
    response: str


@cache
def message(name: str) -> Any:
    """Return the class of a message.

    Raises:
        MissingExtraError: protobuf is not installed.
    """
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@cache
def rpcs() -> tuple[Rpc, ...]:
    """Return the calls of the service."""
    return tuple(
        Rpc(name, bool(streams), request, response)
        for name, streams, request, response in _RPC.findall(_text())
    )


@cache
def _pool() -> Any:
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool
    except ModuleNotFoundError:
        raise MissingExtraError("protobuf", "grpc") from None
    file = descriptor_pb2.FileDescriptorProto(
        name="edgeflow/open_inference.proto", package=PACKAGE, syntax="proto3"
    )
    statements = (match.groups() for match in _STATEMENT.finditer(_text()))
    _read_file(file, ((head or "", mark or "}") for head, mark, _ in statements))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _text() -> str:
    source = files("edgeflow.protocols").joinpath("open_inference.proto")
    return _COMMENT.sub("", source.read_text("utf-8"))


Statements = Iterator[tuple[str, str]]
"""What stands before ``{``, ``;`` or ``}``, and which of them."""


def _read_file(file: "FileDescriptorProto", statements: Statements) -> None:
    enums: set[str] = set()
    for head, mark in statements:
        kind, _, name = head.partition(" ")
        if mark != "{":
            continue
        if kind == "message":
            _read_message(file.message_type.add(name=name), statements, enums)
        elif kind == "enum":
            enums.add(name)
            _read_enum(file.enum_type.add(name=name), statements)
        else:
            _skip(statements)
    for each in file.message_type:
        _resolve(each, f".{PACKAGE}", enums)


def _read_message(
    found: "DescriptorProto", statements: Statements, enums: set[str], choice: int | None = None
) -> None:
    for head, mark in statements:
        kind, _, name = head.partition(" ")
        if mark == "}":
            return
        if mark == ";":
            _read_field(found, head, choice)
        elif kind == "message":
            _read_message(found.nested_type.add(name=name), statements, enums)
        elif kind == "enum":
            enums.add(name)
            _read_enum(found.enum_type.add(name=name), statements)
        else:
            found.oneof_decl.add(name=name)
            _read_message(found, statements, enums, len(found.oneof_decl) - 1)


def _read_enum(found: Any, statements: Statements) -> None:
    for head, mark in statements:
        if mark == "}":
            return
        name, _, number = head.partition(" = ")
        found.value.add(name=name, number=int(number))


def _skip(statements: Statements) -> None:
    for _, mark in statements:
        if mark == "}":
            return


def _read_field(found: "DescriptorProto", text: str, choice: int | None) -> None:
    match = _FIELD.fullmatch(text)
    assert match is not None, text  # noqa: S101 - the file is ours
    repeated, mapped, kind, name, number = match.groups()
    if mapped:
        entry = f"{name.title().replace('_', '')}Entry"
        pairs = found.nested_type.add(name=entry)
        pairs.options.map_entry = True
        _read_field(pairs, "string key = 1", None)
        _read_field(pairs, f"{mapped} value = 2", None)
        repeated, kind = "repeated", entry
    field = found.field.add(name=name, number=int(number), type_name=kind)
    field.label = _REPEATED if repeated else _OPTIONAL
    if choice is not None:
        field.oneof_index = choice


def _resolve(found: "DescriptorProto", scope: str, enums: set[str]) -> None:
    """Give every field its type: a scalar, or the full name of a message or enum."""
    own = f"{scope}.{found.name}"
    nested = {each.name for each in (*found.nested_type, *found.enum_type)}
    for field in found.field:
        name = field.type_name
        if name in _SCALARS:
            field.type = _SCALARS[name]
            field.ClearField("type_name")
            continue
        field.type = _ENUM if name in enums else _MESSAGE
        field.type_name = f"{own}.{name}" if name in nested else f".{PACKAGE}.{name}"
    for each in found.nested_type:
        _resolve(each, own, enums)
