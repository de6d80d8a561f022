"""Pull assets into the user's cache: fetched once, verified always, safe in parallel."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

import structlog

from edgeflow.assets.catalogue import Asset, Catalogue
from edgeflow.assets.packages import fetch, read_member
from edgeflow.config import settings
from edgeflow.errors import AssetError

__all__ = [
    "Progress",
    "Stage",
    "cache_folder",
    "is_cached",
    "locked",
    "no_progress",
    "path",
    "pull",
    "pull_all",
]

log = structlog.get_logger(__name__)

_LOCK_POLL = 0.05


class Stage(StrEnum):
    """Where a pull is."""

    CACHED = "cached"
    FETCHING = "fetching"
    VERIFYING = "verifying"
    READY = "ready"


Progress: TypeAlias = Callable[[Asset, Stage], None]
"""Told about every stage of every asset; called from the pulling thread."""


def no_progress(_asset: Asset, _stage: Stage) -> None:
    """Tell nobody."""


def path(name: str, catalogue: Catalogue | None = None) -> Path:
    """Return where the asset lies once it is pulled, whether it is or not.

    Raises:
        AssetError: it is not declared.
    """
    return cache_folder() / (catalogue or Catalogue.load())[name].filename


def is_cached(name: str, catalogue: Catalogue | None = None) -> bool:
    """True when the asset lies in the cache with the declared size. Its hash is not computed."""
    catalogue = catalogue or Catalogue.load()
    return _has_size(path(name, catalogue), catalogue[name])


def pull(
    name: str,
    *,
    catalogue: Catalogue | None = None,
    progress: Progress = no_progress,
    timeout: float = 300.0,
) -> Path:
    """Make sure that the asset is in the cache, and return its file.

    Needs no network when a file with the declared hash is there. Processes that pull the same
    asset at once wait for the first of them.

    Args:
        name: which asset.
        catalogue: where it is declared; the platform's own manifest if not given.
        progress: told about every stage.
        timeout: seconds for another process's pull, and then for our own download.

    Raises:
        AssetError: it is not declared, cannot be fetched, or is not what was declared.
    """
    catalogue = catalogue or Catalogue.load()
    asset = catalogue[name]
    target = path(name, catalogue)
    if _is_intact(target, asset):
        progress(asset, Stage.CACHED)
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.with_suffix(".lock"), timeout):
            if not _is_intact(target, asset):
                _download(asset, target, _siblings(asset, catalogue), progress, timeout)
    except OSError as error:
        raise AssetError(
            f"{asset.name}: the cache cannot be written: {error}",
            hint="set EDGEFLOW_CACHE_DIR to a folder you may write, with room in it",
        ) from None
    progress(asset, Stage.READY)
    return target


def pull_all(
    *, catalogue: Catalogue | None = None, progress: Progress = no_progress, timeout: float = 300.0
) -> dict[str, Path]:
    """Pull every declared asset, one after the other; return their files by name.

    Raises:
        AssetError: one of them cannot be had; those before it are in the cache.
    """
    catalogue = catalogue or Catalogue.load()
    return {
        asset.name: pull(asset.name, catalogue=catalogue, progress=progress, timeout=timeout)
        for asset in catalogue
    }


def cache_folder() -> Path:
    """Return where assets lie."""
    return settings.CACHE_DIR / "assets"


def _siblings(asset: Asset, catalogue: Catalogue) -> list[Asset]:
    """Return the other assets of the same package that are not here: one download serves all."""
    return [
        each
        for each in catalogue
        if (each.index, each.package, each.version) == (asset.index, asset.package, asset.version)
        and each.name != asset.name
        and not is_cached(each.name, catalogue)
    ]


def _download(
    asset: Asset, target: Path, siblings: Iterable[Asset], progress: Progress, timeout: float
) -> None:
    """Fetch, verify and put in place. The caller holds the asset's lock."""
    progress(asset, Stage.FETCHING)
    started = time.monotonic()
    prefix = f".pull-{target.name}-"
    for abandoned in target.parent.glob(f"{prefix}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=prefix) as scratch:
        downloads = Path(scratch, "package")
        downloads.mkdir()
        archive = fetch(asset, downloads, timeout)
        progress(asset, Stage.VERIFYING)
        copy = Path(scratch, "member")
        _write_verified(asset, read_member(archive, asset.path), copy)
        copy.replace(target)
        for sibling in siblings:
            try:
                _write_verified(sibling, read_member(archive, sibling.path), copy)
            except AssetError:
                continue  # whoever pulls that one is told
            copy.replace(target.with_name(sibling.filename))
    seconds = round(time.monotonic() - started, 2)
    log.info("asset_pulled", asset=asset.name, bytes=asset.size, seconds=seconds)


def _write_verified(asset: Asset, chunks: Iterable[bytes], file: Path) -> None:
    """Write what has the declared size and hash; stop reading when it gets longer."""
    digest = hashlib.sha256()
    size = 0
    with file.open("wb") as out:
        for chunk in chunks:
            size += len(chunk)
            if size > asset.size:
                break
            digest.update(chunk)
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    if size != asset.size or digest.hexdigest() != asset.sha256:
        raise AssetError(
            f"{asset.name}: {asset.path} of {asset.package} {asset.version} is not what the "
            "manifest declares (size or sha256 differs)",
            hint="the package was changed or damaged on the way; nothing was kept",
        )


def _has_size(file: Path, asset: Asset) -> bool:
    try:
        return file.stat().st_size == asset.size
    except OSError:
        return False


def _is_intact(file: Path, asset: Asset) -> bool:
    if not _has_size(file, asset):
        return False
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest() == asset.sha256


@contextmanager
def locked(file: Path, timeout: float) -> Iterator[None]:
    """Hold an exclusive lock that the system drops with the process."""
    deadline = time.monotonic() + timeout
    with file.open("ab") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise AssetError(
                        f"{file}: another process has been pulling this for {timeout:g} seconds",
                        hint="end it, then try again",
                    ) from None
            time.sleep(_LOCK_POLL)
        yield
