import threading
from pathlib import Path

import numpy as np
import pytest

from edgeflow.errors import ConfigError, UnknownModelError
from edgeflow.inference.local import LocalService
from edgeflow.inference.repository.folder import FolderSource
from edgeflow.inference.repository.listing import ListSource
from edgeflow.inference.repository.settling import Settling
from edgeflow.inference.repository.state import ModelState, read_state, write_state
from edgeflow.inference.requests import InferRequest
from edgeflow.inference.servers.tensor import TensorServer
from small_models import save_scale

ROOT = Path(__file__).parents[3]

LISTED = """\
server:
  host: "0.0.0.0"
  port: 8008
  http_port: 8080
  max_clients: 256
  read_timeout_ms: 30000
  write_timeout_ms: 30000
  queue_depth: 1024
models:
  - id: "mobilenet_v2_cls"
    engine: "models/mobilenetv2_fp32.plan"
    input:
      dtype: "fp32"
      layout: "NCHW"
      shape:  [1, 3, 224, 224]
    outputs:
      - name: "logits"
        dtype: "fp32"
        shape: [1, 1000]
    concurrency: 2
  - id: "scale"
    engine: "models/scale.onnx"
"""


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A list as earlier gateways have it, in ``config`` beside ``models``."""
    (tmp_path / "config").mkdir()
    save_scale(tmp_path / "models" / "scale.onnx")
    path = tmp_path / "config" / "models.yaml"
    path.write_text(LISTED)
    return path


def test_finds_both_layouts_and_orders_versions(tmp_path: Path) -> None:
    save_scale(tmp_path / "flat.onnx")
    for version in ("10", "9", "1.2", "1.10"):
        save_scale(tmp_path / "deep" / version / "model.onnx")
    (tmp_path / "deep" / ".incoming").mkdir()
    (tmp_path / "deep" / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no model")
    (tmp_path / "no name!.onnx").write_bytes(b"")
    found = FolderSource(tmp_path).scan()
    assert sorted(found) == ["deep", "flat"]
    assert [each.version for each in found["deep"].versions] == ["1.2", "1.10", "9", "10"]
    assert [each.version for each in found["flat"].versions] == ["1"]


def test_a_version_may_have_its_own_settings(tmp_path: Path) -> None:
    for version in "12":
        save_scale(tmp_path / "m" / version / "model.onnx")
    (tmp_path / "m" / "model.yaml").write_text("labels: [a, b]\nthreads: 2\n")
    (tmp_path / "m" / "2" / "model.yaml").write_text("labels: [a, b, c]\n")
    one, two = FolderSource(tmp_path).scan()["m"].versions
    assert (one.settings.labels, one.settings.threads) == (("a", "b"), 2)
    assert (two.settings.labels, two.settings.threads) == (("a", "b", "c"), 2)


def test_labels_from_a_file_beside_the_model(tmp_path: Path) -> None:
    save_scale(tmp_path / "m" / "1" / "model.onnx")
    (tmp_path / "m" / "names.txt").write_text("cat\ndog\n")
    (tmp_path / "m" / "model.yaml").write_text("labels: names.txt\n")
    service = LocalService(tmp_path, reload_s=None)
    try:
        assert service.info("m").labels == ("cat", "dog")
        (tmp_path / "m" / "model.yaml").write_text("labels: ../../secret.txt\n")
        service.refresh()
        assert "not a plain path" in (service.status()[0].last_error or "")
        assert service.info("m").labels == ("cat", "dog")
    finally:
        service.close()


def test_metadata_that_was_never_right_serves_nothing(tmp_path: Path) -> None:
    save_scale(tmp_path / "m.onnx")
    (tmp_path / "m.yaml").write_text("treads: 2\n")
    service = LocalService(tmp_path, reload_s=None)
    try:
        with pytest.raises(UnknownModelError, match="did you mean 'threads'"):
            service.load("m")
        (tmp_path / "m.yaml").write_text("threads: 2\n")
        service.refresh()
        service.refresh()
        service.load("m")
    finally:
        service.close()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        LocalService(tmp_path / "nowhere")


def test_a_list_of_earlier_gateways_loads_unchanged(listed: Path) -> None:
    source = ListSource(listed)
    assert (source.server.port, source.server.http_port) == (8008, 8080)
    found = source.scan()
    assert found["mobilenet_v2_cls"].versions == ()
    path = listed.parent / "models" / "mobilenetv2_fp32.plan"
    missing = f"{listed}:11:5: {path}: there is no such file"
    assert found["mobilenet_v2_cls"].problem == missing
    assert found["mobilenet_v2_cls"].settings.instances == 2
    assert found["scale"].settings.queue.capacity == 1024
    service = LocalService(listed, reload_s=None)
    try:
        x = np.ones((1, 4), np.float32)
        assert service.infer(InferRequest("scale", [x])).first[0, 0] == 2
        with pytest.raises(UnknownModelError, match="no such file"):
            service.load("mobilenet_v2_cls")
    finally:
        service.close()


def test_the_list_of_this_repository_has_the_known_ids() -> None:
    source = ListSource(ROOT / "config" / "models.yaml")
    assert list(source.scan()) == [
        "mobilenet_v2_cls",
        "yolov5n_coco",
        "yolov5s_coco",
        "ssd_mobilenet_coco",
    ]
    assert source.server.port == 8008


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("concurrency: 2", "concurency: 2", r"models.yaml:20:5: unknown key .*'concurrency'"),
        ("id: \"scale\"", "id: \"mobilenet_v2_cls\"", "models.yaml:21:5: a second model"),
        ("id: \"scale\"", "id: \"../x\"", "models.yaml:21:5: '../x' is no name"),
        ("port: 8008", "port: 88008", "models.yaml:3:3: server.port"),
        ("queue_depth", "queue_dept", "did you mean 'queue_depth'"),
    ],
)  # fmt: skip
def test_mistakes_in_a_list(listed: Path, old: str, new: str, message: str) -> None:
    listed.write_text(LISTED.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        ListSource(listed)


def test_a_list_without_models(listed: Path) -> None:
    listed.write_text("server: {}\n")
    with pytest.raises(ConfigError, match="models: field required"):
        ListSource(listed)


def test_a_list_that_becomes_wrong_changes_nothing(listed: Path) -> None:
    service = LocalService(listed, reload_s=None)
    try:
        service.load("scale")
        listed.write_text("models: [")
        service.refresh()
        assert service.is_ready("scale")
        listed.write_text(LISTED.replace('id: "scale"', 'id: "renamed"'))
        service.refresh()
        service.refresh()
        service.load("renamed")
        assert [each.name for each in service.status()] == ["mobilenet_v2_cls", "renamed"]
    finally:
        service.close()


def test_state_survives_and_damage_is_told(tmp_path: Path) -> None:
    state = ModelState(version="3", pinned=True, wanted="loaded", asked=4)
    write_state(tmp_path, "m", state)
    assert read_state(tmp_path, "m") == state
    assert [each.name for each in (tmp_path / ".state").iterdir()] == ["m.json"]
    (tmp_path / ".state" / "m.json").write_text('{"versoin": 1}')
    with pytest.raises(ConfigError, match=r"m\.json"):
        read_state(tmp_path, "m")


def test_settling_holds_back_what_changes(tmp_path: Path) -> None:
    save_scale(tmp_path / "old.onnx")
    settling, source = Settling(), FolderSource(tmp_path)
    assert list(settling.pass_on(source.scan())) == ["old"]
    save_scale(tmp_path / "new.onnx")
    assert list(settling.pass_on(source.scan())) == ["old"]
    assert sorted(settling.pass_on(source.scan())) == ["new", "old"]


def test_a_list_may_name_a_model_of_another_gateway(tmp_path: Path) -> None:
    save_scale(tmp_path / "models" / "scale.onnx")
    far = LocalService(tmp_path / "models", reload_s=None)
    with TensorServer(far, port=0) as server:
        listed = tmp_path / "models.yaml"
        listed.write_text(
            f"models: [{{id: near, engine: 'tcp://127.0.0.1:{server.port}/scale', pinned: true}}]"
        )
        near = LocalService(listed, cores=1, reload_s=None)
        try:
            near.load("near")
            x = np.ones((1, 4), np.float32)
            assert near.infer(InferRequest("near", [x])).first[0, 0] == 2
            (status,) = near.status()
            assert (status.engine, status.instances) == ("remote", 2), "not bound to the cores"
            assert near.is_ready()
        finally:
            near.close()
            far.close()
    assert not [each.name for each in threading.enumerate() if each.name.startswith("infer-near")]
