"""What only LiteRT models do: delegates, and a bounded number of interpreters."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import structlog
from double_models import write_tflite

from edgeflow.errors import ConfigError, EngineError, MissingExtraError
from edgeflow.inference.engines import open_engine

pytest.importorskip("ai_edge_litert", reason="pip install ai-edge-litert")

HERE = Path("/usr/lib/x86_64-linux-gnu/libedgetpu.so.1")


@pytest.mark.skipif(HERE.exists(), reason="checks a machine without the Edge TPU's library")
def test_without_its_library_an_edge_tpu_falls_back_aloud(tmp_path: Path) -> None:
    file = write_tflite(tmp_path)
    with structlog.testing.capture_logs() as logs:
        engine = open_engine(file, device="edgetpu:usb")
    assert engine.device == "cpu"
    (warning,) = [entry for entry in logs if entry["log_level"] == "warning"]
    assert (warning["event"], warning["wanted"]) == ("provider_fell_back", "libedgetpu.so.1")
    with pytest.raises(EngineError, match=r"cannot load libedgetpu\.so\.1"):
        open_engine(file, device="edgetpu", strict=True)


def test_a_delegate_that_is_no_library_is_named(tmp_path: Path) -> None:
    file = write_tflite(tmp_path)
    (tmp_path / "delegate.so").write_bytes(b"no library")
    with pytest.raises(EngineError, match=r"cannot load .*delegate\.so"):
        open_engine(file, delegate=tmp_path / "delegate.so", strict=True)


def test_a_device_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no device 'tpu'.*edgetpu"):
        open_engine(write_tflite(tmp_path), device="tpu")


@pytest.mark.parametrize("parallel", [1, 3])
def test_more_calls_than_interpreters_wait_for_their_turn(tmp_path: Path, parallel: int) -> None:
    together = threading.Barrier(6)
    with open_engine(write_tflite(tmp_path), parallel=parallel) as engine:

        def run(seed: int) -> bool:
            together.wait(30)
            x = np.full((seed + 1, 3), seed, np.float32)
            return all(np.array_equal(engine.infer({"x": x})["y"], x * 2) for _ in range(20))

        with ThreadPoolExecutor(6) as pool:
            assert all(pool.map(run, range(6)))


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(MissingExtraError, match=r"edgeflow\[litert\]"):
        open_engine("any.tflite")
