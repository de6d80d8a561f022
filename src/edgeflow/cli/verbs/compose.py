"""``compose``: a flow onto one host, with Compose."""

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    from edgeflow.deploy.compose.document import remarks
    from edgeflow.deploy.compose.writing import check_folder
    from edgeflow.deploy.contexts import framework
    from edgeflow.deploy.dockerfile import BASE
    from edgeflow.deploy.planning import plan_file

    with redirect_stdout(sys.stderr), user_code():
        stack = plan_file(file)
    for warning in (*stack.warnings, *remarks(stack)):
        narrate(f"warning: {warning}")
    recipe = None
    if image is None:
        recipe = Recipe(stack.image, framework(source), base or BASE, usual_platform())
    if stdout:
        _print(stack, _place(stack, recipe, image, registry, None, public=public))
        return
    check_folder(out, stack.image.folder)
    place = _place(stack, recipe, image, registry, out, public=public)
    _write(out, stack, place)


def _place(
    stack: "Stack",
    recipe: "Recipe | None",
    image: str | None,
    registry: str | None,
    out: Path | None,
    *,
    public: bool,
) -> "Place":
    """Return where the stack goes; what the image is built from is written into ``out``."""
    from edgeflow.deploy.building import reference_of, tag_of
    from edgeflow.deploy.compose.placing import Place
    from edgeflow.deploy.folders import write_image

    address = "" if public else "127.0.0.1"
    if recipe is None:
        return Place(image or "", builds=False, address=address)
    reference_of(stack.image, registry, "latest")  # fail before the work
    tag = tag_of(recipe) if out is None else write_image(out, recipe)
    reference = reference_of(stack.image, registry, tag)
    return Place(reference, pulls=registry is not None, address=address)


def _print(stack: "Stack", place: "Place") -> None:
    from edgeflow.deploy.compose.document import document
    from edgeflow.deploy.compose.writing import text_of

    write(text_of(document(stack, place)).rstrip("\n"))


def _write(out: Path, stack: "Stack", place: "Place") -> None:
    from edgeflow.deploy.compose.document import document
    from edgeflow.deploy.compose.placing import published
    from edgeflow.deploy.compose.secrets_file import ENV, add_secrets
    from edgeflow.deploy.compose.writing import write_compose

    path = write_compose(out, document(stack, place))
    missing = add_secrets(out, stack.secrets, stack.wanted_secrets, os.environ)
    narrate(f"wrote {path}, {out / ENV}" + (f", {out / 'image'}" if place.builds else ""))
    for key in missing:
        narrate(f"  Fill in {key} in {out / ENV}: there is no variable of that name here")
    narrate(f"  Start   docker compose --file {path} up --detach")
    for (_, name), number in published(stack, place).items():
        if name == "http":
            narrate(f"  Open    http://localhost:{number}/dashboard, token EDGEFLOW_TOKEN in .env")
