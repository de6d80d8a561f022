"""``compose``: a flow onto one host, with Compose."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeflow.cli.failures import user_code
from edgeflow.cli.terminal import narrate, new_group, write
from edgeflow.cli.verbs.deploy import (
    BaseOption,
    FileArgument,
    ImageOption,
    RegistryOption,
    SourceOption,
)

if TYPE_CHECKING:
    from edgeflow.deploy.building import Recipe
    from edgeflow.deploy.compose.infrastructure import Infrastructure
    from edgeflow.deploy.compose.placing import Place
    from edgeflow.deploy.workloads import Stack

group = new_group()

FOLDER = Path("compose")


@group.command(epilog="Example: edgeflow compose main.py")
def compose(
    file: FileArgument,
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder that is written.")] = FOLDER,
    stdout: Annotated[
        bool, typer.Option("--stdout", help="Print the Compose file, and write nothing.")
    ] = False,
    public: Annotated[
        bool, typer.Option("--public", help="Publish ports to other hosts, too.")
    ] = False,
    beside: Annotated[
        str,
        typer.Option(
            "--with",
            metavar="LIST",
            help="Servers beside it: clickhouse, grafana, mosquitto, prometheus.",
        ),
    ] = "",
    registry: RegistryOption = None,
    image: ImageOption = None,
    base: BaseOption = None,
    source: SourceOption = None,
) -> None:
    """Write a Compose file that runs a flow on one host.

    With it come the folder the image is built from, and a file of secrets that is made once,
    readable by you only.
    """
    from edgeflow.deploy.building import Recipe, usual_platform
    from edgeflow.deploy.compose.document import document
    from edgeflow.deploy.compose.infrastructure import infrastructure
    from edgeflow.deploy.compose.writing import check_folder, text_of
    from edgeflow.deploy.contexts import framework
    from edgeflow.deploy.dockerfile import BASE

    names = [name.strip() for name in beside.split(",") if name.strip()]
    servers = infrastructure(names, framework(source)) if names else None
    stack = _planned(file, servers.secrets if servers is not None else ())
    folder = None if stdout else out
    if folder is not None:
        check_folder(folder, stack.image.folder)
    recipe = None
    if image is None:
        recipe = Recipe(stack.image, framework(source), base or BASE, usual_platform())
    reference = image or _reference(stack, recipe, registry, folder)
    place = _place(reference, registry, servers, builds=recipe is not None, public=public)
    made = document(stack, place, servers)
    if folder is None:
        write(text_of(made).rstrip("\n"))
    else:
        _write(folder, stack, place, made, servers)


def _planned(file: Path, keys: "Sequence[str]") -> "Stack":
    """Return the stack of a file, where secrets of servers stand in for their values."""
    from edgeflow.deploy.compose.document import remarks
    from edgeflow.deploy.planning import plan_file

    with redirect_stdout(sys.stderr), user_code(), _standing_in(keys):
        stack = plan_file(file)
    for warning in (*stack.warnings, *remarks(stack)):
        narrate(f"warning: {warning}")
    return stack


@contextmanager
def _standing_in(keys: "Sequence[str]") -> "Iterator[None]":
    added = {key: "made-with-the-compose-file" for key in keys if key not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for key in added:
            del os.environ[key]


def _reference(
    stack: "Stack", recipe: "Recipe | None", registry: str | None, folder: Path | None
) -> str:
    """Return what the image is called; what it is built from is written into ``folder/image``."""
    from edgeflow.deploy.building import reference_of, tag_of
    from edgeflow.deploy.folders import write_image

    reference_of(stack.image, registry, "latest")  # fail before the work
    if recipe is None:
        return ""
    tag = tag_of(recipe) if folder is None else write_image(folder, recipe)
    return reference_of(stack.image, registry, tag)


def _place(
    reference: str,
    registry: str | None,
    servers: "Infrastructure | None",
    *,
    builds: bool,
    public: bool,
) -> "Place":
    from edgeflow.deploy.compose.placing import Place

    return Place(
        reference,
        builds=builds,
        pulls=registry is not None,
        address="" if public else "127.0.0.1",
        taken=servers.ports if servers is not None else frozenset(),
    )


def _write(
    folder: Path,
    stack: "Stack",
    place: "Place",
    made: "dict[str, Any]",
    servers: "Infrastructure | None",
) -> None:
    from edgeflow.deploy.compose.infrastructure import write_files
    from edgeflow.deploy.compose.placing import published
    from edgeflow.deploy.compose.secrets_file import ENV, add_secrets
    from edgeflow.deploy.compose.writing import write_compose

    path = write_compose(folder, made)
    generated = list(dict.fromkeys([*stack.secrets, *(servers.secrets if servers else ())]))
    wanted = [key for key in stack.wanted_secrets if key not in generated]
    missing = add_secrets(folder, generated, wanted, os.environ)
    narrate(f"wrote {path}, {folder / ENV}" + (f", {folder / 'image'}" if place.builds else ""))
    if servers is not None:
        write_files(folder, servers, stack)
    for key in missing:
        narrate(f"  Fill in {key} in {folder / ENV}: there is no variable of that name here")
    narrate(f"  Start   docker compose --file {path} up --detach")
    for (_, name), number in published(stack, place).items():
        if name == "http":
            narrate(f"  Open    http://localhost:{number}/dashboard, token EDGEFLOW_TOKEN in .env")
