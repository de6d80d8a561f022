"""What can be told of TensorRT engines without a GPU; ``benchmarks/inference/gpu.py`` runs them."""

import sys

import pytest

from edgeflow.errors import ConfigError, MissingExtraError
from edgeflow.inference.engines import open_engine


@pytest.mark.parametrize("name", ["any.plan", "any.engine"])
def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(MissingExtraError, match=r"edgeflow\[tensorrt\]"):
        open_engine(name)


@pytest.mark.parametrize("device", ["cpu", "openvino", "cuda:x"])
def test_it_runs_on_no_other_device(device: str) -> None:
    with pytest.raises(ConfigError, match=r"any\.plan: there is no device"):
        open_engine("any.plan", device=device)
