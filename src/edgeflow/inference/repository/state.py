"""What an operator has decided about the models of a folder, apart from what their authors wrote.

One small JSON file for each model in the folder ``.state``; replaced as a whole, so that a server
that looks at the same folder never reads half of one.
"""

import os
from pathlib import Path
from typing import Literal

import msgspec

from edgeflow.errors import ConfigError

__all__ = ["STATE_FOLDER", "ModelState", "read_state", "write_state"]

STATE_FOLDER = ".state"
_MAX_BYTES = 4096


class ModelState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Decisions about one model.

    Attributes:
        version: the one that answers, whatever its metadata says and what is newer.
        pinned: overrides the metadata.
        wanted: whether it was last asked to be loaded or unloaded.
        asked: grows with each such wish.
    """

    version: str | None = None
    pinned: bool | None = None
    wanted: Literal["", "loaded", "unloaded"] = ""
    asked: int = 0


def read_state(folder: Path, name: str) -> ModelState:
    """Return the decisions about a model; none when there is no file.

    Raises:
        ConfigError: the file is damaged.
    """
    path = _path(folder, name)
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_MAX_BYTES), type=ModelState)
    except FileNotFoundError:
        return ModelState()
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{path}: {error}", hint="delete the file to begin anew") from None


def write_state(folder: Path, name: str, state: ModelState) -> None:
    """Replace the decisions about a model.

    Raises:
        ConfigError: the file cannot be written.
    """
    path = _path(folder, name)
    part = path.with_name(f".{name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(exist_ok=True)
        part.write_bytes(msgspec.json.encode(state))
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise ConfigError(f"{path}: {error.strerror}") from None


def _path(folder: Path, name: str) -> Path:
    return folder / STATE_FOLDER / f"{name}.json"
