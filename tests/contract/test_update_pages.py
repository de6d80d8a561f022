"""The pages about updates, climate nodes and dashboards, done as a reader does them."""

import json
import re

from readers import on

from servers import free_port

NODES = 2
PSK = "0123456789abcdef"


def plain(line):
    return line.partition("#")[0].strip()


@on("how-to/update-nodes.md")
def test_update_nodes(reader):
    first = free_port()
    ports = [str(first + number) for number in range(6)]
    reader.environment["EDGEFLOW_OTA_KEY"] = PSK
    keygen, simulate, good, crash, sign_good, sign_crash, push, push_crash, status, back = (
        reader.commands(*(f"edgeflow {verb}" for verb in ("ota", "csi simulate")))
    )
    reader.run(keygen)
    for line in (good, crash, sign_good, sign_crash):
        reader.run(line)
    listed = ", ".join(f"127.0.0.1:{port}" for port in ports[1:NODES])
    groups = f"groups:\n  hall: [127.0.0.1:{ports[0]}]\n  rooms: [{listed}]\n"
    (reader.folder / "nodes.yaml").write_text(groups)
    serve = simulate.rstrip("&").replace("8100", ports[0]).replace("--nodes 6", f"--nodes {NODES}")
    with reader.serving(f"{serve} --port {free_port()}") as nodes:
        nodes.says(ports[0])
        said = reader.run(push)
        assert len(re.findall(r"updated  \S+ -> 2\.0\.0", said)) == NODES
        assert "went back to 2.0.0" in reader.run(push_crash, expected=1)
        assert "2.0.0, valid" in reader.run(status)
        assert "2.0.0 ->" in reader.run(back.replace("8101", ports[1]))


@on("how-to/climate-node.md")
def test_a_day_in_two_minutes(reader):
    serve, simulate = (plain(line) for line in reader.commands("edgeflow climate"))
    simulate = simulate.replace("--seconds 120", "--seconds 5").replace("10", "3")
    port = reader.ports["1883"]
    with reader.serving(serve) as system:
        system.says("Ctrl[+]C ends it")
        said = reader.run(f"{simulate} --json --broker mqtt://127.0.0.1:{port}")
    counts = json.loads(said[said.index("{") :])
    assert counts["sent"] == counts["confirmed"] > 0


@on("how-to/grafana.md")
def test_without_containers(reader):
    sqlite, _, backup, restore = reader.commands("edgeflow climate")
    broker = f"mqtt://embedded?port={free_port()}"
    with reader.serving(f"{sqlite} --broker {broker}") as system:
        system.says("Metrics")
    reader.run(backup)
    assert (reader.folder / "home.backup").stat().st_size > 0
    reader.run(restore)
