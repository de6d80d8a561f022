"""Names of classes: one list a file, one name a line, in the order of the model's outputs."""

from importlib.resources import files

from edgeflow.errors import AssetError, did_you_mean

__all__ = ["read_labels"]


def read_labels(name: str) -> tuple[str, ...]:
    """Return a list of class names, such as ``coco``.

    Raises:
        AssetError: there is no such list.
    """
    known = [each.name.removesuffix(".txt") for each in files(__name__).iterdir()]
    known = [each for each in known if each.isidentifier()]
    if name not in known:
        raise AssetError(f"there is no list of labels {name!r}", hint=did_you_mean(name, known))
    return tuple(files(__name__).joinpath(f"{name}.txt").read_text("utf-8").splitlines())
