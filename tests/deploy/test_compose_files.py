"""Properties of Compose files, and what their public schema says of each of them."""

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ruamel.yaml
import yaml
from composed_files import assert_valid, read_by_others, secrets_in, stack_as_read
from deployed_flows import pipelines, planned

from edgeflow.deploy.compose.document import document, remarks
from edgeflow.deploy.compose.placing import Place, published, services_of
from edgeflow.deploy.compose.secrets_file import add_secrets
from edgeflow.deploy.compose.writing import text_of, write_compose
from edgeflow.deploy.planning import plan_file
from edgeflow.deploy.workloads import Kind, SecretKey, Stack

EXAMPLES = Path(__file__).parents[2] / "examples"
PLACE = Place("all-sorts:0123456789ab")
PEERS = """
from edgeflow.comms.brokers import ZenohBroker
app = EdgeApp("peers", broker=ZenohBroker())
app.add("source", Source)
app.add("work", Work, replicas=2, options={"deploy": {"egress": True}})
app.add("drain", Drain)
app.link("source").to("work", via="tcp").to("drain", qos="durable")
"""


@pytest.fixture
def peers(tmp_path: Path) -> Stack:
    return planned(tmp_path, PEERS)


@pytest.fixture
def hall(tmp_path: Path) -> Stack:
    return plan_file(pipelines(tmp_path))


@pytest.fixture(params=["single", "dual", "sorts", "peers", "hall"])
def stack(request: pytest.FixtureRequest) -> Stack:
    return request.getfixturevalue(request.param)


def services(stack: Stack, place: Place = PLACE) -> dict[str, dict[str, Any]]:
    return document(stack, place)["services"]


def nodes(stack: Stack) -> dict[str, dict[str, Any]]:
    """Return the services that run the image of the flow."""
    return {name: one for name, one in services(stack).items() if one["image"] == PLACE.image}


def test_the_schema_of_compose_files_accepts_every_one(stack):
    assert_valid(document(stack, PLACE))
    assert_valid(document(stack, Place("r.example/x:1", builds=False, address="")))


def test_the_schema_would_notice_a_wrong_key(single):
    wrong = copy.deepcopy(document(single, PLACE))
    wrong["services"]["gateway"]["health_check"] = wrong["services"]["gateway"].pop("healthcheck")
    with pytest.raises(jsonschema.ValidationError, match="health_check"):
        assert_valid(wrong)


def test_the_text_says_what_the_document_says_and_never_changes(stack):
    """It says so to readers of YAML 1.1, as podman-compose is, and of 1.2, as Docker's are."""
    text = text_of(document(stack, PLACE))
    for read in (yaml.safe_load, ruamel.yaml.YAML(typ="safe", pure=True).load):
        assert read(text) == document(stack, PLACE)
    assert text_of(document(stack, PLACE)) == text
    assert "&id" not in text, "readers of Compose files need not follow references"


def test_others_read_the_commands_and_the_environment_of_the_workloads(stack, tmp_path):
    out = tmp_path / "out"
    file = write_compose(out, document(stack, PLACE))
    assert add_secrets(out, stack.secrets, stack.wanted_secrets, {"CAMERA_PASSWORD": "a b"}) == []
    values = secrets_in(out / ".env") | {"CAMERA_PASSWORD": "a b"}
    read = stack_as_read(stack, read_by_others(file))
    for workload, found in zip(stack.all, read.all, strict=True):
        told = {
            name: values[value.key] if isinstance(value, SecretKey) else value
            for name, value in workload.environment.items()
        }
        added = {"EDGEFLOW_ADVERTISE", "HOSTNAME"}
        assert {k: v for k, v in found.environment.items() if k not in added} == {
            k: v for k, v in told.items() if k not in added
        }
        assert found.command == workload.command
        assert found.folder == workload.folder
        assert found.replicas == workload.replicas


@pytest.mark.parametrize("name", ["edge_gateway", "csi_sensing", "smart_room"])
def test_the_examples_give_valid_files(name):
    stack = plan_file(EXAMPLES / name / "pipelines.yaml")
    assert_valid(document(stack, PLACE))
    assert len(services(stack)) == 1


def test_every_service_is_confined(stack):
    for name, one in services(stack).items():
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
        if name != "edgeflow_folders":
            assert "cap_add" not in one
            assert not one["user"].startswith(("0", "root"))
            assert one["restart"] == "unless-stopped"
            assert one["deploy"]["resources"]["limits"]["memory"]
            assert one["healthcheck"]["test"][0] == "CMD"
        assert not {"privileged", "network", "pid", "ipc", "devices"} & set(one)


def test_what_is_written_to_lasts_or_is_scratch(stack):
    made = document(stack, PLACE)
    named = set()
    for one in made["services"].values():
        for mount in one.get("volumes", []):
            assert mount["type"] == "volume", "no folder of the host is shown to a container"
            named.add(mount["source"])
        if one["image"] == PLACE.image and one["user"] != "0:0":
            assert any(line.startswith("/tmp:") for line in one["tmpfs"])
    assert named == set(made.get("volumes", {}))


def test_instances_that_keep_something_share_no_volume(sorts, peers):
    for stack in (sorts, peers):
        mounted = [
            mount["source"]
            for name, one in services(stack).items()
            for mount in one.get("volumes", [])
            if name != "edgeflow_folders"
            for _ in range(one["deploy"]["replicas"])
        ]
        assert len(mounted) == len(set(mounted))
    made = services(sorts)
    assert {"keep_1", "keep_2"} <= set(made)
    assert "keep" not in made
    assert made["keep_2"]["networks"]["inside"] == {"aliases": ["keep"]}
    assert made["keep_2"]["hostname"] == "keep-2"
    assert made["work"]["deploy"]["replicas"] == 2


def test_volumes_the_image_has_no_folder_for_are_given_to_its_user_first(peers):
    made = services(peers)
    first = made["edgeflow_folders"]
    paths = [mount["target"] for mount in first["volumes"]]
    assert first["entrypoint"] == ["chown", "10001:10001", *paths]
    assert first["cap_add"] == ["CHOWN"]
    assert first["network_mode"] == "none"
    sources = {mount["source"] for mount in first["volumes"]}
    assert sources == {"work_1_spool", "work_2_spool"}
    for name in ("work_1", "work_2"):
        waited = made[name]["depends_on"]["edgeflow_folders"]
        assert waited == {"condition": "service_completed_successfully"}
    assert "depends_on" not in made["source"]
    assert made["edgeflow_folders"]["build"] == {"context": "./image"}


def test_who_is_connected_to_one_by_one_says_its_name_where_it_has_two_networks(peers, sorts):
    made = services(peers)
    assert made["work_1"]["environment"]["EDGEFLOW_ADVERTISE"] == "work_1"
    assert made["work_2"]["environment"]["EDGEFLOW_ADVERTISE"] == "work_2"
    told = {**nodes(sorts), "source": made["source"]}
    assert all("EDGEFLOW_ADVERTISE" not in one["environment"] for one in told.values())


def test_nodes_wait_for_servers_that_answer(dual):
    made = services(dual)
    healthy = {"condition": "service_healthy"}
    for name in nodes(dual):
        assert made[name]["depends_on"] == {"redis": healthy, "redis-data": healthy}
    assert "valkey-cli" in made["redis"]["healthcheck"]["test"][-1]


def test_a_second_redis_exactly_when_the_broker_is_dual(single, dual):
    assert "redis-data" not in services(single)
    assert set(services(dual)) - set(services(single)) == {"redis-data"}


def test_only_gateways_and_travellers_leave_the_network(single, sorts, hall):
    for stack in (single, sorts, hall):
        made = document(stack, PLACE)
        assert made["networks"]["inside"] == {"internal": True}
        for workload in stack.all:
            one = made["services"][services_of(stack, workload)[0]]
            public = any(port.public for port in workload.ports)
            assert ("outside" in one["networks"]) == (public or workload.outside)
            assert ("ports" in one) == public
    assert all(
        "outside" not in services(single)[s.name]["networks"]
        for s in single.all
        if s.kind is not Kind.GATEWAY
    )


def test_ports_are_those_of_this_machine_unless_told(single, hall):
    (port,) = services(single)["gateway"]["ports"]
    assert port == {"target": 8000, "published": "30080", "protocol": "tcp"} | {
        "host_ip": "127.0.0.1"
    }
    (port,) = services(single, Place("x", address=""))["gateway"]["ports"]
    assert "host_ip" not in port
    assert [port["published"] for port in services(hall)["machine-hall"]["ports"]] == [
        "8000",
        "8088",
    ]


def test_published_ports_never_meet(tmp_path):
    body = """
app = EdgeApp("two", broker=RedisBroker())
app.add("source", Source)
app.add("first", GatewayNode)
app.add("second", GatewayNode)
app.link("source").to("first")
app.link("source").to("second", via="broker")
"""
    stack = planned(tmp_path, body)
    assert published(stack, PLACE) == {("first", "http"): 8000, ("second", "http"): 8001}
    place = Place("x", taken=frozenset({8000}))
    assert published(stack, place) == {("first", "http"): 8001, ("second", "http"): 8002}


def test_gpus_are_reserved_and_groups_added(sorts):
    made = services(sorts)
    reserved = made["work"]["deploy"]["resources"]["reservations"]
    assert reserved["devices"] == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    assert made["source"]["group_add"] == ["44"]
    said = [*remarks(sorts)]
    assert any("--scale work=6" in line for line in said)
    assert any("squat.ai/video" in line and "devices" in line for line in said)


def test_nothing_of_an_author_is_replaced_and_no_secret_is_shown(sorts):
    made = services(sorts)["source"]["environment"]
    assert made["PRICE"] == "$$(cat x) $$HOME"
    assert made["CAMERA_PASSWORD"] == "${CAMERA_PASSWORD?is not in .env}"
    assert made["REDIS_PASSWORD"] == "${REDIS_PASSWORD?is not in .env}"
    assert "HOSTNAME" not in made


def test_one_service_builds_the_image_and_nobody_looks_for_it_elsewhere(stack):
    made = nodes(stack)
    builders = [name for name, one in made.items() if "build" in one]
    assert len(builders) == 1
    policies = {name: one["pull_policy"] for name, one in made.items()}
    assert policies.pop(builders[0]) == "build"
    assert set(policies.values()) <= {"never"}


def test_an_image_of_a_registry_may_be_fetched(single):
    made = services(single, Place("r.example/me/x:1", pulls=True))
    assert {one["pull_policy"] for one in made.values()} == {"missing"}
    assert sum("build" in one for one in made.values()) == 1
    made = services(single, Place("r.example/me/x:1", builds=False))
    assert not any("build" in one for one in made.values())
