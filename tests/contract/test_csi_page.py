"""The page about sensing from WiFi, done as a reader does it, with real recordings as nodes."""

import json
import shlex
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import httpx
from readers import assert_printed, on

from edgeflow.protocols.csi_raw import RawFrame
from edgeflow.protocols.csi_vitals import Vitals, VitalsFlags
from edgeflow.sensing.frames import CsiFrame
from edgeflow.sensing.recordings import Recording
from servers import free_port

DATA = Path(__file__).parents[1] / "data" / "csi"


def command(reader, start):
    (line,) = reader.commands(start)
    return line.partition("#")[0].strip()


def send(port, *packets):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for packet in packets:
            out.sendto(packet, ("127.0.0.1", port))


def frames():
    found = [f for f in Recording(DATA / "example_100hz_pitraffic.csv") if isinstance(f, CsiFrame)]
    return [RawFrame(7, n, 2412, f.rssi, -90, f.payload).encode() for n, f in enumerate(found)]


@on("how-to/csi.md")
def test_sense_rooms_from_wifi(reader):
    shutil.copy(DATA / "resp_vacio.csv.xz", reader.folder / "empty.csv.xz")
    shutil.copy(DATA / "resp_6rpm.csv.xz", reader.folder / "run.csv.xz")
    reader.run(command(reader, "edgeflow csi calibrate"))
    plain, objects = (
        line.partition("#")[0] for line in reader.commands("edgeflow csi replay run.csv.xz")
    )
    assert_printed(reader.printed("presence"), reader.run(plain))
    said = [json.loads(line) for line in reader.run(objects).splitlines()]
    text = (Path(__file__).parents[2] / "docs/how-to/csi.md").read_text()
    assert [key for key in said[-1] if f"`{key}`" not in text] == []
    reader.run(command(reader, "edgeflow csi plot"))
    assert (reader.folder / "run.png").stat().st_size > 10_000
    assert "breaths per minute" in reader.run("python vitals.py")


@on("how-to/csi.md")
def test_live_nodes(reader):
    port, http = free_port(), free_port()
    listen = command(reader, "edgeflow csi listen").replace("5005", str(port))
    with reader.serving(listen.replace("8000", str(http))) as it:
        it.says("Stop")
        send(port, *frames()[:200])
        it.says(r"7@127")
        (node,) = httpx.get(f"http://127.0.0.1:{http}/api/csi/nodes", timeout=20).json()
        assert node["firmware"] == "raw"
    record = command(reader, "edgeflow csi record").replace("5005", str(port))
    words = shlex.split(record)
    with subprocess.Popen(
        words, cwd=reader.folder, env=reader.environment, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            while "Recording" not in process.stderr.readline():
                assert process.poll() is None
            send(port, *frames()[:200])
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
            assert process.returncode == 0
        finally:
            process.kill()
    assert len(list(Recording(reader.folder / "hall.mcap"))) == 200


@on("how-to/csi.md")
def test_falls_in_pipelines(reader):
    shutil.copy(DATA / "resp_vacio.csv.xz", reader.folder / "empty.csv.xz")
    reader.run(command(reader, "edgeflow csi calibrate"))
    port = free_port()
    file = reader.folder / "pipelines.yaml"
    text = file.read_text().replace("5005", str(port))
    file.write_text(text.replace("version: 1\n", "version: 1\nmetrics_port: -1\n"))
    fall = Vitals(7, VitalsFlags.FALL | VitalsFlags.PRESENCE, 0, 0, -40, 1, 0.5, 3.0, 1).encode()
    with reader.serving("edgeflow up pipelines.yaml") as it:
        it.says("nodes_awaited")
        send(port, fall)
        it.says("somebody fell")
