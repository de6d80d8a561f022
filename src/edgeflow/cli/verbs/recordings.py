"""``record`` and ``replay``: frames into a file, and back."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeflow.cli.terminal import AppOption, JsonOption, narrate, new_group, progress, write

if TYPE_CHECKING:
    from edgeflow.app import EdgeApp
    from edgeflow.store.recording import RecordingSummary

group = new_group()

_MEBIBYTE = 1024**2


@group.command(epilog="Example: edgeflow record --topic camera --out camera.mcap --seconds 10")
def record(
    *,
    out: Annotated[Path, typer.Option(metavar="FILE", help="A new file, such as run.mcap.")],
    topics: Annotated[
        list[str] | None,
        typer.Option("--topic", "-t", metavar="NAME", help="Which; may be repeated. Default all."),
    ] = None,
    app: AppOption = None,
    seconds: Annotated[
        float | None, typer.Option(metavar="N", min=0.01, help="End after N seconds.")
    ] = None,
    max_size: Annotated[
        float | None, typer.Option(metavar="MIB", min=0.1, help="End at this size.")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Record topics of a running flow into a file.

    Frames are kept bit for bit in an MCAP file, with time, number and annotations. Ctrl+C, the
    end of the flow or a limit closes the file in order. Ends with 1 when there was no frame.
    """
    from edgeflow.runtime.attach import attach
    from edgeflow.store import recording

    with attach(app) as flow, _until_stopped() as stop, progress("Opening") as say:
        chosen = list(dict.fromkeys(topics or flow.topics()))
        summary = recording.record(
            flow,
            out,
            chosen,
            seconds=seconds,
            max_bytes=int(max_size * _MEBIBYTE) if max_size is not None else None,
            stop=stop,
            begun=lambda: say(f"Recording {', '.join(chosen)} into {out}; Ctrl+C ends it"),
        )
    _print_summary(summary, json)
    recorded = {topic.topic for topic in summary.topics}
    if silent := [topic for topic in chosen if topic not in recorded]:
        narrate(f"no frame on {', '.join(silent)}")
    return 0 if summary.frames else 1


@contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    """Turn SIGINT and SIGTERM into an event, so that the file is closed in order."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@group.command(epilog="Example: edgeflow replay camera.mcap main.py --speed 2")
def replay(
    recording: Annotated[Path, typer.Argument(metavar="RECORDING", help="What was recorded.")],
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="The Python file that declares the app to feed."),
    ] = None,
    *,
    speed: Annotated[
        float,
        typer.Option(metavar="X", min=0, help="2 is twice as fast, 0 as fast as links accept."),
    ] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Start over at the end.")] = False,
    new_times: Annotated[
        bool, typer.Option("--new-times", help="Stamp frames anew; else they keep their times.")
    ] = False,
    json: JsonOption = False,
) -> int:
    """Feed a recording back, or tell what is in it.

    With a file, its flow runs with each producer whose name is a recorded topic replaced by the
    recorded frames, bit for bit and at their distance in time. Without one, the topics of the
    recording are printed.
    """
    from edgeflow.store.recording import Recording

    summary = Recording(recording).summary()
    if file is None:
        _print_summary(summary, json)
        return 0
    from edgeflow.cli.verbs.flows import load

    app = load(file)
    options = {"speed": speed, "loop": loop, "keep_times": not new_times}
    _feed(app, summary, options)
    sys.path.insert(0, str(file.resolve().parent))
    return app.run([])


def _feed(app: "EdgeApp", summary: "RecordingSummary", options: dict[str, Any]) -> None:
    """Put recorded frames in the place of the producers that they came from.

    Raises:
        ConfigError: none of the app's producers was recorded.
    """
    from edgeflow.core.graph import Role
    from edgeflow.errors import ConfigError
    from edgeflow.nodes.sources.replay import ReplayProducer

    recorded = {topic.topic: topic for topic in summary.topics}
    producers = [node.name for node in app.graph().nodes if node.role is Role.PRODUCER]
    fed = [name for name in producers if name in recorded]
    if not fed:
        raise ConfigError(
            f"{summary.path} holds none of the producers of app {app.name!r}",
            hint=f"it holds {', '.join(recorded) or 'nothing'}; "
            f"the producers are {', '.join(producers) or 'none'}",
        )
    common: dict[str, Any] = {
        "path": summary.path,
        "epoch": min(recorded[name].start for name in fed),
    }
    for name in fed:
        app.replace(name, ReplayProducer, {**common, "topic": name, **options})
        narrate(f"{name}: {recorded[name].frames} recorded frames")
    for name in producers:
        if name not in recorded:
            narrate(f"{name}: not in the recording, runs as declared")


def _print_summary(summary: "RecordingSummary", json: bool) -> None:
    import msgspec

    from edgeflow.cli.display.figures import count, duration, rate, size
    from edgeflow.cli.display.outline import align
    from edgeflow.cli.terminal import write_json

    if json:
        totals = {"frames": summary.frames, "seconds": summary.seconds}
        write_json(msgspec.to_builtins(summary) | totals)
        return
    write(
        f"{summary.path}: {count(summary.frames)} frames, "
        f"{duration(summary.seconds)}, {size(summary.bytes)}"
    )
    rows = [("topic", "frames", "seconds", "per second")]
    for topic in summary.topics:
        span = topic.end - topic.start
        pace = rate((topic.frames - 1) / span) if span > 0 else "-"
        rows.append((topic.topic, count(topic.frames), f"{span:.1f}", pace))
    if summary.topics:
        write("\n".join(align(rows)))
    if summary.dropped:
        narrate(f"{count(summary.dropped)} frames came faster than they could be written")
    if summary.truncated:
        left = "what is there can be replayed" if summary.frames else "no whole frame is there"
        narrate(f"the file is cut off or damaged, as after a crash; {left}")
