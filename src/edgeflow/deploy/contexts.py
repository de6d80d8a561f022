"""What an image is built from: a folder with the project, EdgeFlow itself and a Dockerfile."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

from edgeflow.deploy.dockerfile import FRAMEWORK, PROJECT, dockerfile
from edgeflow.deploy.ignoring import NEVER, Ignored
from edgeflow.deploy.workloads import Image
from edgeflow.errors import ConfigError

__all__ = ["MARK", "framework", "write_context"]

MARK = ".edgeflow-deployment"
"""A folder that holds this file was written by a deployment, and is no part of a project."""
MOST_BYTES = 2 << 30
_SOURCES = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "src", "firmware")
_FOLDERS = ("firmware/core", "firmware/host", "src")
"""Parts of EdgeFlow's own sources that an installation needs."""
_OWN_REQUIREMENT = re.compile(r"^\s*edgeflow\s*([\[<>=!~;@#].*)?$", re.IGNORECASE)


def framework(wanted: str | None = None) -> Path | str:
    """Return where EdgeFlow comes from: a folder of sources, a wheel, or a requirement for pip.

    Args:
        wanted: what the user says; None for whatever this installation was made from.

    Raises:
        ConfigError: this installation does not tell.
    """
    if wanted is not None:
        path = Path(wanted)
        return path.absolute() if path.exists() else wanted
    try:
        installed = distribution("edgeflow")
    except PackageNotFoundError:
        raise ConfigError(
            "EdgeFlow is not installed", hint="--edgeflow names its sources"
        ) from None
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    url = urlsplit(origin.get("url", ""))
    if url.scheme == "file":
        path = Path(unquote(url.path))
        if path.exists():
            return path
        raise ConfigError(
            f"EdgeFlow was installed from {path}, which is gone",
            hint="--edgeflow names a folder of its sources, a wheel or a requirement",
        )
    if url.scheme:
        commit = origin.get("vcs_info", {}).get("commit_id")
        system = origin.get("vcs_info", {}).get("vcs")
        place = f"{system}+{url.geturl()}@{commit}" if commit else url.geturl()
        return f"edgeflow @ {place}"
    return f"edgeflow=={installed.version}"


def write_context(image: Image, folder: Path, source: Path | str, base: str) -> str:
    """Write everything that ``docker build`` needs into ``folder``, and return a tag for it.

    The tag is a digest of what was written: what has not changed keeps its name.

    Args:
        image: what is built.
        folder: empty.
        source: where EdgeFlow comes from, as ``framework`` returns it.
        base: image that it is built upon.

    Raises:
        ConfigError: the project is too large, or a link in it leads out of it.
    """
    _copy_project(image, folder / PROJECT)
    requirement = _copy_framework(source, folder / FRAMEWORK)
    (folder / "Dockerfile").write_text(dockerfile(image, requirement, base))
    return _digest(folder)


def _copy_project(image: Image, target: Path) -> None:
    ignored = Ignored([*NEVER, *_own_rules(image.folder)])
    _copy_tree(image.folder, target, ignored, MOST_BYTES)
    if not (target / image.file).is_file():
        raise ConfigError(
            f"{image.folder / image.file} would not be in the image",
            hint="a rule of .dockerignore leaves it out",
        )
    if image.requirements:
        lines = (image.folder / image.requirements).read_text().splitlines()
        kept = [line for line in lines if not _OWN_REQUIREMENT.match(line)]
        (target / image.requirements).write_text("".join(f"{line}\n" for line in kept))


def _own_rules(folder: Path) -> list[str]:
    file = folder / ".dockerignore"
    return file.read_text().splitlines() if file.is_file() else []


def _copy_framework(source: Path | str, target: Path) -> str:
    """Copy EdgeFlow, and return what pip installs it from, relative to the copy."""
    target.mkdir(parents=True)
    if isinstance(source, str):
        return source
    if source.is_file():
        shutil.copyfile(source, target / source.name)
        return f"./{source.name}"
    if not (source / "src" / "edgeflow").is_dir():
        raise ConfigError(f"{source} holds no sources of EdgeFlow", hint="--edgeflow names them")
    for name in _SOURCES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
    for name in _FOLDERS:
        _copy_tree(source / name, target / name, Ignored([*NEVER, "build", "*.so"]), MOST_BYTES)
    return "."


def _copy_tree(source: Path, target: Path, ignored: Ignored, room: int) -> None:
    target.mkdir(parents=True, exist_ok=True)
    root = source.resolve()
    for path in _files(source, source, ignored):
        real = path.resolve()
        if not real.is_relative_to(root):
            raise ConfigError(f"{path} leads out of {source}", hint="copy the file, or ignore it")
        room -= path.stat().st_size
        if room < 0:
            raise ConfigError(
                f"{source} holds more than {MOST_BYTES >> 30} GiB",
                hint="name what is not needed in .dockerignore",
            )
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        copy.chmod(0o755 if path.stat().st_mode & 0o111 else 0o644)


def _files(folder: Path, root: Path, ignored: Ignored) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        name = path.relative_to(root).as_posix()
        if path.is_dir() and not path.is_symlink():
            if not ignored.whole(name) and not (path / MARK).exists():
                yield from _files(path, root, ignored)
        elif path.is_file() and not ignored(name):
            yield path


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        _feed(digest, [name, str(path.stat().st_mode & 0o111)])
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]


def _feed(digest: "hashlib._Hash", texts: Sequence[str]) -> None:
    for text in texts:
        digest.update(f"{len(text)}:{text}".encode("utf-8", "surrogateescape"))
