"""One connection to a tensor server, version 1 of the protocol: status and raw outputs.

``edgeflow.inference.client.sync.TensorClient`` does more: names, dtypes, retries, deadlines.
"""

import socket
from collections.abc import Sequence

import numpy as np

from edgeflow.protocols.tensor import v1
from edgeflow.protocols.tensor.receive import Receiver
from edgeflow.protocols.tensor.wire import Limits

LIMITS = Limits(frame_bytes=1 << 30)


class GatewayStream:
    """Asks one request after the other.

    Args:
        host, port: of the server.
        timeout: seconds for each operation on the socket.

    Raises:
        OSError: the server cannot be reached, or hung up.
    """

    def __init__(self, host: str, port: int, timeout: float = 5.0) -> None:
        self.host, self.port, self.timeout = host, port, timeout
        self.s = socket.create_connection((host, port), timeout)
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._receiver = Receiver(LIMITS.frame_bytes)

    def infer(self, model_id: str, arrays: Sequence[np.ndarray]) -> tuple[int, list[bytes]]:
        """Return the status, 0 for success, and the bytes of each output.

        Raises:
            EdgeFlowError: an array has no form in version 1 (it knows float32, float16, int8,
                int32), or the answer cannot be read.
        """
        for part in v1.encode_request(model_id, arrays):
            self.s.sendall(part)
        while (cut := self._receiver.next()) is None:
            count = self.s.recv_into(self._receiver.space())
            if not count:
                raise OSError("the server has hung up")
            self._receiver.received(count)
        response = v1.decode_response(cut.frame, LIMITS)
        return response.status, [bytes(output) for output in response.outputs]

    def close(self) -> None:
        """Hang up."""
        self.s.close()

    def __enter__(self) -> "GatewayStream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
