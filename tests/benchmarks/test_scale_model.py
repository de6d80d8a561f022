"""What the model of scaling makes of costs, and how it learns them."""

from dataclasses import replace

import pytest
from benchmarks.scale import page
from benchmarks.scale.cameras import FPS, CameraPoint
from benchmarks.scale.model import (
    ADVICE,
    GatewayCosts,
    WorkerCosts,
    errors,
    gateway_limits,
    learn_gateway,
    learn_workers,
    one_host,
    own_hosts,
    predicted,
)
from benchmarks.scale.workers import WorkerPoint
from hypothesis import given
from hypothesis import strategies as st

WAY = WorkerCosts("way", 0.5, 0.0, 1.0, 2.0, 1_000_000, 1)
DIRECT = WorkerCosts("direct", 0.5, 0.0, 0.0, 1.0, 1_000_000, 0)
GATEWAY = GatewayCosts("raw", 0.5, 0.4, 2.0, 0.2, 0.1, 921_600, 70_000)


def worker_point(replicas, **changes):
    figures = {
        "label": "way", "replicas": replicas, "fps": 25.0 * replicas, "sender_ms": 0.5,
        "control_ms": 0.0, "broker_ms": 1.0, "worker_ms": 2.0, "cores": 0.1, "others": 0.0,
        "size": 1_000_000, "servers": 1,
    }  # fmt: skip
    return WorkerPoint(**(figures | changes))


def camera_point(costs, cameras, viewers, cores=64.0):
    fps, busy = predicted(costs, cameras, viewers, cores)
    return CameraPoint(
        label=costs.label, cameras=cameras, viewers=viewers, fps=fps,
        seen=fps / cameras * viewers, camera_ms=costs.camera_ms, gateway_ms=busy * 1000 / fps,
        viewer_ms=costs.viewer_ms, gateway_cores=busy, cores=busy, others=0.0,
        memory=100 << 20, size=int(costs.size),
    )  # fmt: skip


def test_costs_are_learnt_from_8_to_16_workers():
    points = [
        worker_point(1, sender_ms=9.0),
        worker_point(4, sender_ms=9.0),
        worker_point(8, sender_ms=0.4),
        worker_point(16, sender_ms=0.6),
        worker_point(64, sender_ms=9.0),
    ]
    costs = learn_workers(points)
    assert costs.sender_ms == pytest.approx(0.5)
    assert (costs.broker_ms, costs.worker_ms, costs.size, costs.servers) == (1.0, 2.0, 1e6, 1)


def test_few_workers_are_their_own_limit():
    limit = one_host(WAY, 4, cores=2)
    assert limit.by == "workers"
    assert limit.fps == pytest.approx(4 / 0.042)


@pytest.mark.parametrize(
    ("cores", "fps", "by"), [(2, 2000 / 3.5, "all cores"), (32, 1000.0, "server's core")]
)
def test_many_workers_use_up_all_cores_or_the_servers(cores, fps, by):
    limit = one_host(WAY, 1024, cores)
    assert (limit.fps, limit.by) == (pytest.approx(fps), by)


def test_the_busier_of_two_servers_counts():
    two = WorkerCosts("two", 0.5, 2.0, 1.0, 2.0, 1_000_000, 2)
    assert one_host(two, 1024, cores=64).fps == pytest.approx(500)


@pytest.mark.parametrize(
    ("costs", "gbit", "fps", "by"),
    [
        (WAY, 1, 125.0, "server's wire"),
        (WAY, 10, 1000.0, "server's core"),
        (DIRECT, 1, 125.0, "sender's wire"),
        (DIRECT, 100, 2000.0, "sender's core"),
    ],
)
def test_a_wire_carries_so_many_bytes(costs, gbit, fps, by):
    limit = own_hosts(costs, 1024, gbit)
    assert (limit.fps, limit.by) == (pytest.approx(fps), by)


def test_the_costs_of_a_gateway_are_found_again():
    points = [camera_point(GATEWAY, n, v) for n in (1, 2, 4, 8, 16) for v in (1, 8)]
    found = learn_gateway([*points, camera_point(GATEWAY, 64, 8, cores=1.0)], picture=70_000)
    assert found.arrive_ms == pytest.approx(GATEWAY.arrive_ms)
    assert found.encode_ms == pytest.approx(GATEWAY.encode_ms)
    assert found.deliver_ms == pytest.approx(GATEWAY.deliver_ms)
    assert (found.camera_ms, found.viewer_ms, found.size) == (0.5, 0.1, 921_600)


def test_nothing_is_encoded_where_cameras_do_it():
    points = [
        camera_point(replace(GATEWAY, label="camera's JPEG"), n, v) for n in (2, 8) for v in (1, 8)
    ]
    assert learn_gateway(points, picture=70_000).encode_ms == 0


@given(
    st.lists(st.floats(0.0, 2.0), min_size=4, max_size=4),
    st.lists(st.integers(1, 16), min_size=4, max_size=4),
)
def test_no_cost_is_negative(busy, cameras):
    points = [
        CameraPoint("raw", n, v, n * FPS, v * FPS, 0.5, 1.0, 0.1, used, used, 0.0, 1, 921_600)
        for used, n, v in zip(busy, cameras, (1, 8, 1, 8), strict=True)
    ]
    costs = learn_gateway(points, picture=70_000)
    assert min(costs.arrive_ms, costs.encode_ms, costs.deliver_ms) >= 0


@given(st.integers(1, 64), st.integers(1, 64), st.floats(0.1, 64))
def test_no_more_arrives_than_is_sent_nor_than_the_cores_can_do(cameras, viewers, cores):
    fps, used = predicted(GATEWAY, cameras, viewers, cores)
    assert 0 < fps <= cameras * FPS * (1 + 1e-9)
    assert used <= cores * (1 + 1e-9)


def test_a_gateway_ends_at_its_wire_its_cores_or_its_connections():
    assert gateway_limits(GATEWAY, 1, cores=8, gbit=1) == (13, "gateway's wire, in")
    assert gateway_limits(GATEWAY, 1, cores=8, gbit=10) == (64, "connections")
    slow = GatewayCosts("slow", 0.5, 4.0, 0.0, 0.0, 0.1, 70_000, 70_000)
    assert gateway_limits(slow, 1, cores=8, gbit=10) == (25, "gateway's lock")
    assert gateway_limits(slow, 1, cores=0.5, gbit=10) == (12, "gateway's cores")
    drawing = GatewayCosts("drawing", 0.5, 0.1, 10.0, 0.0, 0.1, 70_000, 70_000)
    assert gateway_limits(drawing, None, cores=8, gbit=10) == (20, "gateway's encoding")
    many = GatewayCosts("many", 0.5, 0.1, 0.0, 0.0, 0.1, 10_000, 1_000_000)
    assert gateway_limits(many, None, cores=8, gbit=1) == (12, "gateway's wire, out")


@given(st.floats(0.1, 10), st.floats(1, 4), st.floats(0.1, 100), st.floats(1, 4))
def test_more_cores_and_wider_wires_never_hold_fewer_cameras(cores, wider, gbit, quicker):
    least, _ = gateway_limits(GATEWAY, 8, cores, gbit)
    most, by = gateway_limits(GATEWAY, 8, cores * wider, gbit * quicker)
    assert least <= most <= 64
    assert by in ADVICE


def test_errors_are_relative_to_what_was_measured():
    assert errors([(110, 100), (50, 100), (100, 100)]) == (pytest.approx(0.1), pytest.approx(0.5))


def test_errors_are_told_apart_where_it_learnt_and_beyond():
    points = [worker_point(4), worker_point(16), worker_point(64, fps=200.0)]
    cameras = [camera_point(GATEWAY, 2, 1), camera_point(GATEWAY, 8, 8)]
    text = page.check_table(points, [learn_workers(points)], cameras, [GATEWAY], 2)
    row = next(line for line in text.splitlines() if line.startswith("| way: frames/s"))
    assert row == "| way: frames/s | 5% | 5% | 186% | 186% |"
    assert "| raw: gateway's cores | 0% | 0% | - | - |" in text


@pytest.mark.parametrize(
    ("changes", "by"),
    [
        ({}, "workers"),
        ({"fps": 600.0, "cores": 1.9}, "all cores"),
        ({"fps": 600.0, "sender_ms": 1.6}, "sender's core"),
        ({"fps": 950.0, "sender_ms": 0.2}, "server's core"),
        ({"fps": 600.0}, "waiting for each other"),
    ],
)
def test_a_measured_point_says_what_was_used_up(changes, by):
    last = page.worker_table([worker_point(64, **changes)], 2).splitlines()[-1]
    assert last.endswith(f"| {by} |")
