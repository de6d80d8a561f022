"""The script that people write: paho-mqtt, a list, and SQLite.

``python paho_sqlite.py PORT FILE at-once|after-commit`` keeps ``sensor/+/+`` until it is ended.
``at-once`` lets paho confirm each message when its callback returns: what is in the list then is
lost with the process. ``after-commit`` confirms after a commit that waits for the disk.
"""

import json
import signal
import sqlite3
import sys
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

ROWS, SECONDS = 1000, 0.1


class Script:
    def __init__(self, port: int, path: str, after_commit: bool) -> None:
        self.after_commit = after_commit
        self.rows: list[tuple[object, ...]] = []
        self.unconfirmed: list[tuple[int, int]] = []
        self.lock = threading.Lock()
        self.database = sqlite3.connect(path, check_same_thread=False)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute(f"PRAGMA synchronous = {'FULL' if after_commit else 'NORMAL'}")
        self.database.execute(
            "CREATE TABLE readings (device TEXT, kind TEXT, timestamp REAL, value REAL, "
            "sequence INTEGER)"
        )
        self.database.execute("CREATE INDEX by_device ON readings (device, kind, timestamp)")
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id="script",
            clean_session=False,
            manual_ack=after_commit,
        )
        self.client.on_connect = lambda client, *_: client.subscribe("sensor/+/+", 1)
        self.client.on_message = self.came
        self.client.connect("127.0.0.1", port)

    def came(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        _, device, kind = message.topic.split("/")
        said = json.loads(message.payload)
        with self.lock:
            self.rows.append((device, kind, time.time(), float(said["value"]), said["sequence"]))
            if self.after_commit:
                self.unconfirmed.append((message.mid, message.qos))
            if len(self.rows) >= ROWS:
                self.commit()

    def commit(self) -> None:
        rows, self.rows = self.rows, []
        with self.database:
            self.database.executemany("INSERT INTO readings VALUES (?, ?, ?, ?, ?)", rows)
        unconfirmed, self.unconfirmed = self.unconfirmed, []
        for mid, qos in unconfirmed:
            self.client.ack(mid, qos)

    def run(self, ended: threading.Event) -> None:
        self.client.loop_start()
        while not ended.wait(SECONDS):
            with self.lock:
                if self.rows:
                    self.commit()
        self.client.loop_stop()
        self.commit()


if __name__ == "__main__":
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    Script(int(sys.argv[1]), sys.argv[2], sys.argv[3] == "after-commit").run(over)
