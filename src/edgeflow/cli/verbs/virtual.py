"""``devices virtual``: boards that are only software."""

import signal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeflow.cli.failures import files_by_name
from edgeflow.cli.terminal import narrate, write

if TYPE_CHECKING:
    from edgeflow.devices.virtual.board import VirtualBoards

__all__ = ["virtual"]


class Transport(StrEnum):
    """Where hosts plug in."""

    PTY = "pty"
    RFC2217 = "rfc2217"


def virtual(
    *,
    model: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="model_fp32.bin, or a container, for partition model."),
    ] = None,
    meta: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its model_meta.json; made if left out.")
    ] = None,
    baud: Annotated[
        int, typer.Option(metavar="N", min=300, max=5_000_000, help="Rate of the line at start.")
    ] = 115200,
    transport: Annotated[
        Transport, typer.Option(help="A pseudo-terminal, or a TCP port with reset lines.")
    ] = Transport.PTY,
    tcp_port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Of rfc2217; 0 for any.")
    ] = 0,
    link: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Name of the pseudo-terminal.")
    ] = None,
    flash: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keeps the flash from run to run.")
    ] = None,
    count: Annotated[int, typer.Option(metavar="N", min=1, max=64, help="How many boards.")] = 1,
    noise: Annotated[
        str,
        typer.Option(metavar="RATES", help="Such as flip=0.0001,drop=0.0001,logs=2,seed=7."),
    ] = "",
    reference: Annotated[
        bool, typer.Option("--reference", help="Behave as the reference firmware.")
    ] = False,
    instant: Annotated[
        bool, typer.Option("--instant", help="Take no time on the line or for computing.")
    ] = False,
    strict_baud: Annotated[
        bool, typer.Option("--strict-baud", help="A host at another rate reads garbage.")
    ] = False,
) -> int:
    """Run boards that are only software, until Ctrl+C or SIGTERM.

    The first lines on stdout are the ports to open, one per board. The firmware's own core answers,
    as slowly as a board at this rate would; what it costs in time is an estimate. SIGUSR1 presses
    the reset button, SIGUSR2 does it with BOOT held: into the loader.
    """
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.add(signal.SIGHUP)
    # Before the imports: threads that they start must not be the ones that get the signals.
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    from edgeflow.devices.virtual.board import VirtualBoards
    from edgeflow.devices.virtual.noise import parse_noise

    with files_by_name(model, meta):
        boards = VirtualBoards(
            count,
            model=model,
            meta=meta,
            transport=transport.value,
            baud=baud,
            flash=flash,
            noise=parse_noise(noise),
            reference=reference,
            instant=instant,
            strict_baud=strict_baud,
            tcp_port=tcp_port,
            link=link.absolute() if link is not None else None,
            narrate=narrate,
        )
    with boards:
        for port in boards.ports:
            write(port, flush=True)
        caught = _obey(boards, signals)
        received, sent = (sum(getattr(each.stats, name) for each in boards) for name in _COUNTED)
    narrate(f"stopped after {received} bytes from the host and {sent} bytes to it")
    return 130 if caught == signal.SIGINT else 0


_COUNTED = ("received", "sent")


def _obey(boards: "VirtualBoards", signals: set[signal.Signals]) -> int:
    """Press buttons as told; return the signal that says stop."""
    while True:
        caught = signal.sigwait(signals)
        if caught not in (signal.SIGUSR1, signal.SIGUSR2):
            return caught
        for board in boards:
            board.press_reset(boot=caught == signal.SIGUSR2)
