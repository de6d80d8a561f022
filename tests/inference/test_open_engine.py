"""What opens a model: its suffix, a dotted path, and the options its engine has."""

import subprocess
import sys
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pytest

from edgeflow.errors import ConfigError, EngineError, TensorError
from edgeflow.inference.engines import Engine, TensorSpec, is_model, open_engine
from edgeflow.inference.engines.callable import CallableEngine
from edgeflow.inference.engines.declared import read_tensors

DOUBLE = {"inputs": "x: float32[?, 3]", "outputs": "y: float32[?, 3]"}


def double(inputs):
    return inputs["x"] * 2


double.inputs = [{"name": "x", "dtype": "fp32", "shape": [-1, 3]}]
double.outputs = [TensorSpec("y", np.dtype(np.float32), (None, 3))]


def test_an_onnx_file() -> None:
    with (
        as_file(files("onnxruntime.datasets").joinpath("mul_1.onnx")) as file,
        open_engine(file, device="cpu", threads=2) as engine,
    ):
        assert isinstance(engine, Engine)
        assert (engine.kind, engine.platform) == ("onnx", "onnxruntime_onnx")
        assert engine.name == "mul_1.onnx"


def test_a_function_with_its_tensors_declared_beside_it() -> None:
    with open_engine(f"{__name__}:double") as engine:
        assert str(engine.spec.inputs[0]) == "x: float32[?, 3]"
        given = engine.infer({"x": np.ones((2, 3), np.float32)})
        np.testing.assert_array_equal(given["y"], np.full((2, 3), 2, np.float32))
        with pytest.raises(TensorError, match=r"float32\[2, 4\].*takes x: float32\[\?, 3\]"):
            engine.infer({"x": np.ones((2, 4), np.float32)})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"z": 1}, "no output 'y'"),
        ((1, 2), "gave 2 outputs, not 1"),
        (np.zeros((1, 3)), r"gave float64\[1, 3\].*declared as y: float32\[\?, 3\]"),
        (np.zeros((1, 4), np.float32), r"gave float32\[1, 4\]"),
        ("text", "output 'y'"),
    ],
)
def test_what_a_function_gives_is_compared_with_what_is_declared(
    given: object, message: str
) -> None:
    with CallableEngine(lambda _: given, **DOUBLE) as engine, pytest.raises(EngineError) as caught:
        engine.infer({"x": np.ones((1, 3), np.float32)})
    assert caught.match(message)


def test_what_a_function_raises_is_named() -> None:
    def broken(inputs):
        return 1 // 0

    with CallableEngine(broken, **DOUBLE) as engine, pytest.raises(EngineError) as caught:
        engine.infer({"x": np.ones((1, 3), np.float32)})
    assert caught.match("broken: ZeroDivisionError")


@pytest.mark.parametrize(
    ("model", "options", "error", "message"),
    [
        ("model.h5", {}, ConfigError, r"model\.h5: no engine opens this.*\.onnx"),
        ("model", {}, ConfigError, "module:function"),
        ("absent.onnx", {}, EngineError, "no such file"),
        ("absent.onnx", {"dynamik": True}, ConfigError, "did you mean 'dynamic'"),
        ("absent_module:run", {}, EngineError, "absent_module"),
        ("math:nothing", {}, EngineError, "nothing"),
        ("math:pi", {}, EngineError, "is a float, not a function"),
        ("math:sqrt", {}, ConfigError, "inputs are not declared"),
        ("math:sqrt", {"device": "cuda", **DOUBLE}, ConfigError, "not on 'cuda'"),
    ],
)
def test_what_cannot_be_opened_says_why(
    model: str, options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        open_engine(model, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "declared",
    ["x", "x: float32", "x: strange[1]", "x: object[1]", "x: float32[a]", "x: float32[-2]"],
)
def test_a_declaration_that_cannot_be_read_shows_the_form(declared: str) -> None:
    with pytest.raises(ConfigError, match=r"mine: tensor.*x: float32\[\?, 3\]"):
        read_tensors(declared, "mine")
    with pytest.raises(ConfigError, match="mine"):
        read_tensors([{"name": "x"}], "mine")
    with pytest.raises(ConfigError, match="same name"):
        read_tensors(["x: int8[1]", "x: int8[1]"], "mine")


def test_a_declaration_reads_back_what_a_spec_prints() -> None:
    spec = TensorSpec("x", np.dtype(np.int64), (None, 3, 1))
    assert read_tensors(str(spec), "mine") == (spec,)
    assert read_tensors("s: bool[]", "mine") == (TensorSpec("s", np.dtype(np.bool_), ()),)


def test_model_files_are_told_by_their_suffix() -> None:
    assert is_model(Path("a/b.ONNX"))
    assert not is_model(Path("a/b.yaml"))


def test_the_package_loads_no_runtime() -> None:
    program = (
        "import sys, edgeflow.inference.engines as e; e.open_engine; "
        "print([m for m in ('onnxruntime', 'torch', 'tensorrt') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"
