"""Boards that are only software: a port to open, and the real firmware core behind it."""

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

from edgeflow.devices.virtual.boot import inspect
from edgeflow.devices.virtual.chip import Chip
from edgeflow.devices.virtual.firmware import make_application
from edgeflow.devices.virtual.flash import NorFlash
from edgeflow.devices.virtual.image import model_files, prepare, put_files
from edgeflow.devices.virtual.loop import BoardLoop
from edgeflow.devices.virtual.noise import NoiseRates
from edgeflow.devices.virtual.ports import Port, PtyPort, Rfc2217Port
from edgeflow.devices.virtual.reset import Boot
from edgeflow.devices.virtual.settings import BoardStats, Settings, address_of
from edgeflow.errors import ConfigError
from edgeflow.protocols.partitions import find_partition

__all__ = ["FLASH_BYTES", "VirtualBoard", "VirtualBoards"]

FLASH_BYTES = 16 << 20
MAX_BOARDS = 64
MAX_MODEL_FILE = 16 << 20


class VirtualBoard:
    """One board. A context manager; all methods may be called from any thread.

    Args:
        model: a model file (LST0 or EFM1), or its path; it is put into the SPIFFS partition. None
            leaves the flash as it is (a new one has no model).
        meta: its ``model_meta.json``; made from the model where there is none.
        transport: ``pty`` or ``rfc2217``. Only the latter has reset lines.
        baud: the rate of the application at start.
        flash: a file that keeps the flash from run to run; in memory if there is none.
        flash_bytes: size of a new flash.
        noise: what is wrong with the line.
        reference: behave as the reference firmware.
        instant: no latency, for tests.
        strict_baud: a host at another rate than the board reads and writes garbage.
        number: tells boards apart; the MAC is made from it.
        tcp_port: of RFC 2217; 0 for any.
        link: where the pseudo-terminal appears; by default in a folder of its own.
        narrate: called with lines for people.
        loop: shared by several boards; a loop of its own if there is none.

    Raises:
        ConfigError: model, meta or flash file are wrong.
        UnreachableError: the TCP port is taken.
    """

    def __init__(
        self,
        *,
        model: bytes | Path | str | None = None,
        meta: bytes | Path | str | None = None,
        transport: str = "pty",
        baud: int = 115200,
        flash: Path | str | None = None,
        flash_bytes: int = FLASH_BYTES,
        noise: NoiseRates | None = None,
        reference: bool = False,
        instant: bool = False,
        strict_baud: bool = False,
        number: int = 0,
        tcp_port: int = 0,
        link: Path | str | None = None,
        narrate: Callable[[str], None] | None = None,
        loop: BoardLoop | None = None,
    ) -> None:
        if transport not in ("pty", "rfc2217"):
            raise ConfigError(f"no transport {transport!r}", hint="pty or rfc2217")
        self.due = float("inf")
        self._plugged = False
        settings = Settings(
            baud=baud,
            instant=instant,
            strict_baud=strict_baud,
            reference=reference,
            noise=noise or NoiseRates(),
            mac=address_of(number),
            narrate=narrate or _say_nothing,
        )
        self._stack = ExitStack()
        try:
            self._flash = self._open_flash(flash, flash_bytes, settings)
            if model is not None:
                self._put_model(_content(model), None if meta is None else _content(meta), settings)
            self._chip = Chip(self._flash, settings, make_application)
            self._loop = loop or self._own_loop()
            self._port: Port = (
                self._make_pty(settings, number, link)
                if transport == "pty"
                else Rfc2217Port(self._loop.selector, self, tcp_port)
            )
            self._loop.call(self._plug_in)
            self._stack.callback(self.unplug)
        except BaseException:
            self._stack.close()
            raise

    @property
    def port(self) -> str:
        """What to open: a device path, or a URL of pyserial."""
        return self._port.name

    @property
    def stats(self) -> BoardStats:
        """What happened so far."""
        stats = self._chip.stats
        stats.lost = self._port.lost
        stats.erases = int(self._flash.wear.sum())
        return stats

    @property
    def state(self) -> str:
        """``reset``, ``loader``, ``starting`` or ``running``."""
        return self._chip.state.value

    @property
    def flash(self) -> NorFlash:
        """The flash chip. Its contents change while the board runs."""
        return self._flash

    def unplug(self) -> None:
        """Pull the cable: no power, and the port is gone."""
        self._loop.call(self._unplug)

    def replug(self) -> None:
        """Put the cable back: the port has the same name again, and the board starts."""
        self._loop.call(self._plug_in)

    def press_reset(self, *, boot: bool = False) -> None:
        """Press the reset button, with BOOT held if ``boot``: that leads into the loader."""
        kind = Boot.LOADER if boot else Boot.APPLICATION
        self._loop.call(lambda: self._do(lambda now: self._chip.power_on(now, kind)))

    def close(self) -> None:
        """Unplug, and write the flash to its file. Idempotent, under 3 s."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def visit(self, now: float) -> None:
        """Called by the loop."""
        self._chip.advance(now)
        data = self._chip.line.output(now)
        if data:
            self._port.send(data)
        due = self._chip.next_due(now)
        self.due = float("inf") if due is None else due

    def host_sends(self, data: bytes) -> None:
        """Called by the port."""
        self._do(lambda now: self._chip.receive(data, now))

    def host_sets_lines(self, dtr: bool, rts: bool) -> None:
        """Called by the port."""
        self._do(lambda now: self._chip.set_lines(dtr, rts, now))

    def host_sets_baud(self, baud: int) -> None:
        """Called by the port."""
        self._chip.line.host_baud = baud or None

    def _do(self, action: Callable[[float], None]) -> None:
        if not self._plugged:
            return
        now = time.monotonic()
        self._chip.advance(now)
        action(now)
        self.due = 0.0

    def _open_flash(self, path: Path | str | None, size: int, settings: Settings) -> NorFlash:
        if path is None:
            flash, new = NorFlash.in_memory(size), True
        else:
            flash, new = NorFlash.open(Path(path), size)
        self._stack.enter_context(flash)
        if new:
            prepare(flash, reference=settings.reference)
            flash.wear[:] = 0
        return flash

    def _put_model(self, model: bytes, meta: bytes | None, settings: Settings) -> None:
        files = model_files(model, meta, reference=settings.reference)
        found = inspect(self._flash)
        put_files(self._flash, find_partition(found.partitions.values(), "model"), files)

    def _own_loop(self) -> BoardLoop:
        loop = BoardLoop()
        self._stack.callback(loop.close)
        loop.start()
        return loop

    def _make_pty(self, settings: Settings, number: int, link: Path | str | None) -> Port:
        if link is None:
            folder = Path(tempfile.mkdtemp(prefix="edgeflow-board-"))
            self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
            link = folder / f"board{number}"
        return PtyPort(self._loop.selector, self, Path(link), settings.baud)

    def _plug_in(self) -> None:
        if self._plugged:
            return
        self._port.open()
        self._plugged = True
        self._loop.add(self)
        self._do(self._chip.power_on)

    def _unplug(self) -> None:
        if not self._plugged:
            return
        self._plugged = False
        self._port.close()
        self._loop.remove(self)
        self._chip.power_off(time.monotonic())
        self.due = float("inf")


class VirtualBoards(Sequence[VirtualBoard]):
    """Several boards on one thread. A context manager.

    Args:
        count: how many.
        flash, link, tcp_port: as of ``VirtualBoard``; the boards after the first have ``.1``,
            ``.2`` and so on behind the file's name, and the next TCP ports.
        narrate: likewise; lines start with the board's number if there are several.
        options: the rest, the same for all.
    """

    def __init__(
        self,
        count: int,
        *,
        flash: Path | str | None = None,
        link: Path | str | None = None,
        tcp_port: int = 0,
        narrate: Callable[[str], None] | None = None,
        **options: Any,
    ) -> None:
        if not 1 <= count <= MAX_BOARDS:
            raise ConfigError(f"{count} boards", hint=f"1 to {MAX_BOARDS} are possible")
        self._boards: list[VirtualBoard] = []
        with ExitStack() as stack:
            loop = BoardLoop()
            stack.callback(loop.close)
            loop.start()
            folder = Path(tempfile.mkdtemp(prefix="edgeflow-boards-"))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            for number in range(count):
                board = VirtualBoard(
                    number=number,
                    flash=_numbered(flash, number),
                    link=_numbered(link, number) or folder / f"board{number}",
                    tcp_port=tcp_port and tcp_port + number,
                    narrate=_named(narrate, number) if narrate and count > 1 else narrate,
                    loop=loop,
                    **options,
                )
                self._boards.append(stack.enter_context(board))
            self._stack = stack.pop_all()

    @property
    def ports(self) -> list[str]:
        """What to open, board by board."""
        return [board.port for board in self._boards]

    def close(self) -> None:
        """Unplug all. Idempotent, under 3 s."""
        self._stack.close()

    @overload
    def __getitem__(self, index: int) -> VirtualBoard: ...
    @overload
    def __getitem__(self, index: slice) -> list[VirtualBoard]: ...
    def __getitem__(self, index: int | slice) -> VirtualBoard | list[VirtualBoard]:
        return self._boards[index]

    def __len__(self) -> int:
        return len(self._boards)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _named(narrate: Callable[[str], None], number: int) -> Callable[[str], None]:
    return lambda text: narrate(f"board {number}: {text}")


def _say_nothing(text: str) -> None:
    pass


def _numbered(path: Path | str | None, number: int) -> Path | None:
    return None if path is None else Path(f"{path}.{number}" if number else path)


def _content(file: bytes | Path | str) -> bytes:
    if isinstance(file, bytes):
        return file
    try:
        with Path(file).open("rb") as opened:
            return opened.read(MAX_MODEL_FILE)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
