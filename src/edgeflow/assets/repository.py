"""A model repository filled with what can be pulled or made: ``NAME/VERSION/model.onnx``."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from edgeflow.assets.derived import DERIVED, derive
from edgeflow.assets.labels import read_labels
from edgeflow.assets.puller import Progress, locked, no_progress
from edgeflow.errors import AssetError

__all__ = ["build_repository"]

_LOCK_SECONDS = 60.0


def build_repository(
    folder: Path, names: Iterable[str] | None = None, *, progress: Progress = no_progress
) -> dict[str, Path]:
    """Put models into a repository folder.

    A model whose newest version is the same file stays as it is; another file becomes the next
    version. A version appears at once and whole. The names of classes lie beside the versions as
    ``labels.txt``.

    Args:
        folder: the repository; it is made if it is not there.
        names: which derived models; all if not given.
        progress: told about every stage of every source.

    Returns:
        The model file of each name.

    Raises:
        AssetError: a model cannot be had, or the folder cannot be written.
        MissingExtraError: a package that makes one is not installed.
    """
    chosen = list(DERIVED) if names is None else list(names)
    made = {name: derive(name, progress=progress) for name in chosen}
    try:
        return {name: _put(folder / name, name, file) for name, file in made.items()}
    except OSError as error:
        raise AssetError(f"{folder}: the repository cannot be written: {error}") from None


def _put(folder: Path, name: str, file: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock", _LOCK_SECONDS):
        return _put_alone(folder, name, file)


def _put_alone(folder: Path, name: str, file: Path) -> Path:
    versions = [int(each.name) for each in folder.iterdir() if each.name.isdecimal()]
    newest = folder / str(max(versions, default=0)) / "model.onnx"
    _write_labels(folder, DERIVED[name].labels)
    if newest.is_file() and _hash(newest) == _hash(file):
        return newest
    target = folder / str(max(versions, default=0) + 1)
    for abandoned in folder.glob(".new-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as scratch:
        version = Path(scratch, "version")
        version.mkdir()
        shutil.copyfile(file, version / "model.onnx")
        version.replace(target)
    return target / "model.onnx"


def _write_labels(folder: Path, labels: str) -> None:
    if not labels:
        return
    text = "\n".join(read_labels(labels)) + "\n"
    target = folder / "labels.txt"
    if target.is_file() and target.read_text("utf-8") == text:
        return
    aside = folder / ".labels"
    aside.write_text(text, "utf-8")
    aside.replace(target)


def _hash(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
