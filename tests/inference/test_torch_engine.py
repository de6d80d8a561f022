"""What only Torch models do: metadata in the archive, several inputs, devices."""

import io
import json
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import structlog
from double_models import X, Y, write_exported, write_script

from edgeflow.errors import ConfigError, EngineError, MissingExtraError
from edgeflow.inference.engines import open_engine

torch = pytest.importorskip("torch", reason="pip install torch==2.13.0")


class TwoInTwoOut(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)

    def forward(self, x: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.linear(x) * scale, (x > 0).sum(dim=1)


class GivesText(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, str]:
        return x, "text"


class Fails(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(2, 2)


def save_script(module: torch.nn.Module, file: Path, **extra: object) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        files = {"edgeflow.json": json.dumps(extra)} if extra else {}
        torch.jit.save(torch.jit.script(module.eval()), str(file), _extra_files=files)
    return file


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("exported") / "two.pt2"
    rows = torch.export.Dim("rows")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(
            TwoInTwoOut().eval(),
            (torch.zeros(2, 3),),
            {"scale": torch.ones(1)},
            dynamic_shapes={"x": {0: rows}, "scale": None},
        )
        torch.export.save(program, str(file))
    return file


def test_an_exported_program_tells_its_tensors(exported: Path) -> None:
    with open_engine(exported, device="cpu") as engine:
        assert list(map(str, engine.spec.inputs)) == ["x: float32[?, 3]", "scale: float32[1]"]
        assert list(map(str, engine.spec.outputs)) == [
            "output_0: float32[?, 2]",
            "output_1: int64[?]",
        ]
        x = np.array([[1, -1, 2], [-1, -1, 3]], np.float32)
        once = engine.infer({"x": x, "scale": np.ones(1, np.float32)})
        twice = engine.infer({"x": x, "scale": np.full(1, 2, np.float32)})
    np.testing.assert_array_equal(once["output_1"], [2, 1])
    np.testing.assert_allclose(twice["output_0"], once["output_0"] * 2, rtol=1e-6)


def test_outputs_can_be_named_but_not_changed(exported: Path) -> None:
    named = ["logits: float32[?, 2]", "count: int64[?]"]
    with open_engine(exported, device="cpu", outputs=named) as engine:
        assert list(map(str, engine.spec.outputs)) == named
    with pytest.raises(ConfigError, match=r"otherwise than its file says.*float32\[\?, 2\]"):
        open_engine(exported, device="cpu", outputs=["logits: float32[?, 9]", "count: int64[?]"])


def test_the_archive_may_hold_the_declaration(tmp_path: Path) -> None:
    file = write_script(tmp_path, {"edgeflow.json": json.dumps({"inputs": [X], "outputs": [Y]})})
    with open_engine(file, device="cpu") as engine:
        assert (str(engine.spec.inputs[0]), str(engine.spec.outputs[0])) == (X, Y)


def test_outputs_that_nobody_declares_are_found_out(tmp_path: Path) -> None:
    file = save_script(
        TwoInTwoOut(), tmp_path / "two.pt", inputs=["x: fp32[?, 3]", "scale: fp32[1]"]
    )
    with open_engine(file, device="cpu") as engine:
        assert list(map(str, engine.spec.outputs)) == [
            "output_0: float32[?, 2]",
            "output_1: int64[?]",
        ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"does not tell its tensors: x.*inputs=.*edgeflow\.json"),
        ({"inputs": [X, "z: int8[1]"]}, "takes 1 inputs, 2 are declared"),
        ({"inputs": "x"}, "tensor 'x'"),
        ({"inputs": X, "device": "tpu"}, "no device 'tpu'"),
    ],
)
def test_declarations_that_do_not_do_are_refused(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        open_engine(write_script(tmp_path), **{"device": "cpu", **options})  # type: ignore[arg-type]


def test_metadata_that_is_no_json_is_refused(tmp_path: Path) -> None:
    file = write_script(tmp_path, {"edgeflow.json": "{"})
    with pytest.raises(EngineError, match="cannot be loaded as a Torch model: JSONDecodeError"):
        open_engine(file, device="cpu")


def test_what_a_model_raises_names_it(tmp_path: Path) -> None:
    file = save_script(Fails(), tmp_path / "fails.pt", inputs=[X], outputs=[Y])
    with (
        open_engine(file, device="cpu") as engine,
        pytest.raises(EngineError, match=r"fails\.pt: RuntimeError"),
    ):
        engine.infer({"x": np.zeros((1, 3), np.float32)})
    with pytest.raises(EngineError, match=r"gave a str, not a tensor"):
        open_engine(save_script(GivesText(), tmp_path / "text.pt", inputs=[X]), device="cpu")


def test_a_pickled_module_is_not_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    for name in ("module.pt", "module.pt2"):
        torch.save(Trap(), tmp_path / name)
        with pytest.raises(EngineError, match="cannot be loaded"):
            open_engine(tmp_path / name, device="cpu", inputs=X, outputs=Y)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "member",
    ["data/sample_inputs/model.pt", "data/weights/model.pt", "data/constants/custom_obj_0"],
)
def test_an_exported_program_with_pickled_code_is_not_loaded(
    tmp_path: Path, exported: Path, member: str
) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    trap = io.BytesIO()
    torch.save((Trap(),), trap)
    with zipfile.ZipFile(exported) as source, zipfile.ZipFile(tmp_path / "trap.pt2", "w") as made:
        names = source.namelist()
        folder = names[0].partition("/")[0]
        for name in {*names, f"{folder}/{member}"}:
            trapped = name.endswith(member)
            made.writestr(name, trap.getvalue() if trapped else source.read(name))
    with pytest.raises(EngineError, match=f"{member} may hold pickled code"):
        open_engine(tmp_path / "trap.pt2", device="cpu")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.skipif("torch.cuda.is_available()", reason="checks a machine without CUDA")
def test_without_cuda_it_falls_back_aloud_or_fails_when_strict(tmp_path: Path) -> None:
    file = write_script(tmp_path)
    with structlog.testing.capture_logs() as logs:
        engine = open_engine(file, device="cuda:1", inputs=X, outputs=Y)
    assert engine.device == "cpu"
    warned = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [(entry["event"], entry["wanted"]) for entry in warned] == [
        ("provider_fell_back", "cuda:1")
    ]
    with pytest.raises(EngineError, match="runs on cpu, not on cuda"):
        open_engine(file, device="cuda", inputs=X, outputs=Y, strict=True)


def test_the_process_keeps_to_the_threads_that_were_asked_for(tmp_path: Path) -> None:
    file = write_exported(tmp_path)
    for wanted in (1, 2, 1):
        open_engine(file, device="cpu", threads=wanted).close()
    assert torch.get_num_threads() == 2


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in ("any.pt", "any.pt2"):
        with pytest.raises(MissingExtraError, match=r"edgeflow\[torch\]"):
            open_engine(name)
