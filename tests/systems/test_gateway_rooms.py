"""The rooms that the gateway demo senses: joined to its file, which stays a valid one."""

from importlib import resources

import yaml

from edgeflow.pipelines.loading.loader import load
from edgeflow.systems.gateway_demo import joined, write_empty_rooms

SYSTEMS = resources.files("edgeflow.systems")


def test_rooms_are_joined_section_by_section(tmp_path, monkeypatch):
    base = (SYSTEMS / "edge_gateway" / "pipelines.yaml").read_text()
    more = (SYSTEMS / "edge_gateway_rooms.yaml").read_text()
    both = yaml.safe_load(joined(base, more))
    assert [each["id"] for each in both["connectors"]] == ["rooms", "street", "site"]
    assert {"somebody", "fallen", "crossing_light", "headcount"} <= set(both["agents"])
    monkeypatch.setenv("EDGE_CSI_PORT", "0")
    monkeypatch.setenv("EDGE_CSI_EMPTY", str(tmp_path / "empty.json"))
    write_empty_rooms(tmp_path / "empty.json")
    (tmp_path / "pipelines.yaml").write_text(
        joined("version: 1\nconnectors:\npipelines:\nagents:\nactions:\n  log: {type: log}\n", more)
    )
    declaration = load(tmp_path / "pipelines.yaml")
    assert [plan.name for plan in declaration.connectors] == ["rooms"]
