"""Names of a model's classes."""

from pathlib import Path

from edgeflow.errors import ConfigError
from edgeflow.inference.repository.files import VersionFile

__all__ = ["MAX_LABELS_BYTES", "read_labels"]

MAX_LABELS_BYTES = 4 * 1024 * 1024
DEFAULT_FILE = "labels.txt"


def read_labels(file: VersionFile) -> tuple[str, ...]:
    """Return the names that a version's settings hold, or that stand in the file they name.

    Without either they are the lines of ``labels.txt`` beside the version or the model, if there
    is one.

    Raises:
        ConfigError: the file is missing, too large, or not text.
    """
    labels = file.settings.labels
    if not isinstance(labels, str):
        if labels or Path(file.path).stem != "model":
            return labels
        labels = DEFAULT_FILE
        if not _find(Path(file.path).parent, labels).is_file():
            return ()
    if Path(labels).is_absolute() or ".." in Path(labels).parts:
        raise ConfigError(f"labels: {labels!r} is not a plain path beside the model")
    path = _find(Path(file.path).parent, labels)
    try:
        with path.open("rb") as lines:
            data = lines.read(MAX_LABELS_BYTES + 1)
        text = data.decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", hint="it is named by 'labels'") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8", hint="it is named by 'labels'") from None
    if len(data) > MAX_LABELS_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_LABELS_BYTES} bytes")
    return tuple(text.splitlines())


def _find(folder: Path, name: str) -> Path:
    """Look beside the version, then beside the model."""
    places = (folder / name, folder.parent / name)
    return next((place for place in places if place.is_file()), places[0])
