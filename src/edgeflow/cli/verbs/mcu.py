"""``mcu``: microcontroller boards that run models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeflow.cli.terminal import (
    JsonOption,
    narrate,
    new_group,
    write,
    write_json,
    write_json_line,
)

if TYPE_CHECKING:
    from edgeflow.systems.mcu import McuServer

group = new_group()
verbs = typer.Typer(rich_markup_mode=None)
group.add_typer(verbs, name="mcu")


@verbs.callback(epilog="Example: edgeflow mcu serve --port /dev/ttyACM0")
def mcu() -> None:
    """Serve microcontroller boards, and make models for them.

    The model runs on the board; edgeflow devices virtual is one without hardware.
    """


@verbs.command(epilog="Example: edgeflow mcu serve --port /dev/ttyACM0")
def serve(
    *,
    port: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]PORT",
            help="Path, pattern, usb:SERIAL or rfc2217:// of a board; may be repeated.",
        ),
    ] = None,
    http_port: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=65535, help="0 for any; default 8080.")
    ] = None,
    http_host: Annotated[
        str | None, typer.Option(metavar="HOST", help="Address to bind; loopback by default.")
    ] = None,
    baud: Annotated[
        int | None, typer.Option(metavar="N", min=300, help="Rate at which boards start to talk.")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Serve boards over HTTP, with hot swap and a dashboard.

    Without options SERIAL_PORT, UART_BAUD, IDF_BAUD, PORT and EDGEFLOW_BIND of the environment
    count, and /dev/ttyACM0, 115200, 921600, 8080 and loopback without those. A board may be
    absent: it is served once it appears. Bound wider than loopback it wants the token of
    EDGEFLOW_TOKEN, or one that is printed here. --json prints the addresses once it serves.
    """
    from edgeflow.observe.logs import configure_logging
    from edgeflow.systems.mcu import McuOptions
    from edgeflow.systems.mcu import serve as serve_boards

    configure_logging()
    found = McuOptions.of_environment()
    options = McuOptions(
        ports=tuple(port) if port else found.ports,
        baud=found.baud if baud is None else baud,
        flash_baud=found.flash_baud,
        host=http_host or found.host,
        http_port=found.http_port if http_port is None else http_port,
    )

    def ready(server: "McuServer") -> None:
        if json:
            boards = [board.name for board in server.fleet.boards]
            write_json_line({"port": server.port, "dashboard": server.dashboard, "boards": boards})
        narrate("\n".join(welcome(server)))

    return serve_boards(options, ready)


def welcome(server: "McuServer") -> list[str]:
    """Return what to tell the user: what, where, how to try it, how to stop."""
    names = [board.name for board in server.fleet.boards]
    root = server.dashboard.partition("/dashboard")[0]
    flags = f"-H 'Authorization: Bearer {server.rules.token}' " if server.rules.token else ""
    return [
        f"Serving {len(names)} board{'' if len(names) == 1 else 's'}: {', '.join(names[:8])}.",
        "",
        f"  Dashboard   {server.dashboard}",
        f"  API         {root}/v2/info  (/health, /v2/infer, /v2/devices, /metrics)",
        f"  Try         curl {flags}{root}/health",
        "  Stop        Ctrl+C",
    ]


@verbs.command(epilog="Example: edgeflow mcu export model.pt --steps 32 --calibrate X.npy")
def export(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="A .onnx, .pt or .pt2 file."),
    ],
    *,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the files go; the folder is made.")
    ] = Path("board_model"),
    steps: Annotated[
        int | None,
        typer.Option(metavar="T", min=1, help="Time steps of a sample, if MODEL does not tell."),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(metavar="X.npy", help="Samples (N, T, F) as boards get them; for int8."),
    ] = None,
    targets: Annotated[
        Path | None,
        typer.Option(metavar="Y.npy", help="What came of them, (N, H), to tell the loss."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="At most 32 bytes; the file's if not given.")
    ] = None,
    version: Annotated[
        int, typer.Option(metavar="N", min=0, max=2**32 - 1, help="Your own number.")
    ] = 1,
    json: JsonOption = False,
) -> None:
    """Make model files for boards from a trained LSTM or a small classifier.

    A .pt file holds a state_dict or TorchScript, a .pt2 file what torch.export saved.
    An LSTM gives model_fp32.bin with model_meta.json, and every model a container, in float32 and,
    with --calibrate, in int8. The report compares what they answer with the model itself.
    TorchScript and .pt2 files hold code that is run: take them from people you trust.
    """
    from dataclasses import asdict

    from edgeflow.errors import ConfigError
    from edgeflow.inference.export.exporting import export_model, read_samples, read_source
    from edgeflow.inference.export.report import lines_of

    if targets is not None and calibrate is None:
        raise ConfigError("--targets belong to samples", hint="give --calibrate, too")
    source = read_source(model, steps)
    shape = (source.steps, source.features)
    samples = None if calibrate is None else read_samples(calibrate, shape)
    wanted = None if targets is None else read_samples(targets, (source.horizon,))
    made = export_model(
        source,
        name=model.stem.encode()[:32].decode(errors="ignore") if name is None else name,
        version=version,
        samples=samples,
        targets=wanted,
    )
    paths = made.write(out)
    if json:
        write_json(asdict(made.report) | {"paths": [str(each) for each in paths]})
        return
    for line in lines_of(made.report):
        write(line)
    for path in paths:
        narrate(f"wrote {path}")
