"""The tutorials of boards, sensing, climate and clusters, done as a reader does them."""

import json
from contextlib import ExitStack
from pathlib import Path

import httpx
import yaml
from readers import assert_printed, flows_well, on

from edgeflow.runtime.attach import attach
from flows import wait_until
from servers import free_port, valkey

ROOT = Path(__file__).parents[2]


def plain(line):
    return line.partition("  #")[0].strip()


def with_port(reader, port):
    """Let the page name a free port in place of ``port``."""
    free = str(free_port())
    reader.blocks = [each._replace(text=each.text.replace(port, free)) for each in reader.blocks]
    reader.save()


@on("tutorials/first-board.md")
def test_first_board(reader):
    for name in ("examples", "scripts"):
        (reader.folder / name).symlink_to(ROOT / name)
    copy, samples = reader.commands("cp", "python")
    virtual, info, again = reader.commands("edgeflow devices")
    serve, flash = reader.commands("edgeflow mcu", "edgeflow flash")
    reader.run(f"sh -c '{copy}'")
    with reader.serving(virtual) as board:
        board.says(r"/board0\n")
        assert_printed(reader.printed("state:"), reader.run(info))
        with reader.serving(serve) as server:
            server.says("Serving 1 board")
            for command in (samples, *reader.commands("curl")):
                reader.run(command)
        first, second = (
            json.loads((reader.folder / name).read_text()) for name in ("first.json", "second.json")
        )
        assert len(first["pred"]) == len(second["pred"]) == 8
        assert first["pred"] != second["pred"]
        assert first["timing_ms"]["flash"] == 0 < second["timing_ms"]["flash"]
        assert "in slot B" in reader.run(flash)
        assert_printed(reader.printed("slot B"), reader.run(again))


@on("tutorials/first-sensed-room.md")
def test_first_sensed_room(reader):
    with_port(reader, "5005")
    empty, breathing, *live = (plain(line) for line in reader.commands("edgeflow csi simulate"))
    calibrate, replay = reader.commands("edgeflow csi calibrate", "edgeflow csi replay")
    reader.run(empty)
    assert_printed(reader.printed("learnt from"), reader.run(calibrate))
    reader.run(breathing)
    told = reader.run(replay)
    assert_printed(reader.printed("presence"), told)
    truth = (reader.folder / "truth.jsonl").read_text().splitlines()
    (rate,) = json.loads(truth[-1])["breathing_bpm"]
    read = [float(line.split()[4]) for line in told.splitlines()[-5:]]
    assert all(abs(each - rate) < 2 for each in read)

    (listen,) = reader.commands("edgeflow csi listen")
    shorter = [line.replace("--seconds 20", "--seconds 6") for line in live]
    with reader.serving(listen) as it:
        it.says("Stop|Ctrl")
        reader.run(shorter[0])
        it.says(r"@127\S+ +yes ")
    file = reader.folder / "pipelines.yaml"
    file.write_text(file.read_text().replace("version: 1\n", "version: 1\nmetrics_port: -1\n"))
    assert "no problems" in reader.run("edgeflow check pipelines.yaml")
    with reader.serving("edgeflow up pipelines.yaml") as it:
        it.says("nodes_awaited")
        reader.run(shorter[1])
        kept = reader.folder / "rooms.jsonl"
        wait_until(lambda: kept.exists() and '"came"' in kept.read_text(), 30)


@on("tutorials/first-window.md")
def test_first_window(reader):
    serve, (three, ten) = (
        reader.commands("edgeflow climate serve")[0],
        reader.commands("edgeflow climate simulate"),
    )
    device, override, learning = reader.commands("curl")
    page = f"http://127.0.0.1:{reader.ports['8080']}"
    with reader.serving(serve) as system:
        system.says("Ctrl[+]C ends it")
        wait_until(lambda: httpx.get(f"{page}/healthz").is_success, 30)
        with reader.serving(three) as rooms:
            rooms.says("3 nodes send")
            wait_until(lambda: decided(page), 60)
            (first, *_) = json.loads(reader.run(device))["decisions"]
            assert 0 <= first["position"] <= 100
            assert {"confidence", "reason"} <= set(first)
            assert json.loads(reader.run(override)) == {"ok": True}
            wait_until(lambda: moved(page)["position"] == 80, 30)
            wait_until(lambda: moved(page)["note"] == "held", 60)
            wait_until(lambda: json.loads(reader.run(learning))["overridden"] == 1, 30)
        said = reader.run(ten.replace("--devices 10", "--devices 2").replace("30", "2"))
        assert_printed(reader.printed("confirmed"), said)
        assert "* v1" in reader.run("edgeflow climate models list")


def decided(page):
    answer = httpx.get(f"{page}/api/climate/devices/room-1")
    return answer.is_success and answer.json()["decisions"]


def moved(page):
    """Return how the window of the first room was told to move last."""
    devices = httpx.get(f"{page}/api/climate/devices").json()["devices"]
    return devices[0]["window"] or {"position": None, "note": ""}


@on("tutorials/first-cluster.md")
def test_first_cluster(reader):
    main, processes, *nodes = reader.commands("python main.py")
    for command in (main, processes):
        with reader.running(command, "first-cluster"):
            pass
    with valkey() as server, ExitStack() as stack:
        reader.environment |= {
            "REDIS_HOST": server.host,
            "REDIS_PORT": str(server.port),
            "GATEWAY_TCP_PORT": str(free_port()),
        }
        for command in nodes:
            stack.enter_context(reader.running(command, "first-cluster", wait=False))
        wait_until(lambda: flows_well("first-cluster"), 30)
        with attach("first-cluster") as flow:
            assert {node.name for node in flow.status().nodes} == {"camera", "invert", "web"}


@on("tutorials/first-cluster.md")
def test_first_cluster_written_down(reader):
    quick = "--edgeflow edgeflow==0.3.0"  # copying its sources is tested where contexts are
    (compose,), (deploy,) = reader.commands("edgeflow compose"), reader.commands("edgeflow deploy")
    reader.run(f"{compose} {quick}")
    (file,) = (reader.folder / "compose").glob("*compose*.y*ml")
    assert {"camera", "invert", "web", "redis"} <= set(yaml.safe_load(file.read_text())["services"])
    made = list(yaml.safe_load_all(reader.run(f"{deploy} {quick}")))
    assert {"camera", "invert", "web", "redis"} <= {one["metadata"]["name"] for one in made}
    assert "30080" in str(made)
