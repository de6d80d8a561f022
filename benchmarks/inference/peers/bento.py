"""BentoML: ``bentoml serve bento:Models``, with FOLDER and WORKERS in the environment.

Its requests are JSON, so the tensor travels in base64; the answer is raw bytes.
"""

import base64
import os
from pathlib import Path

import bentoml
import numpy as np
import onnxruntime

FOLDER, WORKERS = Path(os.environ["FOLDER"]), int(os.environ["WORKERS"])
SHAPES = {"mnv2": (1, 3, 224, 224), "tiny": (1, 16)}


@bentoml.service(workers=WORKERS, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Models:
    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.sessions = {
            name: onnxruntime.InferenceSession(
                str(FOLDER / f"{name}.onnx"), options, providers=["CPUExecutionProvider"]
            )
            for name in SHAPES
        }

    @bentoml.api
    def infer(self, model: str, x: str) -> bytes:
        values = np.frombuffer(base64.b64decode(x), np.float32).reshape(SHAPES[model])
        return self.sessions[model].run(None, {"x": values})[0].tobytes()
