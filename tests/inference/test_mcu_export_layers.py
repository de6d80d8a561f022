"""Small classifiers become layers of a board: Torch programs and ONNX, in both layouts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper

from edgeflow._native.model import NativeModel
from edgeflow.errors import ConfigError
from edgeflow.inference.export.exporting import FLOAT_FILE, INT8_FILE, export_model, read_source
from trained_models import FEATURES, STEPS, samples, save_graph, save_torch

CHANNELS_FIRST = (1, FEATURES, STEPS)


def convolutional(nn: Any) -> Any:
    return [
        nn.Conv1d(FEATURES, 6, 3, padding=1),
        nn.BatchNorm1d(6),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(6, 5, 3, stride=2),
        nn.Sigmoid(),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(10, 4),
        nn.Softmax(-1),
    ]


def pooled(nn: Any) -> Any:
    return [
        nn.Conv1d(FEATURES, 4, 5, padding="same"),
        nn.Tanh(),
        nn.AvgPool1d(3, 2),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    ]


def perceptron(nn: Any) -> Any:
    return [nn.Flatten(), nn.Linear(STEPS * FEATURES, 8), nn.ReLU(), nn.Linear(8, 2)]


def by_step(nn: Any) -> Any:
    return [nn.Linear(FEATURES, 4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * STEPS, 2)]


def module(layers: Callable[[Any], Any]) -> Any:
    import torch

    torch.manual_seed(2)
    made = torch.nn.Sequential(*layers(torch.nn))
    for each in made:
        if isinstance(each, torch.nn.BatchNorm1d):
            with torch.no_grad():
                each.running_mean.uniform_(-1, 1)
                each.running_var.uniform_(0.5, 2)
                each.weight.uniform_(0.5, 2)
    return made.eval()


def check(made: Any, wanted: np.ndarray) -> None:
    for name, allowed in ((FLOAT_FILE, 1e-5), (INT8_FILE, 0.05)):
        model = NativeModel(made.files[name])
        given = np.stack([model.run(each) for each in samples()])
        np.testing.assert_allclose(given, wanted, atol=allowed)
        assert model.self_test().passed and model.info.kind == "layers"
    assert made.files[FLOAT_FILE] != made.files[INT8_FILE]


@pytest.mark.parametrize("form", ["export", "script", "trace"])
@pytest.mark.parametrize("layers", [convolutional, pooled, perceptron])
def test_torch_answers_are_kept(tmp_path: Path, layers: Callable[[Any], Any], form: str) -> None:
    import torch

    trained = module(layers)
    rows = samples()
    if layers is perceptron:
        example: tuple[int, ...] = (1, STEPS, FEATURES)
    else:
        rows, example = rows.transpose(0, 2, 1), CHANNELS_FIRST
    file = save_torch(trained, tmp_path / "model.pt", form, example)
    source = read_source(file, None if form == "export" else STEPS)
    assert (source.steps, source.features) == (STEPS, FEATURES)
    with torch.inference_mode():
        wanted = trained(torch.from_numpy(np.ascontiguousarray(rows))).numpy()
    check(export_model(source, samples=samples()), wanted)


def test_a_linear_layer_over_features_runs_at_every_step(tmp_path: Path) -> None:
    import torch

    trained = module(by_step)
    file = save_torch(trained, tmp_path / "m.pt2", "export", (1, STEPS, FEATURES))
    with torch.inference_mode():
        wanted = trained(torch.from_numpy(samples())).numpy()
    check(export_model(read_source(file), samples=samples()), wanted)


def test_a_model_may_turn_its_axes_itself(tmp_path: Path) -> None:
    import torch

    class Turning(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = module(pooled)

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            return self.body(values.transpose(1, 2))

    trained = Turning().eval()
    file = save_torch(trained, tmp_path / "m.pt2", "export", (1, STEPS, FEATURES))
    with torch.inference_mode():
        wanted = trained(torch.from_numpy(samples())).numpy()
    check(export_model(read_source(file), samples=samples()), wanted)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda nn: [nn.Conv1d(FEATURES, 3, 3, groups=3)], "groups"),
        (lambda nn: [nn.Conv1d(FEATURES, 3, 3, dilation=2)], "dilation"),
        (lambda nn: [nn.MaxPool1d(2, padding=1)], "padding"),
        (lambda nn: [nn.AdaptiveAvgPool1d(2)], "adaptive"),
        (lambda nn: [nn.Conv1d(FEATURES, 3, 3), nn.GELU()], "gelu"),
        (lambda nn: [nn.Conv1d(FEATURES, 3, 3), nn.ReLU(), nn.Tanh()], "two activations"),
        (lambda nn: [nn.ReLU()], "before the first"),
        (lambda nn: [nn.Conv1d(FEATURES, 3, 3), nn.Flatten()], "ends with Flatten"),
        (lambda nn: [nn.Conv1d(FEATURES, 3, 3), nn.Softmax(1)], "softmax"),
    ],
)
@pytest.mark.parametrize("form", ["export", "trace"])
def test_what_boards_lack_is_refused(
    tmp_path: Path, wrong: Callable[[Any], Any], told: str, form: str
) -> None:
    file = save_torch(module(wrong), tmp_path / "m.pt2", form, CHANNELS_FIRST)
    with pytest.raises(ConfigError, match=told) as caught:
        read_source(file, STEPS)
    assert "boards run Conv1d" in caught.value.hint


def test_branches_are_refused(tmp_path: Path) -> None:
    import torch

    class Residual(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = torch.nn.Conv1d(FEATURES, FEATURES, 3, padding=1)

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.body(values)) + torch.tanh(values)

    file = save_torch(Residual().eval(), tmp_path / "m.pt2", "export", CHANNELS_FIRST)
    with pytest.raises(ConfigError, match="branches at tanh"):
        read_source(file)


def save_onnx_classifier(file: Path, **pool: Any) -> Path:
    random = np.random.default_rng(3)

    def tensor(name: str, *shape: int) -> Any:
        return numpy_helper.from_array(random.normal(0, 0.5, shape).astype(np.float32), name)

    weights = [
        tensor("cw", 5, FEATURES, 3),
        tensor("cb", 5),
        numpy_helper.from_array(np.abs(random.normal(1, 0.1, 5)).astype(np.float32), "var"),
        *(tensor(name, 5) for name in ("gain", "shift", "mean")),
        tensor("dw", 25, 4),
        tensor("db", 4),
        numpy_helper.from_array(np.array([0, -1], np.int64), "shape"),
    ]
    steps = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["t", "cw", "cb"], ["c"], kernel_shape=[3], pads=[0, 0]),
        helper.make_node("BatchNormalization", ["c", "gain", "shift", "mean", "var"], ["n"]),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2], strides=[2], **pool),
        helper.make_node("Reshape", ["p", "shape"], ["f"]),
        helper.make_node("MatMul", ["f", "dw"], ["d"]),
        helper.make_node("Add", ["d", "db"], ["a"]),
        helper.make_node("Softmax", ["a"], ["y"], axis=-1),
    ]
    return save_graph(file, steps, weights, ["n", STEPS, FEATURES], ["n", 4])


def test_onnx_answers_are_kept(tmp_path: Path) -> None:
    source = read_source(save_onnx_classifier(tmp_path / "m.onnx"))
    made = export_model(source, name="door", samples=samples())
    assert made.report.kind == "layers" and made.report.files[0].relative < 1e-5
    check(made, source.answer(samples()))


def test_onnx_pools_with_padding_are_refused(tmp_path: Path) -> None:
    file = save_onnx_classifier(tmp_path / "m.onnx", pads=[0, 1])
    with pytest.raises(ConfigError, match="unevenly"):
        read_source(file)


def test_idioms_of_torch_code_are_read(tmp_path: Path) -> None:
    import torch

    class Averaging(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = torch.nn.Conv1d(FEATURES, 4, 3)
            self.head = torch.nn.Linear(4, 2)

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            return self.head(torch.relu(self.convolution(values.transpose(1, 2))).mean(-1))

    class Viewing(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = torch.nn.Conv1d(FEATURES, 4, 3)
            self.head = torch.nn.Linear(4 * (STEPS - 2), 2)

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            values = torch.relu(self.convolution(values))
            return self.head(values.view(values.size(0), -1))

    for trained, turned in ((Averaging().eval(), False), (Viewing().eval(), True)):
        rows = samples().transpose(0, 2, 1) if turned else samples()
        example = CHANNELS_FIRST if turned else (1, STEPS, FEATURES)
        with torch.inference_mode():
            wanted = trained(torch.from_numpy(np.ascontiguousarray(rows))).numpy()
        for form in ("export", "script", "trace"):
            file = save_torch(trained, tmp_path / "m.pt2", form, example)
            check(export_model(read_source(file, STEPS), samples=samples()), wanted)
