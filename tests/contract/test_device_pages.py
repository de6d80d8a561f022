"""The pages about devices and about what goes wrong, done as a reader does them."""

import json
import re

import pytest
from readers import on

from edgeflow.cli.table import names
from edgeflow.store.catalogue import TABLES
from edgeflow.store.opening import open_tables
from flows import wait_until

pytest.importorskip("zeroconf", reason="pip install 'edgeflow[discovery]'")


def plain(line: str) -> str:
    return line.partition("  #")[0].strip()


def at_port(reader, line: str) -> str:
    return f"{line} --broker mqtt://127.0.0.1:{reader.ports['1883']}"


@on("how-to/devices.md")
def test_devices(reader):
    serve, simulate = map(plain, reader.commands("edgeflow climate"))
    lines = dict.fromkeys(map(plain, reader.commands("edgeflow devices")))
    listed, name, group, tag, of_group, show, both, refused, discover, *others = lines
    remove, forget, admit, sign = others
    simulate = simulate.replace("--announce 127.0.0.1", "")
    with (
        reader.serving(f"{serve} --no-dashboard") as system,
        reader.serving(at_port(reader, simulate)) as nodes,
    ):
        system.says("announced")
        nodes.says("2 nodes send")
        wait_until(lambda: len(json.loads(reader.run(f"{listed} --json"))) == 2, 60)
        assert "online" in reader.run(listed)
        for line in (name, group, tag):
            reader.run(line)
        assert len(reader.run(of_group).splitlines()) == 3
        assert json.loads(reader.run(show))["name"] == "Under the roof"
        assert reader.run(both).split("\n")[:2] == [
            "room-1: version 1 applied",
            "room-2: version 1 applied",
        ]
        said = reader.run(refused, expected=1)
        assert said == "room-1: version 2 refused: the device refused read_seconds\n"
        assert re.search(r"climate-\S+ +service", reader.run(discover))
        assert reader.run(remove) == "room-2: removed\n"
        assert re.fullmatch(r"room-1: removed, \d+ rows deleted\n", reader.run(forget))
    assert len(re.findall(r"^room-\d \S{32}$", reader.run(admit), re.M)) == 2
    assert "tls/server.key" in reader.run(sign)


@on("how-to/troubleshoot-climate.md")
def test_troubleshooting(reader):
    monitor, validate, listed, refused = map(plain, reader.commands())
    store = open_tables(f"sqlite:///{reader.folder}/home.db")
    store.create(list(TABLES.values()))
    letter = {"device_id": "a", "timestamp": 1.75e9, "topic": "sensor/a/x", "reason": "no number"}
    store.insert("dead_letters", [letter | {"payload": "NaN"}])
    store.close()
    assert reader.run(refused) == "sensor/a/x | no number | NaN\n"
    reader.run(listed)
    metrics, broker = reader.ports["9101"], reader.ports["1883"]
    serve = "edgeflow climate serve --store sqlite:///home.db --no-dashboard"
    serve += f" --metrics-port {metrics} --broker mqtt://embedded?port={broker} --role backend"
    with reader.serving(serve) as system:
        system.says("Metrics")
        port = f"--url http://127.0.0.1:{metrics}"
        assert "ready True" in reader.run(f"{monitor} {port}")
        assert validate.endswith(f":{broker}")
        assert "decision" in reader.run(f"{validate} --timeout 3", expected=4)


@on("how-to/troubleshoot-climate.md")
def test_what_the_page_names_is_there(reader):
    page = "\n".join(block.text for block in reader.blocks)
    for verb in re.findall(r"edgeflow (\w+)", page):
        assert verb in names()
    assert {"dead_letters", "inference_history", "window_actions"} <= set(TABLES)
