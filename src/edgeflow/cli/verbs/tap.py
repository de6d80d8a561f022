"""``tap``: frames of a running flow, as they pass."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeflow.cli.terminal import (
    AppOption,
    JsonOption,
    narrate,
    new_group,
    write,
    write_json,
    write_json_line,
)

if TYPE_CHECKING:
    from edgeflow.core.frame import Frame
    from edgeflow.core.ports import FrameTap

group = new_group()

_POLL = 0.5
_MAX_TEXT = 100_000


@group.command(epilog="Example: edgeflow tap camera --image snapshot.jpg")
def tap(
    topic: Annotated[
        str | None, typer.Argument(metavar="TOPIC", help="Without it the topics are listed.")
    ] = None,
    *,
    app: AppOption = None,
    count: Annotated[
        int | None, typer.Option("--count", "-n", metavar="N", min=1, help="End after N frames.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(metavar="N", min=0.01, help="End after N seconds.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every frame, as far as possible; else the newest.")
    ] = False,
    image: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Save the next picture (.jpg, .png...) and end."),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Print or save frames as they pass.

    Prints one line of JSON per frame: where it comes from, its number, time and annotations, and
    the payload, or dtype and shape of an array. The flow does not notice: nothing is held back
    and no counter changes.
    """
    from edgeflow.runtime.attach import attach

    with attach(app) as flow:
        if topic is None:
            _list(flow.topics(), json)
            return 0
        listener = flow.tap([topic], latest=not every)
        if image is not None:
            return _save_next(listener, image, seconds or 10.0)
        seen = _print_frames(listener, count, seconds)
    if not seen:
        narrate(f"no frame on {topic!r}")
    return 0 if seen else 1


def _list(topics: list[str], json: bool) -> None:
    if json:
        write_json(topics)
        return
    for topic in topics:
        write(topic)


def _print_frames(listener: "FrameTap", count: int | None, seconds: float | None) -> int:
    from edgeflow.errors import UnreachableError

    end = time.monotonic() + seconds if seconds else float("inf")
    seen = 0
    while (left := end - time.monotonic()) > 0 and (count is None or seen < count):
        try:
            frame = listener.receive(min(_POLL, left))
        except UnreachableError as error:
            if not seen:
                raise
            narrate(error.message)
            break
        if frame is not None:
            seen += 1
            write_json_line(summary(frame))
    return seen


def summary(frame: "Frame") -> dict[str, Any]:
    """Return a frame as JSON-like data; arrays and bytes as what they are, not their content."""
    data = frame.data
    payload: dict[str, Any]
    if hasattr(data, "dtype"):
        payload = {"kind": "array", "dtype": str(data.dtype), "shape": list(data.shape)}
    elif isinstance(data, bytes | bytearray | memoryview):
        payload = {"kind": "bytes", "size": len(data)}
    elif isinstance(data, str):
        payload = {"kind": "text", "data": data[:_MAX_TEXT]}
    else:
        payload = {"kind": "json", "data": data}
    return {
        "topic": frame.topic,
        "source": frame.source,
        "id": frame.id,
        "sequence": frame.sequence,
        "timestamp": frame.timestamp,
        "meta": frame.meta,
        "payload": payload,
    }


def _save_next(listener: "FrameTap", file: Path, seconds: float) -> int:
    from edgeflow.errors import NodeError

    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        frame = listener.receive(min(_POLL, left))
        if frame is None:
            continue
        if getattr(frame.data, "ndim", 0) not in (2, 3):
            raise NodeError(
                f"frames of topic {frame.topic!r} are no pictures",
                hint=f"edgeflow tap {frame.topic} shows what they hold",
            )
        _write_image(frame.data, file)
        write(str(file))
        return 0
    narrate(f"no frame within {seconds:g} s")
    return 1


def _write_image(pixels: Any, file: Path) -> None:
    import cv2

    from edgeflow.errors import ConfigError

    try:
        done, encoded = cv2.imencode(file.suffix or ".jpg", pixels)
    except cv2.error as error:
        done, reason = False, str(error.err or error)
    else:
        reason = "the picture cannot be encoded"
    if not done:
        raise ConfigError(
            f"{file}: an array of {pixels.dtype} {list(pixels.shape)} cannot be saved: {reason}",
            hint="use a name that ends in .jpg, .png, .bmp, .tiff or .webp",
        )
    try:
        file.write_bytes(encoded.tobytes())
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}") from None
