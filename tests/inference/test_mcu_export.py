"""Trained LSTMs become files that the firmware core answers from as the trained model does."""

from pathlib import Path

import numpy as np
import pytest

from edgeflow._native.model import NativeModel
from edgeflow.errors import ConfigError, EdgeFlowError
from edgeflow.inference.export.exporting import (
    FLOAT_FILE,
    INT8_FILE,
    META_FILE,
    REFERENCE_FILE,
    export_model,
    read_samples,
    read_source,
)
from edgeflow.protocols.model_file import check_meta, parse_model
from trained_models import (
    FEATURES,
    HIDDEN,
    HORIZON,
    STEPS,
    forecaster,
    samples,
    save_onnx_lstm,
    save_torch,
)


@pytest.mark.parametrize("form", ["state", "script", "trace", "export"])
def test_torch_answers_are_kept(tmp_path: Path, form: str) -> None:
    import torch

    module = forecaster()
    file = save_torch(module, tmp_path / "model.pt", form, (1, STEPS, FEATURES))
    source = read_source(file, None if form == "export" else STEPS)
    made = export_model(source, name="sea", version=7, samples=samples())
    assert set(made.files) == {REFERENCE_FILE, META_FILE, FLOAT_FILE, INT8_FILE}
    with torch.inference_mode():
        wanted = module(torch.from_numpy(samples())).numpy()
    for name in (REFERENCE_FILE, FLOAT_FILE):
        model = NativeModel(made.files[name])
        given = np.stack([model.run(each) for each in samples()])
        np.testing.assert_allclose(given, wanted, atol=1e-5)
    check_meta(made.files[META_FILE], parse_model(made.files[REFERENCE_FILE]))
    small = NativeModel(made.files[INT8_FILE])
    assert (small.info.name, small.info.version, small.info.dtype) == ("sea", 7, "int8")
    assert small.self_test().present and small.self_test().passed


def test_the_report_measures_what_it_says(tmp_path: Path) -> None:
    file = save_torch(forecaster(), tmp_path / "model.pt", "state", (1, STEPS, FEATURES))
    source = read_source(file, STEPS)
    targets = source.answer(samples()) + np.float32(0.5)
    made = export_model(source, samples=samples(), targets=targets)
    report = made.report
    sizes = (report.steps, report.features, report.horizon, report.hidden)
    assert sizes == (STEPS, FEATURES, HORIZON, HIDDEN)
    assert report.parameters == 4 * HIDDEN * (FEATURES + HIDDEN + 1) + HORIZON * (HIDDEN + 1)
    assert (report.samples, report.drawn) == (40, False)
    assert report.model_target_rmse == pytest.approx(0.5, rel=1e-4)
    small = next(each for each in report.files if each.dtype == "int8")
    model = NativeModel(made.files[INT8_FILE])
    given = np.stack([model.run(each) for each in samples()])
    errors = given - source.answer(samples())
    assert small.rmse == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-3)
    assert small.max_error == pytest.approx(np.abs(errors).max())
    assert 0 < small.relative < 0.05
    assert small.bytes == len(made.files[INT8_FILE])
    cycles = model.info.multiply_adds * 10 + model.info.activations * 200
    assert small.estimated_ms == pytest.approx(cycles / 240e3, abs=2e-3)


def test_without_samples_there_is_no_int8(tmp_path: Path) -> None:
    file = save_torch(forecaster(), tmp_path / "model.pt", "state", (1, STEPS, FEATURES))
    made = export_model(read_source(file, STEPS))
    assert INT8_FILE not in made.files
    assert made.report.drawn


def test_a_feature_that_is_always_zero_can_be_calibrated(tmp_path: Path) -> None:
    file = save_torch(forecaster(), tmp_path / "model.pt", "state", (1, STEPS, FEATURES))
    given = samples()
    given[:, :, 1] = 0
    made = export_model(read_source(file, STEPS), samples=given)
    assert next(each for each in made.report.files if each.dtype == "int8").relative < 0.05


@pytest.mark.parametrize("rename", [{}, {"lstm.": "", "fc.": "out."}, "shapes", "checkpoint"])
def test_names_of_a_state_dict(tmp_path: Path, rename: object) -> None:
    import torch

    module = forecaster()
    state = dict(module.state_dict())
    if isinstance(rename, dict):
        for old, new in rename.items():
            state = {name.replace(old, new): value for name, value in state.items()}
    elif rename == "shapes":
        state = {f"p{at}": value for at, value in enumerate(state.values())}
    else:
        state = {"epoch": 3, "state_dict": state}
    torch.save(state, tmp_path / "model.pt")
    source = read_source(tmp_path / "model.pt", STEPS)
    with torch.inference_mode():
        wanted = module(torch.from_numpy(samples())).numpy()
    np.testing.assert_allclose(source.answer(samples()), wanted, atol=1e-6)
    export_model(source)


@pytest.mark.parametrize(
    ("options", "told"),
    [({"num_layers": 2}, "beside"), ({"bidirectional": True}, "beside"), ({"proj_size": 3}, "(28")],
)
def test_what_boards_lack_is_refused(tmp_path: Path, options: dict[str, object], told: str) -> None:
    module = forecaster(**options)
    file = save_torch(module, tmp_path / "model.pt", "state", (1, STEPS, FEATURES))
    with pytest.raises(ConfigError) as caught:
        read_source(file, STEPS)
    assert told in caught.value.message
    assert "LSTM" in caught.value.hint


def test_steps_must_be_known_and_agree(tmp_path: Path) -> None:
    module = forecaster()
    state = save_torch(module, tmp_path / "a.pt", "state", (1, STEPS, FEATURES))
    with pytest.raises(ConfigError, match="--steps"):
        read_source(state)
    program = save_torch(module, tmp_path / "b.pt2", "export", (1, STEPS, FEATURES))
    assert read_source(program).steps == STEPS
    with pytest.raises(ConfigError, match="takes 12 time steps, not 13"):
        read_source(program, 13)


def test_a_model_that_does_more_is_found_out(tmp_path: Path) -> None:
    import torch

    class Louder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = forecaster()

        def forward(self, values: torch.Tensor) -> torch.Tensor:
            return torch.tanh(self.inner(values))

    file = save_torch(Louder().eval(), tmp_path / "m.pt2", "export", (1, STEPS, FEATURES))
    with pytest.raises(ConfigError, match="off what the model does"):
        export_model(read_source(file))


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "model.pt").write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_source(tmp_path / "model.pt", STEPS)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x02}q\x00.", b"nonsense" * 50])
@pytest.mark.parametrize("name", ["m.pt", "m.onnx"])
def test_garbage_is_refused(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError):
        read_source(tmp_path / name, STEPS)


@pytest.mark.parametrize("matmul", [False, True])
def test_onnx_gates_are_put_in_order(tmp_path: Path, matmul: bool) -> None:
    source = read_source(save_onnx_lstm(tmp_path / "m.onnx", matmul=matmul))
    assert (source.steps, source.features, source.horizon) == (STEPS, FEATURES, HORIZON)
    made = export_model(source, samples=samples())
    # The first file is compared with ONNX Runtime's own answers.
    assert made.report.files[0].relative < 1e-4
    wanted = source.answer(samples(3))
    model = NativeModel(made.files[FLOAT_FILE])
    np.testing.assert_allclose(
        np.stack([model.run(each) for each in samples(3)]), wanted, atol=1e-5
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"input_forget": 1}, "input_forget"),
        ({"clip": 3.0}, "clip"),
        ({"activations": ["Sigmoid", "Relu", "Tanh"]}, "activations"),
        ({"direction": "reverse"}, "direction"),
        ({"extra_inputs": ("", "h0", "c0")}, "start at zero"),
    ],
)
def test_onnx_variants_that_boards_lack(
    tmp_path: Path, options: dict[str, object], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        read_source(save_onnx_lstm(tmp_path / "m.onnx", **options))  # type: ignore[arg-type]


def test_samples_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "x.npy"
    np.save(file, np.zeros((4, 3), np.float64))
    assert read_samples(file, (4, 3)).shape == (1, 4, 3)
    bad = [np.zeros((2, 4, 2)), np.full((2, 4, 3), np.nan), np.array(["a"]), np.zeros((0, 4, 3))]
    for values in bad:
        np.save(file, values)
        with pytest.raises(ConfigError):
            read_samples(file, (4, 3))
    np.save(file, np.array([{}], object), allow_pickle=True)
    with pytest.raises(ConfigError, match=r"no \.npy"):
        read_samples(file, (4, 3))


@pytest.mark.parametrize("name", ["m.pt", "m.pt2", "m.onnx"])
def test_damaged_files_are_refused_or_right(tmp_path: Path, name: str) -> None:
    if name.endswith("onnx"):
        whole = save_onnx_lstm(tmp_path / name)
    else:
        form = "state" if name == "m.pt" else "export"
        whole = save_torch(forecaster(), tmp_path / name, form, (1, STEPS, FEATURES))
    content = whole.read_bytes()
    random = np.random.default_rng(len(content))
    refused = 0
    for _ in range(25):
        damaged = bytearray(content)
        for at in random.integers(0, len(damaged), 8):
            damaged[at] = random.integers(0, 256)
        whole.write_bytes(damaged)
        try:
            export_model(read_source(whole, STEPS))
        except EdgeFlowError:
            refused += 1
    assert refused > 0
