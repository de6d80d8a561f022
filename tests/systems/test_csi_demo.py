"""The demo of sensing: it tells where to look, its nodes are heard, and it ends in time."""

import json
import subprocess
import sys
import time
import urllib.request
from itertools import islice

from edgeflow.sensing.simulate.home import HOME, home_nodes
from edgeflow.systems.csi_demo import home_options
from servers import free_port

COMMAND = "import sys; from edgeflow.cli import main; sys.exit(main())"


def test_eight_nodes_are_heard_and_it_ends_in_time(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEFLOW_CACHE_DIR", str(tmp_path / "cache"))
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "demo", "csi", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            told = []
            for line in process.stdout:
                told.append(line)
                if "two-persons" in line:
                    break
            until, found = time.monotonic() + 60, []
            while len(found) < 8 or any(node["frames"] < 50 for node in found):
                assert time.monotonic() < until, found
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/csi/nodes") as answer:
                    found = json.load(answer)
                time.sleep(0.1)
            asked = time.monotonic()
            process.terminate()
            _, errors = process.communicate(timeout=60)
            took = time.monotonic() - asked
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert f"http://127.0.0.1:{port}/dashboard#/sensing\n" in "".join(told)
    assert {node["node"] for node in found} == set(range(1, 9))
    assert took < 30


def test_a_home_has_rooms_that_are_known_empty_and_one_resident_in_one_at_a_time():
    nodes = home_nodes(8)
    assert {node.room for node in nodes} == set(HOME)
    assert set(home_options(nodes[:2]).calibration) == {1, 2}
    lengths = {node.scenario.seconds for node in nodes}
    assert len(lengths) == 1, "all rooms begin anew together"
    rooms = {node.room: node.scenario.persons[0].activities for node in nodes}
    for second in range(0, 600, 7):
        inside = [room for room, seen in rooms.items() if _at(seen, second) != "away"]
        assert len(inside) <= 1


def _at(activities, second):
    for activity in activities:
        second -= activity.seconds
        if second < 0:
            return activity.kind
    return "away"


def test_the_nodes_of_a_home_never_stop_sending():
    node = home_nodes(1)[0]
    times = [packet.time_us for packet in islice(node.packets(), 500)]
    assert times == sorted(times)
    assert 5e6 < times[-1] < 20e6
