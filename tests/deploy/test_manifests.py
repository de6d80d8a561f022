"""Properties of the manifests of Kubernetes, and what a strict validator says of each of them."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from deployed_flows import ALL_SORTS, planned
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from valid_manifests import assert_valid

from edgeflow.deploy.demands import mebibytes
from edgeflow.deploy.kubernetes.manifests import manifests, secret, to_yaml
from edgeflow.deploy.kubernetes.naming import Target
from edgeflow.deploy.workloads import Stack
from edgeflow.errors import ConfigError

TARGET = Target("edgeflow", "registry.example.com/me/app:1")


def objects(stack: Stack) -> list[dict[str, Any]]:
    return manifests(stack, TARGET)


def of_kind(stack: Stack, kind: str) -> dict[str, dict[str, Any]]:
    return {o["metadata"]["name"]: o for o in objects(stack) if o["kind"] == kind}


def pods(stack: Stack) -> dict[str, dict[str, Any]]:
    found = {**of_kind(stack, "Deployment"), **of_kind(stack, "StatefulSet")}
    return {name: one["spec"]["template"]["spec"] for name, one in found.items()}


def names_in(value: Any, key: str) -> Iterator[Any]:
    """Yield every value of ``key`` at any depth."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == key:
                yield inner
            yield from names_in(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from names_in(inner, key)


@pytest.fixture
def zenoh(tmp_path: Path) -> Stack:
    body = ALL_SORTS.replace("DualRedisBroker", "ZenohBroker").replace('"max_replicas": 6', "")
    head = "from edgeflow.comms.brokers import ZenohBroker\n"
    return planned(tmp_path, head + body.replace('qos="balanced"', 'via="tcp"'))


@pytest.fixture(params=["single", "dual", "sorts", "zenoh"])
def stack(request: pytest.FixtureRequest) -> Stack:
    return request.getfixturevalue(request.param)


def test_a_strict_validator_accepts_every_manifest(stack):
    found = objects(stack)
    assert_valid([*found, secret(stack, TARGET, {"REDIS_PASSWORD": "x"})])


def test_the_validator_would_notice_a_wrong_key(single):
    (wrong,) = [o for o in objects(single) if o["metadata"]["name"] == "edgeflow-deny"]
    wrong = copy.deepcopy(wrong)
    wrong["spec"]["podSelectors"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        assert_valid([wrong])


def test_names_of_one_kind_are_unique(stack):
    found = [(o["kind"], o["metadata"]["name"]) for o in objects(stack)]
    assert len(found) == len(set(found))


def test_the_text_says_what_the_objects_say(stack):
    found = objects(stack)
    assert list(yaml.safe_load_all(to_yaml(found))) == found
    assert to_yaml(found) == to_yaml(objects(stack))


def test_no_pod_may_more_than_it_must(stack):
    for pod in pods(stack).values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    text = json.dumps(objects(stack))
    for word in ("privileged", "hostPath", "hostNetwork", "hostPID"):
        assert word not in text


def test_every_pod_is_probed_and_bounded(stack):
    for pod in pods(stack).values():
        (container,) = pod["containers"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["timeoutSeconds"] >= 3
        names = {port["name"] for port in container["ports"]}
        asked = [v["port"] for v in names_in(container, "httpGet")]
        asked += [v["port"] for v in names_in(container, "tcpSocket")]
        assert set(asked) <= names
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]


def test_a_probe_asks_the_port_that_the_process_is_told(single):
    (container,) = pods(single)["fake-camera"]["containers"]
    told = {e["name"]: e.get("value") for e in container["env"]}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert told["EDGEFLOW_PROBE_PORT"] == str(ports["probes"])
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "probes"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "probes"}


def test_a_gpu_is_a_request_and_no_privilege(single):
    (container,) = pods(single)["gpu-processor"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["resources"]["requests"]["nvidia.com/gpu"] == "1"
    assert "nvidia.com/gpu" not in json.dumps(pods(single)["fake-camera"])


def test_pods_go_where_the_requirement_says(single):
    selectors = {name: pod["nodeSelector"] for name, pod in pods(single).items()}
    assert selectors == {
        "redis": {"edgeflow.io/role": "infra"},
        "gateway": {"edgeflow.io/role": "infra"},
        "fake-camera": {"edgeflow.io/device": "camera"},
        "gpu-processor": {"edgeflow.io/device": "gpu"},
    }


def test_the_gateway_is_open_at_its_node_port_and_only_its_pages(single):
    public = [s for s in of_kind(single, "Service").values() if s["spec"]["type"] == "NodePort"]
    ((port,),) = [service["spec"]["ports"] for service in public]
    assert (port["port"], port["nodePort"]) == (8000, 30080)


def test_every_host_in_the_environment_is_a_service_on_that_port(stack):
    services = of_kind(stack, "Service")
    for pod in pods(stack).values():
        told = {e["name"]: e.get("value") for e in pod["containers"][0]["env"]}
        for prefix, port in (
            ("REDIS_HOST", "REDIS_PORT"),
            ("DATA_REDIS_HOST", "DATA_REDIS_PORT"),
            ("GATEWAY_HOST", "GATEWAY_TCP_PORT"),
        ):
            if prefix in told:
                ports = services[told[prefix]]["spec"]["ports"]
                assert int(told[port]) in [entry["port"] for entry in ports]


def test_no_service_maps_a_port(stack):
    """A headless service cannot map ports, so none of ours relies on it."""
    listening = {
        name: {port["name"]: port["containerPort"] for port in pod["containers"][0]["ports"]}
        for name, pod in pods(stack).items()
    }
    for service in of_kind(stack, "Service").values():
        owner = service["spec"]["selector"]["app.kubernetes.io/name"]
        for port in service["spec"]["ports"]:
            assert listening[owner][port["targetPort"]] == port["port"]


def test_selectors_find_the_pods_they_are_meant_for(stack):
    labels = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for one in objects(stack)
        if one["kind"] in ("Deployment", "StatefulSet")
    }
    for one in objects(stack):
        for selector in (
            [*names_in(one, "matchLabels"), *names_in(one["spec"], "selector")]
            if ("spec" in one)
            else []
        ):
            wanted = selector.get("matchLabels", selector)
            if "app.kubernetes.io/name" in wanted:
                owner = wanted["app.kubernetes.io/name"]
                assert wanted.items() <= labels[owner].items()


def test_the_network_allows_links_and_nothing_else(single):
    rules = of_kind(single, "NetworkPolicy")
    denied = rules["edgeflow-deny"]["spec"]
    assert denied["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in denied
    assert "egress" not in denied
    camera = rules["fake-camera"]["spec"]
    assert "ingress" not in camera
    to = [
        (peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"], rule["ports"][0]["port"])
        for rule in camera["egress"]
        for peer in rule.get("to", [])
    ]
    assert to == [("redis", 6379), ("gateway", 8080)]
    (redis,) = rules["redis"]["spec"]["ingress"]
    assert len(redis["from"]) == 3
    assert "egress" not in rules["redis"]["spec"]


def test_peers_are_found_before_they_are_ready(zenoh):
    for service in of_kind(zenoh, "Service").values():
        if any(port["name"] == "zenoh" for port in service["spec"]["ports"]):
            assert service["spec"]["clusterIP"] == "None"
            assert service["spec"]["publishNotReadyAddresses"] is True
    camera = of_kind(zenoh, "NetworkPolicy")["source"]["spec"]
    (peers,) = [rule for rule in camera["ingress"] if rule["ports"][0]["port"] == 7447]
    assert len(peers["from"]) == len(zenoh.workloads)


def test_a_second_server_exactly_for_a_dual_broker(single, dual):
    assert set(of_kind(single, "StatefulSet")) == {"redis"}
    assert set(of_kind(dual, "StatefulSet")) == {"redis", "redis-data"}
    assert of_kind(dual, "Service")["redis-data"]["spec"]["ports"][0]["port"] == 6380


def test_servers_keep_what_they_have(dual):
    for server in of_kind(dual, "StatefulSet").values():
        (claim,) = server["spec"]["volumeClaimTemplates"]
        assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
        (container,) = server["spec"]["template"]["spec"]["containers"]
        assert "--appendonly yes" in container["command"][-1]
        (mount,) = container["volumeMounts"]
        assert f"--dir {mount['mountPath']} " in container["command"][-1]
        may_hold = int(re.search(r"--maxmemory (\d+)mb", container["command"][-1])[1])
        resources = container["resources"]
        assert may_hold < mebibytes(resources["requests"]["memory"], "")
        # A fork that rewrites the log may copy all of it.
        assert 2 * may_hold < mebibytes(resources["limits"]["memory"], "")


def test_no_secret_stands_in_a_manifest(stack, monkeypatch):
    for pod in pods(stack).values():
        for entry in pod["containers"][0]["env"]:
            if entry["name"] in (*stack.secrets, *stack.wanted_secrets):
                assert entry["valueFrom"]["secretKeyRef"]["key"] == entry["name"]
    assert "Secret" not in {o["kind"] for o in objects(stack)}


def test_secrets_that_pods_name_are_those_of_the_stack(stack):
    used = {ref["key"] for ref in names_in(objects(stack), "secretKeyRef")}
    assert used == {*stack.secrets, *stack.wanted_secrets}


def test_what_writes_to_a_disk_has_an_identity(sorts):
    (sink,) = [s for n, s in of_kind(sorts, "StatefulSet").items() if n == "keep"]
    assert sink["spec"]["replicas"] == 2
    service = of_kind(sorts, "Service")[sink["spec"]["serviceName"]]
    assert service["spec"]["clusterIP"] == "None"
    assert sink["spec"]["template"]["spec"]["containers"][0]["workingDir"] == "/data"


def test_nodes_whose_frames_cannot_be_shared_are_never_there_twice(sorts):
    strategies = {n: d["spec"]["strategy"]["type"] for n, d in of_kind(sorts, "Deployment").items()}
    assert strategies == {
        "source": "Recreate",
        "second": "Recreate",
        "both": "Recreate",
        "view": "Recreate",
        "work": "RollingUpdate",
    }


def test_budgets_where_an_instance_can_be_spared(sorts):
    assert set(of_kind(sorts, "PodDisruptionBudget")) == {"work", "keep"}


def test_keda_watches_the_stream_and_group_that_the_broker_uses(sorts):
    (scaled,) = of_kind(sorts, "ScaledObject").values()
    spec = scaled["spec"]
    assert spec["scaleTargetRef"] == {
        "apiVersion": "apps/v1", "kind": "Deployment", "name": "work",
    }  # fmt: skip
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 6)
    (trigger,) = spec["triggers"]
    assert trigger["metadata"]["address"] == "redis.edgeflow.svc.cluster.local:6379"
    assert trigger["metadata"]["stream"] == "edgeflow:all sorts:stream:source"
    assert trigger["metadata"]["consumerGroup"] == "work"
    assert all(isinstance(value, str) for value in trigger["metadata"].values())
    assert "replicas" not in of_kind(sorts, "Deployment")["work"]["spec"]
    authentications = of_kind(sorts, "TriggerAuthentication")
    assert trigger["authenticationRef"]["name"] in authentications
    sources = of_kind(sorts, "NetworkPolicy")["redis"]["spec"]["ingress"][0]["from"]
    assert {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}
    } in sources


def test_kubernetes_replaces_nothing_in_values(sorts):
    (container,) = pods(sorts)["source"]["containers"]
    assert {"name": "PRICE", "value": "$$(cat x) $HOME"} in container["env"]


@pytest.mark.parametrize("name", ["Edge", "a_b", "", "-a", "a" * 64, "ä", "a.b"])
def test_a_name_that_no_namespace_has_is_refused(single, name):
    with pytest.raises(ConfigError, match="namespace"):
        manifests(single, Target(name, "x:1"))


NODES = """
app = EdgeApp({app!r}, broker=RedisBroker())
app.add({source!r}, Source)
app.add({work!r}, Work)
app.add({view!r}, GatewayNode)
app.link({source!r}).to({work!r}).to({view!r})
"""
NAME = st.text(min_size=1, max_size=80).filter(str.isprintable)
DNS_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


@settings(max_examples=12, deadline=None, suppress_health_check=[*HealthCheck])
@given(names=st.lists(NAME, min_size=4, max_size=4, unique=True))
def test_any_names_give_names_that_a_cluster_takes(tmp_path, names):
    app, source, work, view = names
    stack = planned(tmp_path, NODES.format(app=app, source=source, work=work, view=view))
    found = objects(stack)
    for one in found:
        assert DNS_LABEL.fullmatch(one["metadata"]["name"])
    for labels in [*names_in(found, "labels"), *names_in(found, "matchLabels")]:
        assert all(len(value) <= 63 for value in labels.values())
    assert [w.environment["NODE_NAME"] for w in stack.workloads] == [source, work, view]
    assert list(yaml.safe_load_all(to_yaml(found))) == found


@pytest.mark.parametrize("name", ["a\nb", "a\0", "a\x85b", "\ud800"])
def test_a_name_that_no_environment_holds_is_refused(tmp_path, name):
    body = NODES.format(app="flow", source="camera", work=name, view="view")
    with pytest.raises(ConfigError, match="cannot be printed"):
        planned(tmp_path, body)


@given(text=st.text(max_size=40))
def test_any_text_survives_the_yaml(text):
    assert yaml.safe_load(to_yaml([{"text": text}])) == {"text": text}


@pytest.mark.parametrize(
    "names",
    [
        ["fake_camera", "fake-camera", "Fake Camera"],
        ["CAM", "cam", "Cam."],
        ["ü" * 80, "ü" * 79 + "a", "ü" * 79 + "b"],
        ["redis", "redis-data", "redis_data"],
        ["view", "view-public", "edgeflow"],
    ],
)
def test_names_that_look_alike_are_told_apart(tmp_path, names):
    source, work, view = names
    stack = planned(tmp_path, NODES.format(app="flow", source=source, work=work, view=view))
    keys = [(o["kind"], o["metadata"]["name"]) for o in objects(stack)]
    assert len(keys) == len(set(keys))
