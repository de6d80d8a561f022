"""Change a folder of models so that a server that watches it never sees half a change."""

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgeflow.errors import ConfigError, EngineError, UnknownModelError, did_you_mean
from edgeflow.inference.engines.open import SUFFIXES, is_model, open_engine
from edgeflow.inference.repository.files import ModelFiles, check_name
from edgeflow.inference.repository.folder import FLAT_VERSION, METADATA_SUFFIXES, FolderSource
from edgeflow.inference.repository.settings import ModelSettings
from edgeflow.inference.repository.state import read_state, write_state

__all__ = ["MAX_MODEL_BYTES", "Pushed", "ask", "find", "hold", "pin", "push", "rollback"]

MAX_MODEL_BYTES = 8 * 1024**3
"""Largest version that is copied in, with the files beside its model."""

ABANDONED_S = 3600.0
"""Age at which an unfinished push is no longer waited for."""

_SCRATCH = ".push-"
_MAX_FILES = 1000


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push has made."""

    name: str
    version: str
    path: Path


def find(folder: Path, name: str) -> ModelFiles:
    """Return a model of a folder.

    Raises:
        UnknownModelError: there is none of that name.
        ConfigError: the folder cannot be read.
    """
    models = FolderSource(folder).scan()
    if name not in models:
        raise UnknownModelError(
            f"{folder}: there is no model {name!r}", hint=did_you_mean(name, list(models))
        )
    return models[name]


def push(folder: Path, name: str, model: Path, version: str | None = None) -> Pushed:
    """Copy a model in as a new version, after it has been loaded and run once.

    A version that an earlier rollback holds is let go of: the new one is what answers.

    Args:
        folder: the repository; it is made if it is not there.
        name: of the model.
        model: a file; or a folder with a file ``model.onnx`` (or another suffix) and what belongs
            to it.
        version: its name; the next number if not given.

    Raises:
        ConfigError: a name is not usable, the version is there already, or a file too large.
        EngineError: the model cannot be loaded, or not run.
    """
    check_name(name)
    if version is not None:
        check_name(version, "version")
    files = _files_of(model)
    try:
        version = _push(folder, name, files, version)
    except OSError as error:
        raise ConfigError(f"{folder}: {name!r} was not changed: {error}") from None
    state = read_state(folder, name)
    if state.version is not None:
        write_state(folder, name, msgspec.structs.replace(state, version=None))
    found = find(folder, name).find(version)
    return Pushed(name, version, Path(found.path) if found else folder / name / version)


def _push(folder: Path, name: str, files: dict[Path, str], version: str | None) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    known = FolderSource(folder).scan().get(name)
    version = version or _next_version(folder / name, known)
    if known is not None and known.find(version) is not None:
        raise ConfigError(f"{folder}: model {name!r} has a version {version!r} already")
    settings = known.settings if known is not None else ModelSettings()
    with tempfile.TemporaryDirectory(dir=folder, prefix=_SCRATCH) as scratch:
        fresh = Path(scratch, ".version")
        fresh.mkdir()
        for source, as_name in files.items():
            _copy(source, fresh / as_name)
        main = next(each for each in fresh.iterdir() if _is_main(each))
        try:
            _verify(main, settings)
        except EngineError as error:
            given = str(next(each for each, as_name in files.items() if as_name == main.name))
            told = error.message.replace(str(main), given)
            raise EngineError(f"{name!r} was not changed: {told}", hint=error.hint) from error
        _place(fresh, folder, name, version)
    return version


def rollback(folder: Path, name: str) -> str:
    """Let the version before the present one answer, until the next push; return it.

    Raises:
        UnknownModelError: there is no such model.
        ConfigError: there is no version before.
    """
    model = find(folder, name)
    present = model.find()
    versions = [each.version for each in model.versions]
    place = versions.index(present.version) if present is not None else len(versions)
    if place == 0:
        raise ConfigError(
            f"model {name!r} has no version before {versions[0] if versions else '?'}",
            hint=f"it has: {', '.join(versions)}",
        )
    hold(folder, name, versions[place - 1])
    return versions[place - 1]


def hold(folder: Path, name: str, version: str | None) -> None:
    """Let one version answer whatever is newer; None for the newest again.

    Raises:
        UnknownModelError: there is no such model or version.
    """
    model = find(folder, name)
    if version is not None and model.find(version) is None:
        known = [each.version for each in model.versions]
        raise UnknownModelError(
            f"model {name!r} has no version {version!r}", hint=did_you_mean(version, known)
        )
    write_state(folder, name, msgspec.structs.replace(model.state, version=version))


def pin(folder: Path, name: str, pinned: bool) -> None:
    """Keep a model loaded and part of readiness, or do not.

    Raises:
        UnknownModelError: there is no such model.
    """
    model = find(folder, name)
    write_state(folder, name, msgspec.structs.replace(model.state, pinned=pinned))


def ask(folder: Path, name: str, *, loaded: bool) -> None:
    """Ask the servers of a folder to load a model now, or to unload it.

    Raises:
        UnknownModelError: there is no such model.
    """
    state = find(folder, name).state
    wanted = msgspec.structs.replace(
        state, wanted="loaded" if loaded else "unloaded", asked=state.asked + 1
    )
    write_state(folder, name, wanted)


def _sweep(folder: Path) -> None:
    """Remove what pushes that were killed have left behind."""
    for each in folder.glob(f"{_SCRATCH}*"):
        if time.time() - each.stat().st_mtime > ABANDONED_S:
            shutil.rmtree(each, ignore_errors=True)


def _is_main(file: Path) -> bool:
    return file.stem == "model" and file.suffix.lower() in SUFFIXES


def _files_of(model: Path) -> dict[Path, str]:
    """Return what to copy, and the names it gets."""
    if model.is_dir():
        files = {each: each.name for each in sorted(model.iterdir()) if each.is_file()}
        if len([each for each in files if _is_main(each)]) != 1:
            raise ConfigError(f"{model}: needs exactly one file model{'|'.join(SUFFIXES)}")
    elif model.is_file() and is_model(model):
        files = {model: f"model{model.suffix.lower()}"}
        beside = model.with_name(f"{model.name}.data")
        if beside.is_file():
            files[beside] = beside.name
    else:
        what = "is no model file" if model.exists() else "there is no such file"
        raise ConfigError(f"{model}: {what}", hint=f"models end with {', '.join(SUFFIXES)}")
    size = sum(each.stat().st_size for each in files)
    if size > MAX_MODEL_BYTES or len(files) > _MAX_FILES:
        raise ConfigError(f"{model}: more than {MAX_MODEL_BYTES} bytes or {_MAX_FILES} files")
    return files


def _next_version(folder: Path, known: ModelFiles | None) -> str:
    versions = {each.version for each in known.versions} if known is not None else set()
    if folder.is_dir():
        versions |= {each.name for each in folder.iterdir() if each.is_dir()}
    return str(max((int(each) for each in versions if each.isdecimal()), default=0) + 1)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as read, target.open("wb") as written:
        shutil.copyfileobj(read, written, 1024 * 1024)
        written.flush()
        os.fsync(written.fileno())


def _verify(model: Path, settings: ModelSettings) -> None:
    """Load a model and run it once, as a server will.

    Raises:
        EngineError: it cannot be, and is not merely one that refuses sizes of 1.
    """
    engine = open_engine(model, device=settings.device, **settings.options)
    with engine:
        try:
            engine.warm_up()
        except EngineError:
            if all(size is not None for each in engine.spec.inputs for size in each.shape[1:]):
                raise


def _place(fresh: Path, folder: Path, name: str, version: str) -> None:
    """Move a complete version to where servers look; a new model appears as a whole too."""
    if (folder / name).is_dir():
        fresh.replace(folder / name / version)
        return
    whole = fresh.with_name(name)
    whole.mkdir()
    flat = _adopt_flat(folder, name, whole)
    fresh.replace(whole / version)
    whole.replace(folder / name)
    for each in flat:
        each.unlink()


def _adopt_flat(folder: Path, name: str, target: Path) -> list[Path]:
    """Take the single file of a model along as its first version; return what it replaces."""
    flat = [folder / f"{name}{suffix}" for suffix in SUFFIXES]
    models = [each for each in flat if each.is_file()]
    if not models:
        return []
    first = target / FLAT_VERSION
    first.mkdir()
    os.link(models[0], first / f"model{models[0].suffix}")
    metadata = [folder / f"{name}{suffix}" for suffix in METADATA_SUFFIXES]
    found = [each for each in metadata if each.is_file()]
    for each in found:
        shutil.copyfile(each, target / f"model{each.suffix}")
    return [models[0], *found]
