import json
from pathlib import Path

import pytest

from edgeflow.cli import main
from small_models import save_scale


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_scale(tmp_path / "models" / "double" / "1" / "model.onnx")
    return tmp_path / "models"


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main(["models", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_list_and_info(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "double" / "model.yaml").write_text("labels: [a, b]\n")
    (folder / "broken.onnx").write_bytes(b"")
    (folder / "broken.yaml").write_text("thread: 1\n")
    code, out, _ = run(capsys, "list", "--models", folder)
    assert code == 0
    assert out.splitlines()[0].split() == ["NAME", "VERSION", "VERSIONS", "PINNED", "PROBLEM"]
    assert "did you mean 'threads'" in out
    code, out, _ = run(capsys, "list", "--models", folder, "--json")
    assert [(each["name"], each["versions"]) for each in json.loads(out)] == [
        ("broken", []),
        ("double", ["1"]),
    ]
    code, out, _ = run(capsys, "info", "double", "--models", folder, "--json")
    facts = json.loads(out)
    assert facts["inputs"] == ["x: float32[?, 4]"]
    assert (facts["labels"], facts["settings"]) == (2, {"labels": ["a", "b"]})
    _, out, _ = run(capsys, "info", "double", "--models", folder)
    assert "platform:  onnxruntime_onnx" in out


def test_push_rollback_pin(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = save_scale(tmp_path / "new.onnx", 3)
    code, out, err = run(capsys, "push", "double", new, "--models", folder)
    assert (code, out) == (0, f"{folder / 'double' / '2' / 'model.onnx'}\n")
    assert "version 2" in err
    assert run(capsys, "rollback", "double", "--models", folder)[0] == 0
    assert run(capsys, "pin", "double", "--models", folder)[0] == 0
    assert run(capsys, "load", "double", "--models", folder)[0] == 0
    assert run(capsys, "unload", "double", "--models", folder)[0] == 0
    _, out, _ = run(capsys, "list", "--models", folder, "--json")
    (facts,) = json.loads(out)
    assert (facts["version"], facts["held"], facts["pinned"]) == ("1", True, True)
    assert run(capsys, "rollback", "double", "--newest", "--models", folder)[0] == 0
    assert run(capsys, "pin", "double", "--off", "--models", folder)[0] == 0
    _, out, _ = run(capsys, "list", "--models", folder, "--json")
    (facts,) = json.loads(out)
    assert (facts["version"], facts["held"], facts["pinned"]) == ("2", False, False)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("info", "duble"), 1, "did you mean 'double'"),
        (("info", "double", "--version", "9"), 1, "no version '9'"),
        (("rollback", "double"), 3, "no version before 1"),
        (("rollback", "double", "--to", "1", "--newest"), 3, "contradict"),
        (("push", "double", "/nowhere.onnx"), 3, "there is no such file"),
        (("push", "double", __file__), 3, "is no model file"),
        (("pull", "nanodett"), 1, "did you mean 'nanodet'?"),
        (("pull", "vtest"), 1, "nanodet, yolov5n_coco"),
        (("pull",), 2, "edgeflow models pull --help"),
    ],
)
def test_mistakes(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    ended, _, err = run(capsys, *words, "--models", folder)
    assert ended == code
    assert message in err


def test_pull_a_model_of_the_catalogue(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "pull", "centerface", "--models", folder)
    assert (code, out) == (0, f"{folder / 'centerface' / '1' / 'model.onnx'}\n")
