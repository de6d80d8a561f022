"""Ray Serve: ``python ray_serve.py FOLDER PORT REPLICAS``. Raw bytes both ways."""

import signal
import sys
import threading
from pathlib import Path

import numpy as np
import onnxruntime
import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

FOLDER, PORT, REPLICAS = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
SHAPES = {"mnv2": (1, 3, 224, 224), "tiny": (1, 16)}


@serve.deployment(
    num_replicas=REPLICAS, ray_actor_options={"num_cpus": 0.5}, max_ongoing_requests=100
)
class Models:
    def __init__(self, folder: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.sessions = {
            name: onnxruntime.InferenceSession(
                str(Path(folder) / f"{name}.onnx"), options, providers=["CPUExecutionProvider"]
            )
            for name in SHAPES
        }

    async def __call__(self, request: Request) -> Response:
        model = request.query_params["model"]
        values = np.frombuffer(await request.body(), np.float32).reshape(SHAPES[model])
        output = self.sessions[model].run(None, {"x": values})[0]
        return Response(output.tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="error")
    serve.start(http_options={"host": "127.0.0.1", "port": PORT, "access_log": False})
    serve.run(Models.bind(str(FOLDER)))
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    over.wait()
    serve.shutdown()
    ray.shutdown()
