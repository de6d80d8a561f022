"""The protobuf edit, on hand-made bytes and on real models."""

import contextlib
from collections.abc import Iterator
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeflow.inference.engines.onnx_shapes import make_dynamic


def message(*fields: tuple[int, int | bytes]) -> bytes:
    """Encode protobuf fields whose numbers and lengths are below 128."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += bytes([number << 3, value])
        else:
            out += bytes([number << 3 | 2, len(value)]) + value
    return out


def tensor(name: bytes, *sizes: int) -> bytes:
    shape = message(*((1, message((1, size))) for size in sizes))
    return message((1, name), (2, message((1, message((1, 1), (2, shape))))))


def free(name: bytes, *sizes: int | bytes) -> bytes:
    dims = [message((1, size) if isinstance(size, int) else (2, size)) for size in sizes]
    shape = message(*((1, dim) for dim in dims))
    return message((1, name), (2, message((1, message((1, 1), (2, shape))))))


def test_sizes_become_names_and_the_rest_stays() -> None:
    graph = message((2, b"g"), (11, tensor(b"x", 10, 3, 32)), (12, tensor(b"y", 10, 5)))
    model = message((1, 7), (2, b"me"), (7, graph))
    expected = message((2, b"g"), (11, free(b"x", b"x_0", 3, b"x_2")), (12, free(b"y", b"y_0", 5)))
    assert make_dynamic(model) == message((1, 7), (2, b"me"), (7, expected))


def test_keep_chooses_the_fixed_axes() -> None:
    model = message((7, message((11, tensor(b"x", 4, 8)))))
    expected = message((7, message((11, free(b"x", 4, b"x_1")))))
    assert make_dynamic(model, keep=(0,)) == expected


def test_initialisers_leave_the_inputs_and_the_version_allows_it() -> None:
    weights = message((8, b"w"))
    graph = message((5, weights), (11, tensor(b"x", 1)), (11, tensor(b"w", 9)), (13, b""))
    model = message((1, 3), (7, graph))
    expected = message((5, weights), (11, free(b"x", b"x_0")))
    assert make_dynamic(model) == message((1, 4), (7, expected))


def test_twice_is_once() -> None:
    for each in real_models():
        once = make_dynamic(each)
        assert make_dynamic(once) == once


def real_models() -> Iterator[bytes]:
    folder = files("onnxruntime.datasets")
    yield from (folder.joinpath(name).read_bytes() for name in ("mul_1.onnx", "sigmoid.onnx"))


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"\x00\x00",
        message((1, 7)),
        message((7, b""), (7, b"")),
        b"\x3a\x7fshort",
        b"\x3b\x00",
        b"\x38\xff",
        b"\x38" + b"\xff" * 11,
        b"\x3d\x00",
    ],
)
def test_what_is_not_a_model_is_refused(wrong: bytes) -> None:
    with pytest.raises(ValueError, match=r"byte \d+|graphs"):
        make_dynamic(wrong)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_edited_or_refused(data: bytes) -> None:
    for model in (data, message((7, data[:100]))):
        try:
            edited = make_dynamic(model)
        except ValueError:
            continue
        assert len(edited) <= 40 * len(model) + 16


@given(st.integers(0, 200), st.integers(0, 255))
def test_damaged_models_are_edited_or_refused(at: int, byte: int) -> None:
    damaged = bytearray(next(real_models()))
    damaged[at % len(damaged)] = byte
    with contextlib.suppress(ValueError):
        make_dynamic(bytes(damaged))
