"""From a packet to the event that it makes, beside nodes that send 50 frames/s each.

A probe node tells presence that changes with every packet; whoever subscribes to the host notes
when its event is there. Both clocks are CLOCK_MONOTONIC of this machine.
"""

import os
import socket
import sys
import threading
import time

import numpy as np

from benchmarks.csi.crowd import Process
from benchmarks.csi.material import RATE_HZ, Way
from benchmarks.harness import Reading, summarise
from benchmarks.report import Options, Result, main
from edgeflow._native.csi import CsiOptions
from edgeflow.core.vitals import SensingEvent
from edgeflow.observe.logs import configure_logging
from edgeflow.protocols.csi_vitals import Vitals, VitalsFlags
from edgeflow.sensing.host import SensingHost
from edgeflow.sensing.tracking import TrackOptions

__all__ = ["run"]

CROWDS = (0, 8, 100, 300)
PROBE = 251
EACH_SECONDS = 0.01
WANTED_MS = 50.0


def measure(nodes: int, seconds: float) -> Reading:
    """Probe a host that so many nodes send to."""
    seen: list[tuple[int, int]] = []
    with SensingHost(port=0, options=TrackOptions(csi=CsiOptions(tier=2))) as host:
        watcher = _Watcher(host, seen)
        crowd = Process("sending", host.port, nodes, seconds + 3.0) if nodes else None
        try:
            if crowd is not None:
                os.sched_setaffinity(crowd.process.pid, {max(os.sched_getaffinity(0))})
                crowd.line()
                assert crowd.process.stdin is not None
                crowd.process.stdin.write("\n")
                crowd.process.stdin.flush()
                time.sleep(1.5)
            began, cpu = time.monotonic(), time.process_time()
            sent = _probe(host.port, seconds)
            cpu = 100 * (time.process_time() - cpu) / (time.monotonic() - began)
            time.sleep(0.3)
        finally:
            watcher.close()
            if crowd is not None:
                crowd.process.kill()
                crowd.process.wait(5)
    count = min(len(sent), len(seen))
    latencies = (np.array([at for _, at in seen[:count]]) - np.array(sent[:count])) / 1e6
    found = Reading(latencies_ms=latencies, fps=count / seconds, cpu_percent=cpu)
    found.skipped = len(sent) - len(seen)
    return found


def _probe(port: int, seconds: float) -> list[int]:
    """Send packets whose presence changes each time; return when, ns."""
    sent = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.connect(("127.0.0.1", port))
        for number in range(int(seconds / EACH_SECONDS)):
            flags = VitalsFlags.PRESENCE if number % 2 == 0 else VitalsFlags(0)
            data = Vitals(PROBE, flags, 0.0, 0.0, -40, 1, 0.5, 3.0, number).encode()
            sent.append(time.monotonic_ns())
            out.send(data)
            time.sleep(EACH_SECONDS)
    return sent


class _Watcher:
    """Notes events of the probe from a thread of its own, as a subscriber would."""

    def __init__(self, host: SensingHost, seen: list[tuple[int, int]]) -> None:
        self._host, self._seen = host, seen
        self._fresh, self._stop = threading.Event(), threading.Event()
        self._end = host.subscribe(self._fresh.set)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._fresh.set()
        self._thread.join(3)
        self._end()

    def _run(self) -> None:
        last = 0
        while not self._stop.is_set():
            self._fresh.wait(0.2)
            self._fresh.clear()
            now = time.monotonic_ns()
            for said in self._host.news(last, limit=8192):
                last = said.number
                if isinstance(said, SensingEvent) and said.node == PROBE:
                    self._seen.append((said.number, now))


def run(options: Options) -> list[Result]:
    """Measure beside growing crowds."""
    configure_logging("error")
    seconds = 2.0 if options.quick else 10.0
    rows = []
    for nodes in CROWDS[:2] if options.quick else CROWDS:
        sys.stderr.write(f"csi_latency: beside {nodes} nodes\n")
        rows.append(summarise(Way(f"beside {nodes} nodes"), [measure(nodes, seconds)]))  # type: ignore[arg-type]
    result = Result("CSI, from packet to event", rows)
    for row in rows:
        met = row.p99 < WANTED_MS
        result.expect(f"p99 ms, {row.label}", row.p99, f"< {WANTED_MS:g}", met)
    result.notes.append(
        f"frames/s are events of the probe; the crowd sends {RATE_HZ} frames/s a node, sensed at "
        "tier 2 in the same process. skipped: probes that no event was seen of."
    )
    return [result]


if __name__ == "__main__":
    sys.exit(main({"csi_latency": run}))
