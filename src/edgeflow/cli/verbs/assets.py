"""``assets``: models and clips, from package indexes into the user's cache."""

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
    once with the ordinary package clients and verified every time.
    """


@verbs.command("list", epilog="Example: edgeflow assets list --json")
def list_assets(json: JsonOption = False) -> None:
    """List what is declared, and what of it is here."""
    import msgspec

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
    for line in align(rows):
        write(line)


@verbs.command(epilog="Example: edgeflow assets pull centerface")
def pull(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Which; all if none is given.")
    ] = None,
) -> None:
    """Fetch assets into the cache, verify them, and print their paths."""
    from edgeflow.assets import puller
    from edgeflow.assets.catalogue import Catalogue

    catalogue = Catalogue.load()
    chosen = [catalogue[name] for name in names] if names else list(catalogue)
    files = []
    with progress("Looking for assets") as say:

        def tell(asset: "Asset", stage: "Stage") -> None:
            say(stage_line(asset, stage))

        for asset in chosen:
            files.append(puller.pull(asset.name, catalogue=catalogue, progress=tell))
    for file in files:
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
    from edgeflow.assets import puller
    from edgeflow.cli.terminal import narrate

    write(str(puller.path(name)))
    if puller.is_cached(name):
        return 0
    narrate(f"not there yet: edgeflow assets pull {name}")
    return 1
