"""Recordings: frames in an MCAP file, one channel per topic, each message a frame's wire form.

The container is specified at https://mcap.dev/spec. Chunks are not compressed: raw pictures gain
little and would cost most of a core.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgeflow.core.frame import Frame
from edgeflow.core.ports import FrameSource
from edgeflow.errors import MissingExtraError, StoreError, UnreachableError
from edgeflow.protocols.frames import decode, encode_bytes

__all__ = ["Recorder", "Recording", "RecordingSummary", "TopicSummary", "record"]

SCHEMA = "edgeflow.frame"
ENCODING = "edgeflow-frame-2"
CHUNK_BYTES = 4 << 20
FLUSH_SECONDS = 1.0

POLL_SECONDS = 0.2


class TopicSummary(msgspec.Struct, kw_only=True):
    """Frames of one topic in a recording; times are capture times in seconds."""

    topic: str
    frames: int
    start: float
    end: float


class RecordingSummary(msgspec.Struct, kw_only=True):
    """What a recording holds.

    Attributes:
        topics: by name.
        dropped: frames that came faster than they could be written (only known when recording).
        truncated: the file ends in the middle, as after a crash; what is counted can be read.
    """

    path: str
    topics: list[TopicSummary]
    bytes: int
    dropped: int = 0
    truncated: bool = False

    @property
    def frames(self) -> int:
        """Frames of all topics."""
        return sum(topic.frames for topic in self.topics)

    @property
    def seconds(self) -> float:
        """From the first to the last capture."""
        if not self.topics:
            return 0.0
        return max(t.end for t in self.topics) - min(t.start for t in self.topics)


class Recorder:
    """Writes frames to a file. Use as a context manager.

    A process that is killed loses what came after the last flush, which ``write`` does once a
    second and after 4 MiB.

    Args:
        path: a new file; an existing one is refused.

    Raises:
        StoreError: the file exists or cannot be made.
        MissingExtraError: ``mcap`` is not installed.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        writer = _mcap("mcap.writer")
        try:
            self._file = self.path.open("xb")
        except OSError as error:
            raise StoreError(
                f"{self.path}: {error.strerror}", hint="choose a new file in a folder you own"
            ) from error
        self._writer = writer.Writer(
            self._file, chunk_size=CHUNK_BYTES, compression=writer.CompressionType.NONE
        )
        self._writer.start(profile="", library="edgeflow")
        self._schema = self._writer.register_schema(SCHEMA, "", b"")
        self._channels: dict[str, int] = {}
        self._topics: dict[str, TopicSummary] = {}
        self._flushed = time.monotonic()

    def write(self, frame: Frame) -> None:
        """Append a frame.

        Raises:
            PayloadError: it has no wire form.
            StoreError: the disk is full or broken.
        """
        topic = frame.topic or frame.source or "frames"
        message = encode_bytes(frame)
        try:
            channel = self._channels.get(topic)
            if channel is None:
                channel = self._channels[topic] = self._writer.register_channel(
                    topic, ENCODING, self._schema
                )
            self._writer.add_message(
                channel,
                log_time=max(0, int(frame.timestamp * 1e9)),
                data=message,
                publish_time=time.time_ns(),
                sequence=frame.sequence & 0xFFFFFFFF,
            )
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from error
        _count(self._topics, topic, frame.timestamp)
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the system, so that it outlives this process.

        Raises:
            StoreError: the disk is full or broken.
        """
        try:
            self._writer.flush()
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from error
        self._flushed = time.monotonic()

    def summary(self) -> RecordingSummary:
        """Return what has been written; ``bytes`` leaves out the chunk that is being filled."""
        return RecordingSummary(
            path=str(self.path), topics=_by_name(self._topics), bytes=self._size()
        )

    def _size(self) -> int:
        return self.path.stat().st_size

    def close(self) -> None:
        """Write the index and close the file. Idempotent."""
        if not self._file.closed:
            self._writer.finish()
            self._file.close()

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Recording:
    """Reads a recording, also one whose end is missing.

    Args:
        path: the file.

    Attributes:
        truncated: a read has found that the file is cut off or damaged.

    Raises:
        StoreError: it cannot be read or is no recording.
        MissingExtraError: ``mcap`` is not installed.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.truncated = False
        try:
            with self.path.open("rb") as file:
                magic = file.read(8)
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from error
        if magic != b"\x89MCAP0\r\n":
            raise StoreError(f"{self.path} is not an MCAP file", hint="make one: edgeflow record")

    def frames(self, topics: Sequence[str] | None = None) -> Iterator[Frame]:
        """Yield the frames (of ``topics``) in the order in which they were recorded.

        Sets ``truncated`` and ends where the file is cut off or damaged.
        """
        reader, records = _mcap("mcap.stream_reader"), _mcap("mcap.records")
        channels: dict[int, str] = {}
        with self.path.open("rb") as file:
            stream = iter(reader.StreamReader(file).records)
            while True:
                try:
                    record = next(stream, None)
                    if record is None:
                        return
                    if isinstance(record, records.Channel):
                        channels[record.id] = record.topic
                    if not isinstance(record, records.Message):
                        continue
                    if topics is not None and channels.get(record.channel_id) not in topics:
                        continue
                    frame = decode(record.data)
                except Exception:  # noqa: BLE001 - the reader raises whatever it stumbles over
                    self.truncated = True
                    return
                yield frame

    def summary(self) -> RecordingSummary:
        """Read the whole file and return what it holds."""
        topics: dict[str, TopicSummary] = {}
        for frame in self.frames():
            _count(topics, frame.topic, frame.timestamp)
        return RecordingSummary(
            path=str(self.path),
            topics=_by_name(topics),
            bytes=self.path.stat().st_size,
            truncated=self.truncated,
        )


def record(
    source: FrameSource,
    path: Path | str,
    topics: Sequence[str],
    *,
    seconds: float | None = None,
    max_bytes: int | None = None,
    stop: threading.Event | None = None,
    begun: Callable[[], None] = lambda: None,
) -> RecordingSummary:
    """Record ``topics`` of a running flow until it ends, or a limit or ``stop`` is reached.

    Calls ``begun`` once the file is open and the first frame is awaited.

    Raises:
        ConfigError: a topic does not exist.
        StoreError: the file cannot be written.
    """
    stop = stop or threading.Event()
    deadline = time.monotonic() + seconds if seconds is not None else float("inf")
    tap = source.tap(topics, latest=False)
    try:
        with Recorder(path) as recorder:
            begun()
            while not stop.is_set() and time.monotonic() < deadline:
                try:
                    frame = tap.receive(POLL_SECONDS)
                except UnreachableError:
                    break  # the flow has ended
                if frame is not None:
                    recorder.write(frame)
                else:
                    recorder.flush()
                if max_bytes is not None and recorder.summary().bytes >= max_bytes:
                    break
        summary = recorder.summary()
    finally:
        tap.close()
    summary.dropped = int(getattr(tap, "dropped", 0))
    return summary


def _by_name(topics: dict[str, TopicSummary]) -> list[TopicSummary]:
    return sorted(topics.values(), key=lambda topic: topic.topic)


def _count(topics: dict[str, TopicSummary], topic: str, timestamp: float) -> None:
    known = topics.get(topic)
    if known is None:
        topics[topic] = TopicSummary(topic=topic, frames=1, start=timestamp, end=timestamp)
    else:
        known.frames += 1
        known.start, known.end = min(known.start, timestamp), max(known.end, timestamp)


def _mcap(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError:
        raise MissingExtraError("mcap", "record") from None
