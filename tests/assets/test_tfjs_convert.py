"""TensorFlow.js graph models, written here by hand, converted and compared with NumPy."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeflow.assets.convert.tfjs import read_graph
from edgeflow.assets.convert.tfjs_onnx import convert
from edgeflow.errors import AssetError
from edgeflow.inference.engines import open_engine


class Model:
    """Collects nodes and weights and writes the two files."""

    def __init__(self, **inputs: list[int]) -> None:
        self.nodes: list[dict] = []
        self.weights: list[dict] = []
        self.data = b""
        for name, shape in inputs.items():
            dims = [{"size": str(size)} for size in shape]
            self.nodes.append(
                {"name": name, "op": "Placeholder", "attr": {"shape": {"shape": {"dim": dims}}}}
            )

    def constant(self, name: str, value: np.ndarray, half: bool = False) -> str:
        dtype = "float32" if value.dtype.kind == "f" else "int32"
        entry = {"name": name, "shape": list(value.shape), "dtype": dtype}
        if half:
            entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
        self.weights.append(entry)
        stored = "<f2" if half else {"float32": "<f4", "int32": "<i4"}[dtype]
        self.data += value.astype(stored).tobytes()
        self.nodes.append({"name": name, "op": "Const", "attr": {}})
        return name

    def add(self, op: str, name: str, *inputs: str, **attributes: dict) -> str:
        self.nodes.append({"name": name, "op": op, "input": list(inputs), "attr": attributes})
        return name

    def document(self, *outputs: str) -> dict:
        return {
            "format": "graph-model",
            "signature": {"outputs": {f"{name}:0": {} for name in outputs}},
            "modelTopology": {"node": self.nodes},
            "weightsManifest": [{"paths": ["m.bin"], "weights": self.weights}],
        }

    def write(self, folder: Path, *outputs: str) -> dict[str, Path]:
        graph, weights = folder / "m.json", folder / "m.bin"
        graph.write_text(json.dumps(self.document(*outputs)))
        weights.write_bytes(self.data)
        return {"graph": graph, "weights": weights}

    def run(self, folder: Path, output: str, **inputs: np.ndarray) -> np.ndarray:
        convert(self.write(folder, output), folder / "m.onnx")
        with open_engine(folder / "m.onnx") as engine:
            return engine.infer(inputs)[output]


def text(value: str) -> dict:
    return {"s": base64.b64encode(value.encode()).decode()}


def numbers(*values: int) -> dict:
    return {"list": {"i": [str(value) for value in values]}}


CONV = {"strides": numbers(1, 2, 2, 1), "padding": text("VALID"), "data_format": text("NHWC")}
RANDOM = np.random.default_rng(3)


def convolve(image: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """NHWC, as slowly as it is defined."""
    size = kernel.shape[0]
    rows = (image.shape[1] - size) // stride + 1
    columns = (image.shape[2] - size) // stride + 1
    made = np.zeros((1, rows, columns, kernel.shape[3]))
    for row in range(rows):
        for column in range(columns):
            top, left = row * stride, column * stride
            part = image[0, top : top + size, left : left + size]
            made[0, row, column] = np.tensordot(part, kernel, 3)
    return made


def order_of(model: Model, name: str, *axes: int) -> str:
    return model.constant(name, np.array(axes, np.int32))


def test_a_convolution_with_bias_between_transpositions(tmp_path: Path) -> None:
    kernel, bias = RANDOM.normal(size=(3, 3, 2, 4)).astype(np.float32), np.arange(4.0)
    model = Model(x=[1, 2, 7, 9])
    model.add("Transpose", "last", "x", order_of(model, "a", 0, 2, 3, 1))
    model.add("Conv2D", "conv", "last", model.constant("k", kernel), **CONV)
    model.add("Add", "sum", "conv", model.constant("b", bias))
    model.add("Transpose", "first", "sum", order_of(model, "c", 0, 3, 1, 2))
    model.add("LeakyRelu", "y", "first", alpha={"f": 0.25})
    x = RANDOM.normal(size=(1, 2, 7, 9)).astype(np.float32)
    made = model.run(tmp_path, "y", x=x)
    wanted = convolve(x.transpose(0, 2, 3, 1), kernel, 2) + bias
    wanted = np.where(wanted > 0, wanted, wanted * 0.25).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(made, wanted, rtol=1e-4, atol=1e-5)

    import onnx

    nodes = [node.op_type for node in onnx.load(str(tmp_path / "m.onnx")).graph.node]
    assert nodes == ["Conv", "LeakyRelu", "Identity"]


def test_a_bias_is_added_apart_where_the_bare_convolution_is_used_too(tmp_path: Path) -> None:
    kernel = RANDOM.normal(size=(3, 3, 1, 1)).astype(np.float32)
    model = Model(x=[1, 5, 5, 1])
    model.add("Conv2D", "conv", "x", model.constant("k", kernel), **CONV)
    model.add("Add", "sum", "conv", model.constant("b", np.array([5.0])))
    model.add("AddV2", "y", "sum", "conv")
    x = RANDOM.normal(size=(1, 5, 5, 1)).astype(np.float32)
    wanted = 2 * convolve(x, kernel, 2) + 5
    np.testing.assert_allclose(model.run(tmp_path, "y", x=x), wanted, rtol=1e-4)


def test_pooling_padding_and_weights_in_half_precision(tmp_path: Path) -> None:
    model = Model(x=[1, 2, 2, 1])
    pads = model.constant("p", np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
    model.add("PadV2", "pad", "x", pads, model.constant("v", np.float32(-9).reshape(())))
    sizes = {"ksize": numbers(1, 2, 2, 1), "strides": numbers(1, 2, 2, 1)}
    model.add("MaxPool", "max", "pad", padding=text("VALID"), **sizes)
    model.add("Add", "y", "max", model.constant("half", np.array([0.5]), half=True))
    x = np.array([[1, 2], [3, 4]], np.float32).reshape(1, 2, 2, 1)
    made = model.run(tmp_path, "y", x=x)
    np.testing.assert_array_equal(made.ravel(), [1.5, 2.5, 3.5, 4.5])


def test_resizing_interpolates_between_the_middles_of_pixels(tmp_path: Path) -> None:
    model = Model(x=[1, 1, 2, 1])
    size = model.constant("s", np.array([1, 4], np.int32))
    how = {"half_pixel_centers": {"b": True}, "align_corners": {"b": False}}
    model.add("ResizeBilinear", "y", "x", size, **how)
    made = model.run(tmp_path, "y", x=np.array([0, 4], np.float32).reshape(1, 1, 2, 1))
    np.testing.assert_allclose(made.ravel(), [0, 1, 3, 4])


def test_splitting_joining_and_shapes_computed_from_constants(tmp_path: Path) -> None:
    model = Model(x=[1, 5, 2])
    axis = model.constant("axis", np.array(1, np.int32))
    model.add("SplitV", "s", "x", model.constant("n", np.array([2, 3], np.int32)), axis)
    model.add("ConcatV2", "j", "s:1", "s", "axis")
    none, flat = np.zeros((0, 1), np.int32), np.array([2], np.int32)
    parts = [
        model.constant("where", none),
        model.constant("long", flat),
        model.constant("what", none.ravel()),
        model.constant("else", np.array(0, np.int32)),
    ]
    model.add("SparseToDense", "zeros", *parts)
    model.add("AddV2", "shape", model.constant("ten", np.array([10, 1], np.int32)), "zeros")
    model.add("Reshape", "r", "j", "shape")
    model.add("Sigmoid", "y", "r")
    x = RANDOM.normal(size=(1, 5, 2)).astype(np.float32)
    wanted = 1 / (1 + np.exp(-x[:, [2, 3, 4, 0, 1]].reshape(10, 1)))
    np.testing.assert_allclose(model.run(tmp_path, "y", x=x), wanted, rtol=1e-5)


def broken(change) -> object:
    """A sound model with something changed: its document, or its weights."""
    model = Model(x=[1, 2])
    model.add("Add", "y", "x", model.constant("c", np.ones(2, np.float32)))
    document = model.document("y")
    data = change(document, model.data)
    return document, data if isinstance(data, bytes) else model.data


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, w: d["modelTopology"]["node"].clear(), "output 'y' is not there"),
        (lambda d, w: d["modelTopology"]["node"].pop(1), "takes 'c', which is not there"),
        (lambda d, w: d["weightsManifest"].clear(), "declared|no weights"),
        (lambda d, w: w[:-1], "8 bytes declared, 7 left"),
        (lambda d, w: w + b"x", "have 9 bytes, 8 are declared"),
        (lambda d, w: d["weightsManifest"][0]["weights"][0].update(shape=[-2]), "negative"),
        (lambda d, w: d["weightsManifest"][0]["weights"][0].update(dtype="string"), "string"),
        (
            lambda d, w: d["weightsManifest"][0]["weights"][0].update(
                quantization={"dtype": "uint8"}
            ),
            "stored as uint8",
        ),
        (lambda d, w: d.pop("signature"), "signature"),
        (lambda d, w: d["modelTopology"]["node"][2].update(op="Einsum"), "Einsum .*known: Add"),
        (lambda d, w: d["modelTopology"]["node"][2].update(input=["y", "c"]), "its own output"),
        (
            lambda d, w: d["modelTopology"]["node"][2].update(op="Reshape", input=["x", "x"]),
            "its input 'x' changes",
        ),
        (
            lambda d, w: (
                d["weightsManifest"][0]["weights"][0].update(shape=[1, 2, 1])
                or d["modelTopology"]["node"][2].update(op="ConcatV2", input=["x", "c", "c"])
            ),
            "cannot be converted|changes",
        ),
    ],
)
def test_what_cannot_be_converted_is_named(tmp_path: Path, change, message: str) -> None:
    document, data = broken(change)
    (tmp_path / "m.json").write_text(json.dumps(document))
    (tmp_path / "m.bin").write_bytes(data)
    sources = {"graph": tmp_path / "m.json", "weights": tmp_path / "m.bin"}
    with pytest.raises(AssetError, match=message):
        convert(sources, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "modelTopology",
                    "node",
                    "signature",
                    "outputs",
                    "weightsManifest",
                    "weights",
                    "name",
                    "op",
                    "input",
                    "attr",
                    "shape",
                    "dtype",
                    "s",
                    "list",
                    "i",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    document=ANYTHING, place=st.sampled_from(["", "modelTopology", "signature", "weightsManifest"])
)
def test_any_document_is_read_or_refused(tmp_path: Path, document: object, place: str) -> None:
    whole = broken(lambda *_: None)[0]
    whole = whole | {place: document} if place else document
    (tmp_path / "m.json").write_text(json.dumps(whole))
    (tmp_path / "m.bin").write_bytes(np.ones(2, np.float32).tobytes())
    try:
        read_graph(tmp_path / "m.json", tmp_path / "m.bin")
    except AssetError as error:
        assert "m.json" in str(error)
