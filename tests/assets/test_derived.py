"""Models made here: NanoDet converted, NanoDet as YOLOv5, a network trained on air quality."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeflow import assets
from edgeflow.assets.convert.air_quality import label, rooms
from edgeflow.assets.derived import is_derived, path_of_derived
from edgeflow.errors import AssetError
from edgeflow.inference.engines import Engine, open_engine
from edgeflow.inference.local import LocalService
from edgeflow.inference.requests import InferRequest
from pulled import pulled

COCO = assets.read_labels("coco")


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    """Six people on a square, BGR."""
    video = cv2.VideoCapture(str(pulled("vtest")))
    for _ in range(301):
        there, image = video.read()
        assert there
    return image


@pytest.fixture(scope="module")
def nanodet() -> Iterator[Engine]:
    with open_engine(pulled("nanodet")) as engine:
        yield engine


def letterbox(image: np.ndarray, size: int) -> tuple[np.ndarray, float, int, int]:
    """Return the picture in a grey square, the scale, and where it begins."""
    scale = min(size / image.shape[0], size / image.shape[1])
    height, width = round(image.shape[0] * scale), round(image.shape[1] * scale)
    top, left = (size - height) // 2, (size - width) // 2
    square = np.full((size, size, 3), 114, np.uint8)
    square[top : top + height, left : left + width] = cv2.resize(image, (width, height))
    return square, scale, left, top


GOLDEN = {
    "Identity": (0.0052063, 0.0029874, [0.0058193, 0.0043553, 0.0040718, 0.0053301]),
    "Identity_1": (0.0069387, 0.0024844, [0.0053762, 0.0045234, 0.0047633, 0.0067879]),
    "Identity_2": (0.0142852, 0.0144565, [0.0081193, 0.0078027, 0.0086800, 0.0102701]),
    "Identity_3": (-0.0000030, 0.9095379, [-0.9152380, -0.7236689, -0.5957239, -0.8371913]),
    "Identity_4": (-0.0000189, 0.5348635, [-0.3425004, -0.4122521, -0.5384916, -0.3434013]),
    "Identity_5": (-0.0000290, 0.9827103, [0.2033792, -0.9088328, 0.1035068, 0.1787169]),
}
"""Mean, spread and four values of each output on seeded noise, as a conversion by TensorFlow's
own exporter gives them."""


def test_nanodet_gives_what_it_gave_before_the_conversion(nanodet: Engine) -> None:
    noise = np.random.default_rng(0).standard_normal((1, 3, 416, 416), np.float32)
    outputs = nanodet.infer({"input_1": noise})
    assert outputs.keys() == GOLDEN.keys()
    for name, (mean, spread, values) in GOLDEN.items():
        found = outputs[name]
        assert found.mean(dtype=np.float64) == pytest.approx(mean, abs=2e-6)
        assert found.std(dtype=np.float64) == pytest.approx(spread, abs=2e-6)
        step = found.shape[1] // 3
        np.testing.assert_allclose(found[0, ::step, 7], values, atol=5e-6)


def people(boxes: np.ndarray, scores: np.ndarray) -> list[tuple[float, list[float]]]:
    """Return score and box (left, top, width, height) of everybody, best first."""
    best = scores.argmax(axis=1)
    chosen = np.flatnonzero((best == COCO.index("person")) & (scores.max(axis=1) > 0.5))
    found = scores[chosen, 0]
    kept = cv2.dnn.NMSBoxes(boxes[chosen].tolist(), found.tolist(), 0.5, 0.45)
    return [(float(found[at]), boxes[chosen][at].tolist()) for at in kept]


def test_as_yolov5_it_finds_the_six_people(frame: np.ndarray) -> None:
    square, scale, left, top = letterbox(frame, 640)
    pixels = square[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255
    with open_engine(pulled("yolov5n_coco")) as engine:
        assert [str(each) for each in (*engine.spec.inputs, *engine.spec.outputs)] == [
            "images: float16[1, 3, 640, 640]",
            "output0: float16[1, 3549, 85]",
        ]
        (cells,) = engine.infer({"images": pixels.astype(np.float16)})["output0"].astype(np.float32)
    assert cells[:, 4:].min() >= 0
    assert cells[:, 4:].max() <= 1
    corner = cells[:, :2] - cells[:, 2:4] / 2 - (left, top)
    boxes = np.concatenate([corner, cells[:, 2:4]], axis=1) / scale
    found = people(boxes, cells[:, 4:5] * cells[:, 5:])
    assert len(found) == 6
    places = sorted(box[0] + box[2] / 2 for _, box in found)
    np.testing.assert_allclose(places, [203, 253, 311, 330, 598, 632], atol=8)
    assert all(50 < box[3] < 95 for _, box in found)


def test_nanodet_scores_them_alike(nanodet: Engine, frame: np.ndarray) -> None:
    square = letterbox(frame, 416)[0].astype(np.float32)
    pixels = (square - [103.53, 116.28, 123.675]) / [57.375, 57.12, 58.395]
    outputs = nanodet.infer({"input_1": pixels.transpose(2, 0, 1)[None].astype(np.float32)})
    scores = np.concatenate([outputs[each][0] for each in ("Identity", "Identity_1", "Identity_2")])
    assert scores[:, 0].max() == pytest.approx(0.81, abs=0.03)


def test_the_air_classifier_agrees_with_the_thresholds() -> None:
    random = np.random.default_rng(99)
    values = rooms(5000, random)
    with open_engine(assets.derive("mobilenet_v2_cls")) as engine:
        assert [str(each) for each in (*engine.spec.inputs, *engine.spec.outputs)] == [
            "input: float32[?, 3]",
            "logits: float32[?, 3]",
        ]

        def classify(rows: np.ndarray) -> np.ndarray:
            return engine.infer({"input": rows.astype(np.float32)})["logits"].argmax(axis=1)

        truth, found = label(values), classify(values)
        assert (found == truth).mean() > 0.96
        assert all((found[truth == each] == each).mean() > 0.85 for each in range(3))
        rooms_known = np.array([[500, 45, 22], [1000, 45, 22], [1900, 45, 22], [500, 45, 34]])
        names = [assets.read_labels("air_quality")[each] for each in classify(rooms_known)]
    assert names == ["good", "stuffy", "bad", "bad"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEFLOW_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_was_made_is_kept_and_made_again_when_damaged(cache: Path) -> None:
    assert not is_derived("mobilenet_v2_cls")
    file = assets.derive("mobilenet_v2_cls")
    assert file == path_of_derived("mobilenet_v2_cls")
    assert is_derived("mobilenet_v2_cls")
    made, stamp = file.read_bytes(), file.stat().st_mtime_ns
    assert assets.derive("mobilenet_v2_cls").stat().st_mtime_ns == stamp
    file.write_bytes(b"x" * len(made))
    assert assets.derive("mobilenet_v2_cls").read_bytes() == made
    file.with_suffix(".json").write_text("{")
    assert not is_derived("mobilenet_v2_cls")
    assert assets.derive("mobilenet_v2_cls").read_bytes() == made


def test_threads_that_want_it_at_once_make_it_once(cache: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        files = set(pool.map(lambda _: assets.derive("mobilenet_v2_cls"), range(4)))
    assert len(files) == 1
    assert not list((cache / "assets").glob(".make-*"))


def test_what_a_killed_maker_left_is_removed(cache: Path) -> None:
    file = path_of_derived("mobilenet_v2_cls")
    (cache / "assets" / f".make-{file.name}-abandoned").mkdir(parents=True)
    assert assets.derive("mobilenet_v2_cls") == file
    assert not list((cache / "assets").glob(".make-*"))


def test_threads_that_fill_a_repository_at_once_make_one_version(tmp_path: Path) -> None:
    assets.derive("mobilenet_v2_cls")
    (tmp_path / "mobilenet_v2_cls" / ".new-abandoned").mkdir(parents=True)
    with ThreadPoolExecutor(4) as pool:
        made = pool.map(lambda _: assets.build_repository(tmp_path, ["mobilenet_v2_cls"]), range(4))
        assert len({each["mobilenet_v2_cls"] for each in made}) == 1
    left = sorted(each.name for each in (tmp_path / "mobilenet_v2_cls").iterdir())
    assert left == [".lock", "1", "labels.txt"]


def test_names_that_are_not_known_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="did you mean 'nanodet'"):
        assets.derive("nanodett")
    with pytest.raises(AssetError, match="did you mean 'coco'"):
        assets.read_labels("cocoo")
    with pytest.raises(AssetError):
        assets.build_repository(tmp_path, ["absent"])


def test_a_repository_gets_a_version_only_when_the_model_is_another(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    first = assets.build_repository(folder, ["mobilenet_v2_cls"])["mobilenet_v2_cls"]
    assert first == folder / "mobilenet_v2_cls" / "1" / "model.onnx"
    assert (folder / "mobilenet_v2_cls" / "labels.txt").read_text() == "good\nstuffy\nbad\n"
    assert assets.build_repository(folder, ["mobilenet_v2_cls"])["mobilenet_v2_cls"] == first
    first.write_bytes(b"an older one")
    second = assets.build_repository(folder, ["mobilenet_v2_cls"])["mobilenet_v2_cls"]
    assert second.parent.name == "2"
    assert first.read_bytes() == b"an older one"


def test_a_repository_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").touch()
    with pytest.raises(AssetError, match="models: the repository cannot be written"):
        assets.build_repository(tmp_path / "models", ["mobilenet_v2_cls"])


def test_the_labels_are_the_80_of_coco() -> None:
    assert len(COCO) == len(set(COCO)) == 80
    assert (COCO[0], COCO[2], COCO[16], COCO[79]) == ("person", "car", "dog", "toothbrush")


def test_a_filled_repository_is_served_with_its_labels(tmp_path: Path) -> None:
    assets.build_repository(tmp_path, ["mobilenet_v2_cls"])
    service = LocalService(tmp_path)
    try:
        room = np.array([[500, 45, 22]], np.float32)
        answer = service.infer(InferRequest("mobilenet_v2_cls", {"input": room}))
        labels = service.info("mobilenet_v2_cls").labels
        assert labels[int(answer.first.argmax())] == "good"
    finally:
        service.close()
