"""How many nodes at 50 Hz one process on one core receives, decodes and senses at tier 1.

Real datagrams over loopback: a host pinned to one core, senders on the others. The number of nodes
grows until the kernel drops datagrams, or the senders cannot keep up.
"""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.csi.material import RATE_HZ, Way
from benchmarks.harness import Reading, Summary, summarise
from benchmarks.report import Options, Result, main

__all__ = ["Process", "run"]

WANTED = 500
GROWTH = (500, 750, 1000, 1250, 1500, 2000, 2500, 3000, 4000)
SETTLE_SECONDS = 1.0
NEAR = 0.96
"""Of what they should send, senders have to manage, or the round says nothing of the host."""


@dataclass
class Load:
    """One number of nodes.

    Attributes:
        rate: frames/s received; cpu: percent of one core; sent: part of what should be sent.
    """

    nodes: int
    rate: float
    cpu: float
    dropped: int
    lost: int
    sent: float

    @property
    def taken(self) -> bool:
        """Whether nothing was dropped, and the senders kept up."""
        return self.dropped == 0 and self.sent >= NEAR


class Process:
    """One end in a process of its own; it ends with its stdin."""

    def __init__(self, module: str, *words: object) -> None:
        command = [sys.executable, "-m", f"benchmarks.csi.{module}", *map(str, words)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.line()

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)


def measure(nodes: int, seconds: float, tier: int = 1) -> Load:
    """Send from so many nodes for so long."""
    cores = sorted(os.sched_getaffinity(0))
    senders = max(1, len(cores) - 1)
    with ExitStack() as stack:
        host = stack.enter_context(Process("receiving", tier, cores[0]))
        port = host.line()
        shares = [nodes // senders + (i < nodes % senders) for i in range(senders)]
        span = seconds + 2 * SETTLE_SECONDS
        crowd = [stack.enter_context(Process("sending", port, n, span)) for n in shares if n]
        for index, each in enumerate(crowd):
            os.sched_setaffinity(each.process.pid, {cores[(1 + index) % len(cores)]})
            each.line()
        for each in crowd:
            assert each.process.stdin is not None
            each.process.stdin.write("\n")
            each.process.stdin.flush()
        subprocess.run(["sleep", str(SETTLE_SECONDS)], check=True)
        before = json.loads(host.ask())
        subprocess.run(["sleep", str(seconds)], check=True)
        after = json.loads(host.ask())
        for each in crowd:
            each.line()
        passed = after["now"] - before["now"]
        rate = (after["received"] - before["received"]) / passed
        offered = rate + (after["dropped"] - before["dropped"]) / passed
        return Load(
            nodes,
            rate,
            100 * (after["cpu"] - before["cpu"]) / passed,
            after["dropped"],
            after["lost"],
            offered / (nodes * RATE_HZ),
        )


def run(options: Options) -> list[Result]:
    """Let the crowd grow."""
    seconds = 3.0 if options.quick else 20.0
    counts = GROWTH[:1] if options.quick else GROWTH
    rows: list[Summary] = []
    highest, first = 0, None
    for nodes in counts:
        sys.stderr.write(f"csi_nodes: {nodes} nodes\n")
        load = measure(nodes, seconds)
        first = first or load
        rows.append(_row(load))
        if not load.taken:
            break
        highest = nodes
    result = Result(f"CSI nodes at {RATE_HZ} Hz, tier 1, one process on one core", rows)
    assert first is not None
    dropped = f"dropped by the kernel with {WANTED} nodes"
    result.expect(dropped, float(first.dropped), "0", first.dropped == 0)
    result.expect("nodes without a drop", float(highest), f">= {WANTED}", highest >= WANTED)
    result.notes.append(
        f"skipped: datagrams that the kernel dropped; torn: numbers missing. {seconds:g} s each "
        "after a second to settle; the crowd grew until something was dropped, or the senders, on "
        f"the other cores, managed less than {NEAR:.0%} of their frames."
    )
    return [result]


def _row(load: Load) -> Summary:
    each = load.cpu * 10 / load.rate if load.rate else 0.0
    found = Reading(fps=load.rate, cpu_percent=load.cpu, cpu_ms_per_frame=each)
    found.skipped, found.torn = load.dropped, load.lost
    label = f"{load.nodes} nodes" + ("" if load.sent >= NEAR else f", {load.sent:.0%} sent")
    return summarise(Way(label), [found])  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main({"csi_nodes": run}))
