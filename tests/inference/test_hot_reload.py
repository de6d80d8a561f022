import shutil
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from edgeflow.core.clock import ManualClock
from edgeflow.errors import CancelledError, EdgeFlowError, UnknownModelError
from edgeflow.inference import hosting
from edgeflow.inference.local import LocalService
from edgeflow.inference.opening import open_version
from edgeflow.inference.repository.state import ModelState, write_state
from edgeflow.inference.requests import InferRequest, InferResponse
from edgeflow.observe.activity import activities
from small_models import save_scale

Start = Callable[..., LocalService]
X = {"x": np.ones((1, 4), np.float32)}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    services: list[LocalService] = []

    def build(**options: Any) -> LocalService:
        services.append(LocalService(tmp_path, reload_s=None, **options))
        return services[-1]

    yield build
    for service in services:
        service.close()


def factor(service: LocalService, version: str | None = None) -> float:
    return float(service.infer(InferRequest("m", X, version=version)).first[0, 0])


def settle(service: LocalService) -> None:
    """What is new on disk is taken at the second look."""
    service.refresh()
    service.refresh()


def test_a_new_version_takes_over(tmp_path: Path, start: Start) -> None:
    save_scale(tmp_path / "m" / "1" / "model.onnx", 2)
    service = start()
    assert factor(service) == 2
    save_scale(tmp_path / "m" / "10" / "model.onnx", 10)
    save_scale(tmp_path / "m" / "9" / "model.onnx", 9)
    settle(service)
    assert factor(service) == 10
    assert service.info("m").versions == ("1", "9", "10")
    assert factor(service, "9") == 9, "older ones can still be asked for"
    with pytest.raises(UnknownModelError, match="no version '8'"):
        factor(service, "8")


def test_only_so_many_versions_are_loaded_at_once(tmp_path: Path, start: Start) -> None:
    for version in range(1, 9):
        save_scale(tmp_path / "m" / str(version) / "model.onnx", version)
    service = start()
    assert factor(service) == 8
    with capture_logs() as logs:
        for _ in range(2):
            assert [factor(service, str(version)) for version in range(1, 9)] == list(range(1, 9))
    loads = [each for each in logs if each["event"] == "model_loaded"]
    assert len(loads) == 2 * 7, "each is loaded again, but for the active one"
    assert service.status()[0].requests == 17
    assert factor(service) == 8


def test_a_single_file_can_be_replaced(tmp_path: Path, start: Start) -> None:
    save_scale(tmp_path / "m.onnx", 2)
    service = start()
    assert factor(service) == 2
    save_scale(tmp_path / "m.onnx", 3)
    settle(service)
    assert factor(service) == 3


def test_not_one_request_fails_while_versions_change(tmp_path: Path, start: Start) -> None:
    save_scale(tmp_path / "m" / "1" / "model.onnx", 1)
    service = start()
    outcomes: list[object] = []
    end = threading.Event()

    def ask() -> None:
        while not end.is_set():
            try:
                outcomes.append(factor(service))
            except EdgeFlowError as error:
                outcomes.append(error)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    wait_until(lambda: 1.0 in outcomes)
    for version in range(2, 10):
        save_scale(tmp_path / "m" / str(version) / "model.onnx", version)
        settle(service)
        if version % 3 == 0:
            shutil.rmtree(tmp_path / "m" / str(version - 1))
        if version == 5:
            service.load("m")
    service.unload("m")
    assert factor(service) == 9
    wait_until(lambda: 9.0 in outcomes)
    end.set()
    for asker in askers:
        asker.join()
    assert [each for each in outcomes if isinstance(each, EdgeFlowError)] == []
    assert {1.0, 9.0} <= {float(each) for each in outcomes}  # type: ignore[arg-type]
    assert service.status()[0].errors == 0


def test_a_corrupt_version_keeps_the_old_one_and_is_reported(tmp_path: Path, start: Start) -> None:
    save_scale(tmp_path / "m" / "1" / "model.onnx", 2)
    service = start()
    assert factor(service) == 2
    before = max((each.number for each in activities.activities()), default=0)
    (tmp_path / "m" / "2").mkdir()
    (tmp_path / "m" / "2" / "model.onnx").write_bytes(b"this is no model")
    settle(service)
    assert factor(service) == 2
    (status,) = service.status()
    assert (status.state, status.version) == ("ready", "1")
    assert "version 2" in (status.last_error or "")
    told = [each for each in activities.activities(before) if each.level == "error"]
    assert [each.detail["version"] for each in told] == ["2"], "told once"
    settle(service)
    assert len([each for each in activities.activities(before) if each.level == "error"]) == 1
    with pytest.raises(UnknownModelError, match="cannot be loaded"):
        factor(service, "2")
    save_scale(tmp_path / "m" / "2" / "model.onnx", 5)
    settle(service)
    assert factor(service) == 5
    assert service.status()[0].last_error is None


def test_starts_with_the_newest_that_can_be_loaded(tmp_path: Path, start: Start) -> None:
    save_scale(tmp_path / "m" / "1" / "model.onnx", 2)
    (tmp_path / "m" / "2").mkdir()
    (tmp_path / "m" / "2" / "model.onnx").write_bytes(b"damaged")
    service = start()
    assert factor(service) == 2


def test_a_file_that_grows_is_not_loaded(tmp_path: Path, start: Start) -> None:
    save_scale(tmp_path / "m" / "1" / "model.onnx", 2)
    whole = save_scale(tmp_path / "other" / "model.onnx", 7).read_bytes()
    shutil.rmtree(tmp_path / "other")
    service = start()
    assert factor(service) == 2
    target = tmp_path / "m" / "2" / "model.onnx"
    target.parent.mkdir()
    for size in (10, 60, len(whole)):
        target.write_bytes(whole[:size])
        service.refresh()
        assert factor(service) == 2
        assert service.status()[0].last_error is None
    service.refresh()
    assert factor(service) == 7


def test_rollback_holds_and_a_wrong_choice_changes_nothing(tmp_path: Path, start: Start) -> None:
    for version in (1, 2):
        save_scale(tmp_path / "m" / str(version) / "model.onnx", version)
    service = start()
    assert factor(service) == 2
    write_state(tmp_path, "m", ModelState(version="1"))
    service.refresh()
    assert factor(service) == 1
    save_scale(tmp_path / "m" / "3" / "model.onnx", 3)
    settle(service)
    assert factor(service) == 1
    write_state(tmp_path, "m", ModelState(version="77"))
    service.refresh()
    assert factor(service) == 1
    write_state(tmp_path, "m", ModelState())
    service.refresh()
    assert factor(service) == 3


def test_a_held_version_that_is_deleted_is_stood_in_for(tmp_path: Path, start: Start) -> None:
    for version in (1, 2):
        save_scale(tmp_path / "m" / str(version) / "model.onnx", version)
    write_state(tmp_path, "m", ModelState(version="1"))
    before = start()
    assert factor(before) == 1
    shutil.rmtree(tmp_path / "m" / "1")
    with capture_logs() as logs:
        before.refresh()
        assert factor(before) == 2
    (told,) = [each for each in logs if each["event"] == "chosen_version_missing"]
    assert (told["log_level"], told["chosen"], told["version"]) == ("warning", "1", "2")
    assert "version 1" in (before.status()[0].last_error or "")
    after = start()
    assert after.status()[0].version == "2"
    assert factor(after) == 2
    assert "stands in" in (after.status()[0].last_error or "")
    save_scale(tmp_path / "m" / "1" / "model.onnx", 1)
    settle(after)
    assert factor(after) == 1
    assert after.status()[0].last_error is None


def test_a_removed_model_is_unknown_and_its_work_is_finished(tmp_path: Path, start: Start) -> None:
    save_scale(tmp_path / "m.onnx")
    service = start()
    assert factor(service) == 2
    (tmp_path / "m.onnx").unlink()
    service.refresh()
    with pytest.raises(UnknownModelError):
        factor(service)
    assert service.status() == []


def test_ready_when_the_pinned_are_loaded(tmp_path: Path, start: Start) -> None:
    save_scale(tmp_path / "m.onnx")
    save_scale(tmp_path / "lazy.onnx")
    service = start()
    assert service.is_ready()
    assert not service.is_ready("m")
    (tmp_path / "m.yaml").write_text("pinned: true\n")
    service.refresh()
    assert service.is_ready("m") and service.is_ready()
    assert not service.is_ready("lazy")
    service.unload("m")
    assert not service.is_ready()
    service.refresh()
    assert service.is_ready()
    assert not service.is_ready("nothing")


def test_a_pinned_model_that_cannot_be_loaded_is_never_ready(tmp_path: Path, start: Start) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no model")
    (tmp_path / "m.yaml").write_text("pinned: true\n")
    service = start()
    with pytest.raises(UnknownModelError):
        service.load("m")
    assert not service.is_ready()
    assert service.status()[0].state == "failed"


def test_idle_models_are_unloaded_and_come_back(tmp_path: Path, start: Start) -> None:
    clock = ManualClock()
    save_scale(tmp_path / "m.onnx")
    (tmp_path / "m.yaml").write_text("idle_unload_s: 60\n")
    service = start(now=lambda: clock.monotonic_ns() / 1e9)
    assert factor(service) == 2
    clock.advance(59)
    service.refresh()
    assert service.status()[0].state == "ready"
    clock.advance(2)
    service.refresh()
    assert service.status()[0].state == "unloaded"
    assert factor(service) == 2


def test_settings_that_change_are_taken_over(tmp_path: Path, start: Start) -> None:
    save_scale(tmp_path / "m" / "1" / "model.onnx")
    service = start(cores=4)
    service.load("m")
    assert service.status()[0].instances == 4
    (tmp_path / "m" / "model.yaml").write_text("instances: 3\nqueue: {capacity: 7}\n")
    service.refresh()
    status = service.status()[0]
    assert (status.instances, status.queue_capacity) == (3, 7)
    (tmp_path / "m" / "model.yaml").write_text("instancs: 1\n")
    service.refresh()
    status = service.status()[0]
    assert status.instances == 3, "wrong ones are not"
    assert "did you mean 'instances'" in (status.last_error or "")


def test_first_settings_that_are_wrong_do_not_end_a_model(tmp_path: Path, start: Start) -> None:
    save_scale(tmp_path / "m" / "1" / "model.onnx")
    service = start()
    assert factor(service) == 2
    (tmp_path / "m" / "model.yaml").write_text("treads: 1\n")
    settle(service)
    service.unload("m")
    assert factor(service) == 2
    assert "did you mean 'threads'" in (service.status()[0].last_error or "")
    (tmp_path / "m" / "model.yaml").unlink()
    service.refresh()
    assert service.status()[0].last_error is None


def test_never_more_threads_than_cores(tmp_path: Path, start: Start) -> None:
    save_scale(tmp_path / "m.onnx")
    (tmp_path / "m.yaml").write_text("instances: 16\nthreads: 2\n")
    service = start(cores=4)
    service.load("m")
    assert service.status()[0].instances == 2


def test_load_and_unload_on_request_of_the_folder(tmp_path: Path, start: Start) -> None:
    save_scale(tmp_path / "m.onnx")
    service = start()
    write_state(tmp_path, "m", ModelState(wanted="loaded", asked=1))
    service.refresh()
    assert service.is_ready("m")
    write_state(tmp_path, "m", ModelState(wanted="unloaded", asked=2))
    service.refresh()
    assert not service.is_ready("m")
    assert factor(service) == 2
    service.refresh()
    assert service.is_ready("m"), "a wish is carried out once"


def test_requests_wait_for_the_model_to_load(tmp_path: Path, start: Start) -> None:
    save_scale(tmp_path / "m.onnx")
    service = start()
    outcomes: list[object] = []
    all_in = threading.Event()

    def done(outcome: InferResponse | EdgeFlowError) -> None:
        outcomes.append(outcome)
        if len(outcomes) == 20:
            all_in.set()

    for _ in range(20):
        service.submit(InferRequest("m", X), done)
    assert all_in.wait(20)
    assert all(isinstance(each, InferResponse) for each in outcomes)


def test_whatever_an_engine_raises_while_it_loads_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = "def run(inputs):\n    return inputs\n\nrun.inputs = run.outputs = 5\n"
    (tmp_path / "odd_declarations.py").write_text(function)
    monkeypatch.syspath_prepend(tmp_path)
    models = tmp_path / "models.yaml"
    models.write_text("models:\n  - {id: m, engine: 'odd_declarations:run'}\n")
    service = LocalService(models, reload_s=None)
    try:
        with pytest.raises(UnknownModelError, match="TypeError"):
            service.infer(InferRequest("m", X))
        assert service.status()[0].state == "failed"
    finally:
        service.close()


def test_versions_that_clients_invent_leave_nothing_behind(tmp_path: Path, start: Start) -> None:
    save_scale(tmp_path / "m.onnx")
    service = start()
    for number in range(50):
        with pytest.raises(UnknownModelError, match="has no version"):
            factor(service, f"invented-{number}")
    assert factor(service) == 2
    labels = {sample.labels["version"] for each in service.collect() for sample in each.samples}
    assert labels == {"1"}
    assert service.status()[0].errors == 50


def test_closing_answers_everything_and_twice_is_fine(tmp_path: Path, start: Start) -> None:
    save_scale(tmp_path / "m.onnx")
    service = start()
    service.load("m")
    outcomes: list[object] = []
    for _ in range(200):
        service.submit(InferRequest("m", X), outcomes.append)
    service.close()
    service.close()
    assert len(outcomes) == 200
    service.submit(InferRequest("m", X), outcomes.append)
    assert isinstance(outcomes[-1], CancelledError)
    assert not service.is_ready()


@pytest.mark.parametrize("removed", [False, True])
def test_closing_answers_what_waits_for_a_version_on_its_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removed: bool
) -> None:
    gate = threading.Event()
    module = types.ModuleType("gated_model")

    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        assert gate.wait(30)
        return inputs["x"]

    vars(module)["run"] = run
    monkeypatch.setitem(sys.modules, "gated_model", module)
    head = "  - {id: m, engine: 'gated_model:run', warm_up: false, threads: 1, instances: 1, "
    tail = "options: {inputs: ['x: float32[?, 4]'], outputs: ['y: float32[?, 4]']}}\n"
    save_scale(tmp_path / "other.onnx")
    other = "models:\n  - {id: other, engine: other.onnx}\n"
    models = tmp_path / "models.yaml"
    models.write_text(other + head + tail)
    service = LocalService(models, reload_s=None)
    outcomes: list[object] = []
    try:
        service.load("m")
        for _ in range(5):
            service.submit(InferRequest("m", X), outcomes.append)
        models.write_text(other if removed else other + head + "device: cpu, " + tail)
        settle(service)
        closing = threading.Thread(target=service.close)
        closing.start()
        closing.join(20)
        assert len(outcomes) == 4
        assert all(isinstance(each, CancelledError) for each in outcomes)
    finally:
        gate.set()
        service.close()


def test_the_watcher_looks_by_itself(tmp_path: Path) -> None:
    save_scale(tmp_path / "m.onnx")
    service = LocalService(tmp_path, reload_s=0.01)
    try:
        assert factor(service) == 2
        save_scale(tmp_path / "m.onnx", 3)
        for _ in range(2000):
            if factor(service) == 3:
                break
            threading.Event().wait(0.005)
        assert factor(service) == 3
    finally:
        service.close()


def test_a_load_that_takes_long_delays_no_other_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_to_import.py").write_text(
        "import pathlib, time\n"
        "until = time.monotonic() + 60\n"
        "while not pathlib.Path(__file__).with_name('go').exists() and time.monotonic() < until:\n"
        "    time.sleep(0.01)\n"
        "def double(inputs):\n"
        "    return {'y': 2 * inputs['x']}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    listed = tmp_path / "models.yaml"
    listed.write_text(
        "models:\n"
        "  - id: slow\n"
        "    engine: slow_to_import:double\n"
        "    pinned: true\n"
        "    options: {inputs: 'x: float32[?, 4]', outputs: 'y: float32[?, 4]'}\n"
        "  - {id: m, engine: m.onnx}\n"
    )
    save_scale(tmp_path / "m.onnx", 2)
    service = LocalService(listed, reload_s=0.02)
    try:
        assert factor(service) == 2
        save_scale(tmp_path / "m.onnx", 3)
        wait_until(lambda: factor(service) == 3)
        assert not service.is_ready("slow")
        (tmp_path / "go").touch()
        wait_until(lambda: service.is_ready("slow"))
    finally:
        service.close()


def test_a_wish_to_unload_counts_when_it_comes_during_the_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading, go = threading.Event(), threading.Event()

    def slowly(*arguments: Any) -> Any:
        loading.set()
        assert go.wait(30)
        return open_version(*arguments)

    monkeypatch.setattr(hosting, "open_version", slowly)
    save_scale(tmp_path / "m.onnx", 2)
    service = LocalService(tmp_path, reload_s=0.02)
    try:
        write_state(tmp_path, "m", ModelState(wanted="loaded", asked=1))
        assert loading.wait(30)
        write_state(tmp_path, "m", ModelState(wanted="unloaded", asked=2))
        wait_until(lambda: service._models["m"].files.state.asked == 2)
        go.set()
        wait_until(lambda: not service._reloading)
        assert not service.is_ready("m")
        assert factor(service) == 2
    finally:
        service.close()


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
