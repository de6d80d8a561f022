"""Where a secret comes from, so that it need not stand in a command line."""

from collections.abc import Callable, Mapping
from pathlib import Path

from edgeflow.devices.provisioning.keys import Setting
from edgeflow.errors import ConfigError

__all__ = ["is_in_clear", "resolve"]

_MAX_BYTES = 4096


def is_in_clear(setting: Setting, text: str) -> bool:
    """Tell whether this is a secret itself, and not the place where it is."""
    return setting.secret and bool(text) and text != "-" and not text.startswith(("env:", "file:"))


def resolve(
    setting: Setting, text: str, *, ask: Callable[[str], str], environment: Mapping[str, str]
) -> str:
    """Return what ``-`` (asked for), ``env:NAME`` or ``file:PATH`` mean; other texts as they are.

    Only secrets and keys are looked up like this.

    Raises:
        ConfigError: there is no such variable, or the file cannot be read.
    """
    if not setting.secret and setting.form != "key":
        return text
    if text == "-":
        return ask(f"{setting.name}: ")
    kind, _, place = text.partition(":")
    if kind == "env" and place:
        if place not in environment:
            raise ConfigError(f"{setting.flag}: the environment has no variable {place}")
        return environment[place]
    return _read(setting, Path(place).expanduser()) if kind == "file" and place else text


def _read(setting: Setting, path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        text = data.decode()
    except (OSError, ValueError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or "no UTF-8 text"
        raise ConfigError(f"{setting.flag}: {path} cannot be read: {why}") from None
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{setting.flag}: {path} is longer than {_MAX_BYTES} bytes")
    return text.removesuffix("\n").removesuffix("\r")
