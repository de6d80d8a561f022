"""``models``: a folder of models and the versions in it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeflow.cli.terminal import JsonOption, narrate, new_group, progress, write, write_json

if TYPE_CHECKING:
    from edgeflow.inference.repository.files import ModelFiles

group = new_group()
verbs = typer.Typer(rich_markup_mode=None)
group.add_typer(verbs, name="models")

FolderOption = Annotated[
    Path, typer.Option("--models", metavar="DIR", help="The folder of models.")
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Which model.")]
HERE = Path("models")


@verbs.callback(epilog="Example: edgeflow models list --models models")
def models() -> None:
    """Look into a folder of models, and change what it serves.

    A server that runs on the folder takes every change over within a second or two, without a
    failed request.
    """


@verbs.command("list", epilog="Example: edgeflow models list --json")
def list_models(folder: FolderOption = HERE, json: JsonOption = False) -> None:
    """List the models of a folder and their versions."""
    from edgeflow.cli.display.outline import align
    from edgeflow.inference.repository.folder import FolderSource

    found = [_facts(each) for each in FolderSource(folder).scan().values()]
    if json:
        write_json(found)
        return
    rows = [("NAME", "VERSION", "VERSIONS", "PINNED", "PROBLEM")]
    rows += [
        (
            each["name"],
            each["version"] or "none",
            " ".join(each["versions"]),
            "yes" if each["pinned"] else "no",
            each["problem"].partition("\n")[0],
        )
        for each in found
    ]
    for line in align(rows):
        write(line)


@verbs.command(epilog="Example: edgeflow models info yolov5n_coco")
def info(
    name: Name,
    version: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Which; the one that answers if not given."),
    ] = None,
    folder: FolderOption = HERE,
    json: JsonOption = False,
) -> None:
    """Load a model and tell what it takes, gives and is set to."""
    from edgeflow.errors import UnknownModelError, did_you_mean
    from edgeflow.inference.engines.open import open_engine
    from edgeflow.inference.repository.editing import find
    from edgeflow.inference.repository.labels import read_labels

    model = find(folder, name)
    file = model.find(version)
    if file is None:
        known = [each.version for each in model.versions]
        raise UnknownModelError(
            f"model {name!r} has no version {version!r}",
            hint=model.problem or did_you_mean(version or "", known),
        )
    settings = file.settings
    with open_engine(file.path, device=settings.device, **settings.options) as engine:
        facts = _facts(model) | {
            "version": file.version,
            "file": str(file.path),
            "bytes": file.stamp[1],
            "platform": engine.platform,
            "device": engine.device,
            "inputs": [str(each) for each in engine.spec.inputs],
            "outputs": [str(each) for each in engine.spec.outputs],
            "labels": len(read_labels(file)),
            "settings": settings.model_dump(mode="json", exclude_unset=True),
        }
    if json:
        write_json(facts)
        return
    for key, value in facts.items():
        if value not in ("", [], {}, None):
            write(f"{key + ':':<10} {_text(value)}")


@verbs.command(epilog="Example: edgeflow models push detector best.onnx")
def push(
    name: Name,
    model: Annotated[
        Path, typer.Argument(metavar="FILE", help="The model; or a folder with model.onnx in it.")
    ],
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Its name; the next number if not given.")
    ] = None,
    folder: FolderOption = HERE,
) -> None:
    """Copy a model in as a new version, after it has been loaded and run once."""
    from edgeflow.inference.repository.editing import push as push_model

    made = push_model(folder, name, model, version)
    write(str(made.path))
    narrate(f"{name} answers with version {made.version} from now on")


@verbs.command(epilog="Example: edgeflow models pull nanodet --models models")
def pull(name: Name, folder: FolderOption = HERE) -> None:
    """Fetch a model of the catalogue, or make it, and put it into the folder."""
    from edgeflow.assets import DERIVED, build_repository
    from edgeflow.assets import pull as pull_asset
    from edgeflow.assets.catalogue import Catalogue
    from edgeflow.cli.verbs.assets import stage_line
    from edgeflow.errors import AssetError, did_you_mean
    from edgeflow.inference.engines.open import is_model
    from edgeflow.inference.repository.editing import push as push_model

    ready = [each.name for each in Catalogue.load() if is_model(Path(each.filename))]
    if name not in (known := [*DERIVED, *ready]):
        raise AssetError(f"there is no model {name!r} to pull", hint=did_you_mean(name, known))
    with progress(f"Looking for {name}") as say:
        if name in DERIVED:
            made = build_repository(
                folder, [name], progress=lambda asset, stage: say(stage_line(asset, stage))
            )
            path = made[name]
        else:
            asset = pull_asset(name, progress=lambda asset, stage: say(stage_line(asset, stage)))
            path = push_model(folder, name, asset).path
    write(str(path))


@verbs.command(epilog="Example: edgeflow models rollback detector")
def rollback(
    name: Name,
    to: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="To which; the one before if not given."),
    ] = None,
    newest: Annotated[
        bool, typer.Option("--newest", help="Undo: the newest answers again.")
    ] = False,
    folder: FolderOption = HERE,
) -> None:
    """Let an older version answer, until the next push."""
    from edgeflow.errors import ConfigError
    from edgeflow.inference.repository import editing

    if newest and to is not None:
        raise ConfigError("--to and --newest contradict each other")
    if newest or to is not None:
        editing.hold(folder, name, to)
    else:
        to = editing.rollback(folder, name)
    narrate(f"{name} answers with {f'version {to}' if to else 'its newest version'} from now on")


@verbs.command(epilog="Example: edgeflow models pin detector")
def pin(
    name: Name,
    off: Annotated[bool, typer.Option("--off", help="No longer.")] = False,
    folder: FolderOption = HERE,
) -> None:
    """Keep a model loaded from the start; the server is not ready before it is."""
    from edgeflow.inference.repository import editing

    editing.pin(folder, name, not off)
    narrate(f"{name} is {'no longer ' if off else ''}pinned")


@verbs.command(epilog="Example: edgeflow models load detector")
def load(name: Name, folder: FolderOption = HERE) -> None:
    """Ask the servers of the folder to load a model now."""
    from edgeflow.inference.repository import editing

    editing.ask(folder, name, loaded=True)
    narrate(f"servers of {folder} load {name}")


@verbs.command(epilog="Example: edgeflow models unload detector")
def unload(name: Name, folder: FolderOption = HERE) -> None:
    """Ask the servers of the folder to let go of a model until its next request."""
    from edgeflow.inference.repository import editing

    editing.ask(folder, name, loaded=False)
    narrate(f"servers of {folder} unload {name}")


def _facts(model: "ModelFiles") -> dict[str, Any]:
    answering = model.find()
    return {
        "name": model.name,
        "version": answering.version if answering else "",
        "versions": [each.version for each in model.versions],
        "held": model.state.version is not None,
        "pinned": model.settings.pinned,
        "problem": model.problem,
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
