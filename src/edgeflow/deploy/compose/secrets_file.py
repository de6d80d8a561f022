"""The file of secrets beside a Compose file: made once, added to, never changed."""

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgeflow.errors import ConfigError

__all__ = ["ENV", "add_secrets"]

ENV = ".env"
_KEY = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=", re.MULTILINE)
_MOST_BYTES = 1 << 20
_HEAD = "# Secrets of this flow. Not for Git; kept when edgeflow compose is run again.\n"


def add_secrets(
    folder: Path, generated: Sequence[str], wanted: Sequence[str], supplied: Mapping[str, str]
) -> list[str]:
    """Add secrets to ``folder/.env`` that are not there, and return those that nobody supplied.

    Args:
        folder: exists.
        generated: keys whose values are made up.
        wanted: keys whose values are taken from ``supplied``.
        supplied: values by key.

    Raises:
        ConfigError: a value cannot be written so that every Compose reads it alike.
    """
    path = folder / ENV
    known = set(_KEY.findall(_text(path)))
    missing = [key for key in wanted if key not in known and key not in supplied]
    lines = [f"{key}={secrets.token_hex(24)}" for key in generated if key not in known]
    lines += [
        f"{key}={_quoted(key, supplied[key])}"
        for key in wanted
        if key not in known and key in supplied
    ]
    lines += [f"# {key}=" for key in missing if f"# {key}=" not in _text(path).splitlines()]
    if lines:
        _append(path, lines)
    return missing


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _append(path: Path, lines: Sequence[str]) -> None:
    before = _text(path)
    head = ("" if before.endswith("\n") else "\n") if before else _HEAD
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(head + "".join(f"{line}\n" for line in lines))


def _quoted(key: str, value: str) -> str:
    """Return a value in single quotes, where nothing is replaced.

    Readers differ about backslashes before a quote or another backslash, and about ``${``.
    """
    if re.search(r"\\['\\]|\\$|\$\{|[\r\0]", value):
        raise ConfigError(
            f"the value of {key} has a backslash, a ${{ or a control character that readers of "
            f"{ENV} take differently",
            hint=f"leave the variable unset here, and write it into {ENV} yourself",
        )
    return "'" + value.replace("'", r"\'") + "'"
