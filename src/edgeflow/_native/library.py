"""The compiled core: ``ffi`` and ``lib`` of cffi, loaded when first asked for."""

from functools import cache
from importlib import import_module
from typing import Any

from edgeflow.errors import ConfigError, MissingExtraError

__all__ = ["ffi", "lib"]

ffi: Any
lib: Any


@cache
def _module() -> Any:
    try:
        import_module("_cffi_backend")
    except ImportError as error:
        raise MissingExtraError("cffi", "mcu") from error
    try:
        return import_module("edgeflow._native._core")
    except ImportError as error:
        raise ConfigError(
            "the firmware core is not compiled for this Python",
            hint="install again with a C compiler at hand, or run: make native",
        ) from error


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(_module(), name)
    raise AttributeError(name)
