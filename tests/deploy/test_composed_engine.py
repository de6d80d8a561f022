"""How podman-compose would start a flow: podman is a script that writes down its calls."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from composed_files import secrets_in
from deployed_flows import planned

from edgeflow.cli import main

PODMAN = """#!{python} -IS
import json, sys
from pathlib import Path
folder, words = Path({folder!r}), sys.argv[1:]
with (folder / "calls").open("a") as log:
    log.write(json.dumps(words) + "\\n")
text = " ".join(words)
if "--version" in words:
    print("podman version 5.4.0")
elif "json" in words:
    print("[]")
elif text.startswith("network create"):
    (folder / words[-1]).touch()
elif text.startswith("network exists"):
    sys.exit(not (folder / words[-1]).exists())
elif text.startswith("inspect -t image"):
    sys.exit(1)
"""
BODY = """
app = EdgeApp("lobby", broker=RedisBroker())
app.add("source", Source, options={"deploy": {"groups": [44], "environment": {"PRICE": "$(x) $Y"}}})
app.add("work", Work, device="gpu", replicas=2)
app.add("keep", JsonLinesSink, options={"path": "log.jsonl"}, replicas=2)
app.add("view", GatewayNode, options={"node_port": 30081})
app.link("source").to("work", qos="durable").to("keep", qos="durable")
app.link("work").to("view")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "podman").write_text(PODMAN.format(python=sys.executable, folder=str(tmp_path)))
    (tmp_path / "podman").chmod(0o755)
    return tmp_path


def started(folder: Path) -> list[list[str]]:
    """Return the calls of podman for such a flow."""
    project, out = folder / "project", folder / "out"
    project.mkdir()
    planned(project, BODY)
    words = ["--out", str(out), "--edgeflow", "edgeflow==0.3.0"]
    assert main(["compose", str(project / "main.py"), *words]) == 0
    program = Path(sys.executable).with_name("podman-compose")
    command = [program, "--file", out / "compose.yaml", "up", "--detach", "--no-deps"]
    path = {"PATH": f"{folder}:{os.defpath}"}
    subprocess.run(command, env=path, capture_output=True, timeout=120, check=True)
    return [json.loads(line) for line in (folder / "calls").read_text().splitlines()]


def told(words: list[str], option: str) -> list[str]:
    return [word for before, word in itertools.pairwise(words) if before == option]


def test_podman_would_confine_every_container_and_publish_one_port(folder):
    calls = started(folder)
    (build,) = [words for words in calls if words[0] == "build"]
    assert build[-1] == str(folder / "out" / "image")
    made = {
        words[1].removeprefix("--name=lobby_"): words for words in calls if words[0] == "create"
    }
    assert set(made) == {
        "redis_1", "source_1", "work_1", "work_2", "keep_1_1", "keep_2_1", "view_1",
    }  # fmt: skip
    for words in made.values():
        assert "--read-only" in words
        assert told(words, "--cap-drop") == ["ALL"]
        assert "no-new-privileges:true" in told(words, "--security-opt")
        assert told(words, "-u")[0].split(":")[0] in ("999", "10001")
        assert told(words, "-m")
        assert told(words, "--restart") == ["unless-stopped"]
        assert told(words, "--health-cmd")
    assert {name: told(words, "-p") for name, words in made.items() if told(words, "-p")} == {
        "view_1": ["127.0.0.1:30081:8000"]
    }
    internal = [
        words[-1] for words in calls if words[:2] == ["network", "create"] and "--internal" in words
    ]
    assert internal == ["lobby_inside"]
    password = secrets_in(folder / "out" / ".env")["REDIS_PASSWORD"]
    assert f"REDIS_PASSWORD={password}" in told(made["work_2"], "-e")
    assert "PRICE=$(x) $Y" in told(made["source_1"], "-e")
    assert told(made["source_1"], "--group-add") == ["44"]
    assert any("nvidia" in word for word in told(made["work_1"], "--device"))
    assert told(made["source_1"], "--tmpfs") == ["/tmp:size=1024m,mode=1777"]
    kept = [told(made[name], "--mount") for name in ("keep_1_1", "keep_2_1")]
    assert kept[0] != kept[1]
