"""``edgeflow csi``: recordings and live nodes from the command line."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import httpx
import pytest

from edgeflow.cli import main
from edgeflow.errors import StoreError
from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.sensing.captures import Datagram, open_capture
from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.recordings import Recording
from flows import wait_until
from servers import free_port

DATA = Path(__file__).parents[1] / "data" / "csi"
SAMPLE = DATA / "example_100hz_pitraffic.csv"
EMPTY = DATA / "resp_vacio.csv.xz"
KEYS = {"t", "node", "presence", "motion", "breathing_bpm", "heart_bpm", "persons", "fall"}


def run(capsys, *words: object) -> tuple[int, str, str]:
    code = main(["csi", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


def rows(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_replay_prints_an_object_per_update(capsys):
    code, out, err = run(capsys, "replay", DATA / "mov_01.csv.xz", "--json", "--node", 9)
    said = rows(out)
    assert code == 0
    assert 58 <= len(said) <= 61
    assert all(row.keys() >= KEYS | {"confidence"} for row in said)
    assert [row["t"] for row in said[:3]] == [1.0, 2.0, 3.0]
    assert {row["node"] for row in said} == {9}
    assert all(isinstance(row["motion"], float) for row in said)
    assert err == ""


def test_an_empty_room_tells_presence_from_emptiness(capsys):
    room = ("--calibrate", EMPTY, "--calibrate-seconds", 20, "--json")
    _, out, _ = run(capsys, "replay", EMPTY, *room)
    empty = rows(out)
    _, out, _ = run(capsys, "replay", DATA / "resp_6rpm.csv.xz", *room)
    there = rows(out)
    assert all(row["calibrated"] for row in empty + there)
    mean = [sum(row["motion"] for row in each) / len(each) for each in (empty, there)]
    assert mean[1] > 3 * mean[0]


def test_replay_prints_lines_for_people_and_events(capsys):
    code, out, err = run(capsys, "replay", SAMPLE, "--interval", 2, "--events")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split()[:3] == ["t", "node", "presence"]
    assert lines[1].split()[:2] == ["2.0", "1"]
    assert f"{SAMPLE}:19: left out: 127 numbers" in err


def test_a_calibration_is_kept_and_used(capsys, tmp_path):
    kept = tmp_path / "room.json"
    code, out, _ = run(capsys, "calibrate", EMPTY, "--out", kept, "--json")
    known = json.loads(out)
    assert code == 0
    assert known["1"]["threshold"] > 0
    assert known["1"] == known["*"]
    run(capsys, "replay", SAMPLE, "--calibrate", kept)
    _, out, _ = run(capsys, "replay", SAMPLE, "--calibrate", kept, "--json")
    assert rows(out)[0]["threshold"] == pytest.approx(known["1"]["threshold"], abs=1e-5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no calibration"),
        ('{"version":1,"nodes":{"x":{"frames":1,"mean":1,"deviation":1,"threshold":1}}}', "'x'"),
        ('{"version":1,"nodes":{"1":{"frames":1,"mean":1,"deviation":1,"threshold":0}}}', "node 1"),
        ('{"version":1,"nodes":{"1":{"frames":0,"mean":1,"deviation":1,"threshold":1}}}', "node 1"),
        ('{"version":1,"nodes":{"1":{"frames":9}}}', "mean"),
    ],
)
def test_what_is_no_calibration_is_refused_with_its_place(capsys, tmp_path, text, said):
    kept = tmp_path / "room.json"
    kept.write_text(text)
    code, _, err = run(capsys, "replay", SAMPLE, "--calibrate", kept)
    assert code == 3
    assert said in err
    assert "room.json:1" in err


def test_errors_have_their_place_and_status(capsys, tmp_path):
    notes, short = tmp_path / "notes.csv", tmp_path / "short.csv"
    notes.write_text("hello\n")
    short.write_text("\n".join(SAMPLE.read_text().splitlines()[:30]))
    code, out, err = run(capsys, "replay", notes, "--json")
    assert (code, out) == (1, "")
    assert "error[EF-STORE-001]: this is no recording" in err
    assert "notes.csv:1" in err
    code, _, err = run(capsys, "replay", tmp_path / "absent.csv")
    assert code == 1
    assert "No such file" in err
    code, _, err = run(capsys, "replay", SAMPLE, "--calibrate", short)
    assert code == 3
    assert "too few to learn the empty room" in err
    code, _, err = run(capsys, "replay", SAMPLE, "--interval", 0)
    assert code == 2
    code, out, err = run(capsys, "replay", short, "--json")
    assert (code, out) == (0, "")
    assert "shorter than one update" in err


def test_a_picture_is_drawn(capsys, tmp_path):
    picture = tmp_path / "run.png"
    code, _, err = run(capsys, "plot", SAMPLE, "--out", picture)
    assert code == 0
    image = cv2.imread(str(picture))
    assert image.shape[1] == 1200
    assert len({tuple(pixel) for pixel in image[60:280:10, 100:1100:50].reshape(-1, 3)}) > 20
    code, _, err = run(capsys, "plot", SAMPLE, "--out", picture, "--node", 5)
    assert code == 1
    assert "no frame of node 5" in err
    code, _, err = run(capsys, "plot", SAMPLE, "--out", tmp_path / "absent" / "run.png")
    assert code == 1
    assert "No such file" in err


def packets() -> list[bytes]:
    frames = [item for item in Recording(SAMPLE) if isinstance(item, CsiFrame)]
    return [
        RawFrame(7, number, 2412, frame.rssi, frame.noise_floor, frame.payload).encode()
        for number, frame in enumerate(frames)
    ]


def test_captures_are_replayed_like_files(capsys, tmp_path):
    file = tmp_path / "run.mcap"
    frames = [item for item in Recording(SAMPLE) if isinstance(item, CsiFrame)]
    with open_capture(file) as capture:
        for frame, data in zip(frames, packets(), strict=True):
            capture.write(Datagram(frame.time_us, data, "192.168.4.20", 4000))
    _, out, _ = run(capsys, "replay", file, "--json")
    captured = rows(out)
    _, out, _ = run(capsys, "replay", SAMPLE, "--json")
    assert [row["t"] for row in captured] == [row["t"] for row in rows(out)]
    assert {(row["node"], row["name"]) for row in captured} == {(7, "7@192.168.4.20")}


@contextmanager
def started(*words: object) -> Iterator[subprocess.Popen[str]]:
    program = Path(sys.executable).with_name("edgeflow")
    process = subprocess.Popen(
        [program, "csi", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=20)


def wait_for(process: subprocess.Popen[str], text: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"it ended without {text!r}")


def send_all(port: int, data: list[bytes]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for each in data:
            out.sendto(each, ("127.0.0.1", port))


def test_live_nodes_are_printed_and_served():
    port, http = free_port(), free_port()
    words = ("--port", port, "--http-port", http, "--interval", 0.05, "--json")
    with started("listen", *words) as process:
        wait_for(process, "Stop")
        send_all(port, packets()[:300])
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert (first["node"], first["source"]) == (7, "host")
        assert first["time"] > 1e9
        (node,) = httpx.get(f"http://127.0.0.1:{http}/api/csi/nodes", timeout=20).json()
        assert (node["frames"], node["firmware"], node["lost"]) == (300, "raw", 0)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


def test_what_nodes_send_is_recorded(tmp_path):
    port, file = free_port(), tmp_path / "run.mcap"
    with started("record", "--out", file, "--port", port, "--json") as process:
        wait_for(process, "Recording")
        send_all(port, packets()[:50])
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
        assert process.returncode == 0
    assert json.loads(out)["datagrams"] == 50
    assert [item.data for item in Recording(file)] == packets()[:50]


@pytest.mark.parametrize("name", ["run.csi", "run.mcap"])
def test_a_recording_outlives_a_kill(tmp_path, name):
    port, file = free_port(), tmp_path / name
    with started("record", "--out", file, "--port", port) as process:
        wait_for(process, "Recording")
        send_all(port, packets()[:50])
        wait_until(lambda: held_by(file) == 50, 30)
        process.kill()
        process.wait(20)
    assert held_by(file) == 50


def held_by(file: Path) -> int:
    try:
        return len(list(Recording(file)))
    except StoreError:
        return 0


def test_recording_nothing_is_a_failure(tmp_path):
    with started("record", "--out", tmp_path / "a.csi", "--port", 0, "--seconds", 0.1) as process:
        _, err = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "nothing came" in err
