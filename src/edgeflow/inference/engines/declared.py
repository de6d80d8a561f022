"""Read the tensors that somebody declares, where the model's file does not tell them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from edgeflow.errors import ConfigError
from edgeflow.inference.engines.base import TensorSpec

__all__ = ["Declared", "read_tensors"]

Declared: TypeAlias = TensorSpec | Mapping[str, Any] | str
"""``TensorSpec``, ``{"name": "x", "dtype": "float32", "shape": [-1, 3]}``, or
``"x: float32[?, 3]"``."""

_SHORT = {"fp16": "float16", "fp32": "float32", "fp64": "float64", "bool": "bool"}
_TEXT = re.compile(r"\s*([^\s:]+)\s*:\s*(\w+)\s*\[([^\]]*)\]\s*")
_KINDS = "biuf"
_HINT = "write it as 'x: float32[?, 3]' or as {name: x, dtype: float32, shape: [-1, 3]}"


def read_tensors(declared: Declared | Iterable[Declared], where: str) -> tuple[TensorSpec, ...]:
    """Return the declared tensors in their order.

    Args:
        declared: one or several.
        where: whose they are, for messages.

    Raises:
        ConfigError: one cannot be read, or two have the same name.
    """
    if isinstance(declared, (TensorSpec, Mapping, str)):
        declared = [declared]
    tensors = tuple(_read(each, where) for each in declared)
    names = [tensor.name for tensor in tensors]
    if len(set(names)) != len(names):
        raise ConfigError(f"{where}: two tensors have the same name", hint=", ".join(names))
    return tensors


def _read(declared: Declared, where: str) -> TensorSpec:
    if isinstance(declared, TensorSpec):
        return declared
    try:
        if isinstance(declared, str):
            return _from_text(declared)
        sizes = declared["shape"]
        return TensorSpec(
            str(declared["name"]), _dtype(declared["dtype"]), tuple(_size(size) for size in sizes)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{where}: tensor {declared!r}: {error}", hint=_HINT) from None


def _from_text(text: str) -> TensorSpec:
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError("cannot be read")
    name, dtype, sizes = match.groups()
    shape = tuple(_size(size) for size in sizes.split(",") if size.strip())
    return TensorSpec(name, _dtype(dtype), shape)


def _dtype(value: object) -> np.dtype[Any]:
    name = str(np.dtype(value)) if isinstance(value, type) else str(value).lower()
    dtype = np.dtype(_SHORT.get(name, name))
    if dtype.kind not in _KINDS:
        raise ValueError(f"{name} is no type of numbers")
    return dtype


def _size(value: object) -> int | None:
    """Return a size; None for None, ``?`` and -1, which all mean any."""
    if value is None or str(value).strip() in ("?", "-1"):
        return None
    size = int(str(value))
    if size < 0:
        raise ValueError(f"{size} is no size")
    return size
