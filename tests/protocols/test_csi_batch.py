"""Raw frames by the thousand are what they are one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import ProtocolError
from edgeflow.protocols.csi_batch import decode_raw_batch
from edgeflow.protocols.csi_raw import RawFrame

frames = st.builds(
    RawFrame,
    st.integers(0, 255),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(-128, 127),
    st.integers(-128, 127),
    st.sampled_from([8, 16, 128]).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
    st.sampled_from([1, 2]),
).map(RawFrame.encode)
damaged = st.builds(
    lambda data, place, value: data[:place] + bytes([value]) + data[place + 1 :],
    frames,
    st.integers(0, 8),
    st.integers(0, 255),
)


@given(st.lists(st.one_of(frames, damaged, st.binary(max_size=40)), max_size=12))
def test_a_batch_is_what_its_frames_are(datagrams: list[bytes]) -> None:
    wanted = {}
    for place, data in enumerate(datagrams):
        try:
            wanted[place] = RawFrame.decode(data)
        except ProtocolError:
            continue
    found = {}
    for batch in decode_raw_batch(datagrams):
        for row, place in enumerate(batch.place):
            found[int(place)] = RawFrame(
                int(batch.node[row]),
                int(batch.sequence[row]),
                int(batch.frequency_mhz[row]),
                int(batch.rssi[row]),
                int(batch.noise_floor[row]),
                batch.pairs[row].tobytes(),
                int(batch.antennas[row]),
            )
    assert found == wanted


def test_lengths_come_apart_and_pairs_are_read_only() -> None:
    datagrams = [
        RawFrame(1, i, 2437, -60, -90, bytes(128 + 128 * (i % 2))).encode() for i in (0, 1, 2)
    ]
    short, long = decode_raw_batch(datagrams)
    assert short.place.tolist() == [0, 2] and long.place.tolist() == [1]
    assert short.pairs.shape == (2, 64, 2) and short.pairs.dtype == np.int8
    assert not short.pairs.flags.writeable
    assert decode_raw_batch([]) == []
