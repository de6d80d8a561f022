"""A result for some of a node's links only."""

from typing import Any

import msgspec

__all__ = ["Output"]


class Output(msgspec.Struct, frozen=True, eq=False):
    """What a node returns to send a frame along the links of one output.

    Links declared with ``output=name`` get only these; links declared without get every frame.
    When the node has links with outputs, a name that none of them has is an error.

    Attributes:
        name: the output.
        value: anything a node may return: data, ``(data, meta)`` or a ``Frame``.
    """

    name: str
    value: Any
