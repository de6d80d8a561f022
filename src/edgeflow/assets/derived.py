"""Models that are made from pulled files, or trained, on this machine: made once, then kept."""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import msgspec
import structlog

from edgeflow.assets.catalogue import Catalogue
from edgeflow.assets.puller import Progress, cache_folder, locked, no_progress, pull
from edgeflow.errors import AssetError, did_you_mean

__all__ = ["DERIVED", "Derived", "derive", "is_derived", "path_of_derived"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Derived:
    """How a model is made.

    Attributes:
        name: how the platform calls it.
        sources: what its maker calls them: names of assets, or of other derived ones.
        maker: ``module:function``, called with the source files by name and the file to write.
        revision: to be raised whenever the maker gives something else.
        labels: name of the list of its classes, see ``edgeflow.assets.labels``.
        about: one line for people.
    """

    name: str
    maker: str
    revision: int
    about: str
    sources: Mapping[str, str] = field(default_factory=dict)
    labels: str = ""


_CONVERT = "edgeflow.assets.convert"

DERIVED: dict[str, Derived] = {
    each.name: each
    for each in (
        Derived(
            name="nanodet",
            sources={"graph": "nanodet-graph", "weights": "nanodet-weights"},
            maker=f"{_CONVERT}.tfjs_onnx:convert",
            revision=1,
            labels="coco",
            about="detector of the 80 COCO classes, ONNX, 15 MB",
        ),
        Derived(
            name="yolov5n_coco",
            sources={"model": "nanodet"},
            maker=f"{_CONVERT}.yolov5:wrap",
            revision=1,
            labels="coco",
            about="NanoDet behind the tensors of YOLOv5: takes and gives what that does",
        ),
        Derived(
            name="mobilenet_v2_cls",
            maker=f"{_CONVERT}.air_quality:train",
            revision=1,
            labels="air_quality",
            about="air quality from CO2, humidity and temperature: a small network trained here",
        ),
    )
}
"""All of them, by name."""


class _Receipt(msgspec.Struct):
    """What was made, to tell later whether it is still that."""

    size: int
    sha256: str


def path_of_derived(name: str, catalogue: Catalogue | None = None) -> Path:
    """Return where it lies once it is made. The name changes with its sources and its maker.

    Raises:
        AssetError: there is no such derived asset.
    """
    return cache_folder() / f"{name}-{_fingerprint(name, catalogue or Catalogue.load())[:12]}.onnx"


def is_derived(name: str, catalogue: Catalogue | None = None) -> bool:
    """True when it has been made; its hash is not computed."""
    file = path_of_derived(name, catalogue)
    receipt = _receipt_of(file)
    try:
        return receipt is not None and file.stat().st_size == receipt.size
    except OSError:
        return False


def derive(
    name: str,
    *,
    catalogue: Catalogue | None = None,
    progress: Progress = no_progress,
    timeout: float = 300.0,
) -> Path:
    """Make sure that it has been made from verified sources, and return its file.

    Args:
        name: which.
        catalogue: where its sources are declared; the platform's own manifest if not given.
        progress: told about every stage of every source.
        timeout: seconds for another process that makes it, and for each download.

    Raises:
        AssetError: there is no such one, or it cannot be made.
        MissingExtraError: the package that makes it is not installed.
    """
    catalogue = catalogue or Catalogue.load()
    recipe = _recipe(name)
    target = path_of_derived(name, catalogue)
    if _is_intact(target):
        return target
    sources = {
        role: derive(each, catalogue=catalogue, progress=progress, timeout=timeout)
        if each in DERIVED
        else pull(each, catalogue=catalogue, progress=progress, timeout=timeout)
        for role, each in recipe.sources.items()
    }
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.with_suffix(".lock"), timeout):
            if not _is_intact(target):
                _make(recipe, sources, target)
    except OSError as error:
        raise AssetError(
            f"{name}: the cache cannot be written: {error}",
            hint="set EDGEFLOW_CACHE_DIR to a folder you may write, with room in it",
        ) from None
    return target


def _make(recipe: Derived, sources: Mapping[str, Path], target: Path) -> None:
    """Make it aside, write down what was made, put it in place. The caller holds the lock."""
    started = time.monotonic()
    module, _, function = recipe.maker.partition(":")
    maker = getattr(import_module(module), function)
    prefix = f".make-{target.name}-"
    for abandoned in target.parent.glob(f"{prefix}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=prefix) as scratch:
        made = Path(scratch, f"{recipe.name}.onnx")
        maker(sources, made)
        receipt = _Receipt(size=made.stat().st_size, sha256=_hash(made))
        note = Path(scratch, "receipt")
        note.write_bytes(msgspec.json.encode(receipt))
        with made.open("rb") as file:
            os.fsync(file.fileno())
        note.replace(_note_of(target))
        made.replace(target)
    seconds = round(time.monotonic() - started, 2)
    log.info("asset_made", asset=recipe.name, bytes=receipt.size, seconds=seconds)


def _recipe(name: str) -> Derived:
    recipe = DERIVED.get(name)
    if recipe is None:
        raise AssetError(f"there is no model {name!r}", hint=did_you_mean(name, list(DERIVED)))
    return recipe


def _fingerprint(name: str, catalogue: Catalogue) -> str:
    """Return a hash of everything that the result depends on."""
    recipe = _recipe(name)
    parts = [recipe.maker, str(recipe.revision)]
    for role, each in sorted(recipe.sources.items()):
        known = _fingerprint(each, catalogue) if each in DERIVED else catalogue[each].sha256
        parts += [role, known]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _note_of(file: Path) -> Path:
    return file.with_suffix(".json")


def _receipt_of(file: Path) -> _Receipt | None:
    try:
        return msgspec.json.decode(_note_of(file).read_bytes(), type=_Receipt)
    except (OSError, msgspec.MsgspecError):
        return None


def _is_intact(file: Path) -> bool:
    receipt = _receipt_of(file)
    try:
        return (
            receipt is not None
            and file.stat().st_size == receipt.size
            and _hash(file) == receipt.sha256
        )
    except OSError:
        return False


def _hash(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
