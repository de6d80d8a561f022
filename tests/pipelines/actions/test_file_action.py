import base64
import json
import os
from pathlib import Path

import pytest

from acting import act, action
from edgeflow.errors import ActionError, ConfigError
from edgeflow.pipelines.actions.file import FileDispatcher


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_actions_are_lines_of_json(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "alerts.jsonl"
    results = act(FileDispatcher, action({"n": 1}, text="one"), action({"n": 2}), path=path)
    assert all(result.ok for result in results)
    assert [line["payload"] for line in lines(path)] == [{"n": 1}, {"n": 2}]
    assert lines(path)[0]["text"] == "one"
    assert lines(path)[0]["agent"] == "guard"


def test_bytes_become_base64_or_files(tmp_path: Path) -> None:
    jpeg = b"\xff\xd8\xff" + b"x" * 10
    act(FileDispatcher, action(jpeg), path=tmp_path / "a.jsonl", fsync=True)
    assert base64.b64decode(str(lines(tmp_path / "a.jsonl")[0]["payload"])) == jpeg
    act(FileDispatcher, action(jpeg), path=tmp_path / "b.jsonl", bytes="files", fsync=True)
    name = str(lines(tmp_path / "b.jsonl")[0]["file"])
    assert name.endswith(".jpg")
    assert (tmp_path / name).read_bytes() == jpeg


def test_a_full_file_is_rotated_and_old_ones_go(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    act(
        FileDispatcher,
        *[action({"n": number, "fill": "x" * 300}) for number in range(30)],
        path=path,
        max_bytes=1024,
        keep=2,
    )
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["a.jsonl", "a.jsonl.1", "a.jsonl.2"]
    assert all((tmp_path / name).stat().st_size <= 1024 for name in names)
    kept = [line["payload"]["n"] for name in reversed(names) for line in lines(tmp_path / name)]  # type: ignore[index]
    assert kept == list(range(30 - len(kept), 30))


def test_a_target_is_a_file_beside_it(tmp_path: Path) -> None:
    (result,) = act(FileDispatcher, action(target="other.jsonl"), path=tmp_path / "a.jsonl")
    assert result.target == str(tmp_path / "other.jsonl")
    assert len(lines(tmp_path / "other.jsonl")) == 1


@pytest.mark.parametrize("target", ["../x", "/etc/x", "..", "", "a\0b"])
def test_a_target_does_not_lead_out_of_the_folder(tmp_path: Path, target: str) -> None:
    with pytest.raises(ActionError):
        act(FileDispatcher, action(target=target), path=tmp_path / "in" / "a.jsonl")
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["a.jsonl"]


def test_a_line_larger_than_the_file_may_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ActionError, match="max_bytes"):
        act(FileDispatcher, action(b"x" * 2000), path=tmp_path / "a.jsonl", max_bytes=1024)
    assert (tmp_path / "a.jsonl").read_bytes() == b""


def test_a_path_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError):
        act(FileDispatcher, path=tmp_path / "file" / "a.jsonl")


def test_a_disk_that_is_full_is_a_failed_action() -> None:
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("no /dev/full here")
    with pytest.raises(ActionError, match="cannot be written"):
        act(FileDispatcher, action({"n": 1}), path=Path("/dev/full"), fsync=True)


def test_the_newest_files_of_bytes_are_kept(tmp_path: Path) -> None:
    pictures = [action(bytes([number])) for number in range(8)]
    act(FileDispatcher, *pictures, path=tmp_path / "b.jsonl", bytes="files", max_files=3)
    kept = sorted(file.read_bytes() for file in (tmp_path / "b.jsonl.files").iterdir())
    assert kept == [b"\5", b"\6", b"\7"]


def test_a_pipe_that_nobody_reads_is_refused_at_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="it is a pipe"):
        act(FileDispatcher, path=tmp_path / "pipe")
