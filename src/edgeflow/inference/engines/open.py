"""Open a model by what its name says: the suffix of a file, ``module:function``, or a URL."""

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

from edgeflow.errors import ConfigError, EngineError, did_you_mean
from edgeflow.inference.engines.base import Engine

__all__ = ["SUFFIXES", "is_model", "open_engine"]

_ENGINES = "edgeflow.inference.engines"

SUFFIXES: dict[str, tuple[str, str]] = {
    ".onnx": (f"{_ENGINES}.onnx", "OnnxEngine"),
    ".plan": (f"{_ENGINES}.tensorrt", "PlanEngine"),
    ".engine": (f"{_ENGINES}.tensorrt", "PlanEngine"),
    ".pt": (f"{_ENGINES}.torch", "ScriptEngine"),
    ".ts": (f"{_ENGINES}.torch", "ScriptEngine"),
    ".pt2": (f"{_ENGINES}.torch", "ExportedEngine"),
    ".tflite": (f"{_ENGINES}.litert", "LiteRtEngine"),
}
"""Suffix of a model file: the module and class that run it."""

_CALLABLE = (f"{_ENGINES}.callable", "CallableEngine")
_REMOTE = (f"{_ENGINES}.remote", "RemoteEngine")
_BOARD = (f"{_ENGINES}.board", "BoardEngine")

BOARD_SCHEMES = ("serial", "serial+glob", "serial+usb", "rfc2217", "socket")
"""URLs of microcontroller boards."""

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def is_model(path: Path) -> bool:
    """True when the file's suffix is one of a model that can be opened."""
    return path.suffix.lower() in SUFFIXES


def open_engine(
    model: Path | str, *, device: str = "auto", threads: int = 1, **options: Any
) -> Engine:
    """Load a model.

    Args:
        model: a file (``.onnx``, ``.pt2``, ``.pt``, ``.ts``, ``.plan``, ``.engine``, ``.tflite``),
            the dotted path of a Python function (``module:function``), the URL of a model on a
            server (``tcp://host:port/name``), or of a board (``serial:///dev/ttyACM0``).
        device: ``auto``, or a device that the engine knows (``cpu``, ``cuda``...).
        threads: threads that compute one call, at most.
        options: what the engine's class takes besides.

    Raises:
        ConfigError: no engine opens this, or it has no such option.
        MissingExtraError: the engine's package is not installed.
        EngineError: the model is missing, damaged, or not one that can run.
    """
    module, kind = _engine_of(model)
    engine = getattr(import_module(module), kind)
    known = list(inspect.signature(engine).parameters)[1:]
    for option in options:
        if option not in known:
            raise ConfigError(
                f"{model}: its engine has no option {option!r}",
                hint=did_you_mean(option, [each for each in known if each != "device"]),
            )
    opened = engine(model, device=device, threads=threads, **options)
    if not isinstance(opened, Engine):
        raise EngineError(f"{model}: {kind} is no engine")
    return opened


def _engine_of(model: Path | str) -> tuple[str, str]:
    text = str(model)
    scheme, separator, _ = text.partition("://")
    if separator:
        return _BOARD if scheme in BOARD_SCHEMES else _REMOTE
    found = SUFFIXES.get(Path(text).suffix.lower())
    if found is not None:
        return found
    if _DOTTED.fullmatch(text):
        return _CALLABLE
    raise ConfigError(
        f"{text}: no engine opens this",
        hint=f"files end with {', '.join(SUFFIXES)}; functions read module:function",
    )
