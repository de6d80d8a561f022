"""The page about deciding on several senses, done as a reader does it."""

import json
import sqlite3
import urllib.request
from contextlib import closing

from readers import on

from flows import wait_until
from servers import free_port


@on("how-to/fuse-senses.md")
def test_senses_that_disagree_are_told_and_kept(reader):
    port = free_port()
    file, store = reader.folder / "pipelines.yaml", reader.folder / "room.db"
    text = file.read_text().replace("8088", str(port))
    file.write_text(text.replace("version: 1\n", "version: 1\nmetrics_port: -1\n"))

    def say(path: str, **values: object) -> None:
        body = json.dumps(values).encode()
        headers = {"Content-Type": "application/json"}
        url = f"http://127.0.0.1:{port}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10):
            pass

    def kinds() -> set[str]:
        try:
            with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as rows:
                return {kind for (kind,) in rows.execute("select distinct kind from events")}
        except sqlite3.OperationalError:  # it is not made yet
            return set()

    with reader.serving("edgeflow up pipelines.yaml") as it:
        it.says("connector_listening")

        def agree() -> bool:
            say("/camera", count=1)
            say("/motion", moving=True)
            return "diary" in kinds()

        def disagree() -> bool:
            say("/camera", count=0)
            say("/motion", moving=True)
            return "alarm" in kinds()

        wait_until(agree, 30)
        assert "alarm" not in kinds()
        wait_until(disagree, 30)
