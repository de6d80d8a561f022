"""``new``: a project that runs as it is."""

import re
import sys
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from edgeflow.assets.projects import copy_project
from edgeflow.cli.terminal import narrate, new_group, write
from edgeflow.errors import ConfigError, did_you_mean

group = new_group()

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_SUFFIX = ".in"
"""Ends the name of every template file, so that no tool takes it for code of this package."""

_EXAMPLES = {"gateway": "edge_gateway"}
"""Templates that are copied as they are, and their folder in ``edgeflow.systems``."""


@group.command(epilog="Example: edgeflow new my-flow --template frames")
def new(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="Folder to make.")],
    template: Annotated[
        str, typer.Option("--template", "-t", metavar="NAME", help="What to start from.")
    ] = "frames",
) -> None:
    """Write a project that runs as it is.

    Templates: frames (Python: a camera, a node of your own, the dashboard; without a camera it
    draws a picture itself); gateway (YAML: a camera and a sensor, models, zones, an agent of your
    own). Nothing that exists is overwritten.
    """
    if template not in (known := templates()):
        raise ConfigError(f"there is no template {template!r}", hint=did_you_mean(template, known))
    if not _NAME.fullmatch(name.name):
        raise ConfigError(
            f"{name.name!r} is no name for a project",
            hint="use letters, digits, '-' and '_', starting with a letter; at most 40",
        )
    try:
        files = create(name, template)
    except OSError as error:
        raise ConfigError(f"{name} cannot be written: {error.strerror}") from None
    for file in files:
        write(str(file))
    start = f"{_python()} main.py" if template == "frames" else "less README.md"
    narrate(f"\nNext:  cd {name} && {start}\nThen open http://127.0.0.1:8000/dashboard")


def templates() -> list[str]:
    """Return the names of the templates."""
    return ["frames", *_EXAMPLES]


def create(folder: Path, template: str) -> list[Path]:
    """Write the files of a template into a new or empty folder; return them.

    Raises:
        ConfigError: there is something in the folder already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and is not empty", hint="choose another name")
    if template in _EXAMPLES:
        return copy_project(resources.files("edgeflow.systems") / _EXAMPLES[template], folder)
    source = resources.files("edgeflow.cli") / "templates" / template
    return _copy(source, folder, {"name": folder.name})


def _copy(source: Traversable, target: Path, values: dict[str, str]) -> list[Path]:
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for entry in sorted(source.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            written += _copy(entry, target / entry.name, values)
        elif entry.name.endswith(_SUFFIX):
            name = entry.name.removesuffix(_SUFFIX)
            file = target / (".gitignore" if name == "gitignore" else name)
            file.write_text(Template(entry.read_text("utf-8")).substitute(values), "utf-8")
            written.append(file)
    return written


def _python() -> str:
    return "python" if sys.prefix != sys.base_prefix else Path(sys.executable).name
