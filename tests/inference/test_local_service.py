from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from edgeflow.errors import TensorError, UnknownModelError
from edgeflow.inference.local import LocalService
from edgeflow.inference.requests import InferRequest
from small_models import save_scale, save_sum


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def test_answers_by_name_and_by_position(tmp_path: Path) -> None:
    save_scale(tmp_path / "double.onnx")
    save_sum(tmp_path / "sum" / "7" / "model.onnx")
    service = LocalService(tmp_path)
    try:
        answer = service.infer(InferRequest("double", {"x": ones(1, 4)}, request_id="r1"))
        assert (answer.model, answer.version, answer.request_id) == ("double", "1", "r1")
        np.testing.assert_array_equal(answer.first, 2 * ones(1, 4))
        answer = service.infer(InferRequest("sum", [ones(3), 2 * ones(3), 3 * ones(3)]))
        assert answer.version == "7"
        np.testing.assert_array_equal(answer.outputs["total"], 6 * ones(3))
        answer = service.infer(InferRequest("sum", [ones(3)] * 3, outputs=["first"]))
        assert list(answer.outputs) == ["first"]
    finally:
        service.close()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"x": ones(1, 3)}, r"model 'double' input 'x' takes float32\[\?,4\], got float32\[1,3\]"),
        ({"x": np.ones((1, 4))}, r"takes float32\[\?,4\], got float64\[1,4\]"),
        ({"y": ones(1, 4)}, "has no input 'y'"),
        ({}, "input 'x' is missing"),
        ([], "takes 1 inputs, got 0"),
    ],
)
def test_tells_both_shapes_of_what_does_not_fit(
    tmp_path: Path, inputs: object, message: str
) -> None:
    save_scale(tmp_path / "double.onnx")
    service = LocalService(tmp_path)
    try:
        with pytest.raises(TensorError, match=message):
            service.infer(InferRequest("double", inputs))  # type: ignore[arg-type]
        with pytest.raises(UnknownModelError, match="did you mean 'double'"):
            service.infer(InferRequest("dubble", {}))
    finally:
        service.close()


def test_counts_what_each_version_did(tmp_path: Path) -> None:
    save_scale(tmp_path / "double" / "3" / "model.onnx")
    service = LocalService(tmp_path, reload_s=None)

    class Numbers(Collector):
        def collect(self) -> object:  # type: ignore[override]
            return service.collect()

    try:
        for _ in range(3):
            service.infer(InferRequest("double", [ones(1, 4)]))
        with pytest.raises(TensorError):
            service.infer(InferRequest("double", [ones(1, 5)]))
        (status,) = service.models()
        assert (status.requests, status.errors, status.misfits) == (4, 0, 1)
        assert status.state == "ready"
        assert 0 < status.p50_ms <= status.p99_ms
        assert status.outputs == ["y: float32[?, 4]"]
        registry = CollectorRegistry()
        registry.register(Numbers())
        text = generate_latest(registry).decode()
        assert 'edgeflow_model_calls_total{model="double",version="3"} 3.0' in text
        assert 'edgeflow_model_seconds_count{model="double",version="3"} 3.0' in text
        assert 'edgeflow_model_compute_seconds_count{model="double",version="3"} 3.0' in text
    finally:
        service.close()
