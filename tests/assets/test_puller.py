"""Pulling from a package index that is a folder: the real pip, no network."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgeflow import assets
from edgeflow.assets.catalogue import Asset, Catalogue
from edgeflow.assets.puller import Stage, is_cached
from edgeflow.errors import AssetError

CONTENT = b"not really a model" * 1000
MEMBER = "tinymodel/data/model.bin"


def write_wheel(folder: Path, members: dict[str, bytes]) -> Path:
    """Build the smallest wheel that pip accepts."""
    wheel = folder / "tinymodel-1.0-py3-none-any.whl"
    info = "tinymodel-1.0.dist-info"
    entries = members | {
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tinymodel\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*entries, f"{info}/RECORD"])
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (entries | {f"{info}/RECORD": record.encode()}).items():
            archive.writestr(name, content)
    return wheel


def declare(**changes: object) -> Catalogue:
    fields = {
        "name": "tiny",
        "index": "pypi",
        "package": "tinymodel",
        "version": "1.0",
        "path": MEMBER,
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "size": len(CONTENT),
        "licence": "none",
        "origin": "this test",
    }
    asset = Asset(**(fields | changes))  # type: ignore[arg-type]
    return Catalogue({asset.name: asset})


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes packages from, and an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("EDGEFLOW_CACHE_DIR", str(tmp_path / "cache"))
    return folder


def cached_files(index: Path) -> list[str]:
    folder = index.parent / "cache" / "assets"
    return sorted(each.name for each in folder.iterdir() if each.suffix != ".lock")


def test_a_member_is_pulled_once_and_then_offline(index: Path) -> None:
    wheel = write_wheel(index, {MEMBER: CONTENT})
    catalogue = declare()
    stages: list[Stage] = []
    assert not is_cached("tiny", catalogue)
    file = assets.pull("tiny", catalogue=catalogue, progress=lambda _, stage: stages.append(stage))
    assert file == assets.path("tiny", catalogue)
    assert file.read_bytes() == CONTENT
    assert file.suffix == ".bin"
    assert cached_files(index) == [file.name]
    assert stages == [Stage.FETCHING, Stage.VERIFYING, Stage.READY]

    wheel.unlink()
    stages.clear()
    again = assets.pull("tiny", catalogue=catalogue, progress=lambda _, stage: stages.append(stage))
    assert again == file
    assert stages == [Stage.CACHED]
    assert is_cached("tiny", catalogue)


def test_pull_all_returns_every_file(index: Path) -> None:
    write_wheel(index, {MEMBER: CONTENT})
    assert assets.pull_all(catalogue=declare()) == {"tiny": assets.path("tiny", declare())}


def test_a_damaged_cache_is_pulled_again(index: Path) -> None:
    write_wheel(index, {MEMBER: CONTENT})
    catalogue = declare()
    file = assets.pull("tiny", catalogue=catalogue)
    file.write_bytes(b"x" * len(CONTENT))
    assert assets.pull("tiny", catalogue=catalogue).read_bytes() == CONTENT


def test_what_a_killed_pull_left_is_removed(index: Path) -> None:
    write_wheel(index, {MEMBER: CONTENT})
    catalogue = declare()
    left = assets.path("tiny", catalogue)
    left.parent.mkdir(parents=True)
    (left.parent / f".pull-{left.name}-abandoned").mkdir()
    assert cached_files(index) != []
    assets.pull("tiny", catalogue=catalogue)
    assert cached_files(index) == [left.name]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": "0" * 64}, "not what the manifest declares"),
        ({"size": len(CONTENT) - 1}, "not what the manifest declares"),
        ({"size": len(CONTENT) + 1}, "not what the manifest declares"),
        ({"path": "tinymodel/data/absent.bin"}, "has no file"),
        ({"version": "2.0"}, "tinymodel==2.0"),
        ({"package": "no-such-package-in-the-folder"}, "no-such-package-in-the-folder"),
    ],
)
def test_what_is_not_as_declared_is_refused(
    index: Path, changes: dict[str, object], message: str
) -> None:
    write_wheel(index, {MEMBER: CONTENT})
    with pytest.raises(AssetError, match=message) as caught:
        assets.pull("tiny", catalogue=declare(**changes))
    assert caught.value.hint
    assert cached_files(index) == []


def test_a_broken_archive_is_refused(index: Path) -> None:
    wheel = write_wheel(index, {MEMBER: CONTENT})
    broken = bytearray(wheel.read_bytes())
    broken[60:120] = bytes(60)
    wheel.write_bytes(broken)
    with pytest.raises(AssetError):
        assets.pull("tiny", catalogue=declare())
    assert cached_files(index) == []


def test_a_client_that_hangs_is_given_up(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_client(index, monkeypatch, "npm", "sleep 30")
    with pytest.raises(AssetError, match=r"not here after 0\.1 seconds"):
        assets.pull("tiny", catalogue=declare(index="npm"), timeout=0.1)


def test_a_missing_client_is_named(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(index))
    with pytest.raises(AssetError, match="npm is not installed"):
        assets.pull("tiny", catalogue=declare(index="npm"))


def test_an_unwritable_cache_says_how_to_choose_another(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGEFLOW_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(AssetError, match="cannot be written") as caught:
        assets.pull("tiny", catalogue=declare())
    assert "EDGEFLOW_CACHE_DIR" in caught.value.hint


def test_members_are_never_written_where_the_archive_says(index: Path) -> None:
    outside = index.parent / "outside.bin"
    write_wheel(index, {"../../../outside.bin": b"evil", MEMBER: CONTENT})
    assets.pull("tiny", catalogue=declare())
    assert not outside.exists()


def test_threads_and_processes_that_pull_at_once_fetch_once(index: Path) -> None:
    write_wheel(index, {MEMBER: CONTENT})
    catalogue = declare()
    fetches: list[Stage] = []
    program = (
        "import json, sys\n"
        "from edgeflow.assets import Asset, Catalogue, pull\n"
        "asset = Asset(**json.loads(sys.argv[1]))\n"
        "catalogue, stages = Catalogue({'tiny': asset}), []\n"
        "pull('tiny', catalogue=catalogue, progress=lambda _, stage: stages.append(stage))\n"
        "print('fetching' in stages)\n"
    )
    asset = catalogue["tiny"]
    fields = {name: getattr(asset, name) for name in asset.__struct_fields__}
    command = [sys.executable, "-c", program, json.dumps(fields)]
    others = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]

    def note(_: Asset, stage: Stage) -> None:
        if stage is Stage.FETCHING:
            fetches.append(stage)

    with ThreadPoolExecutor(4) as pool:
        files = list(
            pool.map(lambda _: assets.pull("tiny", catalogue=catalogue, progress=note), range(4))
        )
    fetched_elsewhere = sum("True" in other.communicate(timeout=60)[0] for other in others)
    assert all(other.returncode == 0 for other in others)
    assert len(set(files)) == 1
    assert files[0].read_bytes() == CONTENT
    assert len(fetches) + fetched_elsewhere == 1


def fake_client(index: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> None:
    """Put a client on the PATH whose index is a folder."""
    client = index / name
    client.write_text(f"#!/bin/sh\n{script}\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{index}:{os.environ['PATH']}")


def test_npm_packages(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tarfile.open(index / "tinymodel.tgz", "w:gz") as archive:
        link = tarfile.TarInfo("package/link.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        entry = tarfile.TarInfo("package/model.bin")
        entry.size = len(CONTENT)
        archive.addfile(entry, io.BytesIO(CONTENT))
    script = f'case "$*" in *" tinymodel@1.0") cp {index}/tinymodel.tgz . ;; *) exit 1 ;; esac'
    fake_client(index, monkeypatch, "npm", script)
    file = assets.pull("tiny", catalogue=declare(index="npm", path="package/model.bin"))
    assert file.read_bytes() == CONTENT
    with pytest.raises(AssetError, match="has no file"):
        assets.pull("two", catalogue=declare(name="two", index="npm", path="package/link.bin"))


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="not a Debian system")
def test_debian_packages(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = index / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    control = "Package: tinymodel\nVersion: 1.0\nArchitecture: all\nMaintainer: x\nDescription: x\n"
    (tree / "DEBIAN/control").write_text(control)
    (tree / "usr/share").mkdir(parents=True)
    (tree / "usr/share/model.bin").write_bytes(CONTENT)
    subprocess.run(
        ["dpkg-deb", "--build", str(tree), str(index / "tinymodel.deb")],
        check=True,
        capture_output=True,
    )
    script = (
        f'case "$*" in *"download tinymodel=1.0") cp {index}/tinymodel.deb . ;; *) exit 1 ;; esac'
    )
    fake_client(index, monkeypatch, "apt-get", script)
    file = assets.pull("tiny", catalogue=declare(index="debian", path="usr/share/model.bin"))
    assert file.read_bytes() == CONTENT
    with pytest.raises(AssetError, match="has no file"):
        assets.pull("two", catalogue=declare(name="two", index="debian", path="usr/nothing"))
