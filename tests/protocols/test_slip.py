from hypothesis import given
from hypothesis import strategies as st

from edgeflow.protocols.slip import SlipDecoder, encode_slip

PAYLOADS = st.lists(st.binary(min_size=1, max_size=60), max_size=6)


@given(PAYLOADS, st.integers(1, 20))
def test_frames_come_back_however_they_are_cut(payloads: list[bytes], cut: int) -> None:
    wire = b"".join(map(encode_slip, payloads))
    decoder = SlipDecoder(64)
    found = [frame for i in range(0, len(wire), cut) for frame in decoder.feed(wire[i : i + cut])]
    assert found == payloads


@given(st.binary(max_size=300))
def test_garbage_is_dropped_and_the_next_frame_is_read(garbage: bytes) -> None:
    decoder = SlipDecoder(64)
    list(decoder.feed(garbage + b"\xc0"))
    assert list(decoder.feed(encode_slip(b"after \xc0\xdb")))[-1] == b"after \xc0\xdb"


def test_delimiters_and_escapes_are_escaped() -> None:
    assert encode_slip(b"\xc0\xdb\x01") == b"\xc0\xdb\xdc\xdb\xdd\x01\xc0"


def test_a_frame_that_never_ends_is_forgotten() -> None:
    decoder = SlipDecoder(16)
    assert list(decoder.feed(b"\xc0" + 4096 * b"x")) == []
    assert list(decoder.feed(b"tail\xc0next\xc0")) == [b"next"]


def test_bytes_before_the_first_delimiter_are_no_frame() -> None:
    assert list(SlipDecoder(64).feed(b"boot log\xc0frame\xc0")) == [b"frame"]
