import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.errors import ProtocolError
from edgeflow.protocols.registers import TYPES, read_number, register_count


@given(st.sampled_from(sorted(TYPES)), st.booleans(), st.booleans(), st.data())
def test_numbers_survive_every_order(
    kind: str, big_words: bool, big_bytes: bool, data: st.DataObject
) -> None:
    size = 2 * register_count(kind)
    raw = data.draw(st.binary(min_size=size, max_size=size))
    (number,) = struct.unpack(">" + TYPES[kind], raw)
    words = [
        struct.unpack(">H" if big_bytes else "<H", raw[at : at + 2])[0]
        for at in range(0, len(raw), 2)
    ]
    found = read_number(
        words if big_words else words[::-1], kind, big_words=big_words, big_bytes=big_bytes
    )
    assert found == number if math.isfinite(number) else found is None


def test_examples() -> None:
    assert read_number([0xFFFE], "i16") == -2
    assert read_number([0x0001, 0x0000], "u32") == 65536
    assert read_number([0x0000, 0x0001], "u32", big_words=False) == 65536
    assert read_number([0x41A8, 0x0000], "f32") == 21.0
    assert read_number([0xA841, 0x0000], "f32", big_bytes=False) == 21.0
    assert read_number([0x7FC0, 0x0000], "f32") is None


def test_a_wrong_count_is_refused() -> None:
    with pytest.raises(ProtocolError):
        read_number([1], "u32")
