from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeflow.errors import ConfigError
from edgeflow.inference.repository.metadata import MAX_METADATA_BYTES, read_mapping, read_settings
from edgeflow.inference.repository.settings import ModelSettings


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_reads_yaml_and_json(tmp_path: Path) -> None:
    yaml = write(tmp_path / "a.yaml", "version: 3\nlabels: [cat, dog]\nqueue: {policy: block}\n")
    read = read_settings(yaml, ModelSettings)
    assert (read.version, read.labels, read.queue.policy) == ("3", ("cat", "dog"), "block")
    json = write(tmp_path / "a.json", '{"pinned": true, "batching": {"max_batch": 8}}')
    assert read_settings(json, ModelSettings).batching.max_batch == 8
    assert read_settings(write(tmp_path / "empty.yaml", ""), ModelSettings) == ModelSettings()


def test_names_every_mistake_with_its_line(tmp_path: Path) -> None:
    path = write(
        tmp_path / "m.yaml",
        "pined: true\nthreads: 0\nqueue:\n  capacity: 5\n  polici: block\nversion: 1.10\n"
        "device: [1]\n",
    )
    with pytest.raises(ConfigError) as caught:
        read_settings(path, ModelSettings)
    lines = caught.value.message.splitlines()
    assert [line.removeprefix(f"{path}:").split(":")[0] for line in sorted(lines)] == list("12567")
    assert "did you mean 'pinned'" in caught.value.message
    assert "did you mean 'policy'" in caught.value.message
    assert "in quotes" in caught.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2", "expected"),
        ("- a\n- b\n", "not a mapping"),
        ("1: 2\n", "not a mapping"),
        ("a: &x [1]\nb: *x\n", "aliases are not supported"),
        ("a: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
        ("a: " + "[" * 50_000, "RecursionError"),
        ("#" * (MAX_METADATA_BYTES + 1), "larger than"),
        ("a: 2020-99-99\n", "ValueError"),
    ],
)
def test_refuses_what_it_cannot_trust(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_mapping(write(tmp_path / "m.yaml", text))


def test_a_missing_file_and_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_mapping(tmp_path / "m.yaml")
    (tmp_path / "m.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_mapping(tmp_path / "m.yaml")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_arbitrary_bytes_are_read_or_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.yaml").write_bytes(data)
    try:
        read_settings(tmp_path / "m.yaml", ModelSettings)
    except ConfigError as error:
        assert str(tmp_path) in error.message
