"""Messages of ROS 2 as plain dicts, and back, by the ``.msg`` definitions of their types."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from edgeflow.errors import ConfigError, PayloadError, did_you_mean
from edgeflow.protocols.cdr import KINDS, SIZES, CdrReader, CdrWriter
from edgeflow.protocols.ros_definitions import DEFINITIONS

__all__ = ["Field", "Message", "decode", "encode", "full_name", "message"]

OCTETS = ("byte", "char", "uint8")
LINE = re.compile(r"(?P<kind>[\w/]+)(\[(?P<size>\d*)\])?\s+(?P<name>[a-z]\w*)")
NAME = re.compile(r"\w+/\w+")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message.

    Attributes:
        kind: a key of ``KINDS``, ``string``, or the full name of a message.
        many: it is an array or a sequence.
        size: of an array; None for a sequence.
        least: bytes that one element takes at least.
    """

    name: str
    kind: str
    many: bool
    size: int | None
    least: int


EMPTY = Field("structure_needs_at_least_one_member", "uint8", False, None, 1)
"""What ROS gives to messages without fields."""


@dataclass(frozen=True, slots=True)
class Message:
    """A type of messages: its full name, and its fields in order."""

    name: str
    fields: tuple[Field, ...]

    @property
    def least(self) -> int:
        """Bytes that a message takes at least."""
        return sum(
            4 if field.many and field.size is None else field.least * (field.size or 1)
            for field in self.fields
        )


def full_name(name: str) -> str:
    """Return ``std_msgs/msg/String`` for that or for ``std_msgs/String``.

    Raises:
        ConfigError: no message of that name is known.
    """
    full = name.replace("/", "/msg/") if NAME.fullmatch(name) else name
    if full not in DEFINITIONS:
        raise ConfigError(
            f"no ROS 2 message {name!r} is known", hint=did_you_mean(full, sorted(DEFINITIONS))
        )
    return full


@cache
def message(name: str) -> Message:
    """Return a type of messages by its full name; definitions never contain themselves."""
    package = name.partition("/")[0]
    fields = tuple(_field(package, line) for line in DEFINITIONS[name].splitlines())
    return Message(
        name, fields or (Field("structure_needs_at_least_one_member", "uint8", False, None, 1),)
    )


def decode(name: str, data: bytes | bytearray | memoryview) -> dict[str, Any]:
    """Return the fields of a message.

    Args:
        name: full name of its type.
        data: CDR with its header.

    Returns:
        Numbers, bools, text, dicts and lists; ``uint8[]`` is a memoryview and other sequences of
        numbers are read-only arrays, both of them views of ``data``; arrays of numbers are lists.

    Raises:
        ProtocolError: the bytes are no such message, or exceed its bounds.
    """
    reader = CdrReader(data)
    fields = _read_message(reader, message(name))
    reader.finish()
    return fields


def encode(name: str, fields: Mapping[str, Any]) -> bytes:
    """Return a message as little-endian CDR; fields that are not given are zero or empty.

    Raises:
        PayloadError: a field is not known, or its value does not fit.
    """
    writer = CdrWriter()
    try:
        _write_message(writer, message(name), fields)
    except PayloadError as error:
        raise PayloadError(f"{name}: {error.message}", hint=error.hint) from None
    return writer.getvalue()


def _field(package: str, line: str) -> Field:
    match = LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"{line!r} declares no field")
    kind, size = match["kind"], match["size"]
    if kind not in KINDS and kind != "string":
        kind = full_name(kind if "/" in kind else f"{package}/{kind}")
    return Field(match["name"], kind, size is not None, int(size) if size else None, _least(kind))


def _least(kind: str) -> int:
    return 4 if kind == "string" else SIZES[kind] if kind in SIZES else message(kind).least


def _read_message(reader: CdrReader, kind: Message) -> dict[str, Any]:
    return {field.name: _read(reader, field) for field in kind.fields}


def _read(reader: CdrReader, field: Field) -> Any:
    if not field.many:
        return _read_one(reader, field.kind)
    count = reader.count(field.least) if field.size is None else field.size
    if field.kind in OCTETS and field.size is None:
        return reader.octets(count)
    if field.kind in KINDS:
        numbers = reader.numbers(field.kind, count)
        return numbers if field.size is None else numbers.tolist()
    return [_read_one(reader, field.kind) for _ in range(reader.objects(count))]


def _read_one(reader: CdrReader, kind: str) -> Any:
    if kind in KINDS:
        return reader.number(kind)
    return reader.text() if kind == "string" else _read_message(reader, message(kind))


def _write_message(writer: CdrWriter, kind: Message, fields: Any) -> None:
    if not isinstance(fields, Mapping):
        raise PayloadError(f"{type(fields).__name__} is no dict of fields")
    known = [field.name for field in kind.fields]
    for name in fields:
        if name not in known:
            raise PayloadError(f"no field {name!r}", hint=did_you_mean(str(name), known))
    for field in kind.fields:
        try:
            _write(writer, field, fields.get(field.name))
        except PayloadError as error:
            raise PayloadError(f"{field.name}: {error.message}", hint=error.hint) from None


def _write(writer: CdrWriter, field: Field, value: Any) -> None:
    if not field.many:
        _write_one(writer, field.kind, value)
        return
    values = [] if value is None and field.size is None else value
    if values is None:
        values = [None] * (field.size or 0)
    count = _length(values)
    if field.size is None:
        writer.number("uint32", count)
    elif count != field.size:
        raise PayloadError(f"{count} elements and not {field.size}")
    if field.kind in KINDS:
        writer.numbers(field.kind, [0] * count if value is None else values)
        return
    for item in values:
        _write_one(writer, field.kind, item)


def _length(values: Any) -> int:
    if isinstance(values, memoryview):
        return values.nbytes
    if isinstance(values, str | Mapping) or not hasattr(values, "__len__"):
        raise PayloadError(f"{type(values).__name__} is no sequence")
    return int(values.size) if hasattr(values, "size") else len(values)


def _write_one(writer: CdrWriter, kind: str, value: Any) -> None:
    if kind in KINDS:
        writer.number(kind, 0 if value is None else value)
    elif kind == "string":
        writer.text("" if value is None else value)
    else:
        _write_message(writer, message(kind), {} if value is None else value)
