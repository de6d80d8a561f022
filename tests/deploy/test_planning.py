import os

import pytest
from deployed_flows import example, planned, written

from edgeflow.deploy.planning import plan_file
from edgeflow.deploy.workloads import Kind, SecretKey, Stack, Workload
from edgeflow.errors import ConfigError, GraphError

CHAIN = """
app = EdgeApp("flow", broker=RedisBroker())
app.add("source", Source{source})
app.add("work", Work{work})
app.add("drain", {drain})
app.link("source").to("work", {link}).to("drain", {link})
"""


def chain(source="", work="", drain="Drain", link="qos='durable'") -> str:
    return CHAIN.format(source=source, work=work, drain=drain, link=link)


def workload(stack: Stack, title: str) -> Workload:
    found = stack.workload(title)
    assert found is not None
    return found


def test_the_example_has_a_workload_per_node_and_one_server(tmp_path):
    stack = plan_file(example(tmp_path))
    assert [w.title for w in stack.workloads] == ["fake_camera", "gpu_processor", "gateway"]
    assert [w.name for w in stack.workloads] == ["fake-camera", "gpu-processor", "gateway"]
    assert [(w.name, w.kind) for w in stack.servers] == [("redis", Kind.REDIS)]
    assert [w.replicas for w in stack.workloads] == [1, 2, 1]
    assert stack.secrets == ("REDIS_PASSWORD", "EDGEFLOW_TOKEN")


def test_a_dual_broker_gets_its_second_server_and_only_a_dual_one(tmp_path):
    stack = plan_file(example(tmp_path, broker="DualRedisBroker"))
    assert [w.name for w in stack.servers] == ["redis", "redis-data"]
    for node in stack.workloads:
        assert node.environment["DATA_REDIS_HOST"] == "redis-data"
        assert node.environment["DATA_REDIS_PORT"] == "6380"
        assert workload(stack, "redis-data").port("redis").number == 6380
    single = plan_file(example(tmp_path))
    assert "DATA_REDIS_HOST" not in single.workloads[0].environment


def test_every_node_is_told_who_it_is_and_where_the_others_are(tmp_path):
    stack = plan_file(example(tmp_path))
    told = workload(stack, "gpu_processor").environment
    assert told["NODE_NAME"] == "gpu_processor"
    assert (told["REDIS_HOST"], told["REDIS_PORT"]) == ("redis", "6379")
    assert told["REDIS_PASSWORD"] == SecretKey("REDIS_PASSWORD")
    assert told["GATEWAY_HOST"] == "gateway"
    assert told["GATEWAY_TCP_PORT"] == "8080"
    assert told["GATEWAY_HTTP_PORT"] == "8000"
    assert "HOSTNAME" in told


def test_the_gateway_may_have_any_name(tmp_path):
    file = example(tmp_path)
    text = file.read_text().replace('"gateway"', '"Übersicht 1"')
    file.write_text(text.replace('type="Übersicht 1"', 'type="gateway"'))
    stack = plan_file(file)
    gateway = next(w for w in stack.workloads if w.kind is Kind.GATEWAY)
    assert gateway.title == "Übersicht 1"
    assert {w.environment["GATEWAY_HOST"] for w in stack.workloads} == {gateway.name}
    assert gateway.name.isascii()
    (public,) = [port for port in gateway.ports if port.public]
    assert (public.number, public.node_port) == (8000, 30080)


def test_a_flow_without_a_gateway_is_told_of_none(tmp_path):
    stack = planned(tmp_path, chain())
    assert not [name for w in stack.workloads for name in w.environment if "GATEWAY" in name]


def test_nodes_run_where_their_labels_are(tmp_path):
    stack = plan_file(example(tmp_path))
    assert workload(stack, "redis").selector == {"edgeflow.io/role": "infra"}
    assert workload(stack, "gateway").selector == {"edgeflow.io/role": "infra"}
    assert workload(stack, "fake_camera").selector == {"edgeflow.io/device": "camera"}
    assert workload(stack, "gpu_processor").selector == {"edgeflow.io/device": "gpu"}


def test_gpus_are_asked_for_by_device_or_number(tmp_path):
    stack = plan_file(example(tmp_path))
    assert workload(stack, "gpu_processor").resources.gpus == 1
    assert workload(stack, "fake_camera").resources.gpus == 0
    body = chain(work=', device="gpu", options={"deploy": {"gpu": 0}}')
    assert workload(planned(tmp_path, body), "work").resources.gpus == 0


def test_only_nodes_that_send_to_a_gateway_reach_it(tmp_path):
    file = example(tmp_path)
    file.write_text(file.read_text().replace('app.link("fake_camera").to("gateway")', ""))
    stack = plan_file(file)
    reached = {w.title: [r.workload for r in w.reaches] for w in stack.workloads}
    assert reached == {
        "fake_camera": ["redis"],
        "gpu_processor": ["redis", "gateway"],
        "gateway": ["redis"],
    }


def test_a_link_past_the_broker_reaches_whatever_port_its_end_has(tmp_path):
    stack = planned(tmp_path, chain(link='via="tcp"'))
    reached = [(r.workload, r.port) for r in workload(stack, "source").reaches]
    assert reached == [("redis", "redis"), ("work", "")]


@pytest.mark.parametrize("broker", ["", ", broker=MemoryBroker()"])
def test_a_broker_that_stays_at_home_is_refused(tmp_path, broker):
    body = chain().replace(", broker=RedisBroker()", broker)
    with pytest.raises(ConfigError, match="no broker that reaches other hosts") as caught:
        planned(tmp_path, body)
    assert "RedisBroker()" in caught.value.hint


@pytest.mark.parametrize("host", ['"localhost"', '"127.0.0.1"', 'url="unix:///run/redis.sock"'])
def test_a_fixed_address_on_this_machine_is_refused(tmp_path, host):
    with pytest.raises(ConfigError, match="this machine only"):
        planned(tmp_path, chain().replace("RedisBroker()", f"RedisBroker({host})"))


def test_a_server_elsewhere_is_used_and_not_deployed(tmp_path):
    stack = planned(tmp_path, chain().replace("RedisBroker()", 'RedisBroker("redis.example.com")'))
    assert stack.servers == ()
    assert all(node.outside for node in stack.workloads)


def test_the_environment_of_this_machine_is_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("REDIS_HOST", "elsewhere.example")
    monkeypatch.delenv("REDIS_PORT", raising=False)
    stack = planned(tmp_path, chain())
    assert [w.name for w in stack.servers] == ["redis"]
    assert os.environ["REDIS_HOST"] == "elsewhere.example"
    assert "REDIS_PORT" not in os.environ


def test_two_gateways_are_told_apart_by_who_sends_to_them(tmp_path):
    body = """
app = EdgeApp("flow", broker=RedisBroker())
app.add("left", Source)
app.add("right", Source)
app.add("view", GatewayNode)
app.add("other view", GatewayNode)
app.link("left").to("view")
app.link("right").to("other view")
"""
    stack = planned(tmp_path, body)
    hosts = {w.title: w.environment["GATEWAY_HOST"] for w in stack.workloads}
    assert hosts["left"] == hosts["view"] == "view"
    assert hosts["right"] == hosts["other view"] == "other-view"
    both = body + 'app.link("left").to("other view")\n'
    with pytest.raises(ConfigError, match="one GATEWAY_HOST") as caught:
        planned(tmp_path, both)
    assert 'via="broker"' in caught.value.hint
    planned(
        tmp_path, both.replace('"left").to("other view"', '"left").to("other view", via="broker"')
    )


def test_a_node_called_like_a_server_gets_another_name(tmp_path):
    stack = planned(tmp_path, chain().replace('"work"', '"redis"'))
    names = [w.name for w in stack.all]
    assert len(set(names)) == len(names)
    assert names[0] == "redis"


def test_sinks_that_write_files_get_a_disk(tmp_path):
    drain = 'JsonLinesSink, options={"path": "log.jsonl"}'
    kept = workload(planned(tmp_path, chain(drain=drain)), "drain")
    assert kept.persistent
    assert kept.folder == "/data"
    plain = workload(planned(tmp_path, chain()), "drain")
    assert not plain.persistent
    assert plain.folder == "/app"


def test_what_is_asked_for_is_given(tmp_path):
    work = """, options={"deploy": {
        "memory": "2Gi", "memory_limit": "3G", "cpu": 0.5, "cpu_limit": "1500m", "storage": "5Gi",
        "devices": {"squat.ai/video": 1}, "groups": [44], "egress": True, "start_seconds": 30,
        "environment": {"MODE": "fast"}, "secrets": ["API_KEY"], "extras": ["onnx"]}}"""
    stack = planned(tmp_path, chain(work=work))
    node = workload(stack, "work")
    got = node.resources
    assert (got.memory, got.memory_limit, got.cpu, got.cpu_limit) == (2048, 2862, 500, 1500)
    assert got.devices == {"squat.ai/video": 1}
    assert node.groups == (44,)
    assert node.outside
    assert node.probes.start_seconds == 30
    assert node.environment["MODE"] == "fast"
    assert node.environment["API_KEY"] == SecretKey("API_KEY")
    assert stack.wanted_secrets == ("API_KEY",)
    assert stack.image.extras == ("onnx",)


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"memmory": "2Gi"}, "memmory"),
        ({"memory": "2 elephants"}, "no size"),
        ({"memory": "0Mi"}, "no size"),
        ({"cpu": "fast"}, "cores"),
        ({"cpu": 2, "cpu_limit": 1}, "limit is below"),
        ({"gpu": -1}, "negative"),
        ({"gpu": "two"}, "gpu"),
        ({"secrets": ["A B"]}, "no name of a variable"),
        ({"devices": {"video": 1}}, "no name of a resource"),
        ("much", "no mapping"),
        ({"max_replicas": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_asked_for_is_named_with_its_place(tmp_path, asked, complaint):
    with pytest.raises(ConfigError, match=complaint) as caught:
        planned(tmp_path, chain(work=f', options={{"deploy": {asked!r}}}'))
    assert "main.py:" in str(caught.value)
    assert "'work'" in str(caught.value)


def test_a_node_that_may_be_scaled_watches_what_waits_for_it(tmp_path):
    work = ', replicas=2, queue_size=64, options={"deploy": {"max_replicas": 8}}'
    scale = workload(planned(tmp_path, chain(work=work)), "work").scale
    assert (scale.low, scale.high, scale.waiting, scale.group) == (2, 8, 4, "work")
    assert scale.streams == ("edgeflow:flow:stream:source",)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (chain(work=', options={"deploy": {"max_replicas": 4}}', link="qos='realtime'"), "wait"),
        (chain(source=', options={"deploy": {"max_replicas": 4}}'), "shared out"),
        (chain(work=', replicas=3, options={"deploy": {"max_replicas": 2}}'), "below"),
    ],
)
def test_a_node_that_cannot_be_scaled_says_why(tmp_path, body, complaint):
    with pytest.raises(ConfigError, match=complaint):
        planned(tmp_path, body)


@pytest.mark.parametrize("device", ["", "two words", "a" * 64, "-gpu", "ü"])
def test_a_device_that_no_label_can_be_called_is_refused(tmp_path, device):
    with pytest.raises(ConfigError, match="cannot be a label"):
        planned(tmp_path, chain(work=f", device={device!r}"))


@pytest.mark.parametrize("port", [80, 40000, "30080", True])
def test_a_node_port_outside_the_range_is_refused(tmp_path, port):
    file = example(tmp_path)
    file.write_text(file.read_text().replace("node_port=30080", f"node_port={port!r}"))
    with pytest.raises(ConfigError, match="node_port"):
        plan_file(file)


def test_a_flow_with_mistakes_is_refused(tmp_path):
    with pytest.raises(GraphError, match="nobody"):
        planned(tmp_path, chain() + 'app.link("work").to("nobody")\n')


def test_extras_of_the_project_go_into_the_image(tmp_path):
    (tmp_path / "requirements.txt").write_text("shapely\nedgeflow[onnx, Video]>=0.3\n")
    image = planned(tmp_path, chain()).image
    assert image.extras == ("onnx", "video")
    assert image.requirements == "requirements.txt"
    assert (image.file, image.folder) == ("main.py", tmp_path)


def test_what_a_project_imports_of_edgeflow_brings_its_extras(tmp_path):
    (tmp_path / "board.py").write_text("from edgeflow.devices.boards import open_board\n")
    (tmp_path / "clip.py").write_text("def f():\n    import edgeflow.nodes.sinks.video as v\n")
    (tmp_path / "names.py").write_text("from edgeflow.nodes.sources import replay\n")
    (tmp_path / "broken.py").write_text("from edgeflow.sensing import (\n")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "x.py").write_text("import edgeflow.climate.learning\n")
    assert planned(tmp_path, chain()).image.extras == ("mcu", "record", "video")


def test_a_link_with_lz4_brings_its_package(tmp_path):
    assert planned(tmp_path, chain(link='codec="lz4"')).image.extras == ("lz4",)


def test_planning_twice_is_the_same(tmp_path):
    file = written(tmp_path, chain())
    assert plan_file(file) == plan_file(file)


def test_zenoh_needs_no_server_and_every_node_knows_the_others(tmp_path):
    stack = plan_file(example(tmp_path, broker="ZenohBroker"))
    assert stack.servers == ()
    assert stack.image.extras == ("zenoh",)
    told = workload(stack, "gpu_processor").environment
    assert told["EDGEFLOW_ZENOH_LISTEN"] == "tcp/0.0.0.0:7447"
    assert told["EDGEFLOW_ZENOH_CONNECT"] == "tcp/fake-camera:7447,tcp/gateway:7447"
    assert "REDIS_HOST" not in told
    assert "EDGEFLOW_ZENOH_SPOOL" not in told
    assert not any(node.outside for node in stack.workloads)


def test_a_node_that_must_lose_nothing_keeps_frames_on_a_disk_with_zenoh(tmp_path):
    head = "from edgeflow.comms.brokers import ZenohBroker\n"
    stack = planned(tmp_path, head + chain().replace("RedisBroker()", "ZenohBroker()"))
    source, drain = workload(stack, "source"), workload(stack, "drain")
    assert source.environment["EDGEFLOW_ZENOH_SPOOL"] == "/spool"
    assert source.persistent
    assert source.folder == "/app"
    assert not drain.persistent


def test_zenoh_with_routers_of_ones_own_is_told_nothing(tmp_path):
    head = "from edgeflow.comms.brokers import ZenohBroker\n"
    broker = 'ZenohBroker(connect=["tcp/router.example:7447"])'
    stack = planned(tmp_path, head + chain().replace("RedisBroker()", broker))
    assert all(node.outside for node in stack.workloads)
    assert "EDGEFLOW_ZENOH_CONNECT" not in stack.workloads[0].environment
