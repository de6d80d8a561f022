"""``devices list``, ``info``, ``monitor`` and ``bench``: boards on serial ports."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeflow.cli.terminal import JsonOption, narrate, write, write_json, write_json_line

if TYPE_CHECKING:
    from edgeflow.devices.boards.serial import SerialBoard

__all__ = ["bench", "info", "list_ports", "monitor"]

PORTS = "/dev/ttyACM0, usb:SERIALNUMBER, rfc2217://host:port, socket://host:port"
Port = Annotated[str, typer.Argument(metavar="PORT", help=f"Which: {PORTS}.")]
BaudOption = Annotated[int, typer.Option("--baud", metavar="N", help="Rate at which it starts.")]
KeepOption = Annotated[
    bool, typer.Option("--keep-baud", help="Stay at that rate, though the board can be faster.")
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", metavar="S", help="Seconds to look for the board.")
]


def list_ports(
    *,
    ask: Annotated[
        bool, typer.Option("--ask", help="Open each port and ask what is behind it.")
    ] = False,
    store: Annotated[
        str,
        typer.Option(
            metavar="URL", envvar="EDGEFLOW_STORE", help="The devices of these tables instead."
        ),
    ] = "",
    group: Annotated[str | None, typer.Option(metavar="NAME", help="Of this group.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="WORD", help="With this tag.")] = None,
    kind: Annotated[
        str | None, typer.Option(metavar="KIND", help="mqtt, board, csi, camera or service.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the serial ports of this machine, or with --store the devices of all kinds."""
    from edgeflow.cli.display.outline import align
    from edgeflow.cli.verbs.device_registry import list_devices
    from edgeflow.devices.serial.finding import list_ports as found_ports

    if store and not ask:
        list_devices(store, group=group, tag=tag, kind=kind, json=json)
        return
    found = [
        {
            "port": each.path,
            "serial_number": each.serial_number,
            "usb": each.usb_id,
            "product": each.product,
        }
        for each in found_ports()
    ]
    if ask:
        for each in found:
            each["board"] = _answer_of(each["port"])
    if json:
        write_json(found)
        return
    if not found:
        narrate("there is no serial port; edgeflow devices virtual makes one")
        return
    heads = list(found[0])
    rows = [tuple(head.replace("_", " ").upper() for head in heads)]
    rows += [tuple(str(each[head]) or "-" for head in heads) for each in found]
    for line in align(rows):
        write(line)


def info(
    port: Port,
    *,
    baud: BaudOption = 115200,
    keep_baud: KeepOption = False,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
) -> None:
    """Ask a board what it is, what models it has and what it counted."""
    with _opened(port, baud, keep_baud, timeout) as board:
        facts = _facts(board)
        facts["counters"] = board.statistics()
    if json:
        write_json(facts)
        return
    for key, value in facts.items():
        if key not in ("models", "counters") and value not in ("", 0, []):
            write(f"{key + ':':<14} {', '.join(value) if isinstance(value, list) else value}")
    for model in facts["models"]:
        write(f"{'model ' + str(model['id']) + ':':<14} {_model_text(model)}")
    for name, value in facts["counters"].items():
        write(f"{name + ':':<20} {value}")


def monitor(
    port: Port,
    *,
    baud: BaudOption = 115200,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="S", help="Stop after so long; 0 for never.")
    ] = 0.0,
    json: JsonOption = False,
) -> None:
    """Print what a board writes beside its answers, and its comings and goings, until Ctrl+C."""
    import time

    from edgeflow.devices.boards.opening import open_boards

    (board,) = open_boards([port], wait=0.0, baud=baud)
    until = time.monotonic() + seconds if seconds else None
    number, before = 0, ""
    with board:
        while until is None or time.monotonic() < until:
            if (now := str(board.state)) != before:
                before = now
                narrate(f"{board.name}: {now}{_why(board)}")
            for line in board.console.lines(number):
                number = line.number
                if json:
                    write_json_line({"time": line.time, "text": line.text})
                else:
                    write(line.text, flush=True)
            time.sleep(0.05)


def bench(
    port: Port,
    *,
    requests: Annotated[
        int, typer.Option("--requests", metavar="N", min=1, max=1_000_000, help="How many.")
    ] = 200,
    in_flight: Annotated[
        int,
        typer.Option(
            "--in-flight",
            metavar="N",
            min=0,
            max=1024,
            help="How many at once; 1: one after the other, 0: what the board takes.",
        ),
    ] = 0,
    model: Annotated[int, typer.Option("--model", metavar="ID", help="Which model id.")] = 0,
    baud: BaudOption = 115200,
    keep_baud: KeepOption = False,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
) -> None:
    """Measure how fast a board answers, and how far that is from what its line allows."""
    import msgspec

    from edgeflow.devices.boards.benchmark import measure

    with _opened(port, baud, keep_baud, timeout) as board:
        narrate(f"{board.name}: {requests} requests at {board.info.baud} baud")
        found = measure(board, requests=requests, in_flight=in_flight, model=model)
    if json:
        write_json(msgspec.to_builtins(found))
        return
    chip = f", {found.rate * found.compute / 1e3:.0%} of the chip" if found.compute else ""
    write(f"{found.rate:.1f} answers/s: {found.rate / found.line_rate:.0%} of the line{chip}")
    write(f"p50 {found.p50:.2f} ms, p99 {found.p99:.2f} ms, {found.in_flight} at once")
    write(
        f"queue {found.queue:.2f} ms, wire {found.wire:.2f} ms,"
        f" board's queue {found.board_queue:.2f} ms, compute {found.compute:.2f} ms"
    )


@contextmanager
def _opened(port: str, baud: int, keep_baud: bool, timeout: float) -> "Iterator[SerialBoard]":
    from edgeflow.devices.boards.opening import open_boards
    from edgeflow.errors import UnreachableError

    options: dict[str, Any] = {"baud": baud}
    if keep_baud:
        options["faster"] = ()
    (board, *others) = open_boards([port], wait=timeout, **options)
    with board:
        for each in others:
            each.close()
        if not board.wait(0.0):
            why = board.last_error or f"{port}: nobody answered within {timeout:g} s"
            raise UnreachableError(why, hint=board.last_hint or "edgeflow devices list --ask")
        yield board


def _answer_of(port: str) -> str:
    """Say what is behind a port."""
    from edgeflow.devices.boards.serial import SerialBoard
    from edgeflow.errors import EdgeFlowError

    try:
        with SerialBoard(port, faster=()) as board:
            if not board.wait(6.0):
                return _reason(board) or "nobody answers"
            about = board.info
            models = ", ".join(each.name or each.kind for each in board.models if each.steps)
            return f"{about.chip or about.protocol} {about.firmware}: {models or 'no model'}"
    except EdgeFlowError as error:
        return error.message


def _why(board: "SerialBoard") -> str:
    return f" ({_reason(board)})" if str(board.state) == "lost" else ""


def _reason(board: "SerialBoard") -> str:
    return board.last_error.removeprefix(f"{board.name}: ")


def _facts(board: "SerialBoard") -> dict[str, Any]:
    about = board.info
    return {
        "port": about.port,
        "state": str(board.state),
        "protocol": str(about.protocol),
        "chip": about.chip,
        "firmware": about.firmware,
        "unique_id": about.unique_id,
        "baud": about.baud,
        "window": about.window,
        "window_bytes": about.window_bytes,
        "slot_bytes": about.slot_bytes,
        "arena_bytes": about.arena_bytes,
        "capabilities": sorted(about.capabilities),
        "models": [
            {
                "id": each.id,
                "name": each.name,
                "version": each.version,
                "shape": [each.steps, each.features, each.horizon, each.hidden],
                "kind": each.kind,
                "dtype": each.dtype,
                "slot": str(each.slot),
                "state": each.state,
                "previous": str(each.previous),
                "parameters": each.parameters,
                "bytes": each.file_bytes,
                "sha256": each.sha256,
            }
            for each in board.models
        ],
    }


def _model_text(model: dict[str, Any]) -> str:
    if not model["parameters"]:
        return "none"
    steps, features, horizon, hidden = model["shape"]
    return (
        f"{model['name'] or model['kind']}, {model['dtype']}, T {steps}, F {features},"
        f" H {horizon}, hidden {hidden}, {model['parameters']} parameters,"
        f" slot {model['slot']}, {model['state']}"
    )
