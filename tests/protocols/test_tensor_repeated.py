from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeflow.errors import ProtocolError
from edgeflow.protocols.tensor import v2
from edgeflow.protocols.tensor.repeated import Decoder, Encoder
from edgeflow.protocols.tensor.wire import Limits

LIMITS = Limits()

arrays = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int8, np.uint16, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
tensors = st.dictionaries(st.sampled_from(["x", "y", "z"]), arrays, min_size=1)


def frame_of(**fields: Any) -> memoryview:
    return memoryview(b"".join(bytes(part) for part in v2.encode_request(v2.Request(**fields)))[4:])


def fields_of(request: v2.Request) -> list[Any]:
    inputs = request.inputs
    named = inputs.items() if isinstance(inputs, dict) else enumerate(inputs)
    values = [(name, each.dtype, each.shape, each.tobytes()) for name, each in named]
    return [
        request.request_id, request.model, request.version, request.client, request.kind,
        request.deadline_ms, request.priority, list(request.outputs), values,
    ]  # fmt: skip


@settings(max_examples=60)
@given(
    st.lists(
        st.builds(
            frame_of,
            request_id=st.integers(0, 2**64 - 1),
            model=st.sampled_from(["m", "n"]),
            inputs=st.one_of(tensors, st.lists(arrays, min_size=1, max_size=2)),
            deadline_ms=st.integers(0, 9),
            priority=st.integers(-1, 1),
            client=st.sampled_from(["", "c"]),
        ),
        max_size=4,
    ),
    st.lists(st.integers(0, 3), max_size=12),
)
def test_requests_are_read_as_if_each_were_the_first(
    frames: list[memoryview], turns: list[int]
) -> None:
    decoder = Decoder(LIMITS)
    for turn in turns:
        if turn < len(frames):
            frame = frames[turn]
            assert fields_of(decoder.decode(frame)) == fields_of(v2.decode_request(frame, LIMITS))


@settings(max_examples=200)
@given(st.integers(0, 200), st.integers(0, 255))
def test_one_changed_byte_is_noticed(at: int, value: int) -> None:
    decoder = Decoder(LIMITS)
    frame = frame_of(request_id=1, model="model", inputs={"x": np.arange(6, dtype=np.float32)})
    decoder.decode(frame)
    changed = bytearray(frame)
    changed[at % len(changed)] = value
    outcomes = []
    for read in (decoder.decode, lambda frame: v2.decode_request(frame, LIMITS)):
        try:
            outcomes.append(fields_of(read(memoryview(changed).toreadonly())))
        except ProtocolError as error:
            outcomes.append([str(error)])
    assert outcomes[0] == outcomes[1]


def test_tensors_of_a_repeated_request_are_read_only_views_of_its_own_frame() -> None:
    decoder = Decoder(LIMITS)
    for value in (1.0, 2.0):
        x = np.full((2, 3), value, np.float32)
        frame = frame_of(request_id=1, model="m", inputs={"x": x})
        found = decoder.decode(frame).inputs["x"]
        assert np.array_equal(found, x)
        assert np.shares_memory(found, np.frombuffer(frame, np.uint8))
        assert not found.flags.writeable


def test_a_repeated_request_that_is_cut_is_refused() -> None:
    decoder = Decoder(LIMITS)
    frame = frame_of(request_id=1, model="m", inputs={"x": np.ones(4, np.float32)})
    decoder.decode(frame)
    for size in range(len(frame)):
        with pytest.raises(ProtocolError):
            decoder.decode(frame[:size])


answers = st.tuples(
    st.integers(0, 2**64 - 1),
    st.sampled_from(["m", "n"]),
    st.sampled_from(["1", "2"]),
    st.one_of(tensors, tensors.map(lambda outputs: {k: v.T for k, v in outputs.items()})),
    st.integers(0, 2**33),
    st.integers(1, 2**17),
)


@settings(max_examples=60)
@given(st.lists(answers, max_size=4), st.lists(st.integers(0, 3), max_size=12))
def test_answers_are_written_as_if_each_were_the_first(
    made: list[tuple[Any, ...]], turns: list[int]
) -> None:
    encoder = Encoder()
    for turn in turns:
        if turn >= len(made):
            continue
        number, model, version, outputs, micros, batch = made[turn]
        times = {"queue_us": micros, "compute_us": micros + 1, "batch": batch}
        written = encoder.encode(number, model, version, outputs, **times)
        response = v2.Response(number, model=model, version=version, outputs=outputs, **times)
        wanted = v2.encode_response(response)
        assert b"".join(map(bytes, written)) == b"".join(map(bytes, wanted))


@pytest.mark.parametrize("size", [3, 1000, 5000])
def test_long_outputs_are_not_copied_and_short_ones_leave_in_one_part(size: int) -> None:
    encoder = Encoder()
    for _ in range(2):
        y = np.arange(size, dtype=np.float32)
        parts = encoder.encode(1, "m", "1", {"y": y}, queue_us=0, compute_us=0, batch=1)
        assert len(parts) == (1 if y.nbytes < 1 << 14 else 2)
        shared = np.shares_memory(np.frombuffer(parts[-1], np.uint8), y)
        assert shared == (y.nbytes >= 1 << 14)
