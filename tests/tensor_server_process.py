"""A tensor server in a process of its own, for tests that kill it: prints its port."""

import sys
import time

import numpy as np

from edgeflow.inference.servers.tensor import TensorServer
from edgeflow.observe.logs import configure_logging
from tensor_peers import NumpyService


def main() -> None:
    configure_logging("error")
    service = NumpyService()
    delay = float(sys.argv[2])
    service.add("double", "x:f4:?", "y:f4:?", lambda x: (time.sleep(delay), (x * 2,))[1])
    service.add("other", "x:f4:?", "y:f4:?", lambda x: (np.full_like(x, 9),))
    server = TensorServer(service, port=int(sys.argv[1])).start()
    print(server.port, flush=True)
    sys.stdin.read()


main()
