"""Both model files, written and read back, and what is refused."""

import json
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow._native.model import NativeModel
from edgeflow.errors import ConfigError
from edgeflow.protocols.model_file import (
    Activation,
    Int8LstmWeights,
    Layer,
    LstmWeights,
    Op,
    SelfTestVector,
    check_meta,
    efm1,
    lstm_file,
    lstm_meta,
    operations,
    parse_model,
    quantise_layer,
    quantise_lstm,
)

FEATURES, HORIZON, HIDDEN, STEPS = 3, 2, 5, 4


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def lstm(features: int = FEATURES, horizon: int = HORIZON, hidden: int = HIDDEN) -> LstmWeights:
    rows = 4 * hidden
    return LstmWeights(
        floats(rows, features),
        floats(rows, hidden),
        floats(rows),
        floats(horizon, hidden),
        floats(horizon),
    )


def layers() -> tuple[Layer, ...]:
    conv = Layer(
        Op.CONV1D,
        8,
        3,
        4,
        6,
        Activation.RELU,
        kernel=3,
        stride=2,
        padding=1,
        weights=floats(6, 3, 3),
        bias=floats(6),
    )
    pool = Layer(Op.MAX_POOL, 4, 6, 2, 6, kernel=2, stride=2)
    flat = Layer(Op.FLATTEN, 2, 6, 1, 12)
    dense = Layer(Op.DENSE, 1, 12, 1, 4, Activation.SOFTMAX, weights=floats(4, 12), bias=floats(4))
    return (conv, pool, flat, dense)


def vector(steps: int, features: int, horizon: int) -> SelfTestVector:
    return SelfTestVector(floats(steps, features), floats(horizon), 0.5)


def same(left: object, right: object) -> bool:
    names = left.__dataclass_fields__  # type: ignore[attr-defined]
    return all(np.array_equal(getattr(left, name), getattr(right, name)) for name in names)


def test_reference_file_comes_back() -> None:
    file = lstm_file(lstm(), steps=STEPS)
    model = parse_model(file + b"behind")
    assert model.reference and model.file_bytes == len(file)
    assert (model.steps, model.features, model.horizon, model.hidden) == (4, 3, 2, 5)
    assert model.parameters == (len(file) - 16) // 4
    assert same(model.weights, lstm())


def test_operations_are_those_that_the_core_counts() -> None:
    int8 = quantise_lstm(lstm(), np.full(FEATURES, 0.02))
    small = efm1(layers(), steps=8, features=3)
    for file in (lstm_file(lstm(), steps=STEPS), efm1(int8, steps=STEPS), small):
        info = NativeModel(file).info
        assert operations(parse_model(file)) == (info.multiply_adds, info.activations)


def test_reference_file_to_the_byte() -> None:
    weights = LstmWeights(
        *(np.arange(n, dtype=np.float32).reshape(s) for n, s in [(4, (4, 1)), (4, (4, 1))]),
        np.zeros(4, np.float32),
        np.ones((1, 1), np.float32),
        np.full(1, 2, np.float32),
    )
    wanted = struct.pack("<4s4HI14f", b"LST0", 7, 1, 1, 1, 0, *range(4), *range(4), *[0] * 4, 1, 2)
    assert lstm_file(weights, steps=7) == wanted


def test_container_of_an_lstm_comes_back() -> None:
    test = vector(STEPS, FEATURES, HORIZON)
    file = efm1(lstm(), steps=STEPS, name="Wärme", version=7, test=test)
    model = parse_model(file)
    assert (model.kind, model.dtype, model.name, model.version) == ("lstm", "float32", "Wärme", 7)
    assert model.test is not None and same(model.test, test)
    assert same(model.weights, lstm())
    assert model.crc32 == zlib.crc32(file[128:])


def test_container_of_int8_weights_comes_back() -> None:
    weights = quantise_lstm(lstm(), np.full(FEATURES, 0.02))
    model = parse_model(efm1(weights, steps=STEPS))
    assert model.dtype == "int8" and isinstance(model.weights, Int8LstmWeights)
    assert same(model.weights, weights)


def test_quantised_weights_stand_for_the_floats() -> None:
    scale = np.array([0.01, 0.02, 0.03], np.float32)
    weights, int8 = lstm(), quantise_lstm(lstm(), scale)
    back = int8.input * int8.scale_input[:, None] / scale
    assert (np.abs(back - weights.input) <= int8.scale_input[:, None] / scale * 0.501).all()
    head = int8.head * int8.scale_head[:, None] * 127
    assert (np.abs(head - weights.head) <= int8.scale_head[:, None] * 127 * 0.501).all()


@pytest.mark.parametrize("int8", [False, True])
def test_container_of_layers_comes_back(int8: bool) -> None:
    made = tuple(quantise_layer(layer, 0.05) for layer in layers()) if int8 else layers()
    test = vector(8, 3, 4)
    model = parse_model(efm1(made, steps=8, features=3, test=test))
    assert (model.kind, model.dtype) == ("layers", "int8" if int8 else "float32")
    assert (model.horizon, model.hidden) == (4, 24)
    assert model.parameters == 6 * 9 + 6 + 4 * 12 + 4
    assert isinstance(model.weights, tuple)
    assert all(same(ours, theirs) for ours, theirs in zip(made, model.weights, strict=True))


def test_every_flipped_bit_of_a_container_is_refused() -> None:
    test = vector(1, 1, 1)
    file = efm1(lstm(1, 1, 1), steps=1, name="x", test=test)
    for bit in range(len(file) * 8):
        damaged = bytearray(file)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ConfigError):
            parse_model(bytes(damaged))


def test_cut_off_files_are_refused() -> None:
    for file in (lstm_file(lstm(), steps=2), efm1(layers(), steps=8, features=3)):
        for end in range(0, len(file), 7):
            with pytest.raises(ConfigError, match="model file: "):
                parse_model(file[:end])


@pytest.mark.parametrize(
    ("offset", "value", "words"),
    [(4, 0, "T is 0"), (6, 1025, "F is 1025"), (8, 5000, "H is 5000"), (10, 9, "need")],
)
def test_lying_dimensions_are_named(offset: int, value: int, words: str) -> None:
    file = bytearray(lstm_file(lstm(), steps=STEPS))
    struct.pack_into("<H", file, offset, value)
    with pytest.raises(ConfigError, match=words):
        parse_model(bytes(file))


def test_weights_that_are_not_finite_are_named() -> None:
    file = bytearray(lstm_file(lstm(), steps=STEPS))
    struct.pack_into("<f", file, 16 + 4 * 2, float("nan"))
    with pytest.raises(ConfigError, match="input: value 2 is nan"):
        parse_model(bytes(file))


def test_meta_belongs_to_its_binary() -> None:
    model = parse_model(lstm_file(lstm(), steps=STEPS))
    read = check_meta(lstm_meta(model), model)
    assert read == {"T": 4, "F": 3, "H": 2, "hidden": 5, "parameters": model.parameters}
    for change, words in [
        ({"T": 5}, "T is 5, and the binary says 4"),
        ({"F": 3.0}, "F is 3.0"),
        ({"hidden": True}, "hidden is True"),
        ({"parameters": 1}, "parameters is 1"),
    ]:
        with pytest.raises(ConfigError, match=words):
            check_meta(json.dumps(read | change).encode(), model)
    with pytest.raises(ConfigError, match="H is missing"):
        check_meta(b'{"T": 4, "F": 3, "hidden": 5}', model)
    for bad in (b"", b"\xff", b"[]", b"[" * 60000, b" " * 70000, b"9" * 9999):
        with pytest.raises(ConfigError, match=r"model_meta\.json: "):
            check_meta(bad, model)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 0},
        {"steps": 5000},
        {"name": "x" * 33},
        {"name": "a\nb"},
        {"name": "\udc80"},
        {"version": -1},
        {"version": 2**32},
        {"features": 9},
        {"test": vector(1, 1, 1)},
    ],
)
def test_containers_that_no_board_takes_are_not_written(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        efm1(lstm(), **({"steps": STEPS} | change))  # type: ignore[arg-type]


@pytest.mark.parametrize(("kernel", "padding"), [(608, 300), (6, -1)])
def test_padding_that_the_table_cannot_hold_is_refused(kernel: int, padding: int) -> None:
    wide = Layer(Op.CONV1D, 8, 1, 1, 1, kernel=kernel, stride=1, padding=padding)
    wide = replace(wide, weights=floats(1, kernel, 1), bias=floats(1))
    with pytest.raises(ConfigError, match=f"padding {padding}"):
        efm1((wide,), steps=8, features=1)


@pytest.mark.parametrize("scale", [0.0, -1.0, 1e-60, 1e300, float("inf"), float("nan")])
def test_input_scales_that_float32_does_not_hold_are_refused(scale: float) -> None:
    dense = Layer(Op.DENSE, 1, 4, 1, 1, weights=floats(1, 4), bias=floats(1))
    bad = replace(quantise_layer(dense, 1.0), input_scale=scale)
    with pytest.raises(ConfigError, match="input scale"):
        efm1((bad,), steps=1, features=4)


@pytest.mark.parametrize("scale", [2.0**-149, float(np.finfo(np.float32).max)])
def test_the_ends_of_input_scales_come_back(scale: float) -> None:
    dense = Layer(Op.DENSE, 1, 4, 1, 1, weights=floats(1, 4), bias=floats(1))
    file = efm1((replace(quantise_layer(dense, 1.0), input_scale=scale),), steps=1, features=4)
    weights = parse_model(file).weights
    assert isinstance(weights, tuple) and weights[0].input_scale == scale


@given(st.binary(max_size=400), st.sampled_from([b"", b"LST0", b"EFM1"]))
def test_arbitrary_bytes_are_read_or_refused(data: bytes, magic: bytes) -> None:
    try:
        model = parse_model(magic + data)
    except ConfigError:
        return
    assert model.reference


@given(st.binary(max_size=200))
def test_arbitrary_meta_is_read_or_refused(data: bytes) -> None:
    model = parse_model(lstm_file(lstm(), steps=STEPS))
    try:
        check_meta(data, model)
    except ConfigError:
        return
    raise AssertionError(data)
