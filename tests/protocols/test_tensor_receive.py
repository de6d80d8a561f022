import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.errors import FrameTooLargeError
from edgeflow.protocols.tensor import v1
from edgeflow.protocols.tensor.receive import STAGING_BYTES, Receiver
from edgeflow.protocols.tensor.wire import Limits


def feed(receiver: Receiver, stream: bytes, sizes, take=lambda: True):
    """Receive ``stream`` in pieces as a socket would, and return the frames."""
    frames, at, turn = [], 0, 0
    while at < len(stream):
        space = receiver.space()
        if not len(space):
            frames.append(receiver.next())
            continue
        count = min(len(space), sizes[turn % len(sizes)], len(stream) - at)
        turn += 1
        space[:count] = stream[at : at + count]
        receiver.received(count)
        at += count
        while take() and (cut := receiver.next()) is not None:
            frames.append(cut)
    while (cut := receiver.next()) is not None:
        frames.append(cut)
    return frames


def framed(*bodies: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(body)) + body for body in bodies)


BODIES = st.lists(
    st.one_of(st.binary(max_size=30), st.integers(0, 200_000).map(lambda n: bytes([n % 251]) * n)),
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(BODIES, st.lists(st.sampled_from([1, 3, 100, 5000, 10**6]), min_size=1, max_size=4))
def test_every_cut_of_the_stream_gives_the_same_frames(bodies, sizes):
    if sum(map(len, bodies)) > 50_000:
        sizes = [max(sizes[0], 5000), *(max(size, 100) for size in sizes[1:])]
    receiver = Receiver(1 << 20)
    cuts = feed(receiver, framed(*bodies), sizes)
    assert [bytes(cut.frame) for cut in cuts] == bodies
    assert all(cut.whole for cut in cuts)
    assert receiver.waiting == 0


def test_it_can_be_fed_ahead_of_its_reader():
    bodies = [bytes([n % 256]) * 1000 for n in range(300)]
    turns = iter(range(10**9))
    cuts = feed(Receiver(1 << 20), framed(*bodies), [10**6], lambda: next(turns) % 50 == 0)
    assert [bytes(cut.frame) for cut in cuts] == bodies


def test_a_long_frame_is_received_in_place_and_aligned():
    array = np.arange(150_000, dtype=np.float32)
    stream = b"".join(v1.encode_request("mobilenet", [array]))
    receiver = Receiver(1 << 20, v1.data_offset)
    space = receiver.space()
    space[:2000] = stream[:2000]
    receiver.received(2000)
    assert receiver.next() is None
    rest = receiver.space()
    assert len(rest) == len(stream) - 2000
    assert receiver.start == stream[4:20]
    rest[:] = stream[2000:]
    receiver.received(len(rest))
    frame = receiver.next().frame
    assert frame.readonly
    view = v1.decode_request(frame, Limits()).inputs[0]
    assert np.shares_memory(view, np.frombuffer(rest, np.uint8))
    assert view.__array_interface__["data"][0] % 64 == 0
    assert np.array_equal(view, array)


def test_a_lying_length_takes_no_memory():
    receiver = Receiver(1 << 20)
    lie = struct.pack("<I", 0xFFFFFFFF)
    assert feed(receiver, lie, [4]) == []
    with pytest.raises(FrameTooLargeError, match="4294967295"):
        feed(receiver, bytes(range(16)), [16])
    assert receiver.start == bytes(range(16))


def test_without_room_a_frame_is_skipped_but_the_next_is_read():
    refusals = []

    def reserve(size: int) -> bool:
        refusals.append(size)
        return len(refusals) > 1

    long = b"0123456789abcdefXYZ" + bytes(STAGING_BYTES * 3)
    cuts = feed(Receiver(1 << 20, reserve=reserve), framed(b"a", long, b"b", long), [700])
    assert [bytes(cut.frame[:20]) for cut in cuts] == [b"a", b"0123456789abcdef", b"b", long[:20]]
    assert [cut.whole for cut in cuts] == [True, False, True, True]
