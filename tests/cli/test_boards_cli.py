"""``devices info``, ``list``, ``monitor`` and ``bench`` on a board behind a pseudo-terminal."""

import json

import pytest

from edgeflow.cli import main
from edgeflow.devices.boards.base import Protocol
from edgeflow.devices.boards.benchmark import line_seconds
from wired_boards import FEATURES, HIDDEN, HORIZON, STEPS, WiredBoard, container


@pytest.fixture
def wired(tmp_path):
    with WiredBoard(tmp_path, file=container(1, name="rain", version=4)) as wired:
        yield wired


def run(capsys, *words):
    code = main(["devices", *map(str, words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_info_tells_what_the_board_says(wired, capsys):
    code, out, _ = run(capsys, "info", wired.port)
    assert code == 0
    assert "protocol:      extended" in out and "rain, float32, T 8, F 3, H 2" in out
    code, out, _ = run(capsys, "info", wired.port, "--keep-baud", "--json")
    facts = json.loads(out)
    assert (facts["baud"], facts["state"], facts["unique_id"][:2]) == (115200, "ready", "02")
    model = facts["models"][0]
    assert model["shape"] == [STEPS, FEATURES, HORIZON, HIDDEN]
    assert (model["name"], model["version"], len(model["sha256"])) == ("rain", 4, 64)
    assert facts["counters"]["requests"] > 0


def test_a_port_without_a_board_is_unreachable(tmp_path, capsys):
    code, _, err = run(capsys, "info", tmp_path / "none", "--timeout", "2")
    assert code == 4
    assert "no such port" in err and "devices list" in err
    code, _, err = run(capsys, "info", "nonsense")
    assert code == 3 and "names no port" in err


def test_bench_measures_and_compares_with_the_line(wired, capsys):
    code, out, _ = run(capsys, "bench", wired.port, "--requests", "50", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["requests"], found["in_flight"], found["protocol"]) == (50, 16, "extended")
    assert found["rate"] > 0 and found["p99"] >= found["p50"] > 0
    up, down = line_seconds(Protocol.EXTENDED, 921600, STEPS, FEATURES, HORIZON)
    assert found["line"] == pytest.approx(1e3 * (up + down))
    code, out, _ = run(capsys, "bench", wired.port, "--requests", "5", "--in-flight", "1")
    assert "answers/s" in out and "compute" in out
    code, _, err = run(capsys, "bench", wired.port, "--model", "1")
    assert code == 1 and "no model under the id 1" in err


def test_monitor_prints_what_stands_between_answers(wired, capsys):
    wired.greeting = b"I (31) boot: hello\r\n"
    code, out, err = run(capsys, "monitor", wired.port, "--seconds", "1.5", "--json")
    assert code == 0
    assert json.loads(out.splitlines()[0])["text"] == "I (31) boot: hello"
    assert "ready" in err


def test_list_shows_ports_as_json(capsys):
    code, out, _ = run(capsys, "list", "--json")
    assert code == 0
    assert all("port" in each for each in json.loads(out))


def test_the_wire_floor_is_that_of_the_reference_protocol():
    up, down = line_seconds(Protocol.REFERENCE, 115200, 32, 4, 8)
    assert 1e3 * (up + down) == pytest.approx(48.6, abs=0.05)
