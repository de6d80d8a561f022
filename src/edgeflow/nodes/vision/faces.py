"""Find faces in pictures."""

from pathlib import Path
from typing import Any

from edgeflow.assets import pull
from edgeflow.errors import ConfigError
from edgeflow.inference.engines import Engine
from edgeflow.inference.engines.onnx import Device, OnnxEngine
from edgeflow.nodes.consumer import ConsumerNode
from edgeflow.nodes.vision.centerface import Faces, decode, input_size, to_tensor
from edgeflow.nodes.vision.images import bgr

__all__ = ["FaceDetector"]


class FaceDetector(ConsumerNode):
    """Passes images on, unchanged, with the faces in them as ``meta["faces"]``.

    ``faces`` is a list, best first, of ``{"box": [x1, y1, x2, y2], "score": 0.93, "landmarks":
    [[x, y], ...five]}`` in pixels of the image.

    Attributes:
        model: CenterFace as an ONNX file; pulled from the asset catalogue if not given.
        score: lowest score of a face, 0 to 1.
        longest: longer side, in pixels, of what the network sees. Half of it costs a quarter.
        every: detect on each n-th image only, and repeat the last faces in between.
        threads: cores one detection may use.
        compute: where the network runs.
    """

    model: Path | str | None = None
    score: float = 0.5
    longest: int = 256
    every: int = 1
    threads: int = 1
    compute: Device = "auto"

    def configure(self) -> None:
        """Load the network.

        Raises:
            ConfigError: an option is out of range.
            AssetError: the network cannot be pulled.
            EngineError: it cannot be loaded.
        """
        if self.every < 1 or self.longest < 1:
            raise ConfigError(f"node {self.name!r}: every and longest must be at least 1")
        model = self.model or pull("centerface")
        self._engine: Engine = OnnxEngine(
            model, device=self.compute, threads=self.threads, dynamic=True
        )
        (self._input,) = [tensor.name for tensor in self._engine.spec.inputs]
        self._outputs = [tensor.name for tensor in self._engine.spec.outputs]
        self._seen = 0
        self._latest: list[dict[str, Any]] = []

    def process(self, data: Any) -> Any:
        """Take a uint8 image; return it with the faces."""
        image = bgr(data, self.name)
        if self._seen % self.every == 0:
            self._latest = as_meta(self.detect(image))
        self._seen += 1
        return data, {"faces": self._latest}

    def detect(self, image: Any) -> Faces:
        """Return the faces in a uint8 BGR [height, width, 3] image."""
        height, width = image.shape[:2]
        tensor = to_tensor(image, input_size(width, height, self.longest))
        outputs = self._engine.infer({self._input: tensor})
        heatmap, scale, offset, landmarks = (outputs[name] for name in self._outputs)
        return decode(
            heatmap, scale, offset, landmarks, image_size=(width, height), threshold=self.score
        )

    def teardown(self) -> None:
        """Let go of the network."""
        if engine := getattr(self, "_engine", None):
            engine.close()


def as_meta(faces: Faces) -> list[dict[str, Any]]:
    """Return faces as plain numbers, rounded to what pixels and scores are worth."""
    return [
        {"box": box, "score": score, "landmarks": points}
        for box, score, points in zip(
            faces.boxes.astype(float).round(1).tolist(),
            faces.scores.astype(float).round(3).tolist(),
            faces.landmarks.astype(float).round(1).tolist(),
            strict=True,
        )
    ]
