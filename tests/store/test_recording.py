import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader

from edgeflow import EdgeApp, Frame
from edgeflow.errors import StoreError
from edgeflow.nodes.sources.replay import ReplayProducer
from edgeflow.protocols.frames import decode
from edgeflow.store.recording import Recorder, Recording, record
from flows import Collector, Counter, wait_until

PAYLOADS = [
    np.arange(24, dtype=">u2").reshape(2, 3, 4),
    np.array([[1.5, np.nan]], np.float32),
    b"\x00\xff",
    "text",
    {"a": [1, None]},
    np.zeros((0, 3), np.uint8),
]


def frames() -> list[Frame]:
    return [
        Frame(
            data=data,
            id=i,
            timestamp=100.0 + i / 10,
            source="cam",
            topic=f"t{i % 2}",
            meta={"i": i},
        )
        for i, data in enumerate(PAYLOADS)
    ]


@pytest.fixture
def path(tmp_path):
    with Recorder(tmp_path / "run.mcap") as recorder:
        for frame in frames():
            recorder.write(frame)
    return tmp_path / "run.mcap"


def assert_same(a: Frame, b: Frame) -> None:
    assert (a.id, a.timestamp, a.source, a.topic, a.meta) == (
        b.id, b.timestamp, b.source, b.topic, b.meta,
    )  # fmt: skip
    if isinstance(a.data, np.ndarray):
        assert (a.data.dtype, a.data.shape) == (b.data.dtype, b.data.shape)
        assert a.data.tobytes() == b.data.tobytes()
    else:
        assert a.data == b.data


def test_everything_comes_back_bit_for_bit(path):
    recording = Recording(path)
    for written, read in zip(frames(), recording.frames(), strict=True):
        assert_same(written, read)
    assert not recording.truncated
    assert [frame.id for frame in recording.frames(["t1"])] == [1, 3, 5]


def test_summary(path):
    summary = Recording(path).summary()
    assert {topic.topic: topic.frames for topic in summary.topics} == {"t0": 3, "t1": 3}
    assert summary.seconds == pytest.approx(0.5)
    assert summary.bytes == path.stat().st_size


def test_the_public_reader_reads_it(path):
    with path.open("rb") as file:
        messages = list(make_reader(file).iter_messages())
    assert [channel.topic for _, channel, _ in messages] == ["t0", "t1"] * 3
    assert {schema.name for schema, _, _ in messages} == {"edgeflow.frame"}
    assert messages[0][2].log_time == 100_000_000_000
    assert_same(decode(messages[0][2].data), frames()[0])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(cut=st.integers(0, 10_000))
def test_a_file_cut_anywhere_gives_what_it_still_holds(path, tmp_path, cut):
    whole = path.read_bytes()
    part = tmp_path / "cut.mcap"
    part.write_bytes(whole[: min(cut, len(whole))])
    try:
        recording = Recording(part)
    except StoreError:
        assert cut < 8
        return
    read = list(recording.frames())
    assert [frame.id for frame in read] == list(range(len(read)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(at=st.integers(8, 3000), value=st.integers(0, 255))
def test_a_damaged_file_never_crashes(path, tmp_path, at, value):
    damaged = bytearray(path.read_bytes())
    damaged[min(at, len(damaged) - 1)] = value
    part = tmp_path / "damaged.mcap"
    part.write_bytes(damaged)
    list(Recording(part).frames())


def test_what_is_no_recording_is_refused(tmp_path):
    (tmp_path / "text.mcap").write_text("something else")
    with pytest.raises(StoreError, match="not an MCAP file"):
        Recording(tmp_path / "text.mcap")
    with pytest.raises(StoreError):
        Recording(tmp_path / "absent.mcap")


def test_an_existing_file_is_not_overwritten(path):
    with pytest.raises(StoreError, match="exists"):
        Recorder(path)


def test_a_running_flow_is_recorded_and_replayed(tmp_path):
    app = EdgeApp("live")
    app.add("source", Counter, options={"fps": 200})
    app.add("sink", Collector, options={"into": []})
    app.link("source").to("sink")
    path, stop = tmp_path / "live.mcap", threading.Event()
    with app.running() as flow:
        summary = record(flow.frames, path, ["source"], seconds=0.5, stop=stop)
    assert summary.frames > 50
    assert summary.dropped == 0

    got: list[Frame] = []
    again = EdgeApp("again")
    again.add("source", ReplayProducer, options={"path": str(path), "speed": 4.0})
    again.add("sink", Collector, options={"into": got})
    again.link("source").to("sink", qos="durable")
    again.run([])
    original = list(Recording(path).frames())
    assert len(got) == len(original)
    for written, read in zip(original, got, strict=True):
        assert_same(written, read)


def test_what_was_flushed_can_be_read_before_the_file_is_closed(tmp_path):
    with Recorder(tmp_path / "open.mcap") as recorder:
        for frame in frames():
            recorder.write(frame)
        recorder.flush()
        recorder.flush()
        recording = Recording(recorder.path)
        assert [frame.id for frame in recording.frames()] == list(range(len(PAYLOADS)))
        assert recording.truncated


def test_waiting_for_the_next_frame_is_no_work_of_the_node(tmp_path):
    path = tmp_path / "slow.mcap"
    with Recorder(path) as recorder:
        for i in range(4):
            recorder.write(Frame(data=str(i), id=i, timestamp=50 + i * 0.2, topic="source"))
    app = EdgeApp("patient")
    app.add("source", ReplayProducer, options={"path": str(path)})
    app.add("sink", Collector, options={"into": []})
    app.link("source").to("sink", qos="durable")
    with app.running() as flow:
        wait_until(lambda: flow.status().nodes[0].state == "finished")
        source = flow.status().nodes[0]
    assert source.frames_out == 4
    assert source.process_p99_ms < 100


def test_replay_keeps_time(tmp_path):
    path = tmp_path / "slow.mcap"
    with Recorder(path) as recorder:
        for i in range(5):
            recorder.write(Frame(data=str(i), id=i, timestamp=50 + i * 0.2, topic="source"))
    got: list[Frame] = []
    arrivals: list[float] = []

    class Watch(Collector):
        def write(self, frame):
            import time

            arrivals.append(time.monotonic())
            super().write(frame)

    app = EdgeApp("timed")
    app.add("source", ReplayProducer, options={"path": str(path), "speed": 2.0})
    app.add("sink", Watch, options={"into": got})
    app.link("source").to("sink", qos="durable")
    app.run([])
    assert 0.3 < arrivals[-1] - arrivals[0] < 2


def test_replay_loops_until_told(tmp_path):
    path = tmp_path / "loop.mcap"
    with Recorder(path) as recorder:
        for i in range(3):
            recorder.write(Frame(data=str(i), id=i, timestamp=50 + i, topic="source"))
    got: list[Frame] = []
    app = EdgeApp("looped")
    app.add("source", ReplayProducer, options={"path": str(path), "speed": 0, "loop": True})
    app.add("sink", Collector, options={"into": got})
    app.link("source").to("sink", qos="durable")
    with app.running():
        wait_until(lambda: len(got) >= 9)
    assert [frame.data for frame in got[:9]] == ["0", "1", "2"] * 3
