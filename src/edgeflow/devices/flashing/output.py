"""What esptool prints, turned into progress and into errors that say what to do. No I/O."""

import re
from collections.abc import Iterable

from edgeflow.devices.boards.base import SwapProgress
from edgeflow.errors import ConfigError, EdgeFlowError, EngineError, UnreachableError

__all__ = ["OutputReader", "explain"]

_MAC = re.compile(r"^(?:BASE )?MAC:\s+((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\s*$")
_CHIP = re.compile(r"^(?:Chip type:|Chip is)\s+(\S.*?)\s*$")
_REGION = re.compile(r"Flash will be erased from 0x([0-9a-f]{1,8}) to 0x([0-9a-f]{1,8})")
_WRITING = re.compile(r"Writing at 0x([0-9a-f]{1,8})")
_READING = re.compile(r"Reading from 0x([0-9a-f]{1,8})")
_WROTE = re.compile(r"^Wrote (\d{1,9}) bytes")
_FATAL = re.compile(r"fatal error occurred: (.+)|serial exception error occurred: (.+)")

_MEANINGS: tuple[tuple[tuple[str, ...], type[EdgeFlowError], str, str], ...] = (
    (
        ("Permission denied",),
        UnreachableError,
        "{port} may not be opened by this user",
        "add the user to the group that owns the port (often dialout), then log in again",
    ),
    (
        ("port is busy or doesn't exist",),
        UnreachableError,
        "{port} is busy or gone: {fatal}",
        "end the program that has it open (a monitor, a gateway), or plug the board in",
    ),
    (
        ("Failed to connect", "No serial data received"),
        UnreachableError,
        "the board on {port} does not enter its ROM loader: {fatal}",
        "hold BOOT, press RESET, let go of BOOT, then try again",
    ),
    (
        ("will not fit in",),
        ConfigError,
        "{action}: {fatal}",
        "the board's flash is too small for this",
    ),
    (
        ("MD5 of file does not match", "flash region is empty"),
        EngineError,
        "{action}: what was written reads back differently",
        "flash again at a lower --baud; if it stays, the flash is worn out",
    ),
    (
        (
            "serial exception",
            "SerialException",
            "PortNotOpen",
            "stopped responding",
            "Lost connection",
            "disconnected",
            "data stream stopped",
            "imed out",
            "Broken pipe",
            "Connection re",
            "Input/output error",
        ),
        UnreachableError,
        "the board on {port} was lost while {action}: {fatal}",
        "plug it in and flash again: what was being written is incomplete",
    ),
)

_SECTOR = 4096


class OutputReader:
    """Takes the lines of one run of esptool.

    Args:
        total: bytes that will be written or read.
        start: where in flash a read starts.

    Attributes:
        mac: of the board, ``aa:bb:...``; empty until it was told.
        chip: such as ``ESP32-S3 (QFN56) (revision v0.2)``.
        erased: bytes of flash that esptool announced to erase.
        written: bytes that reached the flash.
    """

    def __init__(self, total: int = 0, start: int = 0) -> None:
        self.mac = ""
        self.chip = ""
        self.erased = 0
        self.written = 0
        self._total = total
        self._start = start
        self._finished = 0

    def feed(self, line: str) -> SwapProgress | None:
        """Take one line; return the progress that it tells of."""
        if found := _MAC.match(line):
            self.mac = found[1]
        elif found := _CHIP.match(line):
            self.chip = found[1]
        elif found := _REGION.search(line):
            return self._region(int(found[1], 16), int(found[2], 16))
        elif found := _WRITING.search(line):
            return self._writing(int(found[1], 16))
        elif found := _READING.search(line):
            done = min(max(0, int(found[1], 16) - self._start), self._total)
            return SwapProgress("read", done, self._total)
        elif found := _WROTE.match(line):
            self._finished += int(found[1])
            self.written = self._finished
            return SwapProgress("write", min(self.written, self._total), self._total)
        elif line.startswith("Verifying written data"):
            return SwapProgress("verify", text="comparing the MD5 of the whole image")
        return None

    def _region(self, start: int, last: int) -> SwapProgress:
        self._start = start
        self.erased += max(0, last + 1 - start)
        self._total = max(self._total, self.erased)
        return SwapProgress("erase", self._finished, self._total)

    def _writing(self, place: int) -> SwapProgress:
        self.written = self._finished + max(0, place - self._start)
        sent = min(self.written, self._total - _SECTOR)  # what was sent may not be written yet
        return SwapProgress("write", max(0, sent), self._total)


def explain(lines: Iterable[str], port: str, action: str) -> EdgeFlowError:
    """Return the error that the last lines of a failed run mean.

    Args:
        lines: what it printed last.
        port: what it was asked to open.
        action: what it was at, such as ``writing the model``.
    """
    text = "\n".join(lines)
    fatal = next((a or b for a, b in reversed(_FATAL.findall(text))), "") or _last(text)
    for signs, kind, message, hint in _MEANINGS:
        if any(sign in text for sign in signs):
            return kind(message.format(port=port, action=action, fatal=fatal), hint=hint)
    return EngineError(f"esptool failed while {action}: {fatal}")


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"
