import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from edgeflow.errors import ConfigError, MissingExtraError, NodeError
from edgeflow.nodes.sources import VideoFileProducer


class Host:
    """What a node needs of its runtime."""

    next_id = 0

    def __init__(self) -> None:
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True

    def allocate(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        return np.empty(shape, dtype)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Five flat pictures of 64x48, 20 ms apart, each brighter than the one before."""
    file = tmp_path / "clip.mkv"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("ffv1", rate=50)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        for level in range(5):
            image = np.full((48, 64, 3), 50 * level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return file


def opened(clip: Path, **options: Any) -> tuple[VideoFileProducer, Host]:
    node, host = VideoFileProducer(name="clip", path=clip, **options), Host()
    node.attach(host)
    node.configure()
    return node, host


def take(node: VideoFileProducer, count: int) -> list[tuple[np.ndarray, dict[str, Any]]]:
    taken: list[tuple[np.ndarray, dict[str, Any]]] = []
    while len(taken) < count:
        if (value := node.produce()) is not None:
            taken.append(value)
    return taken


def test_pictures_come_in_order_and_begin_again(clip: Path) -> None:
    node, host = opened(clip, paced=False)
    taken = take(node, 12)
    node.teardown()
    assert [int(image[0, 0, 0]) for image, _ in taken] == [0, 50, 100, 150, 200] * 2 + [0, 50]
    assert [meta["round"] for _, meta in taken] == [0] * 5 + [1] * 5 + [2] * 2
    assert [meta["position"] for _, meta in taken[4:7]] == pytest.approx([0.08, 0, 0.02], abs=2e-3)
    image = taken[0][0]
    assert (image.shape, image.dtype) == ((48, 64, 3), np.dtype(np.uint8))
    assert not host.stopped


def test_the_pace_is_the_files_own_also_across_rounds(clip: Path) -> None:
    node, _ = opened(clip)
    (started,) = [time.monotonic() for _ in take(node, 1)]
    took = []
    for _ in range(10):
        while True:
            called = time.monotonic()
            if node.produce() is not None:
                break
        took.append(time.monotonic() - called)
    elapsed = time.monotonic() - started
    node.teardown()
    assert 0.17 <= elapsed < 5.0, "ten pictures, 20 ms apart, the first perhaps late"
    assert sorted(took)[5] < 0.015, "the call that returns a picture has not waited"


def test_fps_leaves_the_pace_to_the_runtime(clip: Path) -> None:
    node, _ = opened(clip, fps=5)
    started = time.monotonic()
    take(node, 20)
    assert time.monotonic() - started < 3.5
    node.teardown()


def test_without_loop_the_node_ends(clip: Path) -> None:
    node, host = opened(clip, paced=False, loop=False)
    assert len(take(node, 5)) == 5
    assert not host.stopped
    assert node.produce() is None
    assert host.stopped
    node.teardown()


def test_a_pause_is_not_caught_up(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node, _ = opened(clip)
    take(node, 1)
    later = time.monotonic() + 3600
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert node.produce() is not None
    assert node.produce() is None
    node.teardown()


def test_width_scales_and_keeps_the_aspect(clip: Path) -> None:
    node, _ = opened(clip, paced=False, width=128)
    ((image, _),) = take(node, 1)
    assert image.shape == (96, 128, 3)
    node.teardown()


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"node 'clip': there is no video file 'absent\.mp4'"):
        opened(Path("absent.mp4"))


def test_files_that_are_no_video_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("this is not a video")
    with pytest.raises(NodeError, match=r"text\.mp4 cannot be decoded"):
        opened(tmp_path / "text.mp4")
    sound = tmp_path / "sound.mkv"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(ConfigError, match=r"sound\.mkv holds no video"):
        opened(sound)


def test_without_the_package_the_extra_is_named(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"edgeflow\[video\]"):
        opened(clip)
