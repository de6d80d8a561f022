"""Cameras, played by files: OpenCV reads both through one interface, and files end."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import structlog

from edgeflow.errors import NodeError
from edgeflow.nodes.sources import CameraProducer


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Three pictures of 64x48."""
    file = tmp_path / "camera.avi"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for level in (40, 120, 200):
            image = np.full((48, 64, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return file


def opened(camera: Any, **options: Any) -> CameraProducer:
    node = CameraProducer(name="camera", camera=camera, **options)
    node.configure()
    return node


def take(node: CameraProducer, count: int) -> list[np.ndarray]:
    taken: list[np.ndarray] = []
    while len(taken) < count:
        if (image := node.produce()) is not None:
            taken.append(image)
    return taken


def test_pictures_are_bgr_and_a_lost_camera_is_opened_again(recording: Path) -> None:
    node = opened(str(recording))
    with structlog.testing.capture_logs() as logs:
        node.log = structlog.get_logger()
        images = take(node, 5)
    node.teardown()
    assert {(image.shape, image.dtype.name) for image in images} == {((48, 64, 3), "uint8")}
    levels = [int(image.mean()) for image in images]
    assert np.abs(np.array(levels) - [40, 120, 200, 40, 120]).max() <= 3
    assert [entry["event"] for entry in logs] == ["camera_lost", "camera_found"]


def test_the_wait_for_the_camera_is_not_part_of_the_call_with_the_picture(recording: Path) -> None:
    own_pace, fixed = opened(str(recording)), opened(str(recording), fps=30)
    assert own_pace.produce() is None
    assert own_pace.produce() is not None
    assert fixed.produce() is not None
    own_pace.teardown()
    fixed.teardown()


@pytest.mark.parametrize("camera", [63, "/dev/absent-camera", "rtsp://127.0.0.1:9/stream"])
def test_a_camera_that_is_not_there_is_named(camera: int | str) -> None:
    with pytest.raises(NodeError, match=f"{camera} cannot be opened") as caught:
        opened(camera)
    assert "plugged in" in caught.value.hint


def test_credentials_stay_out_of_messages() -> None:
    with pytest.raises(NodeError) as caught:
        opened("rtsp://user:secret@127.0.0.1:9/stream?token=secret")
    assert "secret" not in str(caught.value)
    assert "rtsp://127.0.0.1:9/stream" in str(caught.value)


def test_a_camera_that_stays_away_fails_the_node(recording: Path) -> None:
    node = opened(str(recording), patience=0.3)
    recording_gone = recording.rename(recording.with_suffix(".gone"))
    with pytest.raises(NodeError, match=r"has given no picture for 0\.3 s"):
        take(node, 4)
    recording_gone.rename(recording)
    node.configure()
    assert len(take(node, 1)) == 1
    node.teardown()


def test_teardown_before_configure_is_harmless() -> None:
    CameraProducer(name="camera").teardown()


def test_a_gstreamer_pipeline_that_cannot_run_is_named_by_its_source():
    node = CameraProducer(name="csi", camera="nosuchsource location=rtsp://x:pw@y ! appsink")
    with pytest.raises(NodeError, match="'nosuchsource") as caught:
        node.configure()
    node.teardown()
    assert "appsink" not in str(caught.value)
