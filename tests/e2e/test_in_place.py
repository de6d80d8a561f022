"""``ProducerNode.allocate``: what is written in place travels to another process uncopied."""

import json
import os
import subprocess
import sys

FLOW = """
import json, os
from edgeflow import EdgeApp, QoS
from edgeflow.nodes import ProducerNode, SinkNode

app = EdgeApp("in-place")

def note(*values):
    with open(os.environ["OUT"], "a") as file:
        file.write(json.dumps(values) + "\\n")

@app.node(name="source", fps=None)
class Source(ProducerNode):
    last = None

    def produce(self):
        if self.last is not None:
            note("sent", self.last.base.published)
        if self.next_id == 20:
            self.stop()
            return None
        self.last = self.allocate((240, 320, 3))
        self.last[:] = self.next_id
        return self.last

@app.node(name="sink")
class Sink(SinkNode):
    def write(self, frame):
        note("got", frame.id, int(frame.data.min()), int(frame.data.max()))

app.link("source").to("sink", qos=QoS.DURABLE)

if __name__ == "__main__":
    app.run()
"""


def test_arrays_of_allocate_travel_between_processes_uncopied(tmp_path):
    script, out = tmp_path / "main.py", tmp_path / "out.jsonl"
    script.write_text(FLOW)
    done = subprocess.run(
        [sys.executable, str(script), "--processes"],
        env=os.environ | {"OUT": str(out)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row for row in rows if row[0] == "got"] == [["got", n, n, n] for n in range(20)]
    assert [row for row in rows if row[0] == "sent"] == [["sent", True]] * 20
