"""The page about deployments, done as a reader does it, with tools that write down their calls."""

import re

import pytest
import yaml
from readers import DOCS, on
from recorded_tools import Tools

from edgeflow.deploy.demands import Demands
from edgeflow.deploy.dockerfile import BASE
from edgeflow.deploy.planning import plan_file
from edgeflow.deploy.workloads import PROBE_PORT, SecretKey

PAGE = DOCS / "how-to/deploy.md"


@pytest.fixture
def tools(tmp_path):
    made = Tools(tmp_path / "tools", "docker")
    made.answer(["logs"], "[pod/detector-1] hello\n")
    return made


@on("how-to/deploy.md")
def test_deploy(reader, tools):
    reader.environment["PATH"] = f"{tools.folder}:{reader.environment['PATH']}"
    dry, written, first, status, logs, _, destroy, _ = reader.commands("edgeflow deploy")
    quick = "--edgeflow edgeflow==0.3.0"  # copying its sources is tested where contexts are
    printed = list(yaml.safe_load_all(reader.run(f"{dry} {quick}")))
    names = {one["metadata"]["name"] for one in printed}
    assert {"front-camera", "detector", "pages", "redis", "pages-public"} <= names
    assert not tools.calls("kubectl")
    reader.run(f"{written} {quick}")
    folder = reader.folder / "deployment"
    texts = [path.read_text() for path in sorted(folder.glob("*.yaml"))]
    assert [one for text in texts for one in yaml.safe_load_all(text) if one["kind"] != "Secret"]
    assert (folder / "image" / "Dockerfile").is_file()
    reader.run(f"{first} {quick}")
    applied = tools.calls("kubectl", "apply")[-1]
    applied.assert_valid()
    assert "pages-public" in applied.given
    reader.run(status, expected=1)  # there are no pods where there is no cluster
    assert "hello" in reader.run(logs)
    reader.run(destroy)
    assert len(tools.calls("kubectl", "delete")) == 1


@on("how-to/deploy.md")
def test_the_variables_of_the_page_are_those_of_the_pods(reader):
    stack = plan_file(reader.folder / "main.py")
    told = set(re.findall(r"`([A-Z_]{8,})`", PAGE.read_text().split("| variable |")[1]))
    for workload in stack.workloads:
        own = {name for name in workload.environment if name not in ("HOME", "PYTHONUTF8")}
        assert own <= told
    assert isinstance(stack.workloads[0].environment["REDIS_PASSWORD"], SecretKey)


def test_the_page_has_every_key_that_may_be_asked_for():
    text = PAGE.read_text()
    table = text.split("| key | default | |")[1].split("\n\n")[0]
    cells = [row.split("|")[1] for row in table.splitlines()[2:]]
    named = {name for cell in cells for name in re.findall(r"`([a-z_]+)`", cell)}
    assert named == set(Demands.__struct_fields__)
    assert f"`{BASE}`" in text
    assert f"port {PROBE_PORT}" in text
