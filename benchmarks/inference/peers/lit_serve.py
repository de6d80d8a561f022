"""LitServe: ``python lit_serve.py FOLDER PORT WORKERS``.

Its requests are JSON, so the tensor travels in base64; the answer is raw bytes.
"""

import base64
import sys
from pathlib import Path

import litserve
import numpy as np
import onnxruntime
from starlette.responses import Response

FOLDER, PORT, WORKERS = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
SHAPES = {"mnv2": (1, 3, 224, 224), "tiny": (1, 16)}


class Models(litserve.LitAPI):
    def setup(self, device):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.sessions = {
            name: onnxruntime.InferenceSession(
                str(FOLDER / f"{name}.onnx"), options, providers=["CPUExecutionProvider"]
            )
            for name in SHAPES
        }

    def decode_request(self, request):
        data = base64.b64decode(request["x"])
        return request["model"], np.frombuffer(data, np.float32)

    def predict(self, asked):
        model, values = asked
        return self.sessions[model].run(None, {"x": values.reshape(SHAPES[model])})[0]

    def encode_response(self, output):
        return Response(output.tobytes(), media_type="application/octet-stream")


if __name__ == "__main__":
    server = litserve.LitServer(
        Models(), accelerator="cpu", devices=1, workers_per_device=WORKERS, timeout=60
    )
    server.run(host="127.0.0.1", port=PORT, num_api_servers=1, log_level="error")
