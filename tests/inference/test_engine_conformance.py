"""What every engine does alike, whatever runs the model."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from double_models import X, Y, write_exported, write_onnx, write_script, write_tflite

from edgeflow.errors import EngineError, TensorError
from edgeflow.inference.engines import Engine, open_engine

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "onnx": ("onnxruntime_onnx", {}),
    "script": ("pytorch_libtorch", {"inputs": X, "outputs": Y}),
    "exported": ("pytorch_export", {}),
    "tflite": ("tflite", {}),
    "callable": ("python", {}),
    "parallel callable": ("python", {"parallel": True}),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path | str]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "onnx": write_onnx(folder),
        "script": write_script(folder),
        "exported": write_exported(folder),
        "tflite": write_tflite(folder),
        "callable": "double_models:double",
        "parallel callable": "double_models:double",
    }


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, models: dict[str, Path | str]) -> Iterator[Engine]:
    with open_engine(models[request.param], device="cpu", **KINDS[request.param][1]) as opened:
        assert opened.platform == KINDS[request.param][0]
        yield opened


def numbers(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, 3), np.float32)


def test_the_spec_names_types_and_free_axes(engine: Engine) -> None:
    assert [str(each) for each in engine.spec.inputs] == [X]
    assert [str(each) for each in engine.spec.outputs] == [Y]
    assert engine.device == "cpu"
    assert engine.name
    assert engine.kind


@pytest.mark.parametrize("rows", [1, 2, 7, 1, 64])
def test_a_free_axis_takes_any_size(engine: Engine, rows: int) -> None:
    x = numbers(rows)
    outputs = engine.infer({"x": x})
    assert list(outputs) == ["y"]
    assert outputs["y"].dtype == np.float32
    np.testing.assert_array_equal(outputs["y"], x * 2)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input 'x' is missing"),
        ({"X": numbers(1)}, "no input 'X'.*known: x|no input 'X'.*did you mean 'x'"),
        ({"x": numbers(1), "z": numbers(1)}, "no input 'z'"),
        ({"x": numbers(1).astype(np.float64)}, r"got float64\[1, 3\].*takes x: float32\[\?, 3\]"),
        ({"x": numbers(1).astype(np.int32)}, r"got int32\[1, 3\]"),
        ({"x": numbers(1)[0]}, r"got float32\[3\]"),
        ({"x": numbers(1)[:, :2]}, r"got float32\[1, 2\]"),
        ({"x": numbers(1)[None]}, r"got float32\[1, 1, 3\]"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_next_call_is_fine(
    engine: Engine, inputs: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(TensorError, match=message):
        engine.infer(inputs)
    np.testing.assert_array_equal(engine.infer({"x": numbers(2)})["y"], numbers(2) * 2)


def test_memory_that_is_read_only_or_in_pieces_is_taken(engine: Engine) -> None:
    whole = numbers(8)
    frozen = np.frombuffer(whole.tobytes(), np.float32).reshape(8, 3)
    for x in (frozen, whole[::2], whole[::-1], np.asfortranarray(whole)):
        np.testing.assert_array_equal(engine.infer({"x": x})["y"], x * 2)


def test_outputs_do_not_change_when_inputs_or_later_calls_do(engine: Engine) -> None:
    x = numbers(4)
    first = engine.infer({"x": x})["y"]
    wanted = first.copy()
    x[:] = 0
    engine.infer({"x": numbers(4, seed=1)})
    np.testing.assert_array_equal(first, wanted)


def test_eight_threads_at_once(engine: Engine) -> None:
    def check(seed: int) -> bool:
        x = numbers(1 + seed % 5, seed)
        return np.array_equal(engine.infer({"x": x})["y"], x * 2)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(check, range(200)))


def test_warming_up_runs_it(engine: Engine) -> None:
    assert 0 < engine.warm_up() < 60
    assert 0 < engine.warm_up({"x": numbers(3)}) < 60


def test_closing_while_it_runs_lets_calls_finish(engine: Engine) -> None:
    running, wrong = threading.Barrier(5), []

    def work(seed: int) -> None:
        x = numbers(2, seed)
        running.wait(30)
        try:
            while True:
                if not np.array_equal(engine.infer({"x": x})["y"], x * 2):
                    wrong.append("another result")
                    return
        except EngineError as error:
            if "closed" not in str(error):
                wrong.append(str(error))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    running.wait(30)
    engine.close()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert wrong == []
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.infer({"x": numbers(1)})


@pytest.mark.parametrize("suffix", [".onnx", ".pt", ".ts", ".pt2", ".tflite"])
def test_files_that_are_no_models_are_refused(tmp_path: Path, suffix: str) -> None:
    broken = tmp_path / f"broken{suffix}"
    with pytest.raises(EngineError, match=f"broken{suffix}: there is no such file"):
        open_engine(broken, device="cpu")
    for content in (b"", b"this is not a model" * 100, b"PK\x03\x04" + bytes(500)):
        broken.write_bytes(content)
        with pytest.raises(EngineError, match=f"broken{suffix}: cannot be loaded"):
            open_engine(broken, device="cpu")


def test_files_that_were_cut_off_are_refused(models: dict[str, Path | str], tmp_path: Path) -> None:
    for kind in ("onnx", "script", "exported", "tflite"):
        whole = Path(models[kind])
        part = tmp_path / f"part{whole.suffix}"
        part.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        with pytest.raises(EngineError, match="part"):
            open_engine(part, device="cpu", **KINDS[kind][1])


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_damaged_files_load_or_are_refused(
    models: dict[str, Path | str], tmp_path: Path, kind: str
) -> None:
    whole, random = Path(models[kind]).read_bytes(), np.random.default_rng(11)
    damaged = tmp_path / f"damaged{Path(models[kind]).suffix}"
    refused = 0
    for _ in range(80):
        content = bytearray(whole)
        for at in random.integers(0, len(content), random.integers(1, 6)):
            content[at] = random.integers(256)
        damaged.write_bytes(content)
        try:
            with open_engine(damaged, device="cpu", **KINDS[kind][1]) as engine:
                engine.warm_up()
        except EngineError as error:
            refused += 1
            assert "damaged" in str(error)
    assert refused > 20


def test_an_onnx_name_that_is_no_text_is_refused(
    models: dict[str, Path | str], tmp_path: Path
) -> None:
    content = Path(models["onnx"]).read_bytes()
    file = tmp_path / "name.onnx"
    file.write_bytes(content.replace(b"\x12\x01n", b"\x12\x01\xff"))
    assert file.read_bytes() != content
    with pytest.raises(EngineError, match=r"name\.onnx: cannot be loaded as an ONNX model"):
        open_engine(file, device="cpu")
