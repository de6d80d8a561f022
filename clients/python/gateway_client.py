"""One request over a connection of its own; ``gateway_stream`` keeps it open."""

from collections.abc import Sequence

import numpy as np
from gateway_stream import GatewayStream


def infer(
    host: str, port: int, model_id: str, arrays: Sequence[np.ndarray], timeout: float = 10.0
) -> tuple[int, list[bytes]]:
    """Return the status, 0 for success, and the bytes of each output; as ``GatewayStream``."""
    with GatewayStream(host, port, timeout) as stream:
        return stream.infer(model_id, arrays)
