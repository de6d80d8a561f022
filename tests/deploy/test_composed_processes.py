"""What a Compose file starts works: its commands, with the environment that others read in it."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import pytest
from composed_files import assert_valid, read_by_others, secrets_in, stack_as_read
from deployed_flows import example, pipelines
from deployed_processes import Deployed, Instance, deployed

from edgeflow.cli import main
from edgeflow.deploy.planning import plan_file
from edgeflow.deploy.workloads import PROBE_PORT
from flows import wait_until
from servers import free_port


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    (tmp_path / "run").mkdir()
    return made


def composed(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what others read in the Compose file of a flow, and its secrets."""
    out = file.parents[1] / "out"
    assert main(["compose", str(file), "--out", str(out), "--image", "flow:1"]) == 0
    read = read_by_others(out / "compose.yaml")
    assert_valid(read)
    return read, secrets_in(out / ".env")


def ask(running: Deployed, path: str, token: str) -> bytes:
    pages = next(w for w in running.stack.all if any(port.public for port in w.ports))
    address = f"http://127.0.0.1:{running.port(pages, 'http')}{path}"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


def healthy(instance: Instance, check: list[str]) -> bool:
    """Run the health check of a service as it stands, but for the port."""
    kind, program, *words, text = check
    assert (kind, program, words) == ("CMD", "python", ["-c"])
    assert str(PROBE_PORT) in text
    own = text.replace(str(PROBE_PORT), str(instance.ports["probes"]))
    done = subprocess.run([sys.executable, "-c", own], stderr=DEVNULL, timeout=60, check=False)
    return done.returncode == 0


def test_the_example_flows_as_its_compose_file_says(folder):
    """With two servers; test_compose_files holds that one gets what it gets in a cluster."""
    file = example(folder, broker="DualRedisBroker")
    read, secrets = composed(file)
    stack = stack_as_read(plan_file(file), read)
    with deployed(stack, folder.parent / "run") as running:
        running.await_ready()
        nodes = {i.name: i for i in running.instances if i.workload in stack.workloads}
        assert set(nodes) == {"fake-camera-0", "gpu-processor-0", "gpu-processor-1", "gateway-0"}
        assert len(running.instances) - len(nodes) == 2

        def flows() -> bool:
            rates = json.loads(ask(running, "/api/fps", secrets["EDGEFLOW_TOKEN"]))
            return all(rates.get(name, 0) > 3 for name in ("fake_camera", "gpu_processor"))

        wait_until(flows, 60)
        checks = {n: one["healthcheck"]["test"] for n, one in read["services"].items()}
        gateway = nodes["gateway-0"]
        assert healthy(gateway, checks["gateway"])
        gateway.process.terminate()
        gateway.process.wait(20)
        assert not healthy(gateway, checks["gateway"])
    assert list(folder.iterdir()) == [file]


def test_pipelines_answer_as_their_compose_file_says(folder):
    file = pipelines(folder)
    file.write_text(file.read_text().replace("8088", str(free_port())))
    read, secrets = composed(file)
    with deployed(stack_as_read(plan_file(file), read), folder.parent / "run") as running:
        running.await_ready()
        (instance,) = running.instances
        assert healthy(instance, read["services"]["machine-hall"]["healthcheck"]["test"])
        nodes = json.loads(ask(running, "/api/nodes", secrets["EDGEFLOW_TOKEN"]))
        assert {node["state"] for node in nodes} == {"running"}
