"""What a stage is: a plain function, named in the YAML by its dotted path.

::

    def preprocess(message: EdgeMessage, payload: Any, **options) -> ndarray | dict | Prepared
    def postprocess(response: InferResponse, message: EdgeMessage, **options) -> dict

Either may return None: then the message ends here, because more of them are needed.

A preprocessor takes the decoded payload and returns the model's inputs: an array, a list in the
model's order, a dict by name, or ``Prepared``, which notes things for the postprocessor too. A
postprocessor returns a JSON-like dict: ``detections`` (``Detection.to_dict``), ``classes``
(``Classification.to_dict``), ``score``, anything. Options come from the YAML and are checked
against the function's keyword-only parameters. Both run in the pipeline's own thread and may
block it.

A stage that remembers is a class: it is constructed once for each place in the YAML that names
it, with the options as keyword arguments, and called like the function; where a pipeline works in
parallel, by several threads.

In a pipeline without a model the postprocessor gets what the preprocessor made, or the arrays of
the message, as if they were outputs. One that is meant for this says so with an attribute
``needs_model = False``; others are warned of.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from edgeflow.inference.requests import Array
from edgeflow.pipelines.message import EdgeMessage

__all__ = ["Classification", "Detection", "Inputs", "Prepared"]

Inputs: TypeAlias = Array | Sequence[Array] | Mapping[str, Array]


class Prepared(msgspec.Struct, frozen=True, eq=False):
    """What a preprocessor hands over.

    Attributes:
        inputs: of the model.
        metadata: JSON-like notes that are added to the message's metadata (``image_hw``,
            ``letterbox``) for the postprocessor and the agents.
        image: the decoded picture, uint8 (height, width, 3) BGR, if there is one: it is what the
            dashboard shows.
        message: what goes on instead of the message that came, decoded; for stages that make one
            of several.
    """

    inputs: Inputs
    metadata: dict[str, Any] = {}
    image: Array | None = None
    message: EdgeMessage | None = None


class Detection(msgspec.Struct, frozen=True):
    """One found object.

    Attributes:
        label: name of its class.
        class_id: number of its class.
        confidence: from 0 to 1.
        bbox: x1, y1, x2, y2 in pixels of the original picture.
    """

    label: str
    class_id: int
    confidence: float
    bbox: tuple[float, float, float, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the form that travels."""
        return {
            "label": self.label,
            "class_id": self.class_id,
            "confidence": self.confidence,
            "bbox": list(self.bbox),
        }


class Classification(msgspec.Struct, frozen=True):
    """One class and how likely it is.

    Attributes:
        index: number of the class.
        label: its name.
        confidence: from 0 to 1.
    """

    index: int
    label: str
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """Return the form that travels."""
        return {"index": self.index, "label": self.label, "confidence": self.confidence}
