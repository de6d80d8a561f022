"""Frames into a store."""

from edgeflow.core.frame import Frame
from edgeflow.errors import ConfigError
from edgeflow.nodes.sink import SinkNode
from edgeflow.store import Event, Store, open_store

__all__ = ["StoreSink"]


class StoreSink(SinkNode):
    """Appends each frame as an event; of an array, dtype and shape are kept.

    A frame is acknowledged once it is stored.

    Attributes:
        url: of the store, for example ``sqlite:///flow.db``.
    """

    url: str = ""

    def configure(self) -> None:
        """Open the store."""
        if not self.url:
            raise ConfigError(f"sink {self.name!r} has no url", hint='url="sqlite:///flow.db"')
        self._store: Store = open_store(self.url)

    def write(self, frame: Frame) -> None:
        """Store a frame."""
        value = frame.data
        if hasattr(value, "dtype"):
            value = {"dtype": str(value.dtype), "shape": list(value.shape)}
        self._store.append(
            [
                Event(
                    time=frame.timestamp,
                    topic=frame.topic,
                    source=frame.source,
                    id=frame.id,
                    value=value,
                    meta=frame.meta,
                )
            ]
        )

    def teardown(self) -> None:
        """Close the store."""
        if hasattr(self, "_store"):
            self._store.close()
