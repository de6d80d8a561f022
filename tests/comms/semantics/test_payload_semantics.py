from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from semantics_kit import Flow, durable, next_delivery

from edgeflow.core.frame import Frame, Hop
from edgeflow.errors import FrameTooLargeError, PayloadError

_rng = np.random.default_rng(7)

ARRAYS = {
    "image": _rng.integers(0, 256, (48, 64, 3), np.uint8),
    "large": _rng.integers(0, 256, (480, 640, 3), np.uint8),
    "depth": _rng.integers(0, 65536, (48, 64), np.uint16),
    "float32": _rng.standard_normal((5, 7, 2)).astype(np.float32),
    "large float64": _rng.standard_normal((300, 100)),
    "nan": np.array([np.nan, np.inf, -0.0]),
    "complex": _rng.standard_normal(9).astype(np.complex64),
    "bool": _rng.integers(0, 2, (3, 3)).astype(bool),
    "int64": np.array([-(2**63), 2**63 - 1]),
    "empty": np.empty((0, 4), np.float32),
    "scalar": np.array(3.5),
    "big-endian": np.arange(6, dtype=">u4").reshape(2, 3),
    "transposed": np.arange(12, dtype=np.int32).reshape(3, 4).T,
    "strided": np.arange(20, dtype=np.uint8)[::3],
}
VALUES: dict[str, Any] = {
    "bytes": bytes(range(256)),
    "empty bytes": b"",
    "large bytes": bytes(range(256)) * 2000,
    "text": "Zürich 東京 🙂",
    "empty text": "",
    "dict": {"boxes": [[1, 2.5, None, True]], "label": "ü", "nested": {"a": {}}},
    "list": [1, "two", [3.0], {}],
}


def travelled(flow: Flow, data: Any, **fields: Any) -> Frame:
    source = flow.source("t", durable())
    subscriber = flow.subscriber(durable())
    assert source.send(data, **fields)
    delivery = next_delivery(subscriber)
    subscriber.ack(delivery)
    return delivery.frame


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_arrive_bit_for_bit(flow: Flow, name: str):
    data = ARRAYS[name]
    got = travelled(flow, data).data
    assert isinstance(got, np.ndarray)
    assert (got.dtype, got.shape) == (data.dtype, data.shape)
    assert got.tobytes() == data.tobytes()


def test_large_arrays_arrive_aligned_and_read_only_after_a_wire(flow: Flow):
    got = travelled(flow, ARRAYS["large float64"]).data
    assert got.flags.aligned
    assert np.array_equal(got, ARRAYS["large float64"])


@pytest.mark.parametrize("name", VALUES)
def test_other_payloads_arrive_equal(flow: Flow, name: str):
    got = travelled(flow, VALUES[name]).data
    assert type(got) is type(VALUES[name])
    assert got == VALUES[name]


def test_the_envelope_arrives(flow: Flow):
    meta = {"score": 0.5, "boxes": [[1, 2, 3, 4]], "name": "ü"}
    trace = (Hop("camera", "host", 10**18, 10**18 + 5), Hop("filter", "host", 1, 2))
    frame = travelled(
        flow, b"x", id=2**40, timestamp=1.7e9 + 0.123456, source="camera", meta=meta, trace=trace
    )
    assert (frame.id, frame.timestamp, frame.source) == (2**40, 1.7e9 + 0.123456, "camera")
    assert (frame.meta, frame.trace, frame.topic) == (meta, trace, "t")
    assert frame.epoch > 0
    assert not frame.redelivered


def test_numpy_scalars_in_meta_arrive_as_numbers(flow: Flow):
    meta = {"score": np.float32(0.5), "count": np.int64(3), "box": np.array([1, 2])}
    got = travelled(flow, "x", meta=meta).meta
    assert float(got["score"]) == 0.5
    assert int(got["count"]) == 3
    assert list(got["box"]) == [1, 2]


def test_a_redelivered_origin_stays_marked(flow: Flow):
    assert travelled(flow, "x", redelivered=True).redelivered


@pytest.mark.parametrize("images", [True, False])
def test_pictures_of_a_jpeg_link_arrive_as_they_are_asked_for(flow: Flow, images: bool):
    wish = replace(durable(), images=images)
    source = flow.source("t", wish, codec="jpeg:90")
    subscriber = flow.subscriber(wish)
    assert source.send(np.full((32, 48, 3), 90, np.uint8), meta={"n": 1})
    delivery = next_delivery(subscriber)
    subscriber.ack(delivery)
    frame = delivery.frame
    if images or isinstance(frame.data, np.ndarray):  # nothing is encoded inside a process
        assert (frame.data.shape, frame.meta) == ((32, 48, 3), {"n": 1})
    else:
        assert frame.meta == {"n": 1, "content_type": "image/jpeg"}
        assert cv2.imdecode(np.frombuffer(frame.data, np.uint8), 1).shape == (32, 48, 3)


@pytest.mark.parametrize("name", ["depth", "bool", "large float64", "zeros"])
def test_arrays_of_an_lz4_link_arrive_bit_for_bit(flow: Flow, name: str):
    data = np.zeros((90, 70), np.uint16) if name == "zeros" else ARRAYS[name]
    source = flow.source("t", durable(), codec="lz4")
    subscriber = flow.subscriber(durable())
    assert source.send(data)
    delivery = next_delivery(subscriber)
    subscriber.ack(delivery)
    got = delivery.frame.data
    assert (got.dtype, got.shape, got.tobytes()) == (data.dtype, data.shape, data.tobytes())


class TestWires:
    """What only holds where frames are encoded."""

    @pytest.fixture(autouse=True)
    def wire(self, flow: Flow, request: pytest.FixtureRequest) -> None:
        self.flow = flow
        self.in_memory = "memory" in request.node.callspec.id

    def test_what_cannot_travel_is_refused(self):
        source = self.flow.source("t", durable())
        if not self.in_memory:
            with pytest.raises(PayloadError):
                source.send(object())
            with pytest.raises(PayloadError):
                source.send(np.array([object()]))
        assert source.send("fine")

    def test_too_large_a_frame_is_refused(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("EDGEFLOW_MAX_FRAME_BYTES", "4096")
        source = self.flow.source("t", durable())
        if not self.in_memory:
            with pytest.raises(FrameTooLargeError):
                source.send(b"x" * 5000)
        assert source.send("fine")
