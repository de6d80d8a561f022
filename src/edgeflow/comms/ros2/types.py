"""Messages of ROS 2 as types of Cyclone DDS that carry CDR and leave it to ``ros_messages``."""

from functools import cache
from typing import Any

from edgeflow.comms.ros2.names import dds_type
from edgeflow.protocols.ros_messages import Field, message

__all__ = ["carrier"]


@cache
def carrier(name: str) -> Any:
    """Return a class of samples with one attribute ``cdr``: the whole message as bytes.

    Cyclone DDS checks the bytes against the type on both sides of the wire; its own conversion to
    objects, which takes a list element for each byte of a picture, is left out.

    Args:
        name: full name of a message.
    """
    kind = _declared(name)
    kind.serialize = _serialize
    kind.deserialize = classmethod(_deserialize)
    return kind


@cache
def _declared(name: str) -> Any:
    from cyclonedds.idl import make_idl_struct

    fields = {field.name: _type(field) for field in message(name).fields}
    typename = dds_type(name).replace("::", ".")
    return make_idl_struct(typename.rpartition(".")[2], typename, fields)


def _type(field: Field) -> Any:
    from cyclonedds.idl import types

    plain = {"bool": bool, "string": str, "char": types.uint8, "byte": types.byte}
    one = (
        plain[field.kind]
        if field.kind in plain
        else _declared(field.kind)
        if "/" in field.kind
        else getattr(types, field.kind)
    )
    if not field.many:
        return one
    subscript: Any = types.sequence if field.size is None else types.array
    return subscript[one] if field.size is None else subscript[one, field.size]


def _serialize(sample: Any, *_: Any, **__: Any) -> bytes:
    cdr: bytes = sample.cdr
    return cdr


def _deserialize(kind: Any, data: bytes, *_: Any, **__: Any) -> Any:
    sample = kind.__new__(kind)
    sample.cdr = data
    return sample
