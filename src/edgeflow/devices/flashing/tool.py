"""A board's flash, read and written by runs of esptool."""

import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import structlog

from edgeflow.devices.boards.base import OnProgress, SwapProgress
from edgeflow.devices.flashing.bridge import Bridge
from edgeflow.devices.flashing.output import OutputReader, explain
from edgeflow.devices.flashing.process import run_esptool
from edgeflow.errors import ConfigError, EdgeFlowError, EngineError, UnreachableError

__all__ = ["DEFAULT_BAUD", "Esptool", "Piece", "check_lines", "relabel"]

log = structlog.get_logger(__name__)

DEFAULT_BAUD = 460800
_CONNECT_SECONDS = 40.0
_RESET_SECONDS = 5.0
_SECONDS_PER_MEGABYTE = 40.0
_MEMORY = "/dev/shm"  # noqa: S108 - a folder of our own is made in it
_ROM_READ_BYTES = 64 * 1024
"""Up to here a read by the ROM is quicker than loading the stub that reads faster."""


class Piece(NamedTuple):
    """Bytes that belong somewhere in flash.

    Attributes:
        offset: in flash, a multiple of 4096.
        before: what lies there now, of the same length; only sectors that differ are written.
    """

    offset: int
    data: bytes
    before: bytes | None = None


@dataclass(slots=True)
class Esptool:
    """Speaks to the ROM loader of one board; leaving the context restarts the board.

    The port must be closed by everyone else. Errors: UnreachableError (busy, gone, no ROM loader),
    EngineError (what was written reads back differently), DeadlineError, CancelledError,
    MissingExtraError.

    Args:
        port: a device path, ``rfc2217://...`` or ``socket://...``.
        baud: while flashing; the loader starts at 115200.
        cancel: ends what runs within a second when set.
        private: what passes is secret: no file of it lies on a disk where there is a folder in
            memory.

    Attributes:
        mac, chip: of the board, known after the first command.
    """

    port: str
    baud: int = DEFAULT_BAUD
    chip_name: str = "auto"
    cancel: threading.Event | None = None
    private: bool = False
    mac: str = field(default="", init=False)
    chip: str = field(default="", init=False)
    _stack: ExitStack = field(init=False)
    _folder: str = field(default="", init=False)
    _bridge: Bridge | None = field(default=None, init=False)
    _in_loader: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Refuse ports that esptool would take for options or files."""
        if not self.port or self.port[0] in "-@" or "\0" in self.port:
            raise ConfigError(f"{self.port!r} is no serial port")
        if not 300 <= self.baud <= 5_000_000:
            raise ConfigError(f"{self.baud} baud is not within 300 to 5000000")

    def __enter__(self) -> Self:
        if "://" not in self.port and not Path(self.port).exists():
            raise UnreachableError(
                f"there is no port {self.port}", hint="plug the board in, or look at /dev/serial"
            )
        with ExitStack() as stack:
            parent = _MEMORY if self.private and os.access(_MEMORY, os.W_OK) else None
            folder = tempfile.TemporaryDirectory(prefix="edgeflow-flash-", dir=parent)
            self._folder = stack.enter_context(folder)
            if self.port.startswith("rfc2217://"):
                self._bridge = stack.enter_context(Bridge(self.port))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self._in_loader and ("://" in self.port or Path(self.port).exists()):
                with suppress(EdgeFlowError):
                    self._reset()
        finally:
            self._stack.close()
            self._bridge = None

    def read(
        self, offset: int, size: int, action: str, on_progress: OnProgress | None = None
    ) -> bytes:
        """Return ``size`` bytes of flash; the board stays in its loader."""
        file = Path(self._folder, "read.bin")
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        options = ["--no-stub"] if size <= _ROM_READ_BYTES else []
        self._run(
            [*options, "read-flash", hex(offset), hex(size), str(file)],
            action,
            OutputReader(size, offset),
            timeout=self._seconds(size, erase=False),
            on_progress=on_progress,
        )
        data = file.read_bytes()
        if len(data) != size:
            raise EngineError(f"{action}: {len(data)} of {size} bytes came")
        return data

    def write(
        self,
        pieces: Sequence[Piece],
        action: str,
        on_progress: OnProgress | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        restart: bool = True,
    ) -> int:
        """Write pieces, verify each as a whole by its MD5; return the bytes erased.

        Args:
            pieces: what goes where.
            action: what this is, for messages.
            on_progress: told ``erase``, ``write`` and ``verify``.
            settings: esptool's ``flash-mode``, ``flash-size`` and ``flash-freq``.
            restart: start the application then, not only when the context is left.
        """
        options = [
            word for name, value in (settings or {}).items() for word in (f"--{name}", value)
        ]
        places: list[str] = []
        befores: list[str] = []
        for number, piece in enumerate(pieces):
            places += [hex(piece.offset), self._save(f"new-{number}.bin", piece.data)]
            before = piece.before
            befores.append("skip" if before is None else self._save(f"old-{number}.bin", before))
        if any(piece.before is not None for piece in pieces):
            places += ["--diff-with", *befores]
        total = sum(len(piece.data) for piece in pieces)
        reader = OutputReader()
        self._run(
            ["write-flash", *options, *places],
            action,
            reader,
            timeout=self._seconds(total, erase=True),
            on_progress=on_progress,
            after="hard-reset" if restart else "no-reset",
        )
        self._in_loader = not restart
        return reader.erased

    def _reset(self) -> None:
        """Start the application; esptool's own end of a run does it."""
        cancel, self.cancel = self.cancel, None
        try:
            if self._bridge is not None:
                self._bridge.restart()
                return
            words = ["--connect-attempts", "2", "--no-stub", "read-mac"]
            action, reader = "restarting the board", OutputReader()
            self._run(words, action, reader, timeout=_RESET_SECONDS, after="hard-reset")
        finally:
            self.cancel = cancel

    def _run(
        self,
        words: Sequence[str],
        action: str,
        reader: OutputReader,
        *,
        timeout: float,
        on_progress: OnProgress | None = None,
        after: str = "no-reset",
    ) -> None:
        def take(line: str) -> None:
            progress = reader.feed(line)
            if progress is not None and on_progress is not None:
                on_progress(progress)

        self._in_loader = True
        bridge = self._bridge
        resets = ["--before", "default-reset", "--after", after]
        if bridge is not None:
            resets = ["--before", "no-reset", "--after", "no-reset"]
            bridge.enter_loader()
        port = self.port if bridge is None else bridge.path
        status, tail = run_esptool(
            ["--chip", self.chip_name, "--port", port, "--baud", str(self.baud), *resets, *words],
            folder=self._folder,
            timeout=timeout,
            cancel=self.cancel,
            is_lost=None if bridge is None else lambda: bridge.error is not None,
            on_line=take,
        )
        self.mac = reader.mac or self.mac
        self.chip = reader.chip or self.chip
        if status:
            log.info("esptool_failed", port=self.port, action=action, output="\n".join(tail))
            raise self._failure(tail, action)
        if bridge is not None and after == "hard-reset":
            bridge.restart()

    def _failure(self, tail: Sequence[str], action: str) -> EdgeFlowError:
        if self._bridge is not None and self._bridge.error is not None:
            tail = [f"A serial exception error occurred: {self._bridge.error.message}"]
        return explain(tail, self.port, action)

    def _save(self, name: str, data: bytes) -> str:
        file = Path(self._folder, name)
        file.touch(mode=0o600)
        file.write_bytes(data)
        return str(file)

    def _seconds(self, size: int, *, erase: bool) -> float:
        """Bound of a run: what the flash and the wire may take, twice over."""
        flash = _SECONDS_PER_MEGABYTE * size / 1e6 if erase else 0.0
        return _CONNECT_SECONDS + 2 * (flash + 10 * size / min(self.baud, 921600))


def relabel(on_progress: OnProgress | None, text: str) -> OnProgress | None:
    """Return a listener that reports reads as a part of building the image."""
    if on_progress is None:
        return None
    return lambda step: on_progress(SwapProgress("build", step.done, step.total, text))


def check_lines(port: str) -> None:
    """Raise UnreachableError for a port without the lines that lead into a loader."""
    if str(Path(port).resolve()).startswith("/dev/pts/"):
        raise UnreachableError(
            f"{port} is a pseudo-terminal: it has no lines that lead into the loader",
            hint="edgeflow devices virtual --transport rfc2217 has them",
        )
