"""``edgeflow deploy``, with programs on the PATH that write down how they were called."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from deployed_flows import HEAD, example
from recorded_tools import Tools

from edgeflow.cli import main

FLOW = """
app = EdgeApp("flow", broker=RedisBroker())
app.add("source", Source)
app.add("drain", Drain, options={"deploy": {"secrets": ["API_KEY"]}})
app.link("source").to("drain", qos="durable")
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return example(folder)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    made = Tools(tmp_path / "tools", "docker")
    monkeypatch.setenv("PATH", made.path)
    return made


VERBS = {"status", "logs", "destroy"}


def run(*words: object) -> int:
    """Run the command; EdgeFlow's own sources are copied for no test but those of contexts."""
    source = () if words[0] in VERBS else ("--edgeflow", "edgeflow==0.3.0")
    return main(["deploy", *map(str, words), *source])


def images(text: str) -> set[str]:
    documents = [one for one in yaml.safe_load_all(text) if one["kind"] == "Deployment"]
    return {one["spec"]["template"]["spec"]["containers"][0]["image"] for one in documents}


def test_building_pushing_and_applying(file, tools, capfd):
    assert run(file, "--registry", "docker.io/me", "--namespace", "lab") == 0
    (build,) = tools.calls("docker", "build")
    assert build.words[:3] == ["buildx", "build", "--platform"]
    assert "--push" in build.words
    reference = build.words[build.words.index("--tag") + 1]
    assert reference.startswith("docker.io/me/test-distributed-system:")
    assert build.found == ["Dockerfile", "edgeflow", "project"]
    assert "USER 10001" in build.given
    first, rest = tools.calls("kubectl", "apply")
    assert [one["kind"] for one in yaml.safe_load_all(first.given)] == ["Namespace"]
    assert "--server-side" in rest.words
    first.assert_valid()
    rest.assert_valid()
    assert images(rest.given) == {reference}
    assert {o["metadata"]["namespace"] for o in yaml.safe_load_all(rest.given)} == {"lab"}
    out, err = capfd.readouterr()
    assert out == ""
    assert "from the engine" in err
    assert "applied" in err


def test_secrets_are_made_once_and_never_shown(file, tools, capfd):
    assert run(file, "--image", "me/app:1") == 0
    (made,) = tools.calls("kubectl", "create")
    (secret,) = yaml.safe_load_all(made.given)
    made.assert_valid()
    values = secret["stringData"]
    assert set(values) == {"REDIS_PASSWORD", "EDGEFLOW_TOKEN"}
    assert all(len(value) >= 24 for value in values.values())
    assert len(set(values.values())) == 2
    shown = "".join(capfd.readouterr())
    everything = shown + "".join(" ".join(c.words) for c in tools.calls("kubectl"))
    assert not any(value in everything for value in values.values())
    there = {"data": dict.fromkeys(values, "eA==")}
    tools.answer(["get", "secret"], there)
    assert run(file, "--image", "me/app:2") == 0
    assert len(tools.calls("kubectl", "create")) == 1
    assert not tools.calls("kubectl", "patch")


def test_a_secret_that_came_later_is_added(file, tools):
    tools.answer(["get", "secret"], {"data": {"REDIS_PASSWORD": "eA=="}})
    assert run(file, "--image", "me/app:1") == 0
    (patch,) = tools.calls("kubectl", "patch")
    assert set(json.loads(patch.given)["stringData"]) == {"EDGEFLOW_TOKEN"}


def test_secrets_of_ones_own_come_from_the_environment(file, tools, capfd, monkeypatch):
    file.write_text(HEAD + FLOW)
    monkeypatch.delenv("API_KEY", raising=False)
    assert run(file, "--image", "me/app:1") == 3
    assert "API_KEY" in capfd.readouterr().err
    monkeypatch.setenv("API_KEY", "open sesame")
    assert run(file, "--image", "me/app:1") == 0
    said = capfd.readouterr().err
    assert "taken from this environment: API_KEY" in said
    assert "open sesame" not in said
    (made,) = tools.calls("kubectl", "create")
    assert next(yaml.safe_load_all(made.given))["stringData"]["API_KEY"] == "open sesame"


def test_an_image_that_exists_is_not_built(file, tools):
    assert run(file, "--image", "me/app:1") == 0
    assert run(file, "--no-build", "--registry", "localhost:5000") == 0
    assert not tools.calls("docker")
    *_, last = tools.calls("kubectl", "apply")
    (reference,) = images(last.given)
    assert reference.startswith("localhost:5000/test-distributed-system:")


def test_podman_serves_as_well(file, tmp_path, monkeypatch):
    tools = Tools(tmp_path / "tools", "podman")
    monkeypatch.setenv("PATH", tools.path)
    assert run(file, "--registry", "localhost:5000", "--platform", "linux/arm64") == 0
    build, push = tools.calls("podman")
    assert build.words[:3] == ["build", "--platform", "linux/arm64"]
    assert push.words == ["push", build.words[build.words.index("--tag") + 1]]


def test_several_platforms_with_podman_are_one_manifest(file, tmp_path, monkeypatch):
    tools = Tools(tmp_path / "tools", "podman")
    monkeypatch.setenv("PATH", tools.path)
    assert run(file, "--registry", "x.example", "--platform", "linux/amd64,linux/arm64") == 0
    _, build, push = tools.calls("podman")
    reference = build.words[build.words.index("--manifest") + 1]
    assert push.words == ["manifest", "push", "--all", reference, f"docker://{reference}"]


@pytest.mark.parametrize(
    ("engines", "kubectl", "needed"),
    [((), True, "docker or podman"), (("docker",), False, "kubectl")],
)
def test_a_missing_program_is_named_with_a_way_out(
    file, tmp_path, monkeypatch, capfd, engines, kubectl, needed
):
    tools = Tools(tmp_path / "tools", *engines, kubectl=kubectl)
    monkeypatch.setenv("PATH", str(tools.folder))
    assert run(file, "--registry", "docker.io/me") == 3
    err = capfd.readouterr().err
    assert f"{needed} is needed" in err
    assert "--dry-run" in err
    assert not tools.calls("docker")


def test_a_build_that_fails_is_the_end(file, tools, capfd):
    tools.answer(["build"], code=17)
    assert run(file, "--registry", "docker.io/me") == 1
    assert "EF-DEPLOY-001" in capfd.readouterr().err
    assert not tools.calls("kubectl", "apply")


def test_a_docker_without_buildx_is_told(file, tools, capfd):
    tools.answer(["version"], code=1)
    assert run(file, "--registry", "docker.io/me") == 3
    assert "buildx" in capfd.readouterr().err


def test_what_kubectl_says_is_passed_on(file, tools, capfd):
    tools.answer(["apply"], "!the server is away", 2)
    assert run(file, "--image", "me/app:1") == 1
    assert "the server is away" in capfd.readouterr().err


@pytest.mark.parametrize("registry", ["Docker.io/Me", "x y", "--push", "http://x", ""])
def test_a_registry_that_is_none_is_refused(file, tools, registry):
    assert run(file, f"--registry={registry}") == 3
    assert not tools.calls("docker", "build")


def test_without_a_registry_nothing_is_built(file, tools, capfd):
    assert run(file) == 3
    assert "--registry" in capfd.readouterr().err
    assert not tools.calls("docker")


def test_a_dry_run_prints_manifests_and_calls_nobody(file, tools, capfd):
    assert run(file, "--dry-run", "--registry", "docker.io/me") == 0
    out = capfd.readouterr().out
    kinds = [one["kind"] for one in yaml.safe_load_all(out)]
    assert {"Deployment", "StatefulSet", "Service", "NetworkPolicy"} <= set(kinds)
    assert "Secret" not in kinds
    assert not tools.calls("docker") + tools.calls("kubectl")
    assert run("--dry-run", file, "--registry", "docker.io/me") == 0
    assert capfd.readouterr().out == out


def test_a_folder_holds_everything_and_keeps_its_secret(file, tmp_path, capfd):
    out = tmp_path / "out"
    assert run(file, "--out", out, "--registry", "docker.io/me") == 0
    names = sorted(path.name for path in out.glob("*.yaml"))
    assert names == ["00-namespace.yaml", "10-secret.yaml", "20-network.yaml", "30-workloads.yaml"]
    secret = out / "10-secret.yaml"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert "/10-secret.yaml" in (out / ".gitignore").read_text()
    before = secret.read_text()
    assert (out / "image" / "Dockerfile").is_file()
    assert run(file, "--out", out, "--registry", "docker.io/me") == 0
    assert secret.read_text() == before
    assert "docker buildx build" in capfd.readouterr().err


def test_a_folder_within_the_project_stays_out_of_the_image(file):
    out = file.parent / "deployment"
    for _ in range(2):
        assert run(file, "--out", out) == 0
    found = sorted(path.name for path in (out / "image" / "project").iterdir())
    assert found == ["main.py"]


def test_a_folder_with_something_else_is_left_alone(file, tmp_path, capfd):
    (tmp_path / "out" / "image").mkdir(parents=True)
    (tmp_path / "out" / "image" / "thesis.tex").write_text("x")
    assert run(file, "--out", tmp_path / "out") == 3
    assert "something else" in capfd.readouterr().err
    assert (tmp_path / "out" / "image" / "thesis.tex").exists()


def test_a_namespace_with_another_flow_is_left_alone(file, tools, capfd):
    other = {"metadata": {"labels": {"app.kubernetes.io/part-of": "other"}}}
    tools.answer(["get", "deployments,statefulsets"], {"items": [other]})
    assert run(file, "--image", "me/app:1") == 3
    assert "'other'" in capfd.readouterr().err
    assert not tools.calls("kubectl", "apply")


def test_what_the_flow_no_longer_has_is_removed(file, tools, capfd):
    there = [
        {"kind": "Deployment", "metadata": {"name": "old-node"}},
        {"kind": "Deployment", "metadata": {"name": "fake-camera"}},
        {"kind": "Service", "metadata": {"name": "old-node"}},
    ]
    tools.answer(["get", "--selector", "json"], {"items": there})
    tools.answer(["get", "deployments,statefulsets"], {"items": []})
    assert run(file, "--image", "me/app:1") == 0
    (deleted,) = tools.calls("kubectl", "delete")
    assert deleted.words[-2:] == ["deployment/old-node", "service/old-node"]
    assert "removed deployment/old-node" in capfd.readouterr().err


def test_autoscaling_without_keda_is_told_before_anything_is_applied(file, tools, capfd):
    scaled = FLOW.replace('"secrets": ["API_KEY"]', '"max_replicas": 4')
    file.write_text(HEAD + scaled)
    assert run(file, "--image", "me/app:1") == 3
    assert "KEDA" in capfd.readouterr().err
    assert not tools.calls("kubectl", "apply")
    tools.answer(["api-resources"], "scaledobjects.keda.sh\ntriggerauthentications.keda.sh\n")
    assert run(file, "--image", "me/app:1") == 0
    assert "ScaledObject" in tools.calls("kubectl", "apply")[-1].given


@pytest.mark.parametrize(("code", "text"), [(0, ""), (1, "-old\n+new\n")])
def test_diff_shows_what_would_change(file, tools, capfd, code, text):
    tools.answer(["diff"], text, code)
    assert run("diff", file, "--image", "me/app:1") == code
    assert capfd.readouterr().out == text


def test_diff_that_fails_is_no_difference(file, tools):
    tools.answer(["diff"], "!broken", 2)
    assert run("diff", file, "--image", "me/app:1") == 1


def pod(name: str, *, ready: bool = True, **status: object) -> dict[str, object]:
    container = {"ready": ready, "restartCount": 2, "state": {"running": {}}} | status
    return {
        "metadata": {"name": f"{name}-1", "annotations": {"edgeflow.io/node": name}},
        "spec": {"nodeName": "pi-4"},
        "status": {"phase": "Running", "containerStatuses": [container]},
    }


def test_status_shows_pods_and_the_address_of_the_page(file, tools, capfd):
    waiting = {"waiting": {"reason": "ImagePullBackOff"}}
    tools.answer(["get", "pods"], {"items": [pod("fake_camera"), pod("b", ready=False,
                                                                     state=waiting)]})  # fmt: skip
    ports = [{"name": "http", "port": 8000, "nodePort": 30080}]
    tools.answer(["get", "services"], {"items": [{"spec": {"ports": ports}}]})
    address = [{"type": "InternalIP", "address": "10.0.0.7"}]
    tools.answer(["get", "nodes"], {"items": [{"status": {"addresses": address}}]})
    assert run("status", file) == 1
    out = capfd.readouterr().out
    assert "ImagePullBackOff" in out
    assert "fake_camera" in out
    assert "http://10.0.0.7:30080/dashboard" in out
    tools.answer(["get", "pods"], {"items": [pod("fake_camera")]})
    assert run("status", file, "--json") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["pods"] == [
        {"node": "fake_camera", "pod": "fake_camera-1", "state": "Running", "ready": True,
         "restarts": 2, "host": "pi-4"}
    ]  # fmt: skip


def test_status_of_nothing_is_not_well(file, tools):
    assert run("status", file) == 1


def test_logs_of_a_node_by_the_name_its_author_gave_it(file, tools, capfd):
    tools.answer(["logs"], "[pod/gpu] hello\n")
    assert run("logs", file, "gpu_processor", "--follow", "--tail", 5) == 0
    (call,) = tools.calls("kubectl", "logs")
    selector = call.words[call.words.index("--selector") + 1]
    assert "app.kubernetes.io/name=gpu-processor" in selector
    assert "--follow" in call.words
    assert "hello" in capfd.readouterr().out
    assert run("logs", file, "gpu_procesor") == 3
    assert "gpu_processor" in capfd.readouterr().err


def test_destroying_asks_first_and_keeps_what_was_stored(file, tools, capfd):
    asked = subprocess.run(
        [Path(sys.executable).parent / "edgeflow", "deploy", "destroy", file],
        input="n\n", text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert asked.returncode == 130
    assert not tools.calls("kubectl", "delete")
    assert run("destroy", file, "--yes") == 0
    assert run("destroy", file, "--yes", "--data") == 0
    kept, all_gone = tools.calls("kubectl", "delete")
    assert "persistentvolumeclaims" not in " ".join(kept.words)
    assert "persistentvolumeclaims" in " ".join(all_gone.words)
    for call in (kept, all_gone):
        assert "namespaces" not in " ".join(call.words)
        assert "app.kubernetes.io/part-of=test-distributed-system" in " ".join(call.words)


def test_a_context_is_passed_to_every_call(file, tools):
    assert run(file, "--image", "me/app:1", "--context", "lab") == 0
    assert all(call.words[:2] == ["--context", "lab"] for call in tools.calls("kubectl"))


def test_a_file_that_is_none_is_an_error(tmp_path, capfd):
    assert run(tmp_path / "nothing.py") == 3
    assert "no such file" in capfd.readouterr().err
