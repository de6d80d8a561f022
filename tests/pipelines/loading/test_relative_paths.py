"""Relative paths of the YAML start at its folder, wherever the command is run."""

from pathlib import Path

import pytest

from edgeflow.pipelines.loading.loader import load_text

YAML = """
connectors:
  - {id: door, type: camera, source: clips/door.avi, pipeline: look}
pipelines:
  - {id: look, agents: [keep, tell]}
agents:
  keep: {type: snapshot_archive}
  tell: {type: threshold, dispatcher: journal}
actions:
  log: {type: log}
  journal: {type: file, path: out/journal.jsonl}
"""


def test_they_lie_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    found = load_text(YAML, tmp_path / "site" / "pipelines.yaml", {})
    agents = {plan.name: plan.options for plan in found.agents}
    actions = {plan.name: plan.options for plan in found.actions}
    assert found.connectors[0].options.source == str(tmp_path / "site" / "clips" / "door.avi")
    assert agents["keep"].folder == tmp_path / "site" / "snapshots"
    assert actions["journal"].path == tmp_path / "site" / "out" / "journal.jsonl"


def test_absolute_ones_and_addresses_stay(tmp_path: Path) -> None:
    text = YAML.replace("clips/door.avi", "rtsp://10.0.0.9/door").replace("out/j", "/var/log/j")
    found = load_text(text, tmp_path / "pipelines.yaml", {})
    assert found.connectors[0].options.source == "rtsp://10.0.0.9/door"
    (journal,) = (plan.options for plan in found.actions if plan.name == "journal")
    assert journal.path == Path("/var/log/journal.jsonl")
