"""Recordings through the core, at the time of their own frames."""

from collections import deque
from collections.abc import Iterator

from edgeflow.core.vitals import SensingEvent, VitalsUpdate
from edgeflow.sensing.nodes import Nodes
from edgeflow.sensing.recordings import Recording
from edgeflow.sensing.tracking import TrackOptions

__all__ = ["replay"]


def replay(recording: Recording, options: TrackOptions) -> Iterator[VitalsUpdate | SensingEvent]:
    """Yield the updates and events of all nodes of a recording, in the order of time.

    Raises:
        StoreError: reading fails; what came before has been yielded.
    """
    told: deque[VitalsUpdate | SensingEvent] = deque()
    nodes = Nodes(options, told.append)
    for item in recording:
        nodes.take(item)
        while told:
            yield told.popleft()
    nodes.finish()
    yield from told
