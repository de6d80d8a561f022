"""Where there is a CUDA GPU, the tests of the way back to the CPU are not run."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import structlog
from structlog.testing import capture_logs

from connecting import collect, made
from edgeflow.nodes.sources import decoding
from edgeflow.nodes.sources.decoding import cuda_trouble, decoded, open_video
from edgeflow.pipelines.connectors.camera import CameraConnector
from rtsp_server import rtsp_server

without_gpu = pytest.mark.skipif(cuda_trouble() is None, reason="there is a CUDA GPU")
LOG = structlog.get_logger("test")


def clip(folder: Path, codec: str, pixels: str) -> Path:
    file = folder / f"{codec}.mkv"
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=50)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for level in range(5):
            image = np.full((48, 64, 3), 40 * level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return file


@pytest.fixture
def h264(tmp_path: Path) -> Path:
    return clip(tmp_path, "libx264", "yuv420p")


@pytest.fixture
def told() -> Iterator[list[dict[str, object]]]:
    with capture_logs() as entries:
        yield entries  # type: ignore[misc]


def missing(told: list[dict[str, object]]) -> list[dict[str, object]]:
    return [entry for entry in told if entry["event"] == "hardware_decoding_missing"]


def count(file: Path, wish: str) -> int:
    with open_video(str(file), wish, LOG) as container:  # type: ignore[arg-type]
        return sum(1 for _ in container.decode(video=0))


@without_gpu
def test_without_a_gpu_cuda_warns_and_the_cpu_decodes(
    h264: Path, told: list[dict[str, object]]
) -> None:
    assert count(h264, "cuda") == 5
    (entry,) = missing(told)
    assert (entry["log_level"], entry["wanted"], entry["used"]) == ("warning", "cuda", "cpu")
    assert "no CUDA device" in str(entry["error"])


@without_gpu
@pytest.mark.parametrize("wish", ["auto", "none"])
def test_without_a_gpu_the_others_are_silent(
    h264: Path, wish: str, told: list[dict[str, object]]
) -> None:
    assert count(h264, wish) == 5
    assert missing(told) == []


def test_a_codec_that_cuda_does_not_know_is_decoded_by_the_cpu(
    tmp_path: Path, told: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyAV opens no device for such a codec, so this needs no GPU."""
    monkeypatch.setattr(decoding, "cuda_trouble", lambda: None)
    assert count(clip(tmp_path, "ffv1", "bgr0"), "cuda") == 5
    assert "CUDA does not decode ffv1" in str(missing(told)[0]["error"])


class BrokenGpu:
    """A container and its stream, as PyAV shows them where a GPU decodes."""

    codec_context = SimpleNamespace(is_hwaccel=True)

    def decode(self, stream: object) -> Iterator[object]:
        raise av.InvalidDataError(1, "the GPU is busy")
        yield


def test_a_gpu_that_gives_no_picture_is_not_asked_again(
    h264: Path, told: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_trouble", {"cuda": None})
    broken = BrokenGpu()
    with pytest.raises(av.FFmpegError):
        next(decoded(broken, broken, LOG))
    assert count(h264, "cuda") == 5
    assert "the GPU gave no picture" in str(missing(told)[0]["error"])


@without_gpu
def test_a_camera_that_plays_a_file_warns_once(h264: Path, told: list[dict[str, object]]) -> None:
    camera = made(CameraConnector, source=str(h264), paced=False, interval=0, hwaccel="cuda")
    assert len(collect(camera, 12)) == 12
    assert len(missing(told)) == 1


@without_gpu
def test_a_camera_that_plays_a_stream_falls_back(told: list[dict[str, object]]) -> None:
    with rtsp_server() as server:
        camera = made(CameraConnector, source=server.url, interval=0, hwaccel="cuda", timeout_s=10)
        message = collect(camera, 1)[0]
    assert message.payload.ndim == 3
    assert len(missing(told)) == 1
