import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgeflow.errors import ConfigError, EdgeFlowError, EngineError, UnknownModelError
from edgeflow.inference.local import LocalService
from edgeflow.inference.repository import editing
from edgeflow.inference.repository.folder import FolderSource
from edgeflow.inference.requests import InferRequest
from small_models import save_scale

X = {"x": np.ones((1, 4), np.float32)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Models that multiply by their place in the list."""
    return [save_scale(tmp_path / "files" / f"by{factor}.onnx", factor) for factor in range(5)]


@pytest.fixture
def service(folder: Path, files: list[Path]) -> Iterator[LocalService]:
    editing.push(folder, "m", files[1])
    service = LocalService(folder, reload_s=None)
    yield service
    service.close()


def factor(service: LocalService) -> float:
    service.refresh()
    service.refresh()
    return float(service.infer(InferRequest("m", X)).first[0, 0])


def left_over(folder: Path) -> list[str]:
    return [each.name for each in folder.rglob(".push*")]


def test_push_rollback_and_push_again(
    folder: Path, files: list[Path], service: LocalService
) -> None:
    assert factor(service) == 1
    made = editing.push(folder, "m", files[2])
    assert (made.version, made.path) == ("2", folder / "m" / "2" / "model.onnx")
    assert factor(service) == 2
    assert editing.rollback(folder, "m") == "1"
    assert factor(service) == 1
    with pytest.raises(ConfigError, match="no version before 1"):
        editing.rollback(folder, "m")
    editing.push(folder, "m", files[3], "9")
    assert factor(service) == 3, "a push ends the rollback"
    assert editing.rollback(folder, "m") == "2"
    editing.hold(folder, "m", None)
    assert factor(service) == 3
    assert left_over(folder) == []


def test_a_push_after_a_rollback_skips_what_was_rolled_back(
    folder: Path, files: list[Path], service: LocalService
) -> None:
    editing.push(folder, "m", files[2])
    editing.rollback(folder, "m")
    assert factor(service) == 1
    editing.push(folder, "m", files[3])
    service.refresh()
    assert float(service.infer(InferRequest("m", X)).first[0, 0]) == 1
    service.refresh()
    assert float(service.infer(InferRequest("m", X)).first[0, 0]) == 3


def test_a_model_that_cannot_be_loaded_is_not_taken(
    folder: Path, service: LocalService, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model")
    with pytest.raises(EngineError, match=r"'m' was not changed: .*bad\.onnx"):
        editing.push(folder, "m", bad)
    assert [each.version for each in FolderSource(folder).scan()["m"].versions] == ["1"]
    assert factor(service) == 1
    assert left_over(folder) == []


def test_what_cannot_be_pushed(folder: Path, files: list[Path], tmp_path: Path) -> None:
    editing.push(folder, "m", files[1])
    with pytest.raises(ConfigError, match="already"):
        editing.push(folder, "m", files[1], "1")
    for name, version in (("../m", None), (".m", None), ("m", "../1"), ("m", "a/b")):
        with pytest.raises(ConfigError, match="is no name"):
            editing.push(folder, name, files[1], version)
    for path in (tmp_path / "nothing.onnx", tmp_path / "files", Path("/dev/null")):
        with pytest.raises(ConfigError):
            editing.push(folder, "m", path)


def test_what_a_killed_push_left_is_removed_later(folder: Path, files: list[Path]) -> None:
    for name, age in ((".push-old", 7200), (".push-young", 60)):
        (folder / name / ".version").mkdir(parents=True)
        os.utime(folder / name, (time.time() - age,) * 2)
    editing.push(folder, "m", files[1])
    assert left_over(folder) == [".push-young"]


def test_two_pushes_at_once_make_two_versions_or_tell(folder: Path, files: list[Path]) -> None:
    outcomes: list[str] = []

    def push(file: Path) -> None:
        try:
            outcomes.append(editing.push(folder, "m", file).version)
        except ConfigError as error:
            outcomes.append(error.message)

    pushers = [threading.Thread(target=push, args=(file,)) for file in files]
    for pusher in pushers:
        pusher.start()
    for pusher in pushers:
        pusher.join()
    made = sorted(each for each in outcomes if each.isdecimal())
    assert made == [each.version for each in FolderSource(folder).scan()["m"].versions]
    assert all("m" in each for each in outcomes if each not in made)
    assert left_over(folder) == []


def test_a_folder_brings_the_files_beside_its_model(folder: Path, tmp_path: Path) -> None:
    save_scale(tmp_path / "made" / "model.onnx", 4)
    (tmp_path / "made" / "model.yaml").write_text("labels: [one]\n")
    made = editing.push(folder, "m", tmp_path / "made")
    assert (made.path.parent / "model.yaml").is_file()
    assert editing.find(folder, "m").versions[0].settings.labels == ("one",)


def test_a_single_file_becomes_the_first_version(folder: Path, files: list[Path]) -> None:
    save_scale(folder / "m.onnx", 7)
    (folder / "m.yaml").write_text("threads: 2\n")
    service = LocalService(folder, reload_s=None)
    try:
        assert factor(service) == 7
        editing.push(folder, "m", files[2])
        assert factor(service) == 2
        editing.rollback(folder, "m")
        assert factor(service) == 7
        assert editing.find(folder, "m").settings.threads == 2
        assert not (folder / "m.onnx").exists()
    finally:
        service.close()


def test_pin_load_and_unload(folder: Path, service: LocalService) -> None:
    editing.pin(folder, "m", True)
    service.refresh()
    assert service.is_ready("m")
    assert service.status()[0].pinned
    editing.pin(folder, "m", False)
    editing.ask(folder, "m", loaded=False)
    service.refresh()
    assert not service.is_ready("m")
    editing.ask(folder, "m", loaded=True)
    service.refresh()
    assert service.is_ready("m")
    with pytest.raises(UnknownModelError, match="did you mean 'm'"):
        editing.pin(folder, "mm", True)
    with pytest.raises(UnknownModelError, match="no version '7'"):
        editing.hold(folder, "m", "7")


def test_pushes_and_rollbacks_under_load_fail_no_request(
    folder: Path, files: list[Path], service: LocalService
) -> None:
    failures: list[EdgeFlowError] = []
    end = threading.Event()

    def ask() -> None:
        while not end.is_set():
            try:
                service.infer(InferRequest("m", X))
            except EdgeFlowError as error:
                failures.append(error)

    asker = threading.Thread(target=ask)
    asker.start()
    for file in files[2:]:
        editing.push(folder, "m", file)
        factor(service)
        editing.rollback(folder, "m")
        factor(service)
    end.set()
    asker.join()
    assert failures == []
