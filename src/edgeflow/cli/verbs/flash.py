"""``flash``: put models and firmware on boards."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeflow.cli.failures import files_by_name
from edgeflow.cli.terminal import JsonOption, narrate, new_group, progress, write, write_json

if TYPE_CHECKING:
    from edgeflow.devices.boards.base import BoardModel, OnProgress, SwapProgress
    from edgeflow.devices.flashing.firmware import Firmware

group = new_group()
verbs = typer.Typer(rich_markup_mode=None)
group.add_typer(verbs, name="flash")

PortOption = Annotated[
    str, typer.Option(metavar="PORT", help="Where the board is, such as /dev/ttyACM0.")
]
BaudOption = Annotated[int, typer.Option(metavar="N", help="Rate while flashing.")]
MAX_MODEL_BYTES = 16 * 1024 * 1024
FIND_SECONDS = 6.0


_HALF_DONE = (
    "interrupted while writing: flash again before the board is used; a model before can be put "
    "back: edgeflow flash model --roll-back"
)


class Way(StrEnum):
    """Ways of ``model``."""

    AUTO = "auto"
    SLOTS = "slots"
    FLASH = "flash"


@verbs.callback(epilog="Example: edgeflow flash model model_fp32.bin --port /dev/ttyACM0")
def flash() -> None:
    """Put models and firmware on boards.

    No ESP-IDF is needed. Everything is checked before it is written, and verified after it was.
    """


@verbs.command(
    epilog="Example: edgeflow flash model model_fp32.bin --meta model_meta.json --port /dev/ttyACM0"
)
def model(
    *,
    port: PortOption,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="model_fp32.bin, or a container.")
    ] = None,
    meta: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its model_meta.json, to be compared.")
    ] = None,
    baud: BaudOption = 460800,
    route: Annotated[
        Way, typer.Option(help="Over the wire while the board serves, or through its loader.")
    ] = Way.AUTO,
    roll_back: Annotated[
        bool, typer.Option("--roll-back", help="Put the model before back instead.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Put a model on a board, and wait until the board answers with it.

    Boards with slots take it over the wire while they serve. Others restart: only the sectors of
    the partition `model` that change are written. What was replaced can be put back.
    """
    from edgeflow.devices.boards.serial import SerialBoard
    from edgeflow.devices.swapping import check_files, roll_back_model, swap_model

    if (file is None) != roll_back:
        raise typer.BadParameter("give a FILE, or --roll-back without one")
    content = _read(file) if file is not None else b""
    description = _read(meta) if meta is not None else None
    if file is not None:
        with files_by_name(file, meta):
            check_files(content, description)
    started = time.monotonic()
    with _steps(f"Flashing {port}") as steps, SerialBoard(port) as board:
        board.wait(FIND_SECONDS)  # one that stays silent may be flashed all the same
        if roll_back:
            found = roll_back_model(board, route=route.value, baud=baud, on_progress=steps.tell)
        else:
            found = swap_model(
                board, content, description, route=route.value, baud=baud, on_progress=steps.tell
            )
    _show_model(port, found, steps.written, time.monotonic() - started, json=json)


@verbs.command(epilog="Example: edgeflow flash firmware build --port /dev/ttyACM0")
def firmware(
    *,
    port: PortOption,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="The build folder of an ESP-IDF project."),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            "--at", metavar="OFFSET=FILE", help="A file and its place instead; repeatable."
        ),
    ] = None,
    baud: BaudOption = 460800,
    json: JsonOption = False,
) -> None:
    """Write bootloader, partition table and application, verify them, and restart the board."""
    from edgeflow.cli.display.figures import size
    from edgeflow.devices.flashing.firmware import flash_firmware
    from edgeflow.devices.serial.finding import Locator, PortSpec

    content = _firmware(folder, at or [])
    started = time.monotonic()
    with _steps(f"Flashing {port}") as steps:
        path = Locator(PortSpec.parse(port)).locate()
        mac = flash_firmware(path, content, baud=baud, on_progress=steps.tell)
    seconds = round(time.monotonic() - started, 2)
    if json:
        pieces = [{"offset": each.offset, "bytes": len(each.data)} for each in content.pieces]
        write_json({"port": port, "mac": mac, "pieces": pieces, "seconds": seconds})
        return
    places = ", ".join(f"{each.offset:#x}" for each in content.pieces)
    write(f"{port} ({mac}) has {size(content.size)} of firmware at {places}, in {seconds:.1f} s")


class _Steps:
    """Tells the steps of a swap: in full where a line can be rewritten, else each step once."""

    def __init__(self, say: Any) -> None:
        self.written = 0
        self.half_done = False
        self._say = say
        self._live = sys.stderr.isatty()
        self._last = ""

    @property
    def tell(self) -> "OnProgress":
        return self._tell

    def _tell(self, step: "SwapProgress") -> None:
        self.half_done = step.step in {"erase", "write", "verify"}
        if step.step == "write":
            self.written = max(self.written, step.done)
        text = step.text or step.step
        if self._live and step.total:
            text += f": {100 * step.done // step.total}% of {step.total} bytes"
        if self._live or text != self._last:
            self._say(text)
        self._last = text


@contextmanager
def _steps(what: str) -> Iterator[_Steps]:
    with progress(what) as say:
        steps = _Steps(say)
        try:
            yield steps
        except KeyboardInterrupt:
            if steps.half_done:
                narrate(_HALF_DONE)
            raise


def _show_model(
    port: str, found: "BoardModel", written: int, seconds: float, *, json: bool
) -> None:
    import msgspec

    if json:
        facts = msgspec.to_builtins(found)
        write_json({"port": port, "model": facts, "written": written, "seconds": round(seconds, 2)})
        return
    name = f"{found.name} " if found.name else ""
    place = "its file" if found.slot.value == "file" else f"slot {found.slot.value}"
    write(
        f"{port} answers with the model {name}(T {found.steps}, F {found.features}, "
        f"H {found.horizon}, hidden {found.hidden}) in {place}, after {seconds:.1f} s"
    )


def _read(file: Path) -> bytes:
    from edgeflow.errors import ConfigError

    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_MODEL_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    if len(data) > MAX_MODEL_BYTES:
        raise ConfigError(f"{file}: longer than {MAX_MODEL_BYTES} bytes")
    return data


def _firmware(folder: Path | None, at: list[str]) -> "Firmware":
    from edgeflow.devices.flashing.firmware import read_build, read_pieces

    if (folder is None) == (not at):
        raise typer.BadParameter("give a build folder, or files with --at")
    if folder is not None:
        return read_build(folder)
    places = [each.partition("=") for each in at]
    if not all(sign and file for _, sign, file in places):
        raise typer.BadParameter("--at takes OFFSET=FILE, such as 0x10000=app.bin")
    return read_pieces({offset: Path(file) for offset, _, file in places})
