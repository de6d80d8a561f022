"""A host in a process of its own: ``python -m benchmarks.csi.receiving TIER CORE``.

Prints its port, then answers each line on stdin with its counters as a line of JSON.
"""

import json
import os
import sys
import time

from edgeflow._native.csi import CsiOptions
from edgeflow.observe.logs import configure_logging
from edgeflow.sensing.host import SensingHost
from edgeflow.sensing.tracking import TrackOptions


def main() -> None:
    """Listen until stdin ends."""
    configure_logging("error")
    tier, core = int(sys.argv[1]), int(sys.argv[2])
    os.sched_setaffinity(0, {core})
    with SensingHost(port=0, options=TrackOptions(csi=CsiOptions(tier=tier))) as host:
        print(host.port, flush=True)
        for _ in sys.stdin:
            receiver = host.receiver
            said = {
                "received": receiver.received,
                "dropped": receiver.dropped,
                "buffer_bytes": receiver.buffer_bytes,
                "nodes": len(host.nodes()),
                "lost": sum(node.lost for node in host.nodes()),
                "refused": sum(node.refused for node in host.nodes()) + host.damaged,
                "cpu": time.process_time(),
                "now": time.monotonic(),
            }
            print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
