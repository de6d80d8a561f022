"""``mcu``: microcontroller boards that run models."""

from typing import TYPE_CHECKING, Annotated

import typer

from edgeflow.cli.terminal import JsonOption, narrate, new_group, write_json_line

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
