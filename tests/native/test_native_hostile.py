"""Files that lie: the core and Python take the same ones, and what is taken can be run."""

import hashlib
import struct
import zlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgeflow._native.model import NativeModel
from edgeflow.errors import ConfigError, TensorError
from edgeflow.protocols.model_file import (
    Activation,
    Layer,
    LstmWeights,
    Op,
    SelfTestVector,
    efm1,
    lstm_file,
    parse_model,
    quantise_layer,
    quantise_lstm,
)

RANDOM = np.random.default_rng(8)


def floats(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def files() -> list[bytes]:
    weights = LstmWeights(floats(12, 2), floats(12, 3), floats(12), floats(2, 3), floats(2))
    layers = (
        Layer(Op.CONV1D, 4, 2, 2, 3, kernel=3, stride=2, padding=1),
        Layer(Op.AVERAGE_POOL, 2, 3, 1, 3, kernel=2, stride=1),
        Layer(Op.DENSE, 1, 3, 1, 2, Activation.SOFTMAX),
    )
    full = tuple(
        Layer(
            **{name: getattr(layer, name) for name in ("op", "activation", "kernel", "stride")},
            **{name: getattr(layer, name) for name in ("steps_in", "channels_in", "steps_out")},
            channels_out=layer.channels_out,
            padding=layer.padding,
            weights=floats(*layer.weight_shape) if layer.has_weights else None,
            bias=floats(layer.channels_out) if layer.has_weights else None,
        )
        for layer in layers
    )
    small = tuple(quantise_layer(layer, 0.02) for layer in full)
    test = SelfTestVector(floats(4, 2), floats(2), 0.5)
    return [
        lstm_file(weights, steps=4),
        efm1(weights, steps=4, name="ä", test=test),
        efm1(quantise_lstm(weights, [0.1, 0.2]), steps=4),
        efm1(full, steps=4, features=2),
        efm1(small, steps=4, features=2, test=test),
    ]


FILES = files()


def sealed(file: bytearray) -> bytes:
    """Make every checksum right again, as someone who lies on purpose does."""
    if len(file) < 128 or file[:4] != b"EFM1":
        return bytes(file)
    size = struct.unpack_from("<I", file, 8)[0]
    payload = bytes(file[128 : 128 + size])
    struct.pack_into("<I32s", file, 12, zlib.crc32(payload), hashlib.sha256(payload).digest())
    struct.pack_into("<I", file, 124, zlib.crc32(bytes(file[:124])))
    return bytes(file)


def taken_by_both(file: bytes) -> bool:
    try:
        ours = parse_model(file)
    except ConfigError:
        with pytest.raises(ConfigError):
            NativeModel(file)
        return False
    model = NativeModel(file)
    for name in ("kind", "dtype", "steps", "features", "horizon", "hidden", "version"):
        assert getattr(model.info, name) == getattr(ours, name)
    for name in ("parameters", "file_bytes", "crc32", "sha256", "name", "reference"):
        assert getattr(model.info, name) == getattr(ours, name)
    try:
        answer = model.run(np.ones((ours.steps, ours.features), np.float32))
    except TensorError:
        return True
    assert answer.shape == (ours.horizon,) and np.isfinite(answer).all()
    assert model.self_test().present == (ours.test is not None)
    return True


def test_the_files_are_taken_before_they_are_changed() -> None:
    assert all(taken_by_both(file) for file in FILES)


@pytest.mark.parametrize(
    ("steps", "features", "horizon", "hidden"),
    [(4096, 1, 1, 1), (1, 1024, 1, 1), (1, 1, 4096, 1), (1, 1, 1, 1024)],
)
def test_the_largest_dimensions_are_taken(
    steps: int, features: int, horizon: int, hidden: int
) -> None:
    rows = 4 * hidden
    shapes = [(rows, features), (rows, hidden), (rows,), (horizon, hidden), (horizon,)]
    weights = LstmWeights(*[np.full(shape, 0.001, np.float32) for shape in shapes])
    assert taken_by_both(lstm_file(weights, steps=steps))


def test_the_widest_layer_is_taken_and_no_wider() -> None:
    pool = Layer(Op.GLOBAL_AVERAGE_POOL, 3855, 17, 1, 17)
    file = efm1((pool,), steps=3855, features=17)
    assert taken_by_both(file) and parse_model(file).hidden == 65535
    wider = bytearray(file)
    struct.pack_into("<4H", wider, 52, 4096, 16, 16, 65535)
    struct.pack_into("<4H", wider, 128 + 8, 4096, 16, 1, 16)
    assert not taken_by_both(sealed(wider))


CHANGES = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 260), st.integers(0, 2000)),
        st.one_of(st.sampled_from([0, 1, 2, 127, 128, 255]), st.integers(0, 255)),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(FILES), CHANGES, st.integers(0, 8), st.booleans())
@example(FILES[1], [(68, 0), (72, 0)], 0, True)
@example(FILES[1], [(74, 255), (70, 255)], 0, True)
def test_changed_files(file: bytes, changes: list[tuple[int, int]], cut: int, seal: bool) -> None:
    changed = bytearray(file[: len(file) - cut])
    for at, value in changes:
        changed[at % len(changed)] = value
    taken_by_both(sealed(changed) if seal else bytes(changed))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(FILES[:2]),
    st.tuples(*[st.one_of(st.integers(0, 9), st.integers(0, 65535))] * 4),
)
def test_lying_dimensions(file: bytes, dimensions: tuple[int, int, int, int]) -> None:
    changed = bytearray(file)
    struct.pack_into("<4H", changed, 4 if file[:4] == b"LST0" else 52, *dimensions)
    taken_by_both(sealed(changed))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(FILES[3:]), st.integers(0, 25), st.integers(0, 2**32 - 1))
def test_lying_words_of_the_table(file: bytes, word: int, value: int) -> None:
    changed = bytearray(file)
    struct.pack_into("<I", changed, 128 + 4 * word, value)
    taken_by_both(sealed(changed))


ENDS = ["", "\x7f", "\x80", "\x9f", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff", "\U00010000"]


@pytest.mark.parametrize("end", [end.encode() for end in [*ENDS, "\U0010ffff", "~", " ", "\x1f"]])
@pytest.mark.parametrize("byte", [0, 0x80, 0xC0, 0xFF])
def test_names_at_the_ends_of_utf8(end: bytes, byte: int) -> None:
    """A sequence at the name's end: whole, cut off, and with other bytes in it."""
    names = [end.rjust(32, b"x"), end.rjust(33, b"x")[:32], end.rjust(32, b"x")[1:] + b"\0"]
    names += [end[:at] + bytes([byte]) + end[at + 1 :] for at in range(len(end))]
    names += (
        [end[:-1] + bytes([(end[-1] + 1) % 256]), end[:-1] + bytes([end[-1] - 1])] if end else []
    )
    for name in names:
        changed = bytearray(FILES[1])
        changed[80:112] = name.ljust(32, b"\0")
        taken_by_both(sealed(changed))


@pytest.mark.parametrize("tail", [b"", b"\x80", b"\xbf\x80"])
def test_names_of_every_lead_byte(tail: bytes) -> None:
    taken = 0
    for lead in range(0x70, 0x100):
        for second in (0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0):
            changed = bytearray(FILES[1])
            changed[80:112] = (bytes([lead, second]) + tail).ljust(32, b"\0")
            taken += taken_by_both(sealed(changed))
    assert taken > 20


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*range(0, 256, 16), 0x7F, 0xC1, 0xC2, 0xF4, 0xF5]), max_size=5))
def test_arbitrary_names(name: list[int]) -> None:
    changed = bytearray(FILES[1])
    changed[80:112] = bytes(name).ljust(32, b"\0")
    taken_by_both(sealed(changed))


@given(st.binary(max_size=300), st.sampled_from([b"", b"LST0", b"EFM1"]))
def test_arbitrary_bytes(data: bytes, magic: bytes) -> None:
    taken_by_both(magic + data)


def test_every_flipped_bit_of_a_container_is_refused() -> None:
    one = np.ones((4, 1), np.float32)
    weights = LstmWeights(one, one, one[:, 0], one[:1], one[0])
    file = efm1(weights, steps=1, test=SelfTestVector(one[:1], one[0], 9.0))
    assert taken_by_both(file)
    for bit in range(8 * len(file)):
        damaged = bytearray(file)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ConfigError):
            NativeModel(damaged)


@pytest.mark.parametrize("sample", [np.full((4, 2), 1e300), [["a", "b"]] * 4, [[1j, 0]] * 4, [[1]]])
def test_odd_samples_are_refused(sample: object) -> None:
    with pytest.raises(TensorError):
        NativeModel(FILES[0]).run(sample)  # type: ignore[arg-type]
