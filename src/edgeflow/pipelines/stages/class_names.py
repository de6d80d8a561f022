"""Names of classes: of a list that comes along, of a file, or as the YAML has them."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from edgeflow.assets.labels import read_labels
from edgeflow.errors import AssetError, ConfigError

__all__ = ["Labels", "class_names", "name_of"]

Labels = str | list[str] | None

MAX_FILE = 1 << 20
_NOT_IN_91 = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83})


def class_names(labels: Labels) -> Sequence[str]:
    """Return names in the order of the model's outputs.

    Args:
        labels: the names; or a list that comes along (``coco``, and ``coco91`` with background
            and gaps, as SSD models count); or a text file, one name a line.

    Raises:
        ConfigError: there is no such list and no such file.
    """
    if labels is None:
        return ()
    return _read(labels) if isinstance(labels, str) else labels


def name_of(names: Sequence[str], index: int) -> str:
    """Return the name of a class; its number where it has none."""
    return (names[index] if 0 <= index < len(names) else "") or str(index)


@lru_cache(maxsize=32)
def _read(labels: str) -> tuple[str, ...]:
    if labels == "coco91":
        return _coco91()
    if "/" not in labels and "." not in labels:
        try:
            return read_labels(labels)
        except AssetError as error:
            raise ConfigError(error.message, hint=f"{error.hint} or give a file") from None
    file = Path(labels).expanduser()
    try:
        if file.stat().st_size > MAX_FILE:
            raise ConfigError(f"the labels file {labels} is longer than {MAX_FILE} bytes")
        return tuple(line.strip() for line in file.read_text("utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the labels file {labels} cannot be read: {error}") from None


def _coco91() -> tuple[str, ...]:
    names = iter(read_labels("coco"))
    return ("background", *("" if i in _NOT_IN_91 else next(names) for i in range(1, 91)))
