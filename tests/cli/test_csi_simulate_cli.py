"""``edgeflow csi simulate``: nodes and rooms that are only software."""

import json
import socket
from collections import Counter

import msgspec
import pytest

from edgeflow.cli import main
from edgeflow.protocols.csi import decode
from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.sensing.recordings import Recording
from edgeflow.sensing.simulate import Radio, preset


@pytest.fixture
def listener():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        opened.settimeout(0.3)
        yield opened


def run(capsys, *words):
    code = main(["csi", "simulate", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def arrived(listener):
    found = []
    try:
        while True:
            data, (host, _) = listener.recvfrom(4096)
            found.append((host, decode(data)))
    except TimeoutError:
        return found


def test_a_node_sends_a_room(capsys, listener):
    port = listener.getsockname()[1]
    code, out, err = run(capsys, "walking", "--port", port, "--seconds", 3, "--speed", 20, "--json")
    packets = arrived(listener)
    assert code == 0
    assert json.loads(out)["sent"] == len(packets) > 50
    assert err.startswith("1 node sends") and "Ctrl+C" in err and "listen?" not in err
    assert all(isinstance(packet, RawFrame) and packet.node == 1 for _, packet in packets)


def test_nobody_listens(capsys):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    code, out, err = run(capsys, "empty", "--port", port, "--seconds", 1, "--speed", 10)
    assert code == 0 and " sent" in out
    assert f"edgeflow csi listen --port {port}" in err


def test_twenty_nodes_send_from_tapes(capsys, listener):
    port = listener.getsockname()[1]
    code, _, _ = run(
        capsys, "--port", port, "--seconds", 1, "--nodes", 20, "--rate", 10, "--speed", 2
    )
    counts = Counter(packet.node for _, packet in arrived(listener))
    assert code == 0
    assert set(counts) == set(range(1, 21))
    assert min(counts.values()) > 3


def test_a_capture_replays_and_the_truth_is_beside_it(capsys, tmp_path):
    out, truth = tmp_path / "walk.csi", tmp_path / "walk.jsonl"
    words = ("walking", "--seconds", 20, "--nodes", 2, "--tier", 1, "--out", out)
    assert run(capsys, *words, "--truth", truth)[0] == 0
    nodes = Counter(decode(datagram.data).node for datagram in Recording(out))
    assert set(nodes) == {1, 2}
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    assert [line["t"] for line in lines] == list(range(20))
    assert all(line["presence"] and line["persons"] == 1 for line in lines)
    assert main(["csi", "replay", str(out), "--json"]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert any(row["motion"] for row in said)


def test_a_scenario_of_ones_own_is_a_file(capsys, tmp_path):
    file = tmp_path / "room.json"
    file.write_bytes(msgspec.json.encode(preset("two-persons", radio=Radio(channel=11))))
    out = tmp_path / "out.csi"
    assert run(capsys, file, "--seconds", 1, "--out", out)[0] == 0
    assert {decode(datagram.data).channel for datagram in Recording(out)} == {11}


@pytest.mark.parametrize(
    ("text", "message"),
    [(b"{}x", "no scenario"), (b'{"seconds": -3}', "seconds"), (None, "cannot be read")],
)
def test_files_that_are_none_are_told(capsys, tmp_path, text, message):
    file = tmp_path / "room.json"
    if text is not None:
        file.write_bytes(text)
    code, _, err = run(capsys, file, "--seconds", 1)
    assert code != 0
    assert message in err


def test_an_unknown_scenario_is_told_with_the_known_ones(capsys):
    code, _, err = run(capsys, "wlaking")
    assert code != 0
    assert "walking" in err
