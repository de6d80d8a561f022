"""The page about simulated WiFi nodes, done as a reader does it."""

import json

from readers import on

from servers import free_port


def plain(line):
    return line.partition("#")[0].strip()


@on("how-to/simulate-csi.md")
def test_simulate_wifi_nodes(reader):
    recorded, replayed = reader.commands("edgeflow csi simulate breathing", "edgeflow csi replay")
    reader.run(plain(recorded))
    said = [json.loads(line) for line in reader.run(plain(replayed)).splitlines()]
    told = {each["breathing_bpm"] for each in said if each["breathing_bpm"] is not None}
    truth = [
        json.loads(line) for line in (reader.folder / "breathing.jsonl").read_text().splitlines()
    ]
    (true,) = truth[-1]["breathing_bpm"]
    assert told and all(abs(each - true) < 2.0 for each in told)

    example, scenario = (json.loads(b.text) for b in reader.blocks if b.language == "json")
    assert set(example) == set(truth[0])
    (reader.folder / "room.json").write_text(json.dumps(scenario))
    port = str(free_port())
    for line in reader.commands("edgeflow csi simulate walking", "edgeflow csi simulate room"):
        short = plain(line).replace("--seconds 60", "--seconds 1")
        reader.run(f"{short} --port {port}")
    (python,) = (block.text for block in reader.blocks if block.language == "python")
    (reader.folder / "room.py").write_text(python)
    assert reader.run("python room.py").rstrip().endswith("60 True []")
