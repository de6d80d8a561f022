"""REALTIME with a consumer 100 times too slow: flat memory, the newest frame, counted drops."""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from edgeflow.runtime.attach import attach
from flows import wait_until

FLOW = """
import json, os, time
import numpy as np
from edgeflow import EdgeApp
from edgeflow.nodes import ProducerNode, SinkNode

app = EdgeApp("slow")

@app.node(name="source", fps=400)
class Source(ProducerNode):
    def produce(self):
        return np.full((240, 320, 3), self.next_id % 256, np.uint8)

@app.node(name="sink")
class Sink(SinkNode):
    def configure(self):
        self.file = open(os.environ["OUT"], "a", buffering=1)

    def write(self, frame):
        age, value = time.time() - frame.timestamp, int(frame.data[0, 0, 0])
        time.sleep(0.25)
        same = bool((frame.data == value).all() and value == frame.id % 256)
        self.file.write(json.dumps([frame.id, age, same]) + "\\n")

app.link("source").to("sink")

if __name__ == "__main__":
    app.run()
"""
FRAME_BYTES = 240 * 320 * 3


def resident_bytes(pids: list[int]) -> int:
    """Return the memory of processes, shared pages included."""
    found = [
        re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text()) for pid in pids
    ]
    return sum(int(match[1]) * 1024 for match in found if match)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [[], ["--processes"]], ids=["threads", "processes"])
def test_a_slow_consumer_gets_the_newest_frame_and_memory_stays_flat(tmp_path, mode):
    script, out = tmp_path / "main.py", tmp_path / "out.jsonl"
    script.write_text(FLOW)
    out.touch()

    def rows() -> list[list]:
        return [json.loads(line) for line in out.read_text().splitlines()]

    with subprocess.Popen(
        [sys.executable, str(script), *mode],
        env=os.environ | {"OUT": str(out)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            wait_until(lambda: len(rows()) >= 4, 30)
            flow = attach("slow")
            pids = sorted({pid for node in flow.status().nodes for pid in node.pids})
            assert pids and (process.pid in pids) != bool(mode)
            before = resident_bytes(pids)
            start = rows()[-1][0]
            wait_until(lambda: rows()[-1][0] >= start + 1000, 60)
            after = resident_bytes(pids)
            (link,) = flow.status().links
        finally:
            process.send_signal(signal.SIGINT)
            errors = process.stderr.read()
    seen = rows()
    numbers = [number for number, _, _ in seen]
    assert numbers == sorted(set(numbers))
    assert all(same for _, _, same in seen)
    assert statistics.median(age for _, age, _ in seen) < 0.5, "it was not the newest"
    assert after - before < 100 * FRAME_BYTES, "1000 frames were published meanwhile"
    assert link.dropped > 5 * link.received
    assert 0 <= link.sent - link.received - link.dropped < 400
    (row,) = [line.split() for line in errors.splitlines() if line.startswith("sink ")]
    assert int(row[4]) >= link.dropped, errors
