"""One inference as values: what is asked, what is answered. All servers and clients share it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "InferRequest", "InferResponse"]

Array: TypeAlias = npt.NDArray[Any]


@dataclass(slots=True)
class InferRequest:
    """A call of a model.

    Attributes:
        model: its name.
        inputs: by name, or in the model's own order where the wire carries no names.
        version: which one; the active one if None.
        outputs: names wanted; all if None.
        request_id: the caller's own, echoed.
        client: whose request it is: the key of fairness. In ``host/connection/part`` the parts
            take turns within the turn of their connection, and connections within their host's.
        priority: higher is served first.
        deadline: monotonic seconds (``time.monotonic``) after which no answer is wanted.
        inline: the thread that submits it may compute it, if nobody waits for that model and it
            is known to be quick (30 ms): it saves waking another one.
    """

    model: str
    inputs: Mapping[str, Array] | Sequence[Array]
    version: str | None = None
    outputs: Sequence[str] | None = None
    request_id: str = ""
    client: str = ""
    priority: int = 0
    deadline: float | None = None
    inline: bool = False


@dataclass(slots=True)
class InferResponse:
    """What a model gave.

    Attributes:
        model, version: which model really answered (a fallback has another name).
        outputs: by name, in the model's own order.
        request_id: of the request.
        queue_s: seconds waited for an instance.
        compute_s: seconds inside the engine.
        batch: requests that were computed together.
    """

    model: str
    version: str
    outputs: dict[str, Array] = field(default_factory=dict)
    request_id: str = ""
    queue_s: float = 0.0
    compute_s: float = 0.0
    batch: int = 1

    @property
    def first(self) -> Array:
        """The first output, for models that have one."""
        return next(iter(self.outputs.values()), np.empty(0))
