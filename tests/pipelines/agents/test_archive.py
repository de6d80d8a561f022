import asyncio
import base64
import errno
from pathlib import Path

import numpy as np
import pytest
from agent_parts import Bench
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import PipelineError
from edgeflow.pipelines.agents.archive import SnapshotArchive
from edgeflow.pipelines.agents.snapshots import Bounds, SnapshotFolder
from edgeflow.pipelines.stages.pictures import decode_picture, encode_picture

PICTURE = np.full((60, 80, 3), 90, np.uint8)
JPEG, PNG = encode_picture(PICTURE), encode_picture(PICTURE, "png")
PERSON = {"label": "person", "confidence": 0.9, "bbox": [10, 10, 40, 50]}
SEEN = {"detections": [PERSON]}
NOON = 1_700_000_000.0
DAY = "2023-11-14"


def archive(folder: Path, **options) -> Bench:
    return Bench(SnapshotArchive, folder=str(folder), min_free_bytes=0, **options)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_the_bytes_of_the_sensor_are_kept_and_only_the_path_is_told(tmp_path):
    (action,) = archive(tmp_path, dispatcher="d").send(SEEN, content=JPEG, sensor="a/b")
    path = Path(action.payload["path"])
    assert path.parent == tmp_path / DAY
    assert path.name == "221320-000-1_a-b.jpg"
    assert path.read_bytes() == JPEG
    assert action.dispatcher == "d"
    assert action.metadata["text"] == f"snapshot of a/b: {DAY}/{path.name}"
    assert action.payload == {
        "path": str(path),
        "bytes": len(JPEG),
        "sensor": "a/b",
        "time": NOON,
        "detections": [PERSON],
    }
    assert files(tmp_path) == [path]


def test_decoded_pictures_are_encoded_and_png_stays_png(tmp_path):
    bench = archive(tmp_path)
    (first,) = bench.send(SEEN, content=PICTURE)
    (second,) = bench.send(SEEN, content=PNG)
    assert decode_picture(Path(first.payload["path"]).read_bytes()).shape == (60, 80, 3)
    assert second.payload["path"].endswith(".png")


def test_boxes_are_drawn_where_that_is_wanted(tmp_path):
    (action,) = archive(tmp_path, draw=True).send(
        {"detections": [PERSON, {"bbox": "x"}, {"bbox": [1, 2]}, {"bbox": [1e300] * 4}]},
        content=PNG,
    )
    drawn = decode_picture(Path(action.payload["path"]).read_bytes()).astype(int)
    assert abs(drawn[10, 25] - 90).max() > 60
    assert abs(drawn[30, 25] - 90).max() < 20


def test_base64_on_request(tmp_path):
    (action,) = archive(tmp_path, base64=True).send(SEEN, content=JPEG)
    assert base64.b64decode(action.payload["image"]) == JPEG


def test_it_is_silent_without_a_wanted_label_and_within_the_interval(tmp_path):
    bench = archive(tmp_path, labels=["person"], interval_s=5)
    assert not bench.fires({"detections": [{"label": "dog"}]}, content=JPEG)
    assert not bench.fires({"detections": []}, content=JPEG)
    assert bench.fires(SEEN, content=JPEG)
    assert not bench.fires(SEEN, content=JPEG, after=4)
    assert bench.fires(SEEN, content=JPEG, sensor="s2")
    assert bench.fires(SEEN, content=JPEG, after=1)
    assert len(files(tmp_path)) == 3


@pytest.mark.parametrize("content", [b"", b"text", {"a": 1}, JPEG[:40], np.zeros(3)])
def test_what_is_no_picture_is_refused(tmp_path, content):
    with pytest.raises(PipelineError):
        archive(tmp_path).send(SEEN, content=content)
    assert files(tmp_path) == []


@given(st.text(min_size=1), st.floats(allow_nan=True))
def test_hostile_names_and_times_stay_in_the_folder(tmp_path_factory, sensor, when):
    folder = tmp_path_factory.mktemp("snapshots")
    store = SnapshotFolder(folder, Bounds())
    store.open()
    path = store.write(b"x", sensor=sensor, when=when, suffix=".jpg", now=NOON)
    assert path.resolve().parent.parent == folder.resolve()
    assert path.read_bytes() == b"x"
    again = SnapshotFolder(folder, Bounds())
    again.open()
    assert len(again) == 1


def filled(folder: Path, bounds: Bounds, count: int, size: int = 100, step: float = 60.0):
    store = SnapshotFolder(folder, bounds)
    store.open()
    for i in range(count):
        when = NOON + i * step
        store.write(bytes(size), sensor="s", when=when, suffix=".jpg", now=when)
    return store


@pytest.mark.parametrize(
    "bounds", [Bounds(files=3), Bounds(size=350), Bounds(age_s=150)], ids=["files", "size", "age"]
)
def test_the_oldest_go_first(tmp_path, bounds):
    store = filled(tmp_path, bounds, 10)
    kept = [path.name[:6] for path in files(tmp_path)]
    assert kept == ["222020", "222120", "222220"]
    assert (len(store), store.size) == (3, 300)


def test_bounds_hold_over_restarts_and_strangers_files_are_left_alone(tmp_path):
    filled(tmp_path, Bounds(), 5)
    stranger = tmp_path / DAY / "notes.txt"
    stranger.write_text("mine")
    half = tmp_path / DAY / "221320-000-9_s.jpg.part"
    half.write_bytes(b"half")
    store = SnapshotFolder(tmp_path, Bounds(files=2))
    store.open()
    assert len(store) == 5
    assert not half.exists()
    store.write(b"x", sensor="s", when=NOON + 999, suffix=".jpg", now=NOON + 999)
    assert len(files(tmp_path)) == 3
    assert stranger.exists()


def test_days_that_are_empty_vanish(tmp_path):
    filled(tmp_path, Bounds(files=2), 4, step=86400.0)
    assert sorted(day.name for day in tmp_path.iterdir()) == ["2023-11-16", "2023-11-17"]


def test_a_disk_that_is_nearly_full_is_left_its_rest(tmp_path):
    filled(tmp_path, Bounds(), 3)
    store = SnapshotFolder(tmp_path, Bounds(free=1 << 62))
    store.open()
    with pytest.raises(PipelineError, match="no room"):
        store.write(b"x", sensor="s", when=NOON, suffix=".jpg", now=NOON)
    assert files(tmp_path) == []


def test_a_full_disk_costs_the_oldest_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    store = filled(tmp_path, Bounds(), 20)
    real, fails = Path.write_bytes, [1, 2, 3]

    def write_bytes(path: Path, data: bytes) -> int:
        if fails and fails.pop():
            real(path, data[:1])
            raise OSError(errno.ENOSPC, "no space left")
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(PipelineError, match="no space left"):
        store.write(b"xy", sensor="s", when=NOON, suffix=".jpg", now=NOON)
    assert len(store) == len(files(tmp_path)) == 18
    path = store.write(b"xy", sensor="s", when=NOON + 9999, suffix=".jpg", now=NOON + 9999)
    assert path.read_bytes() == b"xy"
    assert len(store) == len(files(tmp_path)) == 18
    assert not list(tmp_path.rglob("*.part"))


def test_a_folder_that_cannot_be_is_named_at_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    bench = archive(tmp_path / "file" / "below")
    with pytest.raises(PipelineError, match="cannot be opened"):
        asyncio.run(bench.agent.start())


def test_start_and_stop_own_one_thread(tmp_path):
    bench = archive(tmp_path)

    async def life() -> None:
        await bench.agent.start()
        await bench.agent.stop()
        await bench.agent.stop()

    asyncio.run(life())
