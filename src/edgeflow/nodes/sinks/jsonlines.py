"""Frames as lines of JSON."""

import base64
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from edgeflow.core.frame import Frame
from edgeflow.errors import ConfigError, StoreError
from edgeflow.nodes.sink import SinkNode

__all__ = ["JsonLinesSink"]


class JsonLinesSink(SinkNode):
    """Appends one line per frame to a file; a line is written whole or not at all.

    Attributes:
        path: of the file.
        arrays: ``shape`` writes dtype and shape of an array, ``values`` its values too.
    """

    path: str = ""
    arrays: str = "shape"

    def configure(self) -> None:
        """Open the file."""
        if not self.path:
            raise ConfigError(f"sink {self.name!r} has no path", hint='pass path="frames.jsonl"')
        try:
            self._file: BinaryIO = Path(self.path).open("ab", 0)  # noqa: SIM115 - see teardown
        except OSError as error:
            raise ConfigError(f"{self.path}: {error.strerror}") from error

    def write(self, frame: Frame) -> None:
        """Append a line."""
        line = {
            "time": frame.timestamp,
            "source": frame.source,
            "topic": frame.topic,
            "id": frame.id,
            "redelivered": frame.redelivered,
            "meta": frame.meta,
            "data": self._plain(frame.data),
        }
        try:
            self._file.write(msgspec.json.encode(line, enc_hook=_number) + b"\n")
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from error

    def _plain(self, data: Any) -> Any:
        if hasattr(data, "dtype"):
            summary = {"dtype": str(data.dtype), "shape": list(data.shape)}
            return summary | {"values": data.tolist()} if self.arrays == "values" else summary
        if isinstance(data, bytes | bytearray | memoryview):
            return {"base64": base64.b64encode(data).decode()}
        return data

    def teardown(self) -> None:
        """Close the file."""
        if hasattr(self, "_file"):
            self._file.close()


def _number(value: Any) -> Any:
    """Return NumPy scalars and arrays in meta as plain values."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")
