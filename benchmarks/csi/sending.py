"""Nodes in a process of their own: ``python -m benchmarks.csi.sending PORT NODES FIRST SECONDS``.

Prints what was sent as a line of JSON at the end.
"""

import json
import sys
import time

from benchmarks.csi.material import tapes
from edgeflow.devices.virtual.csi_node import CsiFleet, Tape


def main() -> None:
    """Send for so long."""
    port, nodes, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    played = [Tape(packets) for packets in tapes(4, 8.0)]
    sources = [played[i % len(played)].play(i / nodes) for i in range(nodes)]
    print("ready", flush=True)
    sys.stdin.readline()
    with CsiFleet(("127.0.0.1", port), sources, spread=1.0) as fleet:
        time.sleep(seconds)
        stats = fleet.stats
    print(json.dumps({"sent": stats.sent, "failed": stats.failed, "skipped": stats.skipped}))


if __name__ == "__main__":
    main()
