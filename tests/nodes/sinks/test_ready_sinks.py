import json

import av
import numpy as np
import pytest

from edgeflow import EdgeApp, Frame
from edgeflow.nodes import ProducerNode
from edgeflow.nodes.sinks import JsonLinesSink, RecordingSink, StoreSink, VideoSink
from edgeflow.store import open_store
from edgeflow.store.recording import Recording


class Feed(ProducerNode):
    fps = None

    def produce(self):
        if not self.frames:
            self.stop()
            return None
        return self.frames.pop(0)


def run(sink: type, frames: list[Frame], **options) -> int:
    app = EdgeApp("sinks")
    app.add("feed", Feed, options={"frames": list(frames)})
    app.add("sink", sink, options=options, on_error="skip")
    app.link("feed").to("sink", qos="durable")
    return app.run([])


def pictures(count: int, shape=(48, 64, 3), start: float = 10.0) -> list[Frame]:
    return [
        Frame(data=np.full(shape, i * 10 % 256, np.uint8), id=i + 1, timestamp=start + i * 0.1)
        for i in range(count)
    ]


def test_json_lines(tmp_path):
    path = tmp_path / "out.jsonl"
    frames = [
        Frame(data={"a": 1}, id=1, timestamp=1.5, meta={"score": np.float32(0.5)}),
        Frame(data=np.zeros((2, 3), np.uint8), id=2, timestamp=2.5),
        Frame(data=b"\x00\x01", id=3, timestamp=3.5),
    ]
    assert run(JsonLinesSink, frames, path=str(path)) == 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["data"] for line in lines] == [
        {"a": 1}, {"dtype": "uint8", "shape": [2, 3]}, {"base64": "AAE="},
    ]  # fmt: skip
    assert lines[0]["meta"] == {"score": 0.5}
    assert lines[0]["time"] == 1.5
    run(JsonLinesSink, frames[1:2], path=str(path), arrays="values")
    assert json.loads(path.read_text().splitlines()[-1])["data"]["values"] == [[0] * 3] * 2


def test_video_has_every_picture_at_its_time(tmp_path):
    path = tmp_path / "out.mp4"
    assert run(VideoSink, pictures(20), path=str(path)) == 0
    with av.open(str(path)) as video:
        shown = list(video.decode(video=0))
    assert len(shown) == 20
    assert shown[10].time == pytest.approx(1.0, abs=0.01)
    assert shown[0].to_ndarray(format="bgr24").shape == (48, 64, 3)
    assert abs(int(shown[10].to_ndarray(format="bgr24").mean()) - 100) < 8


def test_another_size_begins_a_new_file_and_data_is_refused(tmp_path):
    path = tmp_path / "out.mkv"
    other = pictures(3, (33, 41), 20.0)
    frames = [*pictures(3), Frame(data={"no": "picture"}), *other]
    assert run(VideoSink, frames, path=str(path)) == 0
    with av.open(str(path)) as first, av.open(str(tmp_path / "out-2.mkv")) as second:
        assert len(list(first.decode(video=0))) == 3
        stream = second.streams.video[0]
        assert (stream.width, stream.height) == (40, 32)


def test_recording_sink_keeps_what_is_there(tmp_path):
    path = tmp_path / "run.mcap"
    for _ in range(2):
        assert run(RecordingSink, pictures(4), path=str(path)) == 0
    for name in ("run.mcap", "run-2.mcap"):
        assert len(list(Recording(tmp_path / name).frames(["feed"]))) == 4


def test_store_sink(tmp_path):
    url = f"sqlite:///{tmp_path}/flow.db"
    frames = [
        Frame(data={"t": i}, id=i + 1, timestamp=float(i + 1), meta={"n": i}) for i in range(5)
    ]
    assert run(StoreSink, [*frames, *pictures(1)], url=url) == 0
    store = open_store(url)
    events = store.query("feed")
    store.close()
    assert [event.value for event in events[:5]] == [{"t": i} for i in range(5)]
    assert events[5].value == {"dtype": "uint8", "shape": [48, 64, 3]}
    assert events[2].meta == {"n": 2}


@pytest.mark.parametrize("sink", [JsonLinesSink, VideoSink, RecordingSink, StoreSink])
def test_a_sink_without_a_place_fails_clearly(sink):
    assert run(sink, pictures(1)) == 1
