"""``${NAME}``, ``${NAME:-default}`` and ``${file:/run/secrets/x}`` in the text of a YAML file."""

import re
from collections.abc import Mapping
from pathlib import Path

from edgeflow.errors import ConfigError

__all__ = ["Interpolated", "MissingValueError", "interpolate"]

MAX_SECRET_BYTES = 64 * 1024
_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Interpolated(str):
    """A text of which part came from outside; messages show ``source`` instead of it."""

    __slots__ = ("source",)

    source: str


class MissingValueError(ConfigError):
    """A reference that leads nowhere."""

    code = "EF-CONFIG-017"


def interpolate(text: str, *, folder: Path, environment: Mapping[str, str]) -> Interpolated:
    """Replace every reference in ``text``; ``$${`` stands for ``${`` itself.

    The result is always text (where a number is wanted, text that is one will do), and what was
    put in is not looked at again.

    Args:
        text: a scalar of the file.
        folder: what a relative path starts from.
        environment: where names are looked up; a default also stands in for an empty value.

    Raises:
        MissingValueError: no such variable or file and no default, or the reference is not valid.
    """

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        reference = match[1]
        if reference is None:
            raise MissingValueError("'${' without '}'", hint="write '$${' for a literal '${'")
        name, has_default, default = reference.partition(":-")
        found = (
            _secret(name.removeprefix("file:"), folder)
            if name.startswith("file:")
            else _variable(name, environment)
        )
        if found or (found is not None and not has_default):
            return found
        if has_default:
            return default
        raise _missing(name)

    made = Interpolated(_REFERENCE.sub(replace, text))
    made.source = text
    return made


def _variable(name: str, environment: Mapping[str, str]) -> str | None:
    if not _NAME.fullmatch(name):
        raise MissingValueError(
            f"'${{{name}}}' is no reference",
            hint="write ${NAME}, ${NAME:-default} or ${file:/path}",
        )
    return environment.get(name)


def _secret(name: str, folder: Path) -> str | None:
    path = folder / name
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SECRET_BYTES + 1)
        if len(raw) > MAX_SECRET_BYTES:
            raise MissingValueError(f"the secret {str(path)!r} is larger than {MAX_SECRET_BYTES} B")
        return raw.decode().rstrip("\r\n")
    except (OSError, ValueError):
        return None


def _missing(name: str) -> MissingValueError:
    if name.startswith("file:"):
        return MissingValueError(
            f"the file {name.removeprefix('file:')!r} cannot be read",
            hint="create it, or give a default: ${file:/path:-default}",
        )
    return MissingValueError(
        f"the environment variable {name} is not set",
        hint=f"set it, or give a default: ${{{name}:-default}}",
    )
