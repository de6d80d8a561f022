import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog

from edgeflow.assets import pull
from edgeflow.errors import ConfigError, EngineError, MissingExtraError
from edgeflow.inference.engines import Engine
from edgeflow.inference.engines.onnx import OnnxEngine
from edgeflow.inference.engines.onnx_providers import PROVIDERS, Choice, ask, device_of


def sample(name: str) -> Path:
    """A model that ships with ONNX Runtime."""
    with as_file(files("onnxruntime.datasets").joinpath(name)) as file:
        return file


@pytest.fixture
def engine() -> Iterator[Engine]:
    with OnnxEngine(sample("mul_1.onnx")) as loaded:
        yield loaded


def test_named_tensors_in_and_out(engine: Engine) -> None:
    (taken,), (given,) = engine.spec.inputs, engine.spec.outputs
    assert str(taken) == "X: float32[3, 2]"
    outputs = engine.infer({"X": np.full((3, 2), 2, np.float32)})
    assert list(outputs) == [given.name]
    np.testing.assert_array_equal(outputs[given.name], [[2, 4], [6, 8], [10, 12]])
    assert engine.device == "cpu"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input 'X' is missing"),
        ({"x": np.zeros((3, 2), np.float32)}, "did you mean|known: X"),
        ({"X": np.zeros((3, 2))}, r"got float64\[3, 2\]"),
        ({"X": np.zeros((2, 3), np.float32)}, r"takes X: float32\[3, 2\]"),
        ({"X": np.zeros((3, 2, 1), np.float32)}, r"got float32\[3, 2, 1\]"),
    ],
)
def test_what_does_not_fit_is_refused_before_it_runs(
    engine: Engine, inputs: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(EngineError, match=message):
        engine.infer(inputs)


def test_threads_share_an_engine(engine: Engine) -> None:
    def square(number: int) -> float:
        outputs = engine.infer({"X": np.full((3, 2), number, np.float32)})
        return float(next(iter(outputs.values()))[0, 0])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(square, range(50))) == [float(n) for n in range(50)]


def test_a_closed_engine_says_so(engine: Engine) -> None:
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.infer({"X": np.zeros((3, 2), np.float32)})


def test_warm_up_runs_it_once(engine: Engine) -> None:
    assert 0 < engine.warm_up() < 10
    assert 0 < engine.warm_up({"X": np.ones((3, 2), np.float32)}) < 10


def test_dynamic_frees_the_sizes_and_changes_no_result() -> None:
    with (
        OnnxEngine(sample("sigmoid.onnx")) as fixed,
        OnnxEngine(sample("sigmoid.onnx"), dynamic=True) as loosened,
    ):
        (tensor,) = loosened.spec.inputs
        assert fixed.spec.inputs[0].shape == (3, 4, 5)
        assert tensor.shape == (None, 4, None)
        values = np.linspace(-4, 4, 60, dtype=np.float32).reshape(3, 4, 5)
        (expected,) = fixed.infer({tensor.name: values}).values()
        (same,) = loosened.infer({tensor.name: values}).values()
        np.testing.assert_array_equal(same, expected)
        (more,) = loosened.infer({tensor.name: np.zeros((7, 4, 9), np.float32)}).values()
        np.testing.assert_array_equal(more, np.full((7, 4, 9), 0.5, np.float32))


def test_a_failure_of_the_model_names_it() -> None:
    with OnnxEngine(pull("centerface"), dynamic=True) as engine:
        (tensor,) = engine.spec.inputs
        with pytest.raises(EngineError, match=r"centerface.*onnx: "):
            engine.infer({tensor.name: np.zeros((1, 3, 40, 72), np.float32)})


def test_types_that_are_no_tensors_are_refused() -> None:
    with pytest.raises(EngineError, match="sequences and maps"):
        OnnxEngine(sample("logreg_iris.onnx"))


@pytest.mark.parametrize("dynamic", [False, True])
def test_files_that_are_no_models_are_refused(tmp_path: Path, dynamic: bool) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"this is not a model")
    with pytest.raises(EngineError, match=r"broken\.onnx: cannot be loaded"):
        OnnxEngine(tmp_path / "broken.onnx", dynamic=dynamic)
    with pytest.raises(EngineError, match="no such file"):
        OnnxEngine(tmp_path / "absent.onnx", dynamic=dynamic)


def test_a_device_that_is_not_there_falls_back_aloud() -> None:
    with structlog.testing.capture_logs() as logs:
        engine = OnnxEngine(sample("mul_1.onnx"), device="openvino")
    assert engine.device == "cpu"
    (warning,) = [entry for entry in logs if entry["log_level"] == "warning"]
    assert (warning["event"], warning["wanted"], warning["got"]) == (
        "provider_fell_back",
        "openvino",
        "cpu",
    )


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"edgeflow\[onnx\]"):
        OnnxEngine("any.onnx")


def test_nobody_is_told_what_runs_here(tmp_path: Path) -> None:
    """The runtime of itself keeps an identifier of the machine, and sends it to its makers."""
    model = str(sample("mul_1.onnx"))
    load = f"from edgeflow.inference.engines.onnx import OnnxEngine; OnnxEngine({model!r}).close()"
    words = "TMPDIR", "HOME", "XDG_CACHE_HOME"
    subprocess.run(
        [sys.executable, "-c", load],
        env={"PATH": os.defpath} | dict.fromkeys(words, str(tmp_path)),
        check=True,
        timeout=60,
    )
    assert list(tmp_path.rglob("*")) == []


def test_strict_fails_instead_of_falling_back() -> None:
    with pytest.raises(EngineError, match="runs on cpu, not on openvino") as caught:
        OnnxEngine(sample("mul_1.onnx"), device="openvino", strict=True)
    assert "OpenVINOExecutionProvider" in caught.value.hint
    with OnnxEngine(sample("mul_1.onnx"), device="cpu", strict=True) as engine:
        assert engine.providers == ("cpu",)


def test_a_device_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no device 'cudda'.*did you mean 'cuda'"):
        OnnxEngine(sample("mul_1.onnx"), device="cudda")


ALL = list(PROVIDERS.values())


def asked(device: str, available: list[str] = ALL, *, dynamic: bool = False, **wish: Any) -> Any:
    listed = ask(Choice(device, **wish), available, dynamic=dynamic)
    return {device_of(provider): options for provider, options in listed}


def test_the_best_provider_that_is_there_comes_first(tmp_path: Path) -> None:
    wish = {"cache": tmp_path}
    assert list(asked("auto", **wish)) == ["tensorrt", "cuda", "openvino", "cpu"]
    assert list(asked("auto", dynamic=True)) == ["cuda", "openvino", "cpu"]
    assert list(asked("auto", ["CPUExecutionProvider"])) == ["cpu"]
    assert list(asked("tensorrt", **wish)) == ["tensorrt", "cuda", "cpu"]
    assert list(asked("cuda:1")) == ["cuda", "cpu"]
    assert asked("cuda:1")["cuda"] == {"device_id": "1"}
    assert asked("openvino:GPU", threads=3)["openvino"] == {
        "device_type": "GPU",
        "num_of_threads": "3",
    }


def test_tensorrt_keeps_what_it_builds_and_is_told_the_shapes(tmp_path: Path) -> None:
    folder = tmp_path / "engines"
    shapes = {"min": [1, 3], "opt": [4, 3], "max": [8, 3]}
    options = asked(
        "tensorrt",
        cache=folder,
        fp16=True,
        profile={"x": shapes, "y": shapes},
        options={"trt_builder_optimization_level": 5},
    )["tensorrt"]
    assert options["trt_engine_cache_path"] == options["trt_timing_cache_path"] == str(folder)
    assert options["trt_fp16_enable"] == "True"
    assert options["trt_profile_min_shapes"] == "x:1x3,y:1x3"
    assert options["trt_profile_max_shapes"] == "x:8x3,y:8x3"
    assert options["trt_builder_optimization_level"] == "5"
    assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(ConfigError, match="input 'x' has no shape 'opt'"):
        asked("tensorrt", cache=folder, profile={"x": {"min": [1]}})


def test_options_of_a_provider_that_is_not_there_reach_no_other() -> None:
    only_cpu = asked("cuda", ["CPUExecutionProvider"], options={"cudnn_conv_algo_search": "x"})
    assert only_cpu == {"cpu": {}}
