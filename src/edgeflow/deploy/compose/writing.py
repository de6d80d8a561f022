"""Writes a Compose file into a folder, with what its image is built from and its secrets."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeflow.deploy.compose.secrets_file import ENV
from edgeflow.deploy.contexts import MARK
from edgeflow.deploy.kubernetes.manifests import to_yaml
from edgeflow.errors import ConfigError

__all__ = ["COMPOSE", "check_folder", "text_of", "write_compose"]

COMPOSE = "compose.yaml"
_HEAD = "# Written by edgeflow compose; changes of your own go into compose.override.yaml.\n"


def text_of(document: Mapping[str, Any]) -> str:
    """Return a Compose file as YAML.

    Raises:
        MissingExtraError: PyYAML is not installed.
    """
    return _HEAD + to_yaml([document]).removeprefix("---\n")


def check_folder(folder: Path, project: Path) -> None:
    """Raise ``ConfigError`` where a Compose file would replace somebody else's."""
    if folder.resolve() == project.resolve():
        raise ConfigError(
            f"{folder} is the project itself, which goes into the image",
            hint="name a folder of its own: --out compose",
        )
    if (folder / COMPOSE).exists() and not (folder / MARK).exists():
        raise ConfigError(
            f"{folder / COMPOSE} was not written by edgeflow", hint="name another --out folder"
        )


def write_compose(folder: Path, document: Mapping[str, Any]) -> Path:
    """Write a Compose file into ``folder``, and return its path; Git ignores the secrets."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    (folder / ".gitignore").write_text(f"/{ENV}\n")
    path = folder / COMPOSE
    path.write_text(text_of(document))
    return path
