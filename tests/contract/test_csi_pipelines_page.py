"""The page about acting on what rooms tell, done as a reader does it."""

import json
import re
import socket
from pathlib import Path

from readers import on

from edgeflow.pipelines.loading.loader import load_text
from edgeflow.protocols.csi_vitals import Vitals, VitalsFlags
from flows import wait_until
from servers import free_port

PAGE = Path(__file__).parents[2] / "docs/how-to/csi-pipelines.md"
PRESENT = Vitals(7, VitalsFlags.PRESENCE, 12.5, 0, -40, 1, 0.5, 3.0, 1).encode()


@on("how-to/csi-pipelines.md")
def test_somebody_comes(reader):
    port = free_port()
    file, book = reader.folder / "pipelines.yaml", reader.folder / "rooms.jsonl"
    text = file.read_text().replace("5005", str(port))
    file.write_text(text.replace("version: 1\n", "version: 1\nmetrics_port: -1\n"))
    with reader.serving("edgeflow up pipelines.yaml") as it:
        it.says("nodes_awaited")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as node:

            def told() -> bool:
                node.sendto(PRESENT, ("127.0.0.1", port))
                return book.exists() and book.stat().st_size > 0

            wait_until(told, 30)
    (line,) = [json.loads(each) for each in book.read_text().splitlines()]
    assert line["payload"]["event"] == "came"
    assert line["payload"].keys() <= set(re.findall(r"`(\w+)`", PAGE.read_text("utf-8")))


def test_every_file_of_the_page_loads(tmp_path):
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    plans = [load_text(block, tmp_path / "pipelines.yaml", {}) for block in blocks]
    assert [len(plan.pipelines) for plan in plans] == [1, 2]
    assert [plan.warnings for plan in plans] == [(), ()]
