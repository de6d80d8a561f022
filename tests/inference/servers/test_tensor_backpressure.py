import socket
import struct
import threading
from pathlib import Path

import numpy as np

from edgeflow.inference.local import LocalService
from edgeflow.inference.servers.tensor import TensorServer
from edgeflow.protocols.tensor import v1
from edgeflow.protocols.tensor.wire import Limits
from small_models import save_scale

REQUESTS = 150
CLIENTS = 4


def ask_all(port: int, statuses: list[int]) -> None:
    """Send everything at once without waiting for an answer."""
    frame = b"".join(v1.encode_request("m", [np.ones((1, 4), np.float32)]))
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        sender = threading.Thread(target=connection.sendall, args=(frame * REQUESTS,))
        sender.start()
        with connection.makefile("rb") as answers:
            for _ in range(REQUESTS):
                (size,) = struct.unpack("<I", answers.read(4))
                answer = v1.decode_response(memoryview(answers.read(size)), Limits())
                statuses.append(int(answer.status))
        sender.join()


def test_senders_are_slowed_down_instead_of_refused(tmp_path: Path) -> None:
    save_scale(tmp_path / "m.onnx")
    (tmp_path / "m.yaml").write_text("queue: {capacity: 8, policy: block}\ninstances: 1\n")
    service = LocalService(tmp_path, reload_s=None)
    statuses: list[list[int]] = [[] for _ in range(CLIENTS)]
    try:
        service.load("m")
        with TensorServer(service, port=0) as server:
            clients = [
                threading.Thread(target=ask_all, args=(server.port, each)) for each in statuses
            ]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
    finally:
        service.close()
    outcomes = [status for each in statuses for status in each]
    assert outcomes == [0] * (CLIENTS * REQUESTS)
